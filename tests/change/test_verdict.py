"""The table of verdicts in `docs/records.md`, row by row."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimeasure.change.change_records import Verdict
from calcimeasure.change.intervals import IntervalModel, LogRatio
from calcimeasure.change.verdict import area_change_band, checked_margin, decide_from_zero, decide_on_ratio
from calcimeasure.errors import UsageError

MARGIN = (0.80, 1.25)
# With 8 degrees of freedom q95 = 2.306 and q90 = 1.860; the margin is ±0.2231 on the log scale.
MODEL = IntervalModel(degrees_of_freedom=8)


@pytest.mark.parametrize(
    ("value", "se", "verdict", "detectable", "beyond"),
    [
        pytest.param(0.02, 0.02, "no_change", False, False, id="nothing, measured well"),
        pytest.param(0.11, 0.04, "no_change", True, False, id="a detectable change inside the margin"),
        pytest.param(0.0, 0.1199, "no_change", False, False, id="just equivalent: 1.8595 x 0.1199 = 0.2230"),
        pytest.param(0.0, 0.1201, "indeterminate", False, None, id="just not: 0.2233"),
        pytest.param(0.0, 0.5, "indeterminate", False, None, id="nothing, measured badly"),
        pytest.param(0.30, 0.14, "indeterminate", False, None, id="large but unsure"),
        pytest.param(0.30, 0.10, "increase", True, None, id="an increase that straddles the margin"),
        pytest.param(0.50, 0.10, "increase", True, True, id="0.50 - 0.23 = 0.27 lies beyond the margin"),
        pytest.param(-0.30, 0.10, "decrease", True, None, id="a decrease that straddles the margin"),
        pytest.param(-0.50, 0.10, "decrease", True, True, id="a decrease beyond the margin"),
        pytest.param(-0.11, 0.04, "no_change", True, False, id="a detectable decrease inside the margin"),
    ],
)
def test_where_both_films_show_deposits(
    value: float, se: float, verdict: str, detectable: bool, beyond: bool | None
) -> None:
    decision = decide_on_ratio(LogRatio(value=value, se=se, model=MODEL), MARGIN)
    assert decision.verdict == verdict
    assert decision.detectable is detectable
    assert decision.beyond_margin is beyond
    assert bool(decision.reasons) == (verdict == "indeterminate")


@pytest.mark.parametrize(
    ("area", "limit", "empty_is_baseline", "expected"),
    [
        pytest.param(5.0, 1.0, True, ("increase", True, True), id="five times the limit"),
        pytest.param(1.2, 1.0, True, ("increase", True, None), id="1.2 times could be inside the margin"),
        pytest.param(1.0, 1.0, True, ("indeterminate", False, None), id="at the limit"),
        pytest.param(0.2, 1.0, True, ("indeterminate", False, None), id="below it"),
        pytest.param(5.0, None, True, ("indeterminate", None, None), id="limit not known"),
        pytest.param(5.0, 1.0, False, ("decrease", True, True), id="gone"),
        pytest.param(1.2, 1.0, False, ("decrease", True, None), id="gone, but hardly above the limit"),
        pytest.param(0.2, 1.0, False, ("indeterminate", False, None), id="gone, or missed"),
    ],
)
def test_from_and_to_zero(
    area: float, limit: float | None, empty_is_baseline: bool, expected: tuple[str, bool | None, bool | None]
) -> None:
    decision = decide_from_zero(
        area=area, limit_of_detection=limit, empty_is_baseline=empty_is_baseline, margin_ratio=MARGIN
    )
    assert (decision.verdict, decision.detectable, decision.beyond_margin) == expected
    assert bool(decision.reasons) == (decision.verdict is Verdict.INDETERMINATE)


MIRRORED = {"increase": "decrease", "decrease": "increase"}


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(1e-3, 0.5))
def test_swapping_mirrors_the_verdict(value: float, se: float) -> None:
    margin = (math.exp(-0.2), math.exp(0.2))
    one = decide_on_ratio(LogRatio(value=value, se=se, model=MODEL), margin)
    two = decide_on_ratio(LogRatio(value=-value, se=se, model=MODEL), margin)
    assert two.verdict == MIRRORED.get(one.verdict, one.verdict)
    assert two.detectable is one.detectable
    assert two.beyond_margin is one.beyond_margin


@settings(deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(1e-3, 0.3), st.floats(1.01, 2.0))
def test_a_wider_interval_never_rotations_no_change_into_change(value: float, se: float, wider: float) -> None:
    narrow = decide_on_ratio(LogRatio(value=value, se=se, model=MODEL), MARGIN)
    wide = decide_on_ratio(LogRatio(value=value, se=wider * se, model=MODEL), MARGIN)
    if narrow.verdict is Verdict.INDETERMINATE:
        assert wide.verdict is Verdict.INDETERMINATE
    if wide.verdict is Verdict.NO_CHANGE:
        assert narrow.verdict is Verdict.NO_CHANGE


@pytest.mark.parametrize("margin", [(1.0, 1.25), (0.8, 1.0), (0.0, 1.25), (-0.2, 0.2), (0.8, math.inf)])
def test_a_margin_must_enclose_no_change(margin: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="margin"):
        checked_margin(margin)


@pytest.mark.parametrize(
    ("percent_change", "verdict", "band"),
    [
        (25.1, "increase", "progressive"),
        (25.0, "increase", "stable"),
        (0.0, "no_change", "stable"),
        (-25.0, "decrease", "stable"),
        (-25.1, "decrease", "improved"),
        (40.0, "indeterminate", "progressive"),
        (None, "increase", "progressive"),
        (None, "decrease", "improved"),
        (None, "indeterminate", None),
        (None, "no_deposits", None),
    ],
)
def test_band(percent_change: float | None, verdict: str, band: str | None) -> None:
    assert area_change_band(percent_change, Verdict(verdict)) == band
