"""What can be done with an alignment: map points, turn it round, show one film as the other would.

Points are (row, col) pixel indices, 0 at the centre of the first pixel. A warped film is for looking at and for
matching labels, never for measuring.
"""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.registration_records import Alignment

Pixel = TypeVar("Pixel", bound=np.generic)

INVERSE_ROUNDS = 12
CONVERGED_PX = 1e-3


def map_points(alignment: Alignment, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return where (row, col) points of the baseline lie on the follow-up.

    Parameters
    ----------
    alignment
        Where each place of the baseline lies on the follow-up.
    points
        (..., 2).

    Returns
    -------
    numpy.ndarray
        float64, the same shape.

    See Also
    --------
    inverse : The mapping the other way.
    """
    flat = np.asarray(points, np.float64).reshape(-1, 2)
    mapped = flat @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    if alignment.residual is not None:
        mapped += _interpolated(alignment.residual, flat / alignment.step)
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
    """Return the alignment the other way: where each place of the follow-up lies on the baseline.

    Parameters
    ----------
    alignment
        Baseline to follow-up.
    shape
        (rows, columns) of the follow-up.

    Returns
    -------
    Alignment
        Its `reverse` is the alignment given, so that matching rests on the same numbers either way; turning it round
        again returns that very value.
    """
    if alignment.reverse is not None:
        return alignment.reverse
    linear = np.linalg.inv(alignment.matrix[:, :2])
    matrix = np.column_stack([linear, -linear @ alignment.matrix[:, 2]])
    if alignment.residual is None and alignment.uncertainty is None:
        return Alignment(matrix=matrix, flipped=alignment.flipped, reverse=alignment)
    size = float(np.sqrt(abs(np.linalg.det(alignment.matrix[:, :2]))))
    step = max(1, round(alignment.step * size))
    nodes = grid_nodes(shape, step)
    affine = nodes @ linear.T + matrix[:, 2]
    places = affine.copy()
    for _ in range(INVERSE_ROUNDS):
        # Newton's step with the affine part's derivative: the residual's own is small beside it.
        missing = map_points(alignment, places) - nodes
        if np.abs(missing).max(initial=0.0) < CONVERGED_PX:
            break
        places -= missing @ linear.T
    uncertainty = None
    if alignment.uncertainty is not None:
        uncertainty = (uncertainty_at(alignment, places) * size).astype(np.float32)
    return Alignment(
        matrix=matrix,
        residual=(places - affine).astype(np.float32),
        step=step,
        flipped=alignment.flipped,
        uncertainty=uncertainty,
        reverse=alignment,
    )


def grid_nodes(shape: tuple[int, int], step: int) -> NDArray[np.float64]:
    """Return the grid's (row, col) positions, every `step` pixels and reaching over the film's last row and column."""
    rows = np.arange(-(-(shape[0] - 1) // step) + 1) * float(step)
    cols = np.arange(-(-(shape[1] - 1) // step) + 1) * float(step)
    return np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1)


def warp_to_baseline(
    image: NDArray[Pixel], alignment: Alignment, shape: tuple[int, int], *, order: int = 1, outside: float = 0.0
) -> NDArray[Pixel]:
    """Return a picture or label image of the follow-up as the baseline would show it. For looking at, not measuring.

    Parameters
    ----------
    image
        On the follow-up's grid; of a type that OpenCV can resample (uint8, uint16, int16, float32, float64) or bool.
    alignment
        Baseline to follow-up.
    shape
        (rows, columns) of the baseline.
    order
        1 for pictures (linear), 0 for labels and masks (nearest).
    outside
        Value where the follow-up shows nothing.
    """
    places = dense_map(alignment, shape)
    how = cv2.INTER_LINEAR if order else cv2.INTER_NEAREST
    source: Any = image.astype(np.uint8) if image.dtype == np.bool_ else image
    warped = cv2.remap(
        source, places[..., 1], places[..., 0], how, borderMode=cv2.BORDER_CONSTANT, borderValue=float(outside)
    )
    return np.asarray(warped).astype(image.dtype, copy=False)


def dense_map(alignment: Alignment, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return where every pixel of the baseline lies on the follow-up: float32, (rows, cols, 2)."""
    rows, cols = shape
    row = np.arange(rows, dtype=np.float64)[:, None]
    col = np.arange(cols, dtype=np.float64)[None, :]
    matrix = alignment.matrix
    places = np.empty((rows, cols, 2), np.float32)
    for axis in (0, 1):
        places[..., axis] = matrix[axis, 0] * row + matrix[axis, 1] * col + matrix[axis, 2]
    if alignment.residual is not None:
        pace = 1.0 / alignment.step
        enlarge = np.array([[pace, 0.0, 0.0], [0.0, pace, 0.0]])
        places += cv2.warpAffine(
            alignment.residual,
            enlarge,
            (cols, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return places


def _interpolated(grid: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a grid's values at fractional indices, linearly; beyond its border, the border's."""
    row = at[:, 0].clip(0, grid.shape[0] - 1)
    col = at[:, 1].clip(0, grid.shape[1] - 1)
    top = np.minimum(row.astype(np.intp), max(grid.shape[0] - 2, 0))
    left = np.minimum(col.astype(np.intp), max(grid.shape[1] - 2, 0))
    down = np.minimum(top + 1, grid.shape[0] - 1)
    right = np.minimum(left + 1, grid.shape[1] - 1)
    part_row, part_col = (row - top)[:, None], (col - left)[:, None]
    upper = grid[top, left] * (1 - part_col) + grid[top, right] * part_col
    lower = grid[down, left] * (1 - part_col) + grid[down, right] * part_col
    result: NDArray[np.float64] = upper * (1 - part_row) + lower * part_row
    return result
