"""Specks that stand alone are doubted; those that belong to something are not."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.segmentation.isolated_penalty import PENALTY, penalise_isolated
from calcimeasure.segmentation.probability_map_regions import Region

SHAPE = (100, 100)


def region(row: int, col: int, size: int) -> Region:
    return Region(mask=np.ones((size, size), np.bool_), corner=(row, col), probability=0.9, factor=(1.0, 1.0))


def log_odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_a_lone_speck_is_doubted_by_so_many_log_odds() -> None:
    (found,) = penalise_isolated([region(50, 50, 3)], np.array([0.9]), SHAPE)
    assert log_odds(found) == pytest.approx(log_odds(0.9) - PENALTY)


def test_what_is_a_square_millimetre_is_not() -> None:
    assert penalise_isolated([region(50, 50, 5)], np.array([0.9]), SHAPE).tolist() == [0.9]


@pytest.mark.parametrize(("gap", "alone"), [(9, False), (10, False), (11, True)])
def test_a_speck_within_two_millimetres_of_something_likely_belongs_to_it(gap: int, alone: bool) -> None:
    found = penalise_isolated([region(50, 50, 3), region(50, 53 + gap, 6)], np.array([0.9, 0.8]), SHAPE)
    assert (found[0] < 0.9) == alone
    assert found[1] == 0.8


def test_something_unlikely_is_no_company() -> None:
    found = penalise_isolated([region(50, 50, 3), region(50, 56, 6)], np.array([0.9, 0.4]), SHAPE)
    assert found[0] < 0.9


def test_specks_together_make_up_a_deposit() -> None:
    found = penalise_isolated([region(50, 50 + 6 * k, 3) for k in range(3)], np.full(3, 0.9), SHAPE)
    assert found[1] == 0.9


def test_certain_and_impossible_stay_so_and_nothing_is_nothing() -> None:
    assert penalise_isolated([region(1, 1, 2), region(90, 90, 2)], np.array([0.0, 1.0]), SHAPE).tolist() == [0.0, 1.0]
    assert penalise_isolated([], np.zeros(0), SHAPE).size == 0
