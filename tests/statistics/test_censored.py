"""Values known only by a bound: regression, means, signs and ranks, against R's survival and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    CensoredRegression,
    analysis_of_covariance,
    censored_geometric_mean_ratio,
    geometric_mean_ratio,
    rank_comparison,
    sign_test,
)

# Tobin's data on durable goods (Econometrica 1958;26:24), as R's survival::tobin has them: durable, age, quant.
TOBIN = np.array(
    [
        (0, 57.7, 236), (0.7, 50.9, 283), (0, 48.5, 207), (0, 41.7, 220), (0, 47.7, 238), (0, 59.8, 216),
        (0, 44.3, 284), (3.7, 45.1, 221), (0, 51.7, 275), (3, 50, 269), (10.4, 46.8, 207), (0, 58, 249),
        (0, 58.9, 246), (0, 40, 277), (1.5, 34.1, 231), (0, 39.9, 219), (0, 33.4, 240), (3.5, 48.1, 266),
        (6.1, 46.6, 214), (0, 53.1, 251),
    ]
)  # fmt: skip
BEFORE = [10, 12, 15, 20, 25, 30, 40, 55, 11, 13, 16, 19, 26, 31, 42, 50]
AFTER = [0, 0, 0, 0, 24, 31, 39, 56, 11.2, 12.8, 16.3, 18.7, 26.4, 30.5, 42.9, 49.6]
ARMS = ["drug"] * 8 + ["placebo"] * 8


def test_tobins_regression_as_r_fits_it() -> None:
    # survreg(Surv(durable, durable > 0, type = "left") ~ age + quant, data = tobin, dist = "gaussian")
    sides = np.where(TOBIN[:, 0] > 0.0, 0, -1)
    fit = CensoredRegression(TOBIN[:, 0], sides, np.column_stack([np.ones(20), TOBIN[:, 1:]])).fit
    assert fit.coefficients == pytest.approx((15.14486636, -0.12905928, -0.04554166), rel=1e-6)
    assert fit.log_likelihood == pytest.approx(-28.94013320)
    assert fit.residual_sd == pytest.approx(5.572539763 * math.sqrt(20 / 17), rel=1e-6)


def test_a_drug_that_dissolves_four_of_eight_burdens_is_not_without_effect() -> None:
    # R: survreg as above of ln(after), limit 0.8, on ln(before) and arm; the interval by uniroot over offsets.
    (effect,) = analysis_of_covariance(BEFORE, AFTER, ARMS, reference="placebo", limit_of_detection=0.8)
    assert effect.ratio == pytest.approx(math.exp(-1.761414789), rel=1e-6)
    assert effect.interval == pytest.approx((0.033020971, 0.63974035), rel=1e-4)
    assert effect.p_value == pytest.approx(0.012980377, rel=1e-5)
    assert (effect.patients, effect.censored, effect.reference_patients, effect.reference_censored) == (8, 4, 8, 0)


def test_an_arm_without_any_burden_left_has_an_upper_limit_alone() -> None:
    after = [0.0] * 8 + AFTER[8:]
    (effect,) = analysis_of_covariance(BEFORE, after, ARMS, reference="placebo", limit_of_detection=0.8)
    assert (effect.ratio, effect.interval[0]) == (0.0, 0.0)
    assert 0.0 < effect.interval[1] < 0.1


def test_a_mean_with_bounds_as_r_has_it() -> None:
    # R: survreg(Surv(d, e, type = "left") ~ 1, dist = "gaussian") of the drug's eight log ratios; interval by uniroot.
    logs = np.log(np.where(np.array(AFTER[:8]) == 0, 0.8, AFTER[:8])) - np.log(BEFORE[:8])
    result = censored_geometric_mean_ratio(logs, [-1] * 4 + [0] * 4)
    assert result.ratio == pytest.approx(math.exp(-2.389948623), rel=1e-6)
    assert result.interval == pytest.approx((0.00012369105, 1.51905066), rel=1e-4)
    assert result.p_no_change == pytest.approx(0.078591727, rel=1e-5)
    assert (result.patients, result.censored) == (8, 4)


def test_without_bounds_it_is_students_t() -> None:
    values = [0.02, -0.05, 0.04, 0.01, -0.03, 0.06]
    with_bounds, plain = censored_geometric_mean_ratio(values, [0] * 6), geometric_mean_ratio(values)
    assert with_bounds.interval == pytest.approx(plain.interval)
    assert with_bounds.interval_90 == pytest.approx(plain.interval_90)
    assert with_bounds.p_equivalence == pytest.approx(plain.p_equivalence)
    assert with_bounds.p_no_change == pytest.approx(plain.p_no_change)


def test_bounds_that_allow_everything_say_nothing() -> None:
    # Nine burdens that fell to zero, each smaller than its limit: ln(limit / before) > 0. Two measured ratios beside.
    values, sides = [0.05, -0.04] + [0.7] * 9, [0, 0] + [-1] * 9
    alone, result = geometric_mean_ratio(values[:2]), censored_geometric_mean_ratio(values, sides)
    assert result.p_no_change == pytest.approx(alone.p_no_change, abs=0.01)


def test_near_equal_baselines_are_no_covariate() -> None:
    after = [9.0, 11.0, 10.0, 14.0, 16.0, 15.0]
    before = [10.0 + 1e-9 * k for k in range(6)]
    (effect,) = analysis_of_covariance(before, after, list("aaabbb"), reference="a")
    difference = stats.ttest_ind(np.log(after[3:]), np.log(after[:3]))
    assert effect.p_value == pytest.approx(difference.pvalue)
    assert effect.baseline_slope == 0.0


def test_too_few_measured_values_are_refused() -> None:
    with pytest.raises(UsageError, match="too few"):
        censored_geometric_mean_ratio([0.1, -1.0, -1.0], [0, -1, -1])


def test_signs_by_hand() -> None:
    # Fell: -0.2 measured, below -1. Rose: 0.3. Below +0.5 may be either. 2 of 3: p = 2 (1 + 3) / 8 = 1.
    result = sign_test([-0.2, -1.0, 0.3, 0.5], [0, -1, 0, -1])
    assert (result.fell, result.rose, result.unknown, result.p_two_sided) == (2, 1, 1, 1.0)
    assert sign_test([-1.0] * 6).p_two_sided == pytest.approx(stats.binomtest(0, 6).pvalue)


def test_ranks_without_bounds_are_mann_whitney() -> None:
    first, second = [1.0, 2.0, 5.0, 7.0, 9.0, 3.3], [2.5, 3.0, 4.0, 8.0, 8.5, 11.0, 12.0]
    result = rank_comparison(first + second, None, ["a"] * 6 + ["b"] * 7, arm="a", reference="b")
    expected = stats.mannwhitneyu(first, second, method="exact")
    assert result.p_value == pytest.approx(expected.pvalue)
    assert result.probability_less == pytest.approx(1.0 - expected.statistic / 42.0)
    assert result.exact


def test_ranks_with_bounds_by_hand() -> None:
    # Arm a: below -2 and below -1; arm b: 0 and -1.5. Of four pairs, below -2 is less than both, below -1 than 0
    # alone; the fourth cannot be ordered: (3 + 0.5) / 4.
    result = rank_comparison([-2.0, -1.0, 0.0, -1.5], [-1, -1, 0, 0], list("aabb"), arm="a", reference="b")
    assert result.probability_less == pytest.approx(3.5 / 4.0)
    # Scores -2, -1, 3, 0: of six arrangements two have a sum as far from 0 as -3.
    assert result.p_value == pytest.approx(2 / 6)
