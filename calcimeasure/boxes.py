"""Windows of a film: a range of rows and one of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, slice]
"""Rows and columns of a film."""


def box_at(corner: tuple[int, int], shape: tuple[int, ...]) -> Box:
    """Return the window of something of a shape whose first row and column are known."""
    rows, cols = (slice(first, first + size) for first, size in zip(corner, shape, strict=True))
    return (rows, cols)


def relative_box(outer: Box, inner: Box) -> Box:
    """Return where in one window another one lies, in the first one's own rows and columns."""
    rows, cols = (slice(b.start - a.start, b.stop - a.start) for a, b in zip(outer, inner, strict=True))
    return (rows, cols)


def paste_masks(window: Box, *placed: tuple[Box, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return a mask of a window, true where one of the masks is that lie in windows within it."""
    laid = np.zeros(tuple(side.stop - side.start for side in window), dtype=np.bool_)
    for own, mask in placed:
        laid[relative_box(window, own)] |= mask
    return laid


def union_box(first: Box, second: Box) -> Box:
    """Return the smallest window that holds both."""
    rows, cols = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (rows, cols)


def pad_box(window: tuple[slice, ...], by: tuple[int, int], shape: tuple[int, ...]) -> Box:
    """Return the window with a margin of (rows, columns), as far as the film goes."""
    rows, cols = (
        slice(max(side.start - more, 0), min(side.stop + more, size))
        for side, more, size in zip(window, by, shape, strict=True)
    )
    return (rows, cols)


def bounding_box(mask: NDArray[np.bool_], within: Box | None = None) -> Box | None:
    """Return the smallest window that holds what is true, or None where nothing is.

    Parameters
    ----------
    mask
        What is true.
    within
        Where the mask lies on the film; the whole film without it.
    """
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
    """Return the smallest window of each number above 0 that a label image holds, rising; up to `most` where given."""
    found: list[Any] = ndimage.find_objects(image, max_label=most)
    return {number: (box[0], box[1]) for number, box in enumerate(found, start=1) if box is not None}
