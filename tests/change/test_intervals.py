"""Interval arithmetic on the log ratio, against numbers that a person can look up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimeasure.change.intervals import IntervalModel, LogRatio, Variances, holm, percent
from calcimeasure.errors import UsageError


@pytest.mark.parametrize(
    ("degrees_of_freedom", "level", "expected"),
    [
        # Table of Student's t: 8 df 2.306 and 1.860; 5 df 2.571 and 2.015; 1000 df is nearly normal.
        (8, 0.95, 2.3060),
        (8, 0.90, 1.8595),
        (5, 0.95, 2.5706),
        (5, 0.90, 2.0150),
        (1000, 0.95, 1.9623),
    ],
)
def test_quantiles_are_those_of_the_t_table(degrees_of_freedom: float, level: float, expected: float) -> None:
    assert IntervalModel(degrees_of_freedom=degrees_of_freedom).quantile(level) == pytest.approx(expected, abs=5e-5)


def test_the_very_q_and_se_of_the_interval_give_the_smallest_detectable_change() -> None:
    ratio = LogRatio(value=0.1, se=0.03, model=IntervalModel(degrees_of_freedom=8))
    q = 2.306004135204166
    low, high = ratio.percent_interval(0.95)
    assert low == pytest.approx(100 * (math.exp(0.1 - q * 0.03) - 1))
    assert high == pytest.approx(100 * (math.exp(0.1 + q * 0.03) - 1))
    assert ratio.smallest_detectable_change_percent == pytest.approx(100 * (math.exp(q * 0.03) - 1))
    assert ratio.change_detected_with_80_percent_power_percent == pytest.approx(100 * (math.exp((q + 0.84) * 0.03) - 1))


@settings(deadline=None)
@given(
    st.floats(-2, 2),
    st.floats(1e-4, 1),
    st.floats(2, 100),
)
def test_detectable_means_that_the_interval_excludes_no_change(value: float, se: float, df: float) -> None:
    ratio = LogRatio(value=value, se=se, model=IntervalModel(degrees_of_freedom=df))
    low, high = ratio.percent_interval(0.95)
    assert ratio.detectable == (low > 0 or high < 0)
    assert ratio.detectable == (percent(abs(value)) > ratio.smallest_detectable_change_percent)
    if abs(abs(value) - ratio.model.quantile(0.95) * se) > 1e-9:
        assert ratio.detectable == (ratio.p_value < 0.05)


def test_a_certain_pair_has_a_p_value_of_zero_or_one() -> None:
    model = IntervalModel()
    assert model.p_value(0.0, 0.0) == 1.0
    assert model.p_value(0.1, 0.0) == 0.0


def test_the_variance_is_the_sum_of_its_parts() -> None:
    parts = Variances(
        measurement=1.0,
        detection=2.0,
        scale=4.0,
        magnification=8.0,
        repositioning=16.0,
        area_method=32.0,
        processing=64.0,
    )
    assert parts.total == 127.0


def test_percent_of_known_ratios_and_of_one_beyond_floating_point() -> None:
    assert percent(math.log(1.25)) == pytest.approx(25.0)
    assert percent(math.log(0.8)) == pytest.approx(-20.0)
    assert percent(0.0) == 0.0
    assert math.isfinite(percent(1e6))


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        # 4 x 0.005, 3 x 0.01, then the running maximum: 2 x 0.03, and 0.04 is raised to it.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
    ],
)
def test_holm(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(p_values, method="holm")[1].tolist() if p_values else []
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize(
    "values",
    [{"repositioning_sd": -0.1}, {"magnification_sd": math.nan}, {"degrees_of_freedom": 0.0}, {"inflation": 0.0}],
)
def test_a_model_cannot_hold_nonsense(values: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        IntervalModel(**values)
