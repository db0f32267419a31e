"""The geometric mean ratio of a cohort, its t interval, and two one-sided tests against a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Interval, level, numbers
from calcimeasure.statistics.laws import t_probability, t_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class OneSidedTests:
    """Two one-sided t tests of a mean against (low, high).

    Attributes
    ----------
    t_low, p_low
        Test that the mean exceeds the lower bound.
    t_high, p_high
        Test that it lies below the upper bound.
    p_value
        The larger of the two: equivalence is shown at 5 % where it is below 0.05, which is the same as the 90 %
        interval lying inside the bounds.
    """

    count: int
    mean: float
    se: float
    bounds: Interval
    t_low: float
    p_low: float
    t_high: float
    p_high: float
    p_value: float
    interval_90: Interval


def two_one_sided_tests(values: ArrayLike, low: float, high: float) -> OneSidedTests:
    """Return the two one-sided tests of a mean (Schuirmann, J Pharmacokinet Biopharm 1987;15:657).

    Parameters
    ----------
    values
        One number a patient: differences, or log ratios with the logarithms of the margin.
    low, high
        The margin, fixed beforehand.

    Raises
    ------
    UsageError
        With fewer than two values, none of which differ, or bounds in the wrong order.
    """
    if not low < high:
        raise UsageError(f"the margin {low:g} to {high:g} is empty", where="margin")
    array = numbers(values, name="values", least=2)
    count, mean, se = array.size, float(array.mean()), float(array.std(ddof=1)) / math.sqrt(array.size)
    if se == 0.0:
        raise UsageError("all values are the same; their spread cannot be estimated", where="values")
    t_low, t_high = (mean - low) / se, (mean - high) / se
    p_low, p_high = t_probability(-t_low, count - 1), t_probability(t_high, count - 1)
    half = t_quantile(0.95, count - 1) * se
    return OneSidedTests(
        count=count,
        mean=mean,
        se=se,
        bounds=(low, high),
        t_low=t_low,
        p_low=p_low,
        t_high=t_high,
        p_high=p_high,
        p_value=max(p_low, p_high),
        interval_90=(mean - half, mean + half),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class GeometricMeanRatio:
    """The typical ratio of follow-up to baseline over patients.

    Attributes
    ----------
    ratio, interval, interval_90
        Geometric mean of the patients' ratios, with t intervals.
    change_percent, change_percent_interval
        The same in percent.
    log_sd
        Standard deviation of the patients' log ratios.
    p_no_change
        Two-sided t test of a ratio of 1.
    p_equivalence
        Two one-sided tests against the margin.
    equivalent
        Whether the 90 % interval lies inside the margin.
    censored
        Patients of whom only a bound of the ratio is known: a burden of zero at one visit.
    """

    patients: int
    confidence_level: float
    margin_ratio: Interval
    ratio: float
    interval: Interval
    interval_90: Interval
    change_percent: float
    change_percent_interval: Interval
    log_sd: float
    p_no_change: float
    p_equivalence: float
    equivalent: bool
    censored: int = 0


def geometric_mean_ratio(
    log_ratios: ArrayLike, *, margin_ratio: Interval = DEFAULT_MARGIN_RATIO, confidence_level: float = 0.95
) -> GeometricMeanRatio:
    """Return the cohort's geometric mean ratio with its t interval and the tests against the margin.

    Parameters
    ----------
    log_ratios
        One natural log ratio a patient (not a deposit: a patient with many deposits is still one patient).

    Raises
    ------
    UsageError
        With fewer than two patients.
    """
    level(confidence_level)
    low_margin, high_margin = margin_ratio
    if not 0.0 < low_margin < 1.0 < high_margin:
        raise UsageError(f"the margin {low_margin:g} to {high_margin:g} does not enclose a ratio of 1")
    tests = two_one_sided_tests(log_ratios, math.log(low_margin), math.log(high_margin))
    half = t_quantile((1.0 + confidence_level) / 2.0, tests.count - 1) * tests.se
    low, high = math.exp(tests.mean - half), math.exp(tests.mean + half)
    interval_90 = (math.exp(tests.interval_90[0]), math.exp(tests.interval_90[1]))
    return GeometricMeanRatio(
        patients=tests.count,
        confidence_level=confidence_level,
        margin_ratio=(low_margin, high_margin),
        ratio=math.exp(tests.mean),
        interval=(low, high),
        interval_90=interval_90,
        change_percent=100.0 * math.expm1(tests.mean),
        change_percent_interval=(100.0 * (low - 1.0), 100.0 * (high - 1.0)),
        log_sd=tests.se * math.sqrt(tests.count),
        p_no_change=2.0 * t_probability(-abs(tests.mean) / tests.se, tests.count - 1),
        p_equivalence=tests.p_value,
        equivalent=low_margin < interval_90[0] and interval_90[1] < high_margin,
    )
