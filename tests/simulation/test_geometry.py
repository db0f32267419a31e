"""Areas and coverage of polygons against what a person can work out."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.simulation.geometry import inside, outline_gap, pixel_coverage, polygon_area, union_area

SQUARE = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)


def test_area_is_positive_from_x_towards_y():
    assert polygon_area(SQUARE) == 4.0
    assert polygon_area(SQUARE[::-1]) == -4.0


def test_union_counts_overlap_once_and_either_winding():
    assert union_area([SQUARE, (SQUARE + 1.0)[::-1]]) == pytest.approx(7.0, rel=1e-3)


def test_union_of_nothing_is_zero():
    assert union_area([]) == 0.0


def test_coverage_of_a_square_off_the_grid():
    share = pixel_coverage([SQUARE + 0.25], shape=(4, 4), spacing_mm=(1.0, 1.0))
    assert share == pytest.approx(np.outer([0.75, 1, 0.25, 0], [0.75, 1, 0.25, 0]), abs=0.01)


def test_coverage_keeps_row_and_column_spacing_apart():
    share = pixel_coverage([SQUARE], shape=(8, 4), spacing_mm=(0.5, 1.0))
    assert np.array_equal(share > 0.5, np.pad(np.ones((4, 2), bool), ((0, 4), (0, 2))))


def test_coverage_is_cut_at_the_border():
    share = pixel_coverage([SQUARE - 1.0], shape=(4, 4), spacing_mm=(1.0, 1.0))
    assert share.sum() == pytest.approx(1.0, abs=0.01)


def test_gap_and_inside():
    angle = np.arange(0, 2 * np.pi, 0.01)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert outline_gap(circle, circle + np.array([3.0, 0.0])) == pytest.approx(1.0, abs=0.01)
    assert outline_gap(circle, circle * 0.5) == 0.0
    assert inside(np.array([[0.0, 0.0], [2.0, 0.0]]), circle).tolist() == [True, False]
