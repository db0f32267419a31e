"""The grid that deposits are looked for on: 0.2 mm; without millimetres the limb is taken to be of usual size."""

from __future__ import annotations

import numpy as np

from calcimeasure.anatomy import Anatomy
from calcimeasure.radiograph import Radiograph

WORKING_SPACING_MM = 0.2
# Without millimetres: the longer side of the limbs' frame is a hand with its wrist.
ASSUMED_LONG_SIDE_MM = 230.0
_LARGEST_CELLS = 6_000_000


def nominal_spacing_mm(film: Radiograph, anatomy: Anatomy | None = None) -> tuple[float, float]:
    """Return (row, column) size of a pixel: the film's spacing, or a guess that only sets reaches and tolerances."""
    rows_a_mm, cols_a_mm = pixels_per_mm(film, anatomy)
    return film.spacing.mm or (1.0 / rows_a_mm, 1.0 / cols_a_mm)


def pixels_per_mm(film: Radiograph, anatomy: Anatomy | None = None) -> tuple[float, float]:
    """Return (rows, columns) film pixels a millimetre.

    Where the film has no spacing, the limbs' frame is taken to be `ASSUMED_LONG_SIDE_MM` long; the film's frame where
    its anatomy is not given.
    """
    if film.spacing.mm is not None:
        return (1.0 / film.spacing.mm[0], 1.0 / film.spacing.mm[1])
    extent, step = np.array(film.shape), 1
    if anatomy is not None:
        places = np.argwhere(anatomy.limbs > 0)
        extent = np.ptp(places, axis=0) + 1 if len(places) else np.array(anatomy.limbs.shape)
        step = anatomy.step
    pixels = float(max(extent[0] * film.spacing.pixel_aspect, extent[1])) * step
    a_mm = pixels / ASSUMED_LONG_SIDE_MM
    return (a_mm / film.spacing.pixel_aspect, a_mm)


def working_grid(film: Radiograph, anatomy: Anatomy) -> tuple[tuple[int, int], float]:
    """Return how many (rows, columns) cells span the film, and the millimetres a cell."""
    rows_a_mm, cols_a_mm = pixels_per_mm(film, anatomy)
    cell_spacing = WORKING_SPACING_MM
    cells = film.shape[0] / (rows_a_mm * cell_spacing) * film.shape[1] / (cols_a_mm * cell_spacing)
    if cells > _LARGEST_CELLS:  # a spacing that cannot be that of a limb must not cost gigabytes
        cell_spacing *= float(np.sqrt(cells / _LARGEST_CELLS))
    shape = (
        max(1, round(film.shape[0] / (rows_a_mm * cell_spacing))),
        max(1, round(film.shape[1] / (cols_a_mm * cell_spacing))),
    )
    return shape, cell_spacing
