"""Boxes: a range of rows and one of columns of a film."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, slice]
"""Rows and columns of a film."""


def box_at(corner: tuple[int, int], shape: tuple[int, ...]) -> Box:
    """Return the box of a shape at a first row and column."""
    rows, cols = (slice(first, first + size) for first, size in zip(corner, shape, strict=True))
    return (rows, cols)


def relative_box(outer: Box, inner: Box) -> Box:
    """Return the inner box in rows and columns counted from the outer one's corner."""
    rows, cols = (slice(b.start - a.start, b.stop - a.start) for a, b in zip(outer, inner, strict=True))
    return (rows, cols)


def paste_masks(window: Box, *placed: tuple[Box, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return a mask of a box: the union of masks that lie in boxes within it."""
    laid = np.zeros(tuple(side.stop - side.start for side in window), dtype=np.bool_)
    for own, mask in placed:
        laid[relative_box(window, own)] |= mask
    return laid


def union_box(first: Box, second: Box) -> Box:
    """Return the smallest box that holds both."""
    rows, cols = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (rows, cols)


def pad_box(window: tuple[slice, ...], by: tuple[int, int], shape: tuple[int, ...]) -> Box:
    """Return the box with a margin of (rows, columns), cut at the film's border."""
    rows, cols = (
        slice(max(side.start - more, 0), min(side.stop + more, size))
        for side, more, size in zip(window, by, shape, strict=True)
    )
    return (rows, cols)


def bounding_box(mask: NDArray[np.bool_], within: Box | None = None) -> Box | None:
    """Return the smallest box that holds the True pixels of a mask, or None; `within` is the mask's own box."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    row, col = (0, 0) if within is None else (within[0].start, within[1].start)
    return (
        slice(row + int(rows[0]), row + int(rows[-1]) + 1),
        slice(col + int(cols[0]), col + int(cols[-1]) + 1),
    )


def bounding_boxes(image: NDArray[np.integer], most: int = 0) -> dict[int, Box]:
    """Return the bounding box of each label of a label image, rising; of labels up to `most` where given."""
    boxes: Sequence[tuple[slice, ...] | None] = ndimage.find_objects(image, max_label=most)
    return {number: (box[0], box[1]) for number, box in enumerate(boxes, start=1) if box is not None}
