"""A film from pixels that are already in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.canonical_film import make_film
from calcimeasure.io.film_colour import GreyPicture, grey_from_colour
from calcimeasure.io.film_options import film_options
from calcimeasure.io.film_parts import FilmParts, check_size, value_range
from calcimeasure.io.pixel_spacing import SpacingTags, choose_spacing
from calcimeasure.radiograph import Radiograph


def film_from_array(
    array: ArrayLike,
    *,
    spacing_mm: float | Sequence[float] | None = None,
    invert: bool | None = None,
    side: str | None = None,
    view: str | None = None,
    body_part: str | None = None,
    study_date: str | None = None,
) -> Radiograph:
    """Make a film of an array.

    Parameters
    ----------
    array
        Shape (rows, columns), or (rows, columns, 3) with equal channels; whole or floating-point numbers, bone
        larger than air: a picture that shows otherwise gives a warning and stays as it is. The film holds a copy.
    spacing_mm
        Distance between pixels: one number, or (row, column).
    invert
        True: bone is smaller than air. False: it is larger, and the picture is not judged.
    side, view, body_part
        What the film shows, for pairing it with another.
    study_date
        Date of the exposure, as ``2026-01-31``.

    Returns
    -------
    Radiograph
        Identified by a hash of its pixels.

    Raises
    ------
    FilmError
        If the array is no picture, or is one in colour.
    SpacingError
        If the spacing is no length.

    Examples
    --------
    >>> film = cm.film_from_array(np.eye(40, 60), spacing_mm=(0.2, 0.1), side="L", view="PA")
    >>> film.spacing.mm, film.spacing.basis.value, film.identity.side
    ((0.2, 0.1), 'user', 'L')
    """
    options = film_options(
        spacing_mm=spacing_mm, invert=invert, side=side, view=view, body_part=body_part, study_date=study_date
    )
    picture = _picture(np.asarray(array))
    lowest, highest = value_range(picture.pixels)
    parts = FilmParts(
        pixels=picture.pixels,
        lowest=lowest,
        highest=highest,
        spacing=choose_spacing(SpacingTags(), user_mm=options.spacing_mm),
        padding=picture.marks,
        direction_is_given=True,
        warnings=list(picture.notices),
    )
    return make_film(parts, options)


def _picture(array: NDArray[Any]) -> GreyPicture:
    if array.dtype.kind not in "iuf":
        raise FilmError(f"an array of {array.dtype} is not a picture", where="array", remedy="Give numbers.")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] in (3, 4):
        return grey_from_colour(array[:, :, :3], "array")
    if array.ndim != 2:
        raise FilmError(f"an array of shape {array.shape} is not one film", where="array", remedy="Give one 2-D array.")
    check_size(array.shape[0], array.shape[1], "array", bytes_a_pixel=array.dtype.itemsize)
    return GreyPicture(pixels=array)
