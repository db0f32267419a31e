"""The film on the coarse grid that its masks are found on: independent of spacing, grey values scaled to 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from calcimeasure.radiograph import Radiograph

LONG_SIDE_CELLS = 448
_DARKEST_PERCENT, _BRIGHTEST_PERCENT = 0.5, 99.5


@dataclass(frozen=True, kw_only=True, eq=False)
class ReducedFilm:
    """A film on the reduced grid.

    Attributes
    ----------
    step
        Film pixels a cell along both axes.
    grey
        Mean of the film in each cell, float32; 0 to 1 spans the picture's own range, values beyond are kept.
    recorded
        False where the file declares padding.
    contrast
        Grey range of the film that 0 to 1 stands for; 0 for a constant film.
    """

    step: int
    grey: NDArray[np.float32]
    recorded: NDArray[np.bool_]
    contrast: float


def step_of(shape: tuple[int, int]) -> int:
    """Return how many film pixels make a cell for a film of this shape."""
    return max(1, -(-max(shape) // LONG_SIDE_CELLS))


def cell_mean(pixels: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the mean of each cell of `step` by `step` pixels; the last row and column of cells may be cut short."""
    rows, cols = -(-pixels.shape[0] // step), -(-pixels.shape[1] // step)
    if step == 1:
        return pixels.astype(np.float32)
    padded = cv2.copyMakeBorder(
        pixels, 0, rows * step - pixels.shape[0], 0, cols * step - pixels.shape[1], cv2.BORDER_REPLICATE
    )
    return cast("NDArray[np.float32]", cv2.resize(padded, (cols, rows), interpolation=cv2.INTER_AREA))


def reduce_film(film: Radiograph) -> ReducedFilm:
    """Return the film on the reduced grid."""
    step = step_of(film.shape)
    grey = cell_mean(film.pixels, step)
    grey = np.nan_to_num(grey, nan=0.0, posinf=film.grey.highest, neginf=film.grey.lowest)
    recorded = np.ones(grey.shape, dtype=np.bool_)
    if film.padding is not None:
        recorded = cell_mean(film.padding.astype(np.float32), step) < 0.5
    values = grey[recorded]
    if values.size == 0:
        return ReducedFilm(step=step, grey=np.zeros_like(grey), recorded=recorded, contrast=0.0)
    darkest, brightest = np.percentile(values, [_DARKEST_PERCENT, _BRIGHTEST_PERCENT])
    contrast = float(brightest - darkest)
    if contrast <= 0:
        # More than 99 % of the picture is one value: what little differs still sets the range.
        darkest, brightest = float(values.min()), float(values.max())
        contrast = float(brightest - darkest)
    scaled = (grey - darkest) / contrast if contrast > 0 else np.zeros_like(grey)
    return ReducedFilm(step=step, grey=scaled.astype(np.float32), recorded=recorded, contrast=contrast)
