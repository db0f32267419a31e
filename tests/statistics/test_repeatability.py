"""Repeatability against published peak-flow data and against data made with known variation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    cv_of_log_sd,
    detectable_change,
    log_sd_of_cv,
    precision_curve,
    precision_profile,
    repeatability,
)

# Peak expiratory flow, l/min, of 17 people, twice with each meter: Bland and Altman, Lancet 1986;i:307, table 1.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
WRIGHT_AGAIN = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
MINI_AGAIN = [525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443]
PEOPLE = list(range(17))


@pytest.mark.parametrize(
    ("first", "second", "variance"),
    [
        # Within-subject variances printed by Bland and Altman, Stat Methods Med Res 1999;8:135, section 5.
        pytest.param(WRIGHT, WRIGHT_AGAIN, 234.29, id="Wright meter"),
        pytest.param(MINI, MINI_AGAIN, 396.44, id="mini meter"),
    ],
)
def test_peak_flow_within_subject_variance(first: list[int], second: list[int], variance: float) -> None:
    result = repeatability([*first, *second], [*PEOPLE, *PEOPLE])
    assert result.wsd**2 == pytest.approx(variance, abs=0.01)
    assert result.rc == pytest.approx(2.7718 * math.sqrt(variance), abs=0.01)
    assert (result.subjects, result.degrees_of_freedom) == (17, 17)


@pytest.mark.parametrize(
    ("pairs", "low", "high"),
    # Chi-square factors of a standard deviation: shared/reference table, and any chi-square table.
    [(4, 0.60, 2.87), (10, 0.70, 1.75), (20, 0.77, 1.44), (50, 0.84, 1.24)],
)
def test_chi_square_limits(pairs: int, low: float, high: float) -> None:
    values = np.concatenate([np.zeros(pairs), np.full(pairs, math.sqrt(2.0))])
    result = repeatability(values, [*range(pairs), *range(pairs)])
    assert result.wsd == pytest.approx(1.0)
    assert result.wsd_interval == pytest.approx((low, high), abs=0.006)
    assert result.rc_interval[1] == pytest.approx(result.wsd_interval[1] * 2.7718, abs=1e-3)


def test_limits_of_change_are_asymmetric_as_published() -> None:
    # A CV of 10 %: single paired changes stay between -24 and +32 % (1.96 sqrt 2 on the log scale).
    rng = np.random.default_rng(1)
    log_sd = log_sd_of_cv(0.10)
    values = np.exp(rng.normal(0.0, log_sd, (40_000, 2)))
    result = repeatability(values.ravel(), np.repeat(np.arange(40_000), 2))
    assert result.wcv == pytest.approx(0.10, rel=0.02)
    assert result.rc_percent == pytest.approx((-24.1, 31.9), abs=0.6)
    assert result.wcv_rms == pytest.approx(0.10, rel=0.02)


def test_without_positive_values_there_is_no_cv() -> None:
    result = repeatability([1.0, -1.0, 2.0, 2.0], ["a", "a", "b", "b"])
    assert result.wcv is None
    assert result.wsd == pytest.approx(1.0)


def test_unequal_repeats_are_pooled_by_degrees_of_freedom() -> None:
    # a: 1, 3 (sum of squares 2, df 1); b: 0, 3, 6 (18, df 2); c once: nothing. Pooled variance 20 / 3.
    result = repeatability([1, 3, 0, 3, 6, 5], ["a", "a", "b", "b", "b", "c"])
    assert result.wsd == pytest.approx(math.sqrt(20 / 3))
    assert (result.subjects, result.degrees_of_freedom) == (2, 3)


def test_nothing_measured_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing was measured twice"):
        repeatability([1.0, 2.0], ["a", "b"])


def test_missing_values_are_refused() -> None:
    with pytest.raises(UsageError, match="missing"):
        repeatability([1.0, math.nan], ["a", "a"])


def made(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Deposits of 1 to 100 mm² with CV² = 0.02² + 0.1² / area, twice each."""
    areas = np.exp(rng.uniform(0.0, math.log(100.0), count))
    log_sd = np.sqrt(0.02**2 + 0.1**2 / areas)
    values = areas[:, None] * np.exp(rng.normal(size=(count, 2)) * log_sd[:, None])
    return values.ravel(), np.repeat(np.arange(count), 2)


def test_precision_profile_falls_with_size() -> None:
    values, names = made(np.random.default_rng(2), 3000)
    table = precision_profile(values, names, bins=[1.0, 3.0, 10.0, 100.0])
    assert list(table["subjects"]) == sorted(table["subjects"]) or table["subjects"].sum() <= 3000
    assert table["wcv"].is_monotonic_decreasing
    middle = table.iloc[1]
    expected = math.sqrt(0.02**2 + 0.01 / middle["size_mean"])
    assert middle["wcv"] == pytest.approx(expected, rel=0.08)
    assert middle["wcv_low"] < middle["wcv"] < middle["wcv_high"]


def test_precision_profile_with_a_number_of_classes_loses_nobody() -> None:
    values, names = made(np.random.default_rng(3), 100)
    table = precision_profile(values, names, bins=4)
    assert list(table["subjects"]) == [25, 25, 25, 25]


def test_precision_curve_finds_what_the_data_were_made_with() -> None:
    values, names = made(np.random.default_rng(4), 4000)
    curve = precision_curve(values, names)
    assert curve.floor_cv == pytest.approx(0.02, rel=0.15)
    assert curve.edge_coefficient == pytest.approx(0.10, rel=0.05)
    assert curve.cv(curve.smallest_area(0.05)) == pytest.approx(0.05)
    assert curve.smallest_area(0.9 * curve.floor_cv) == math.inf


def test_cv_and_log_sd_are_inverse() -> None:
    assert cv_of_log_sd(log_sd_of_cv(0.3)) == pytest.approx(0.3)
    with pytest.raises(UsageError):
        log_sd_of_cv(-0.1)


@pytest.mark.parametrize(
    ("cv", "decrease", "increase"),
    # Limits of one paired change by CV: shared/reference, "-13/+15; -20/+25; -24/+32; -42/+73".
    [(0.05, -13, 15), (0.08, -20, 25), (0.10, -24, 32), (0.20, -42, 73)],
)
def test_detectable_change(cv: float, decrease: float, increase: float) -> None:
    result = detectable_change(cv)
    assert (result.decrease_percent, result.increase_percent) == pytest.approx((decrease, increase), abs=0.5)
    assert result.increase_80_percent_power > result.increase_percent
    # Four films a visit halve the standard error; an estimated CV widens.
    assert detectable_change(cv, repeats=4).log_se == pytest.approx(result.log_se / 2)
    assert detectable_change(cv, degrees_of_freedom=5).increase_percent > result.increase_percent
