"""Limits of agreement, tolerance factors, bias and linearity, against published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import bland_altman, linearity, tolerance_factor

# First readings of the two meters: Bland and Altman, Lancet 1986;i:307, table 1.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
TWO_SD = math.erf(2.0 / math.sqrt(2.0))


def test_peak_flow_limits_of_agreement_as_published() -> None:
    # The paper: mean -2.1, SD 38.8, limits (2 SD) -79.7 and 75.5, interval of the mean -22.0 to 17.8.
    result = bland_altman(WRIGHT, MINI, coverage=TWO_SD)
    assert result.bias == pytest.approx(-2.1, abs=0.05)
    assert result.sd == pytest.approx(38.8, abs=0.05)
    assert result.limits == pytest.approx((-79.7, 75.5), abs=0.15)
    assert result.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1)


def test_exact_limits_lie_around_the_approximate_ones_of_the_paper() -> None:
    # The paper's approximate intervals: -114.3 to -45.1 and 40.9 to 110.1. The exact ones reach further outwards and
    # less far inwards, as Carkeet (2015) shows.
    result = bland_altman(WRIGHT, MINI, coverage=TWO_SD)
    (outer, inner), (inner_up, outer_up) = result.lower_limit_interval, result.upper_limit_interval
    assert outer < -114.3
    assert inner < -45.1
    assert inner_up > 40.9
    assert outer_up > 110.1
    # Symmetric about the bias.
    assert outer + outer_up == pytest.approx(2 * result.bias)


@pytest.mark.parametrize(
    ("count", "factor"),
    # One-sided normal tolerance factors for 95 % of the population with 95 % confidence (Natrella, Experimental
    # Statistics, NBS Handbook 91, table A-7; Hahn and Meeker, Statistical Intervals, table A.12).
    [(5, 4.203), (10, 2.911), (20, 2.396), (30, 2.220)],
)
def test_tolerance_factors_of_the_tables(count: int, factor: float) -> None:
    assert tolerance_factor(count, 1.644854, 0.95) == pytest.approx(factor, abs=0.002)


def test_a_proportional_difference_is_found() -> None:
    truth = np.linspace(10, 100, 20)
    wiggle = np.tile([0.5, -0.5], 10)
    result = bland_altman(1.1 * truth + wiggle, truth)
    assert result.proportional_slope == pytest.approx(0.0952, abs=0.002)
    assert result.proportional_slope_interval[0] > 0


def test_two_pairs_are_too_few() -> None:
    with pytest.raises(UsageError, match="too few"):
        bland_altman([1, 2], [1, 3])


# NIST StRD, linear regression, Norris (1977): measured ozone against the standard; certified values below.
NORRIS_Y = [0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3]
NORRIS_Y += [448.9, 10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2]
NORRIS_Y += [117.6, 228.9, 668.4, 449.2, 0.2]
NORRIS_X = [0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0]
NORRIS_X += [447.5, 11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1]
NORRIS_X += [118.3, 229.2, 669.1, 448.9, 0.5]


def test_linearity_reproduces_the_certified_regression() -> None:
    result = linearity(NORRIS_Y, NORRIS_X)
    assert result.slope == pytest.approx(1.00211681802045, rel=1e-10)
    assert result.intercept == pytest.approx(-0.262323073774029, rel=1e-8)
    assert result.residual_sd == pytest.approx(0.884796396144373, rel=1e-10)
    assert result.r_squared == pytest.approx(0.999993745883712, rel=1e-12)
    # Certified standard errors 0.000429796848199937 and 0.232818234301152, 34 degrees of freedom (t 2.0322).
    assert result.slope_interval[1] - result.slope == pytest.approx(2.032244509 * 0.000429796848199937, rel=1e-6)
    assert result.intercept - result.intercept_interval[0] == pytest.approx(2.032244509 * 0.232818234301152, rel=1e-6)


def test_bias_in_percent() -> None:
    result = linearity([11.0, 22.0, 33.0, 44.1], [10.0, 20.0, 30.0, 40.0])
    assert result.bias == pytest.approx(2.525)
    assert result.bias_percent == pytest.approx(10.0625)
    assert result.bias_percent_interval is not None
    assert linearity([0.0, 1.0, 2.0, 3.1], [0.0, 1.0, 2.0, 3.0]).bias_percent is None


def test_a_curve_is_reported_from_a_line() -> None:
    x = np.linspace(1, 10, 30)
    wiggle = 0.1 * np.sin(17 * x)
    assert linearity(x + 0.05 * x**2 + wiggle, x).quadratic_p < 0.001
    assert linearity(x + wiggle, x).quadratic_p > 0.05


def test_quadratic_p_agrees_with_statsmodels() -> None:
    import statsmodels.api as sm

    x, y = np.array(NORRIS_X), np.array(NORRIS_Y)
    centred = (x - x.mean()) / x.std()
    fit = sm.OLS(y, np.column_stack([np.ones_like(x), centred, centred**2])).fit()
    assert linearity(y, x).quadratic_p == pytest.approx(fit.pvalues[2], rel=1e-6)


def test_a_truth_that_does_not_vary_is_refused() -> None:
    with pytest.raises(UsageError, match="all the same"):
        linearity([1, 2, 3, 4], [1, 1, 1, 1])
