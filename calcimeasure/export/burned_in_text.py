"""Burned-in text over the limbs, found so that pictures can blank it; everything outside the limbs is blanked anyway.

Burned-in text has one flat value at an end of the grey scale, sharp edges, and rows of figures of like height on one
line; no anatomy has all of these. Text in greys of the film, or softened by lossy compression, is not found.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy, film_box
from calcimeasure.anatomy.image_filters import components, dilated, square
from calcimeasure.boxes import Box, bounding_box
from calcimeasure.radiograph import Radiograph

Mask = NDArray[np.bool_]

# Of the film's range: the width of its ends, and the least step at the edge of a stroke.
_END, _STEP = 0.01, 0.2
_SMALLEST_PX, _LARGEST_PX = 5, 150
_SMALLEST_AREA_PX = 5
_MOST_COMPONENTS = 20_000
# A row of text: how many figures, how like in height, how well on one line, how near one another (in heights).
_LEAST_FIGURES, _LIKE, _ON_LINE, _NEAR = 4, 1.5, 0.15, 1.6
_MARGIN = 0.6


def text_boxes(film: Radiograph, anatomy: Anatomy) -> list[Box]:
    """Return the boxes of rows of text over the limbs, horizontal or vertical."""
    window = film_box(anatomy, anatomy.limbs > 0)
    if window is None:
        return []
    rows, cols = window
    lowest, highest = cv2.minMaxLoc(film.pixels)[:2]
    span = highest - lowest
    if span <= 0:
        return []
    pixels = film.pixels[window]
    over_limb = anatomy.on_film(dilated(anatomy.limbs > 0, square(5)))[window]
    boxes = []
    for end in (highest, lowest):
        flat = over_limb & (cv2.inRange(pixels, end - _END * span, end + _END * span) > 0)
        flat_box = bounding_box(flat)
        if flat_box is None:
            continue
        figures = _figures(pixels, flat, flat_box, end, _STEP * span)
        boxes += _rows_of_text(figures, vertical=False) + _rows_of_text(figures, vertical=True)
    return [
        (
            slice(max(top + rows.start, 0), min(bottom + rows.start, film.shape[0])),
            slice(max(left + cols.start, 0), min(right + cols.start, film.shape[1])),
        )
        for top, bottom, left, right in boxes
    ]


def _figures(pixels: NDArray[np.float32], flat: Mask, box: Box, end: float, step: float) -> NDArray[np.int64]:
    """Return the boxes (top, bottom, left, right) of what may be figures: small, flat, with sharp edges."""
    found = []
    labels, stats = components(flat[box])
    if len(stats) < _MOST_COMPONENTS:
        longer, area = stats[:, 2:4].max(axis=1, initial=0), stats[:, 4]
        likely = (longer >= _SMALLEST_PX) & (longer <= _LARGEST_PX) & (area >= _SMALLEST_AREA_PX)
        for number in np.flatnonzero(likely):
            left, top, wide, high = (int(value) for value in stats[number, :4])
            own = np.pad(labels[top : top + high, left : left + wide] == number + 1, 3)
            top, left = top + box[0].start, left + box[1].start
            # The window around it, repeated beyond the film's edge.
            rows = np.clip(np.arange(top - 3, top + high + 3), 0, pixels.shape[0] - 1)
            cols = np.clip(np.arange(left - 3, left + wide + 3), 0, pixels.shape[1] - 1)
            if _is_sharp(pixels[np.ix_(rows, cols)] - end, own, step):
                found.append((top, top + high, left, left + wide))
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def _is_sharp(below_end: NDArray[np.float32], own: Mask, step: float) -> bool:
    """Return whether the picture falls off from a component within two pixels, nearly all round."""
    beside = dilated(own, square(5)) & ~dilated(own, square(3))
    return bool(beside.any()) and float(np.quantile(np.abs(below_end[beside]), 0.3)) >= step


def _rows_of_text(figures: NDArray[np.int64], *, vertical: bool) -> list[tuple[int, int, int, int]]:
    """Return the boxes of rows of figures, side by side on one line; `vertical` for text turned by 90 degrees."""
    if vertical:
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
            boxes.append((left, right, top, bottom) if vertical else (top, bottom, left, right))
    return boxes


def _follows(before: NDArray[np.int64], figure: NDArray[np.int64]) -> bool:
    heights = (int(before[1] - before[0]), int(figure[1] - figure[0]))
    tall = max(heights)
    return (
        tall <= _LIKE * min(heights)
        and abs(int(figure[1] - before[1])) <= max(_ON_LINE * tall, 1.0)
        and int(figure[2] - before[3]) <= _NEAR * tall
    )
