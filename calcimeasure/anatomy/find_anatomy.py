"""`find_anatomy`: the field, the limbs and the bone of one film."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.anatomy.bone_mask import find_bone
from calcimeasure.anatomy.exposed_field import find_field
from calcimeasure.anatomy.film_quality import anatomy_warnings
from calcimeasure.anatomy.limb_masks import find_limbs
from calcimeasure.anatomy.reduced_film import reduce_film

if TYPE_CHECKING:
    from calcimeasure.radiograph import Radiograph

_EXPECTED_LIMBS = {"L": 1, "R": 1, "B": 2}


def find_anatomy(film: Radiograph) -> Anatomy:
    """Return the masks of the exposed field, the limbs and the bone of a film.

    Works on any limb at any size, without a spacing. A film without a limb gives empty masks and a warning.

    Parameters
    ----------
    film
        The film, more calcium brighter.

    Returns
    -------
    Anatomy
        Masks on a grid of about 450 cells along the longer side, and warnings about the film.
    """
    reduced = reduce_film(film)
    field = find_field(reduced) if reduced.contrast > 0 else np.zeros(reduced.grey.shape, dtype=np.bool_)
    limbs = find_limbs(reduced, field, expected=_EXPECTED_LIMBS.get(film.identity.side or ""))
    bone = find_bone(reduced.grey, limbs.labels, air_level=limbs.air_level)
    return Anatomy(
        step=reduced.step,
        field=field,
        limbs=limbs.labels,
        bone=bone,
        shape=film.shape,
        warnings=anatomy_warnings(film, reduced, field, limbs, bone),
    )
