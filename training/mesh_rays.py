"""The length of a closed triangle mesh along parallel rays, exact at every pixel's centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grid = tuple[tuple[int, int], float]
"""((rows, columns), spacing in mm); the corner of pixel (0, 0) lies at (0, 0)."""
STEPS = 256  # positions are rounded to so many steps a pixel: whole numbers, so that neighbours agree on each pixel


def ray_length(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], grid: Grid
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """Return the length of a mesh along the third axis.

    A ray leaves the mesh where a face looks along it and enters where a face looks against it: the length is the sum
    of the depths of the first less that of the second.

    Parameters
    ----------
    vertices
        (n, 3) mm: along the columns, down the rows, along the beam.
    faces
        (m, 3), consistently wound; the mesh is closed.
    grid
        Where the rays meet the film.

    Returns
    -------
    tuple
        float32 mm at the pixels that the mesh may cover, and where in the grid they lie.
    """
    (rows, cols), spacing = grid
    place = np.rint((vertices[:, :2] / spacing - 0.5) * STEPS).astype(np.int64)
    low, high = place.min(axis=0), place.max(axis=0)
    left, top = (max(int(v), 0) for v in -(-low // STEPS))
    right, bottom = (min(int(v), end) + 1 for v, end in zip(high // STEPS, (cols - 1, rows - 1), strict=True))
    if right <= left or bottom <= top:
        return np.zeros((0, 0), np.float32), (slice(0, 0), slice(0, 0))
    length = _depth_sum(place - np.array([left, top]) * STEPS, vertices[:, 2], faces, (bottom - top, right - left))
    # Faces may be wound either way: a mirrored mesh gives the negative.
    length = np.maximum(length * np.sign(length.sum()), 0)
    return length.astype(np.float32), (slice(top, bottom), slice(left, right))


def _depth_sum(
    place: NDArray[np.int64], depth: NDArray[np.float64], faces: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    corners = place[faces]  # (m, 3, 2)
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    doubled = _cross(second - first, third - first)
    turned = doubled < 0
    faces = np.where(turned[:, None], faces[:, [0, 2, 1]], faces)
    corners = place[faces]
    low = np.maximum(-(-corners.min(axis=1) // STEPS), 0)
    high = np.minimum(corners.max(axis=1) // STEPS, np.array(shape[::-1]) - 1)
    size = np.maximum(high - low + 1, 0)
    count = np.where(doubled == 0, 0, size[:, 0] * size[:, 1])
    face = np.repeat(np.arange(len(faces)), count)
    number = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    col = low[face, 0] + number % size[face, 0]
    row = low[face, 1] + number // size[face, 0]
    weight = np.zeros(len(face))
    kept = np.ones(len(face), bool)
    for corner in range(3):
        start, end = corners[:, (corner + 1) % 3], corners[:, (corner + 2) % 3]
        edge = end - start
        side = edge[face, 0] * (row * STEPS - start[face, 1]) - edge[face, 1] * (col * STEPS - start[face, 0])
        # A pixel on an edge belongs to the face on one side of it only.
        owns = (edge[:, 1] < 0) | ((edge[:, 1] == 0) & (edge[:, 0] > 0))
        kept &= (side > 0) | ((side == 0) & owns[face])
        weight += side * depth[faces[:, corner]][face]
    value = weight / np.maximum(np.abs(doubled), 1)[face] * np.where(turned, -1.0, 1.0)[face]
    index = (row * shape[1] + col)[kept]
    return np.bincount(index, value[kept], shape[0] * shape[1]).reshape(shape)


def _cross(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
