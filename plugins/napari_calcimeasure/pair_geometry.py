"""Where the films of a review lie: each in its own millimetres, the right one laid over the left one near a point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph, Spacing
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.registration_records import Alignment

Point = tuple[float, float]
"""(row, col) in the pixels of a film."""
REACH_PX = 20.0
"""How far around a point the local affine map is taken from."""


class PairGeometry:
    """The geometry of one review.

    Parameters
    ----------
    films
        By visit; one film alone is the baseline.
    alignment
        Baseline to follow-up, or None for one film and for a pair that could not be aligned.
    order
        The films from left to right.
    """

    def __init__(
        self, films: Mapping[TimePoint, Radiograph], alignment: Alignment | None, order: tuple[TimePoint, ...]
    ) -> None:
        self.films = films
        self.alignment = alignment
        self.order = order

    @cached_property
    def _inverse(self) -> Alignment | None:
        return None if self.alignment is None else inverse(self.alignment, self.films[TimePoint.FOLLOWUP].shape)

    def mapping(self, visit: TimePoint) -> Alignment | None:
        """Return the alignment from a film to the other one, or None where there is none."""
        return self.alignment if visit is TimePoint.BASELINE else self._inverse

    def affine(self, visit: TimePoint, at: Point | None = None) -> NDArray[np.float64]:
        """Return the (3, 3) matrix from a film's (row, col) to the world.

        The film on the left lies as it is; the other is laid exactly over it near `at`, a point of its own (its centre
        where none is given), where the films are aligned.
        """
        mapping = self.mapping(visit)
        if visit is self.order[0] or mapping is None:
            return pixels_to_world(self.films[visit])
        rows, cols = self.films[visit].shape
        row, col = at or (rows / 2, cols / 2)
        steps = ((0, 0), (REACH_PX, 0), (0, REACH_PX), (-REACH_PX, 0), (0, -REACH_PX))
        placed = map_points(mapping, np.array([(row + down, col + right) for down, right in steps]))
        local = np.eye(3)
        local[:2, :2] = np.column_stack([placed[1] - placed[3], placed[2] - placed[4]]) / (2 * REACH_PX)
        local[:2, 2] = placed[0] - local[:2, :2] @ (row, col)
        return pixels_to_world(self.films[self.order[0]]) @ local

    def same_point(self, visit: TimePoint, at: Point) -> Point | None:
        """Return where a point of one film lies on the other, or None where that is not known or outside."""
        mapping = self.mapping(visit)
        if mapping is None:
            return None
        row, col = (float(value) for value in map_points(mapping, np.array([at]))[0])
        rows, cols = self.films[self.other(visit)].shape
        return (row, col) if 0 <= row < rows and 0 <= col < cols else None

    @staticmethod
    def other(visit: TimePoint) -> TimePoint:
        """Return the other visit."""
        return TimePoint.FOLLOWUP if visit is TimePoint.BASELINE else TimePoint.BASELINE


def pixel_size(spacing: Spacing) -> NDArray[np.float64]:
    """Return the size of a pixel in world units; without millimetres its shape alone."""
    return np.array(spacing.mm if spacing.mm is not None else (spacing.pixel_aspect, 1.0))


def pixels_to_world(film: Radiograph) -> NDArray[np.float64]:
    """Return the (3, 3) matrix from a film's (row, col) to the world, as it lies by itself."""
    return np.diag([*pixel_size(film.spacing), 1.0])


def line_length_px(spacing: Spacing, start: Point, end: Point) -> float:
    """Return the length of a line in columns of the film: its rows are as high as the pixel's shape says."""
    row, col = pixel_size(spacing)
    return float(np.hypot((end[0] - start[0]) * row / col, end[1] - start[1]))


def calibrated_spacing(spacing: Spacing, start: Point, end: Point, mm: float) -> Point:
    """Return (row, column) millimetres a pixel from a line of known length; the pixel keeps its shape."""
    row, col = pixel_size(spacing)
    column_mm = mm / line_length_px(spacing, start, end)
    return (float(column_mm * row / col), float(column_mm))
