"""A film on the grid that all detection works on: cells of 0.2 mm, and its grey scale by soft tissue and bone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.working_grid import working_grid
from calcimeasure.radiograph import Radiograph


@dataclass(frozen=True, kw_only=True, eq=False)
class ResampledFilm:
    """A film resampled to cells of 0.2 mm; the inputs of the networks and of the classical method derive from it.

    Attributes
    ----------
    pixels
        float32, (rows, cols): film values, averaged over each cell.
    factor
        (rows, columns) film pixels a cell.
    cell_spacing_mm
        Millimetres a cell; assumed where the film has no spacing.
    """

    pixels: NDArray[np.float32]
    factor: tuple[float, float]
    cell_spacing_mm: float


@cache_per_film
def resampled_film(film: Radiograph, anatomy: Anatomy) -> ResampledFilm:
    """Return the film on cells of 0.2 mm; computed once a film."""
    shape, spacing = working_grid(film, anatomy)
    shrinks = shape[0] < film.shape[0] and shape[1] < film.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    pixels = np.asarray(cv2.resize(np.asarray(film.pixels), shape[::-1], interpolation=method), dtype=np.float32)
    pixels.flags.writeable = False
    factor = (film.shape[0] / shape[0], film.shape[1] / shape[1])
    return ResampledFilm(pixels=pixels, factor=factor, cell_spacing_mm=spacing)


def tissue_scale(
    grey: NDArray[np.float32], limb: NDArray[np.bool_], bone: NDArray[np.bool_], *, every: int = 1
) -> tuple[float, float]:
    """Return the value of soft tissue and the rise from it to bone; never a rise of zero.

    Parameters
    ----------
    grey, limb, bone
        On one grid.
    every
        Only every n-th cell counts.
    """
    tissue, bony = grey[limb & ~bone][::every], grey[bone][::every]
    inside = grey[limb][::every] if limb.any() else grey.ravel()[::every]
    level = float(np.median(tissue)) if tissue.size else float(np.median(inside))
    high = float(np.percentile(bony, 75)) if bony.size else float(np.percentile(inside, 98))
    return level, max(high - level, 1e-6 * max(1.0, abs(high)), 1e-6)
