"""Masks and label images of other programs become deposits."""

from __future__ import annotations

import numpy as np
import pytest

import calcimeasure as cm
from calcimeasure.errors import LabelsError

SHAPE = (100, 100)


def five_squares() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for row in range(5, 100, 20):
        mask[row : row + 5, 10:15] = True
    return mask


def film(spacing_mm: float | tuple[float, float] | None) -> cm.Radiograph:
    return cm.film_from_array(np.random.default_rng(0).normal(size=SHAPE), spacing_mm=spacing_mm)


@pytest.mark.parametrize("value", [True, 1, 255])
def test_a_mask_of_five_deposits_becomes_five(value: int) -> None:
    mask = five_squares() * value if value is not True else five_squares()
    labels = cm.labels_from_array(mask)
    assert len(labels) == 5
    assert [labels.mask(number).sum() for number in range(1, 6)] == [25] * 5
    assert [deposit.source_label for deposit in labels.deposits] == [None] * 5
    # One number in an integer image may also have been meant as one deposit: that is said.
    assert len(labels.warnings) == (0 if value is True else 1)
    assert all(f"the one number {value}" in str(warning) for warning in labels.warnings)


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[10, 10] = mask[11, 11] = True
    assert len(cm.labels_from_array(mask)) == 1


@pytest.mark.parametrize(
    ("spacing_mm", "deposits"),
    [(None, 2), (0.5, 2), (0.39, 1), ((0.39, 9.0), 1), ((0.5, 0.1), 2)],
    ids=["unknown", "2.5 mm", "1.95 mm", "1.95 mm, wide pixels", "2.5 mm, narrow pixels"],
)
def test_parts_within_two_millimetres_are_one_deposit(
    spacing_mm: float | tuple[float, float] | None, deposits: int
) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[10:20, 10:20] = mask[25:30, 10:20] = True  # five rows between their edges
    assert len(cm.labels_from_array(mask, film(spacing_mm))) == deposits


def test_a_label_image_keeps_its_numbers_together() -> None:
    image = np.zeros(SHAPE, np.int64)
    image[5:10, 5:10] = image[80:85, 80:85] = 700
    image[40:45, 40:45] = 12
    labels = cm.labels_from_array(image, film(0.1))
    assert [deposit.source_label for deposit in labels.deposits] == [12, 700]
    assert [labels.mask(number).sum() for number in (1, 2)] == [25, 50]
    assert labels.image.dtype == np.uint16


def test_origin_and_finding_by_name() -> None:
    labels = cm.labels_from_array(five_squares(), origin="auto", finding="vascular", method="my network 3")
    assert {(d.origin.value, d.finding.value, d.area_method.value) for d in labels.deposits} == {
        ("auto", "vascular", "edge_model")
    }
    assert labels.method == "my network 3"
    with pytest.raises(LabelsError, match=r"'vessel' is no finding. Choose one of calcinosis, vascular"):
        cm.labels_from_array(five_squares(), finding="vessel")
    assert {deposit.area_method.value for deposit in cm.labels_from_array(five_squares()).deposits} == {"outline"}


def test_an_empty_mask_has_no_deposit() -> None:
    assert len(cm.labels_from_array(np.zeros(SHAPE, bool), film(0.1))) == 0


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (five_squares().astype(float), "not float64. Pass `array > 0.5`"),
        (-five_squares().astype(int), "negative number -1"),
        (~five_squares(), "98.8 % of the film is marked.*`array == 0`"),
        (five_squares() + 1, "100 % of the film is marked"),
        (np.pad(np.arange(300 * 300).reshape(300, 300), 50), "more than the 65535"),
        (five_squares()[np.newaxis], "2-D, not of shape"),
        (np.array("mask.png"), "bool or integers"),
    ],
    ids=["float", "negative", "inverted", "no background", "too many", "stack", "text"],
)
def test_what_is_no_mask_is_refused_with_what_to_pass(array: np.ndarray, problem: str) -> None:
    with pytest.raises(LabelsError, match=problem):
        cm.labels_from_array(array)


def test_another_shape_and_exchanged_axes() -> None:
    wide = cm.film_from_array(np.random.default_rng(0).normal(size=(50, 80)))
    with pytest.raises(LabelsError, match=r"\(100, 100\), the film \(50, 80\). Pass one value per pixel"):
        cm.labels_from_array(five_squares(), wide)
    with pytest.raises(LabelsError, match=r"exchanged: pass `array.T`"):
        cm.labels_from_array(np.zeros((80, 50), bool), wide)


def test_more_than_half_marked_is_warned_of() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:60] = True
    assert "60 % of the film is marked" in str(cm.labels_from_array(mask).warnings[0])
