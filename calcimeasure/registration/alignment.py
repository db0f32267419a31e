"""What can be done with an alignment: map points, invert it, resample one film on the other's grid.

Points are (row, col) pixel indices, 0 at the center of the first pixel. A resampled film is for display and for
matching labels, never for measuring.
"""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from calcimeasure.registration.registration_records import Alignment, grid_nodes

Pixel = TypeVar("Pixel", bound=np.generic)

INVERSE_ITERATIONS = 12
CONVERGED_PX = 1e-3


def map_points(alignment: Alignment, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return where (row, col) points of the baseline lie on the follow-up; `points` is (..., 2)."""
    flat = np.asarray(points, np.float64).reshape(-1, 2)
    mapped = flat @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    if alignment.residual is not None:
        at = flat.T / alignment.step
        for axis in (0, 1):
            mapped[:, axis] += map_coordinates(
                alignment.residual[..., axis], at, output=np.float64, order=1, mode="nearest"
            )
    return np.asarray(mapped.reshape(np.shape(points)), np.float64)


def uncertainty_at(alignment: Alignment, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the alignment's standard error at (row, col) points of the baseline, in baseline pixels.

    Infinite where nothing of the follow-up corresponds; 0 for an alignment that states none.
    """
    flat = np.asarray(points, np.float64).reshape(-1, 2)
    if alignment.uncertainty is None:
        return np.zeros(np.shape(points)[:-1], np.float64)
    grid = alignment.uncertainty
    index = np.round(flat / alignment.step).astype(np.intp)
    row, col = index[:, 0].clip(0, grid.shape[0] - 1), index[:, 1].clip(0, grid.shape[1] - 1)
    return np.asarray(grid[row, col].reshape(np.shape(points)[:-1]), np.float64)


def inverse(alignment: Alignment, shape: tuple[int, int]) -> Alignment:
    """Return the alignment in the other direction: where each point of the follow-up lies on the baseline.

    Parameters
    ----------
    alignment
        Baseline to follow-up.
    shape
        (rows, columns) of the follow-up.

    Returns
    -------
    Alignment
        Its `reverse` is the alignment given, so that matching uses the same numbers in either direction; the inverse
        of the inverse is that very value.
    """
    if alignment.reverse is not None:
        return alignment.reverse
    linear = np.linalg.inv(alignment.matrix[:, :2])
    matrix = np.column_stack([linear, -linear @ alignment.matrix[:, 2]])
    if alignment.residual is None and alignment.uncertainty is None:
        return Alignment(matrix=matrix, flipped=alignment.flipped, reverse=alignment)
    step = max(1, round(alignment.step * alignment.scale))
    nodes = grid_nodes(shape, step)
    affine = nodes @ linear.T + matrix[:, 2]
    places = affine.copy()
    for _ in range(INVERSE_ITERATIONS):
        # Newton's step with the affine part's derivative: the residual's own is small beside it.
        missing = map_points(alignment, places) - nodes
        if np.abs(missing).max(initial=0.0) < CONVERGED_PX:
            break
        places -= missing @ linear.T
    uncertainty = None
    if alignment.uncertainty is not None:
        uncertainty = (uncertainty_at(alignment, places) * alignment.scale).astype(np.float32)
    return Alignment(
        matrix=matrix,
        residual=(places - affine).astype(np.float32),
        step=step,
        flipped=alignment.flipped,
        uncertainty=uncertainty,
        reverse=alignment,
    )


def warp_to_baseline(
    image: NDArray[Pixel], alignment: Alignment, shape: tuple[int, int], *, order: int = 1, outside: float = 0.0
) -> NDArray[Pixel]:
    """Return an image or label image of the follow-up resampled on the baseline's grid.

    OpenCV does it, in a quarter of the time of `SimpleITK.Resample` (``docs/design.md``).

    Parameters
    ----------
    image
        On the follow-up's grid; uint8, uint16, int16, float32, float64 or bool.
    alignment
        Baseline to follow-up.
    shape
        (rows, columns) of the baseline.
    order
        1 for images (linear), 0 for labels and masks (nearest).
    outside
        Value where the follow-up shows nothing.
    """
    places = dense_map(alignment, shape)
    row, col = places[..., 0], places[..., 1]
    how = cv2.INTER_LINEAR if order else cv2.INTER_NEAREST
    source: Any = image.astype(np.uint8) if image.dtype == np.bool_ else image
    warped = cv2.remap(source, col, row, how, borderMode=cv2.BORDER_CONSTANT, borderValue=float(outside))
    return np.asarray(warped).astype(image.dtype, copy=False)


def dense_map(alignment: Alignment, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return where every pixel of the baseline lies on the follow-up: float32, (rows, cols, 2)."""
    row = np.arange(shape[0], dtype=np.float64)[:, None]
    col = np.arange(shape[1], dtype=np.float64)[None, :]
    places = np.empty((*shape, 2), np.float32)
    for axis, (by_row, by_col, offset) in enumerate(alignment.matrix):
        places[..., axis] = by_row * row + by_col * col + offset
    if alignment.residual is not None:
        places += upsample(alignment.residual, shape, (alignment.step, alignment.step))
    return places


def upsample(
    grid: NDArray[np.float32],
    shape: tuple[int, ...],
    step: tuple[float, float],
    origin: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """Return a grid's values at every pixel, linearly interpolated: float32, (rows, columns, n).

    Parameters
    ----------
    grid
        (grid rows, grid cols, n).
    shape
        (rows, columns) of the result.
    step, origin
        Pixels between the grid's (rows, columns), and the position of its first node.
    """
    matrix = np.array([[1.0 / step[1], 0.0, -origin[1] / step[1]], [0.0, 1.0 / step[0], -origin[0] / step[0]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values = cv2.warpAffine(grid, matrix, (shape[1], shape[0]), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32)
