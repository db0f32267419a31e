"""The masks of one film as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box, bounding_box
from calcimeasure.errors import FilmError
from calcimeasure.notices import Notice

Cell = TypeVar("Cell", bound=np.generic)


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """The masks of exposed field, limbs and bone, on a grid coarser than the film by `step`; `on_film` enlarges one.

    Attributes
    ----------
    step
        Film pixels a cell, along both axes.
    field
        True where the beam reached the film inside the collimation and the file declares a picture.
    limbs
        uint8; 0 is no limb, 1 the leftmost, and so on.
    bone
        True over bone.
    shape
        Shape of the film.
    warnings
        Why the film may be unsuitable (not a limb, over-exposed, a cast, an implant).
    """

    step: int
    field: NDArray[np.bool_]
    limbs: NDArray[np.uint8]
    bone: NDArray[np.bool_]
    shape: tuple[int, int]
    warnings: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        expected = (-(-self.shape[0] // self.step), -(-self.shape[1] // self.step))
        for name in ("field", "limbs", "bone"):
            if getattr(self, name).shape != expected:
                raise FilmError(f"the {name} mask is {getattr(self, name).shape}, expected {expected}")

    @property
    def limb_count(self) -> int:
        """Number of limbs on the film."""
        return int(self.limbs.max(initial=0))

    def on_film(self, mask: NDArray[Cell]) -> NDArray[Cell]:
        """Return one of the masks on the film's own grid (nearest neighbour)."""
        rows, cols = self.shape
        return np.repeat(np.repeat(mask, self.step, axis=0), self.step, axis=1)[:rows, :cols]


def film_box(anatomy: Anatomy, mask: NDArray[np.bool_]) -> Box | None:
    """Return the bounding box of one of the masks in film pixels; None for an empty mask."""
    cells = bounding_box(mask)
    if cells is None:
        return None
    rows, cols = (
        slice(side.start * anatomy.step, min(side.stop * anatomy.step, size))
        for side, size in zip(cells, anatomy.shape, strict=True)
    )
    return (rows, cols)
