"""Placement of the numbers beside the outlines: near their deposit, not on another number, inside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

_GAPS = (4.0, 10.0, 20.0, 34.0, 52.0)
_DIRECTIONS = tuple((float(np.cos(a)), float(np.sin(a))) for a in np.deg2rad([-45, 45, -135, 135, 0, -90, 180, 90]))
# Cost of a square pixel of overlap, and of a pixel of distance.
_OVER_TAG, _OVER_DEPOSIT, _OUTSIDE, _DISTANCE = 10.0, 1.0, 50.0, 1.5
_LEADER_FROM = 9.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """The box of one number, in picture pixels.

    Attributes
    ----------
    leader
        A line (x0, y0, x1, y1) from the deposit to a number that stands apart; else None.
    """

    x: float
    y: float
    width: float
    height: float
    leader: Box | None


def place_tags(
    boxes: Sequence[Box], sizes: Sequence[tuple[float, float]], *, width: float, height: float, unit: float = 1.0
) -> list[Tag]:
    """Return a place for the number of each deposit.

    Parameters
    ----------
    boxes
        Of the deposits: x0, y0, x1, y1 in picture pixels.
    sizes
        Width and height of each number's box.
    width, height
        Of the picture.
    unit
        Picture pixels that count as one: distances grow with the size of the writing.
    """
    deposits = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    placed = np.empty((0, 4))
    tags = []
    for box, size in zip(boxes, sizes, strict=True):
        candidates, gaps = _candidates(box, size, unit)
        cost = _OVER_TAG * _overlap(candidates, placed) + _OVER_DEPOSIT * _overlap(candidates, deposits)
        inside = _overlap(candidates, np.array([[0.0, 0.0, width, height]]))
        cost += _OUTSIDE * (size[0] * size[1] - inside) + _DISTANCE * unit * gaps
        best = int(np.argmin(cost))
        x0, y0, x1, y1 = candidates[best]
        placed = np.vstack([placed, candidates[best]])
        leader = _leader(box, (x0, y0, x1, y1)) if gaps[best] > _LEADER_FROM * unit else None
        tags.append(Tag(x=float(x0), y=float(y0), width=size[0], height=size[1], leader=leader))
    return tags


def _candidates(box: Box, size: tuple[float, float], unit: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    found, gaps = [], []
    for gap in _GAPS:
        for dx, dy in _DIRECTIONS:
            # On a diagonal the number may come nearer: the corner of a box is rarely on the deposit.
            near = 0.82 if abs(dx * dy) > 0.1 else 1.0
            half_x, half_y = (near * (box[2] - box[0]) + size[0]) / 2, (near * (box[3] - box[1]) + size[1]) / 2
            x = centre_x + np.sign(round(dx, 6)) * half_x + dx * gap * unit - size[0] / 2
            y = centre_y + np.sign(round(dy, 6)) * half_y + dy * gap * unit - size[1] / 2
            found.append((x, y, x + size[0], y + size[1]))
            gaps.append(gap * unit)
    return np.array(found), np.array(gaps)


def _overlap(candidates: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(others):
        return np.zeros(len(candidates))
    low = np.maximum(candidates[:, np.newaxis, :2], others[np.newaxis, :, :2])
    high = np.minimum(candidates[:, np.newaxis, 2:], others[np.newaxis, :, 2:])
    total: NDArray[np.float64] = np.prod(np.clip(high - low, 0.0, None), axis=2).sum(axis=1)
    return total


def _leader(box: Box, tag: Box) -> Box:
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x = min(max(centre_x, tag[0]), tag[2])
    y = min(max(centre_y, tag[1]), tag[3])
    return (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]), x, y)
