"""The pair's self-check: that the change put into the picture is the change it is said to be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calcimeasure.change.self_check import resized_deposits, self_check
from calcimeasure.deposits import DepositLabels, from_label_image
from calcimeasure.measurement import measure_film
from calcimeasure.radiograph import GreyScale, Radiograph

SHAPE = (200, 240)
DISCS = ((60, 70, 12), (130, 170, 20))


def discs() -> tuple[Radiograph, DepositLabels]:
    pixels = np.full(SHAPE, 100.0, np.float32)
    image = np.zeros(SHAPE, np.uint8)
    for number, (row, col, radius) in enumerate(DISCS, start=1):
        cv2.circle(image, (col, row), radius, number, -1)
    pixels[image > 0] = 200.0
    pixels = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    return Radiograph(pixels=pixels, grey=GreyScale(lowest=0, highest=255)), from_label_image(image)


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.25, 1.5])
def test_the_picture_shows_the_ratio_that_is_told(ratio: float) -> None:
    film, labels = discs()
    changed, shown = resized_deposits(film, labels, ratio)
    assert shown == pytest.approx(ratio, rel=0.02)
    bright = [(f.pixels > 150).sum() for f in (film, changed)]
    assert bright[1] / bright[0] == pytest.approx(ratio, rel=0.03)


def test_a_ratio_of_one_leaves_the_film_as_it_is() -> None:
    film, labels = discs()
    changed, shown = resized_deposits(film, labels, 1.0)
    assert shown == 1.0
    np.testing.assert_allclose(changed.pixels, film.pixels, atol=1e-3)


def test_nothing_is_checked_on_a_film_without_deposits() -> None:
    film, _ = discs()
    measured = measure_film(film, from_label_image(np.zeros(SHAPE, np.uint16)))

    def never(_followup: Radiograph) -> None:
        raise AssertionError("nothing to compare")

    told = self_check(measured, never, np.random.default_rng(1))
    assert told["synthetic_followups"] == 0
    assert "no deposits" in told["reason"]
