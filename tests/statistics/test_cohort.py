"""Equivalence, sign-flip, proportion, ANCOVA, Bayes, bootstrap and mixed model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    analysis_of_covariance,
    bootstrap_ratio,
    geometric_mean_ratio,
    mixed_model_ratio,
    posterior_ratio,
    proportion,
    sign_flip_test,
    two_one_sided_tests,
)

# Hours of sleep gained by ten patients, drug 1 minus drug 2: Student, Biometrika 1908;6:1 (R's `sleep`).
SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]


def test_a_worked_tost() -> None:
    # Student's sleep data, bounds -0.5 and 0.5, as worked in the introduction to the R package TOSTER (Caldwell):
    # t(9) -2.78 and -5.35; the 90 % interval is -2.29 to -0.87: not equivalent.
    result = two_one_sided_tests(SLEEP, -0.5, 0.5)
    assert result.mean == pytest.approx(-1.58)
    assert result.t_low == pytest.approx(-2.777, abs=0.001)
    assert result.t_high == pytest.approx(-5.348, abs=0.001)
    assert result.p_low == pytest.approx(0.989, abs=0.001)
    assert result.p_high < 0.001
    assert result.p_value == result.p_low
    assert result.interval_90 == pytest.approx((-2.293, -0.867), abs=0.001)


def test_tost_agrees_with_statsmodels() -> None:
    from statsmodels.stats.weightstats import DescrStatsW

    values = np.array([0.02, -0.05, 0.04, 0.01, -0.03, 0.06])
    expected = DescrStatsW(values).ttost_mean(-0.1, 0.1)
    assert two_one_sided_tests(values, -0.1, 0.1).p_value == pytest.approx(expected[0])


@pytest.mark.parametrize("values", [[0.1], [0.1, 0.1]])
def test_tost_needs_spread(values: list[float]) -> None:
    with pytest.raises(UsageError):
        two_one_sided_tests(values, -0.2, 0.2)


def test_geometric_mean_ratio_by_hand() -> None:
    # ln ratios 0.0 and 0.2: mean 0.1, SE 0.1, t(1) 12.706 and 6.314.
    result = geometric_mean_ratio([0.0, 0.2])
    assert result.ratio == pytest.approx(math.exp(0.1))
    assert result.interval == pytest.approx((math.exp(0.1 - 1.2706), math.exp(0.1 + 1.2706)), rel=1e-4)
    assert result.interval_90 == pytest.approx((math.exp(0.1 - 0.6314), math.exp(0.1 + 0.6314)), rel=1e-4)
    assert result.equivalent is False
    assert result.p_no_change == pytest.approx(0.5)


def test_equivalence_is_the_90_percent_interval_inside_the_margin() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        result = geometric_mean_ratio(rng.normal(0.1, 0.15, 8))
        assert result.equivalent == (result.p_equivalence < 0.05)


def test_fishers_exact_test_of_darwins_plants() -> None:
    # Darwin's maize, eighths of an inch: Fisher, The Design of Experiments, section 21: 863 of 32,768 sums reach the
    # observed 314: 2.634 %, two-sided 5.267 %.
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    result = sign_flip_test(differences)
    assert result.p_increase == pytest.approx(863 / 32768)
    assert result.p_two_sided == pytest.approx(0.05267, abs=1e-5)


def test_four_patients_cannot_reach_five_percent() -> None:
    result = sign_flip_test([0.3, 0.2, 0.4, 0.1])
    assert result.p_increase == 0.0625
    assert result.p_two_sided == 0.125
    assert (result.smallest_p_one_sided, result.smallest_p_two_sided) == (0.0625, 0.125)
    assert sign_flip_test([-0.3, -0.2, -0.4, -0.1]).p_decrease == 0.0625


def test_sign_flips_of_many_patients_are_refused() -> None:
    with pytest.raises(UsageError, match="25 patients"):
        sign_flip_test(np.ones(25))


@pytest.mark.parametrize(
    ("count", "total", "interval"),
    [
        # 5 of 25: Conover, Practical Nonparametric Statistics (1999), table A4: 0.068 to 0.407.
        (5, 25, (0.068, 0.407)),
        # Newcombe, Stat Med 1998;17:857, table I, method 5 (Clopper-Pearson).
        (81, 263, (0.2527, 0.3676)),
        (15, 148, (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1684)),
        (1, 29, (0.0009, 0.1776)),
        # 0 of 4: 1 - 0.025^(1/4).
        (0, 4, (0.0, 0.6024)),
        (4, 4, (0.3976, 1.0)),
    ],
)
def test_clopper_pearson(count: int, total: int, interval: tuple[float, float]) -> None:
    assert proportion(count, total).interval == pytest.approx(interval, abs=6e-4)


def test_nobody_of_four_one_sided() -> None:
    assert proportion(0, 4).one_sided_upper == pytest.approx(1 - 0.05**0.25)


@pytest.mark.parametrize(("count", "total"), [(-1, 4), (5, 4), (0, 0)])
def test_no_share(count: int, total: int) -> None:
    with pytest.raises(UsageError):
        proportion(count, total)


def test_ancova_agrees_with_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    before = np.exp(rng.normal(3, 1, 30))
    arms = ["placebo"] * 15 + ["drug"] * 15
    after = before**0.9 * np.exp(np.where(np.arange(30) < 15, 0.1, -0.2) + rng.normal(0, 0.2, 30))
    (effect,) = analysis_of_covariance(before, after, arms, reference="placebo")
    design = np.column_stack([np.ones(30), np.log(before), np.arange(30) >= 15])
    fit = sm.OLS(np.log(after), design).fit()
    assert effect.ratio == pytest.approx(math.exp(fit.params[2]))
    assert effect.interval == pytest.approx(tuple(np.exp(fit.conf_int()[2])))
    assert effect.p_value == pytest.approx(fit.pvalues[2])
    assert effect.baseline_slope == pytest.approx(fit.params[1])
    assert (effect.arm, effect.patients, effect.reference_patients) == ("drug", 15, 15)


def test_a_single_arm_shows_no_effect_of_treatment() -> None:
    with pytest.raises(UsageError, match="not the effect of a treatment"):
        analysis_of_covariance([1, 2, 3, 4], [1, 2, 3, 4], ["a"] * 4, reference="a")


def test_zero_burdens_are_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="half the limit of detection"):
        analysis_of_covariance([0, 2, 3, 4], [1, 2, 3, 4], list("abab"), reference="a")


def test_posterior_with_wide_priors_and_one_true_effect_is_the_weighted_mean() -> None:
    # A prior that leaves mu free and ties tau to zero: the posterior is the precision-weighted mean.
    values, errors = np.array([0.1, 0.3, 0.2]), np.array([0.1, 0.2, 0.1])
    weights = 1 / errors**2
    mean, sd = float((weights * values).sum() / weights.sum()), float(weights.sum() ** -0.5)
    result = posterior_ratio(values, errors, mean_prior_sd=1e3, between_prior_sd=1e-6)
    assert result.ratio == pytest.approx(math.exp(mean), rel=1e-6)
    assert result.interval == pytest.approx((math.exp(mean - 1.96 * sd), math.exp(mean + 1.96 * sd)), rel=1e-4)
    assert result.probability_increase == pytest.approx(stats.norm.cdf(mean / sd), abs=1e-6)


def test_posterior_agrees_with_a_direct_integration() -> None:
    values, errors = np.array([0.05, -0.1, 0.2, 0.0]), np.array([0.05, 0.05, 0.08, 0.04])
    result = posterior_ratio(values, errors)
    mu, tau = np.meshgrid(np.linspace(-1, 1, 1601), np.linspace(0, 1.5, 1501), indexing="ij")
    log_p = -0.5 * (mu / 0.5) ** 2 - 0.5 * (tau / 0.25) ** 2
    for value, error in zip(values, errors, strict=True):
        variance = error**2 + tau**2
        log_p -= 0.5 * np.log(variance) + 0.5 * (value - mu) ** 2 / variance
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    inside = (mu > math.log(0.8)) & (mu < math.log(1.25))
    assert result.probability_inside_margin == pytest.approx(float(p[inside].sum()), abs=2e-3)
    cumulative = np.cumsum(p.sum(axis=1))
    assert math.log(result.interval[1]) == pytest.approx(float(np.interp(0.975, cumulative, mu[:, 0])), abs=2e-3)
    assert "half-normal" in result.prior


def test_bootstrap_and_mixed_model_are_refused_below_twenty_patients() -> None:
    with pytest.raises(UsageError, match="covers less than it claims"):
        bootstrap_ratio(np.zeros(19), rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="covers less than it claims"):
        mixed_model_ratio(np.zeros(40), np.repeat(np.arange(19), 3)[:40])


def test_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).gamma(2.0, 0.1, 40)
    ours = bootstrap_ratio(values, rng=np.random.default_rng(2))
    theirs = stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(3)).confidence_interval
    assert np.log(ours.interval) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_mixed_model_of_balanced_data_is_the_analysis_of_variance() -> None:
    # In balanced data the REML mean is the grand mean, its SE the root of the between mean square over N.
    rng = np.random.default_rng(4)
    table = rng.normal(0.1, 0.2, (24, 1)) + rng.normal(0, 0.1, (24, 5))
    result = mixed_model_ratio(table.ravel(), np.repeat(np.arange(24), 5))
    se = table.mean(axis=1).std(ddof=1) / math.sqrt(24)
    assert result.ratio == pytest.approx(math.exp(table.mean()), rel=1e-6)
    half = stats.t.ppf(0.975, 23) * se
    assert math.log(result.interval[1]) == pytest.approx(table.mean() + half, abs=1e-4)
    assert result.within_patient_sd == pytest.approx(0.1, rel=0.2)


def test_mixed_model_of_unbalanced_data_agrees_with_statsmodels() -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    values = 0.1 + rng.normal(0, 0.2, 25)[patients] + rng.normal(0, 0.1, patients.size)
    fit = MixedLM(values, np.ones((values.size, 1)), groups=patients).fit(reml=True)
    result = mixed_model_ratio(values, patients)
    assert math.log(result.ratio) == pytest.approx(float(fit.fe_params[0]), abs=1e-5)
    assert result.between_patient_sd == pytest.approx(math.sqrt(float(fit.cov_re[0][0])), rel=1e-3)
    assert result.within_patient_sd == pytest.approx(math.sqrt(fit.scale), rel=1e-3)
    half = stats.t.ppf(0.975, 24) * float(fit.bse_fe[0])
    assert math.log(result.interval[1]) == pytest.approx(float(fit.fe_params[0]) + half, abs=1e-4)


def test_mixed_model_where_patients_do_not_differ() -> None:
    # Each patient has the same mean: the variance between them is zero, and the mean is the plain one.
    values = np.tile([0.0, 0.2], 20)
    result = mixed_model_ratio(values, np.repeat(np.arange(20), 2))
    assert result.between_patient_sd == 0.0
    assert result.ratio == pytest.approx(math.exp(0.1))


def test_mixed_model_without_nesting_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to nest"):
        mixed_model_ratio(np.linspace(0, 1, 20), np.arange(20))


def test_patients_weigh_alike_whatever_the_number_of_their_deposits() -> None:
    # Ten patients with one deposit that did not change, ten with nine that grew by e^0.2: by patient the mean is 0.1,
    # and its t interval that of the 20 patients' means (closed form).
    patients = [*range(10), *np.repeat(np.arange(10, 20), 9)]
    rng = np.random.default_rng(5)
    logs = np.array([0.2 * (patient >= 10) for patient in patients]) + 0.01 * rng.normal(size=100)
    means = np.array([logs[np.array(patients) == patient].mean() for patient in range(20)])
    result = mixed_model_ratio(logs, patients, by_patient=True)
    expected = stats.t.interval(0.95, 19, means.mean(), stats.sem(means))
    assert result.ratio == pytest.approx(math.exp(means.mean()))
    assert result.interval == pytest.approx(tuple(np.exp(expected)))


def test_zeros_have_no_sign_to_flip() -> None:
    # Of [0, 0, 1, 2] only two signs can be flipped: 1 / 2^2.
    assert sign_flip_test([0.0, 0.0, 1.0, 2.0]).smallest_p_one_sided == 0.25
    assert sign_flip_test([0.0, 0.0, 1.0, 2.0]).p_increase == 0.25
