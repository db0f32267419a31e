import numpy as np
import pytest

from calcimeasure.measurement.deposit_shape import outline_area, outline_pixels


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
