"""What stands in for zeros, for what is too small, and for what could not be evaluated."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import Observation, observed_area, replace_zeros, zero_sensitivity


@pytest.mark.parametrize(
    ("observation", "area", "expected"),
    [("measured", 3.2, 3.2), ("absent", None, 0.0), ("too_small", None, 0.4), ("not_evaluable", None, None)],
)
def test_rules(observation: str, area: float | None, expected: float | None) -> None:
    assert observed_area(Observation(observation), area, measurable_from=0.8, reason="over-exposed") == expected


def test_a_missing_value_needs_its_reason() -> None:
    with pytest.raises(UsageError, match="without a reason"):
        observed_area(Observation.NOT_EVALUABLE, None, measurable_from=0.8)
    with pytest.raises(UsageError, match="missing"):
        observed_area(Observation.MEASURED, None, measurable_from=0.8)


def test_zeros_become_half_the_limit() -> None:
    assert replace_zeros([0.0, 2.0, 0.0], [0.8, 0.8, 1.0]).tolist() == [0.4, 2.0, 0.5]
    with pytest.raises(UsageError):
        replace_zeros([-1.0], 0.8)


def test_sensitivity_shows_what_the_choice_does() -> None:
    before, after = [10.0, 20.0, 0.0, 0.0], [11.0, 19.0, 5.0, 0.0]
    table = zero_sensitivity(before, after, 0.8)
    assert list(table["patients"]) == [4, 4, 4, 2]
    # The smaller what stands for zero, the larger the ratio of the patient who got a deposit.
    assert table["ratio"][0] > table["ratio"][1] > table["ratio"][2] > table["ratio"][3]
    # ln(1.1) + ln(0.95) + ln(5 / 0.4) + 0, over four.
    assert table["ratio"][1] == pytest.approx((1.1 * 0.95 * 12.5) ** 0.25)


def test_sensitivity_of_one_patient_is_empty_not_wrong() -> None:
    table = zero_sensitivity([1.0], [2.0], 0.5)
    assert np.isnan(table["ratio"].astype(float)).all()
