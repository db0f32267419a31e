from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.region_overlap import find_overlaps, region_points
from calcimeasure.registration.registration_records import Alignment

SHAPE = (120, 120)
PIXEL = (0.2, 0.2)
STILL = Alignment(matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros(SHAPE, np.uint16)
    for number, (top, left, height, width) in enumerate(corners, start=1):
        image[top : top + height, left : left + width] = number
    return image


def test_covers_are_shares_of_each_region() -> None:
    first, second = boxes((20, 20, 20, 20)), boxes((20, 20, 20, 60))
    found = find_overlaps(first, second, STILL, baseline_pixel_mm=PIXEL, followup_pixel_mm=PIXEL)
    assert (found.first.tolist(), found.second.tolist()) == ([1], [1])
    assert found.cover_first[0] == 1.0
    # A third, and a rim of the 0.6 mm that alignment is always granted.
    assert found.cover_second[0] == pytest.approx((20 + 3) / 60, abs=0.03)
    assert found.gap_mm[0] == 0.0
    assert found.apart_mm[0] == pytest.approx(20 * 0.2, abs=0.15)


def test_regions_beyond_the_tolerance_are_not_paired() -> None:
    first, second = boxes((20, 20, 10, 10)), boxes((20, 36, 10, 10))
    assert len(find_overlaps(first, second, STILL, baseline_pixel_mm=PIXEL, followup_pixel_mm=PIXEL)) == 0


def test_an_uncertain_alignment_reaches_further() -> None:
    first, second = boxes((20, 20, 10, 10)), boxes((20, 36, 10, 10))
    unsure = Alignment(matrix=STILL.matrix, step=120, uncertainty=np.full((2, 2), 4.0, np.float32))
    found = find_overlaps(first, second, unsure, baseline_pixel_mm=PIXEL, followup_pixel_mm=PIXEL)
    assert found.gap_mm[0] == pytest.approx(7 * 0.2)
    assert found.tolerance_mm[0] == pytest.approx(2 * 4.0 * 0.2)


def test_exchanging_the_films_exchanges_the_answer_exactly() -> None:
    rng = np.random.default_rng(3)
    corners = rng.integers(5, 100, (8, 2))
    first = boxes(*[(r, c, 9, 9) for r, c in corners])
    second = boxes(*[(r + 3, c - 2, 11, 8) for r, c in corners[::-1]])
    rotation = Alignment(
        matrix=np.array([[0.999, -0.04, 2.0], [0.04, 0.999, -3.0]]), residual=np.zeros((13, 13, 2), np.float32), step=10
    )
    there = find_overlaps(first, second, rotation, baseline_pixel_mm=PIXEL, followup_pixel_mm=(0.21, 0.21))
    back = find_overlaps(
        second, first, inverse(rotation, SHAPE), baseline_pixel_mm=(0.21, 0.21), followup_pixel_mm=PIXEL
    )
    assert len(there) > 0
    for entry in fields(there):
        assert np.array_equal(getattr(there, entry.name), getattr(back.swapped(), entry.name))


def test_no_regions_no_pairs() -> None:
    empty = np.zeros(SHAPE, np.uint16)
    assert len(find_overlaps(empty, boxes((5, 5, 5, 5)), STILL, baseline_pixel_mm=PIXEL, followup_pixel_mm=PIXEL)) == 0


def test_small_regions_keep_all_their_pixels_large_ones_a_lattice() -> None:
    points = region_points(boxes((10, 10, 3, 3), (40, 40, 40, 40)), 0.1)
    assert np.bincount(points.label, points.inner).tolist() == [0, 9, 100]
    assert points.points[points.label == 1].mean(axis=0).tolist() == [11.0, 11.0]


def test_edges_are_kept_so_that_gaps_are_exact() -> None:
    first, second = boxes((20, 21, 30, 30)), boxes((20, 52, 30, 30))
    found = find_overlaps(first, second, STILL, baseline_pixel_mm=PIXEL, followup_pixel_mm=PIXEL)
    assert found.gap_mm.tolist() == pytest.approx([0.4])
