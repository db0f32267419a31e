"""What a deposit's mask says by itself: painted area and shape."""

from math import pi, sqrt

import numpy as np
import pytest

import calcimeasure as cm
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.measurement.deposit_shape import deposit_shape, outline_area, outline_pixels


def square(side: int, margin: int = 3) -> np.ndarray:
    mask = np.zeros((side + 2 * margin,) * 2, bool)
    mask[margin : margin + side, margin : margin + side] = True
    return mask


def test_a_square_counts_as_painted():
    estimate = outline_area(square(10), None)
    assert estimate.area_px == 100
    # 36 of its pixels have a side on something else: one pixel along the outline is the prior.
    assert estimate.se_px == 36


def test_a_measured_precision_replaces_the_prior():
    assert outline_area(square(10), 0.05).se_px == pytest.approx(5.0)


@pytest.mark.parametrize(("side", "outline"), [(1, 1), (2, 4), (3, 8), (10, 36)])
def test_outline_pixels(side: int, outline: int):
    assert outline_pixels(square(side)) == outline


def test_a_hole_has_an_outline_too():
    mask = square(10)
    mask[7, 7] = False
    assert outline_pixels(mask) == 36 + 4


def test_the_border_of_the_film_is_no_outline():
    mask = np.zeros((20, 20), bool)
    mask[:10, :] = True
    assert outline_pixels(mask) == 20


def ellipse(half_rows: int, half_cols: int, margin: int = 3) -> np.ndarray:
    rows, cols = (np.arange(-half - margin, half + margin + 1) for half in (half_rows, half_cols))
    return (rows[:, None] / half_rows) ** 2 + (cols[None, :] / half_cols) ** 2 <= 1


def test_shape_of_a_square():
    shape = deposit_shape(square(10))
    # A row of n pixels has the variance (n^2 - 1) / 12; an axis is four standard deviations.
    assert shape.major_axis_px == pytest.approx(4 * sqrt(99 / 12))
    assert shape.minor_axis_px == pytest.approx(4 * sqrt(99 / 12))
    # Between the middles of two pixel sides at opposite corners.
    assert shape.max_feret_px == pytest.approx(sqrt(10**2 + 9**2))
    assert (shape.eccentricity, shape.solidity) == (pytest.approx(0), pytest.approx(1))


@pytest.mark.parametrize("radius", [20, 60])
def test_shape_of_a_disc(radius: int):
    shape = deposit_shape(ellipse(radius, radius))
    assert shape.perimeter_px == pytest.approx(2 * pi * radius, rel=0.03)
    assert shape.major_axis_px == pytest.approx(2 * radius, rel=0.02)
    assert shape.minor_axis_px == pytest.approx(2 * radius, rel=0.02)
    assert shape.max_feret_px == pytest.approx(2 * radius + 1, rel=0.02)
    assert shape.eccentricity == pytest.approx(0, abs=1e-6)
    assert shape.solidity > 0.94


def test_shape_of_an_ellipse():
    shape = deposit_shape(ellipse(20, 40))
    assert shape.major_axis_px == pytest.approx(80, rel=0.01)
    assert shape.minor_axis_px == pytest.approx(40, rel=0.01)
    assert shape.max_feret_px == pytest.approx(81, rel=0.01)
    assert shape.eccentricity == pytest.approx(sqrt(3) / 2, rel=0.005)
    # Ramanujan's approximation of the ellipse's circumference.
    assert shape.perimeter_px == pytest.approx(pi * (3 * 60 - sqrt(100 * 140)), rel=0.02)


def test_solidity_of_three_quarters_of_a_square():
    mask = square(40)
    mask[3:23, 3:23] = False
    # 1200 pixels of a hull that lacks half of the missing quarter: 1600 - 200.
    assert deposit_shape(mask).solidity == pytest.approx(1200 / 1400, rel=0.02)


@pytest.mark.parametrize("mask", [np.ones((1, 1), bool), np.ones((1, 5), bool), np.eye(4, dtype=bool)])
def test_the_smallest_deposits_have_a_shape(mask: np.ndarray):
    shape = deposit_shape(mask)
    assert shape.perimeter_px > 0
    assert shape.minor_axis_px == 0
    assert 1 <= shape.max_feret_px <= 8


@pytest.mark.parametrize("spacing_mm", [(0.1, 0.1), (0.2, 0.1), (0.1, 0.25)])
def test_the_shape_in_mm_is_that_of_the_limb_whatever_the_pixels(spacing_mm: tuple[float, float]):
    rows, cols = (np.arange(-15, 15, step) + step / 2 for step in spacing_mm)
    inside = (rows[:, None] / 4) ** 2 + (cols[None, :] / 8) ** 2 <= 1
    film = cm.film_from_array(np.random.default_rng(0).integers(900, 1000, inside.shape), spacing_mm=spacing_mm)
    (row,) = cm.measure(film, from_label_image(inside, origin=Origin.DRAWN)).itertuples()
    assert row.major_axis_mm == pytest.approx(16, rel=0.01)
    assert row.minor_axis_mm == pytest.approx(8, rel=0.01)
    assert row.max_feret_mm == pytest.approx(16, rel=0.02)
    assert row.perimeter_mm == pytest.approx(pi * (3 * 12 - sqrt(20 * 28)), rel=0.04)
    assert row.eccentricity == pytest.approx(sqrt(3) / 2, rel=0.005)
    assert row.solidity > 0.97
    side_mm = sqrt(spacing_mm[0] * spacing_mm[1])
    assert row.perimeter_px * side_mm == pytest.approx(row.perimeter_mm)


def test_without_a_spacing_lengths_are_in_pixels_only():
    inside = np.zeros((60, 60), bool)
    inside[20:30, 20:30] = True
    film = cm.film_from_array(np.random.default_rng(0).integers(900, 1000, inside.shape))
    (row,) = cm.measure(film, from_label_image(inside, origin=Origin.DRAWN)).itertuples()
    assert np.isnan([row.perimeter_mm, row.major_axis_mm, row.minor_axis_mm, row.max_feret_mm]).all()
    assert row.max_feret_px == pytest.approx(sqrt(181))
