"""Text that was burned into a film over the limb itself: found, so that pictures can blank it.

What lies outside the limbs is blanked anyway (`display`). Software writes its text in one flat value at an end of the
grey scale, in strokes with sharp edges, in rows of figures of like height that stand on one line; nothing that X-rays
draw does all of that. Lettering in greys of the film, or softened by lossy compression, is not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.radiograph import Radiograph

Mask = NDArray[np.bool_]

# Of the film's range: what still counts as its end, and how far a stroke stands out from what is beside it.
_END, _STEP = 0.01, 0.2
_SMALLEST_PX, _LARGEST_PX = 5, 150
_SMALLEST_AREA_PX = 5
_MOST_COMPONENTS = 20_000
# A row of text: how many figures, how like in height, how well on one line, how near one another (in heights).
_LEAST_FIGURES, _LIKE, _ON_LINE, _NEAR = 4, 1.5, 0.15, 1.6
_MARGIN = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBox:
    """A box of film pixels that holds a row of text: first and one past the last row and column."""

    row0: int
    row1: int
    col0: int
    col1: int


def text_boxes(film: Radiograph, anatomy: Anatomy) -> list[TextBox]:
    """Return the boxes of rows of text over the limbs, level or standing on end."""
    rows, cols = _limb_slices(anatomy)
    pixels = film.pixels[rows, cols]
    if not pixels.size:
        return []
    lowest, highest = cv2.minMaxLoc(film.pixels)[:2]
    span = highest - lowest
    if span <= 0:
        return []
    boxes = []
    over_limb = _enlarged(anatomy, rows, cols)
    for end in (highest, lowest):
        flat = cv2.bitwise_and(cv2.inRange(pixels, end - _END * span, end + _END * span), over_limb)
        figures = _figures(pixels, np.asarray(flat, dtype=np.uint8), end, _STEP * span)
        boxes += _rows_of_text(figures, turned=False) + _rows_of_text(figures, turned=True)
    return [
        TextBox(
            row0=max(top + rows.start, 0),
            row1=min(bottom + rows.start, film.shape[0]),
            col0=max(left + cols.start, 0),
            col1=min(right + cols.start, film.shape[1]),
        )
        for top, bottom, left, right in boxes
    ]


def _limb_slices(anatomy: Anatomy) -> tuple[slice, slice]:
    limbs = anatomy.limbs > 0
    found = [np.flatnonzero(limbs.any(axis=axis)) for axis in (1, 0)]
    if not found[0].size:
        return slice(0, 0), slice(0, 0)
    first, second = (
        slice(int(lines[0]) * anatomy.step, min(int(lines[-1] + 1) * anatomy.step, size))
        for lines, size in zip(found, anatomy.shape, strict=True)
    )
    return first, second


def _enlarged(anatomy: Anatomy, rows: slice, cols: slice) -> NDArray[np.uint8]:
    """Return 255 over the limbs and a little beyond on the film's own grid, within these rows and columns."""
    step = anatomy.step
    cells = (anatomy.limbs > 0).astype(np.uint8)[rows.start // step : -(-rows.stop // step), cols.start // step :]
    grown = cv2.dilate(255 * cells, np.ones((5, 5), np.uint8))
    size = (grown.shape[1] * step, grown.shape[0] * step)
    enlarged = cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(enlarged, dtype=np.uint8)[: rows.stop - rows.start, : cols.stop - cols.start]


def _figures(pixels: NDArray[np.float32], flat: NDArray[np.uint8], end: float, step: float) -> NDArray[np.int64]:
    """Return the boxes (top, bottom, left, right) of what may be figures: small, flat, with sharp edges."""
    none = np.empty((0, 4), dtype=np.int64)
    if cv2.countNonZero(flat) < _LEAST_FIGURES * _SMALLEST_AREA_PX:
        return none
    left0, top0, wide0, high0 = cv2.boundingRect(flat)
    within = (slice(top0, top0 + high0), slice(left0, left0 + wide0))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(flat[within], connectivity=8)
    if not 1 < count <= _MOST_COMPONENTS:
        return none
    width, height, area = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
    longer = np.maximum(width, height)
    likely = (longer >= _SMALLEST_PX) & (longer <= _LARGEST_PX) & (area >= _SMALLEST_AREA_PX)
    likely[0] = False
    found = []
    for number in np.flatnonzero(likely):
        left, top, wide, high = (int(value) for value in stats[number, :4])
        own = np.pad(np.asarray(labels)[top : top + high, left : left + wide] == number, 3)
        left, top = left + left0, top + top0
        around = _padded(pixels, top - 3, left - 3, own.shape)
        if _is_sharp(around - end, own, step):
            found.append((top, top + high, left, left + wide))
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def _padded(pixels: NDArray[np.float32], top: int, left: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a window of the picture, repeated beyond its edge."""
    rows = np.clip(np.arange(top, top + shape[0]), 0, pixels.shape[0] - 1)
    cols = np.clip(np.arange(left, left + shape[1]), 0, pixels.shape[1] - 1)
    return pixels[np.ix_(rows, cols)]


def _is_sharp(below_end: NDArray[np.float32], own: Mask, step: float) -> bool:
    """Return whether the picture falls off from a component within two pixels, nearly all round."""
    mask = own.astype(np.uint8)
    near, far = (cv2.dilate(mask, np.ones((size, size), np.uint8)) for size in (3, 5))
    beside = (far > 0) & (near == 0)
    return bool(beside.any()) and float(np.quantile(np.abs(below_end[beside]), 0.3)) >= step


def _rows_of_text(figures: NDArray[np.int64], *, turned: bool) -> list[tuple[int, int, int, int]]:
    """Return the boxes of rows that figures stand in, side by side on one line; `turned` for text on end."""
    if turned:
        figures = figures[:, [2, 3, 0, 1]]
    order = np.argsort(figures[:, 2], kind="stable")
    rows: list[list[NDArray[np.int64]]] = []
    for figure in figures[order]:
        for row in rows:
            if _follows(row[-1], figure):
                row.append(figure)
                break
        else:
            rows.append([figure])
    boxes = []
    for row in rows:
        if len(row) >= _LEAST_FIGURES:
            box = np.array(row)
            room = round(_MARGIN * float(box[:, 1].max() - box[:, 0].min()))
            top, bottom = int(box[:, 0].min()) - room, int(box[:, 1].max()) + room
            left, right = int(box[:, 2].min()) - room, int(box[:, 3].max()) + room
            boxes.append((left, right, top, bottom) if turned else (top, bottom, left, right))
    return boxes


def _follows(before: NDArray[np.int64], figure: NDArray[np.int64]) -> bool:
    heights = (int(before[1] - before[0]), int(figure[1] - figure[0]))
    tall = max(heights)
    return (
        tall <= _LIKE * min(heights)
        and abs(int(figure[1] - before[1])) <= max(_ON_LINE * tall, 1.0)
        and int(figure[2] - before[3]) <= _NEAR * tall
    )
