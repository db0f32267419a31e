"""Power and sample size against published tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    could_have_detected,
    log_ratio_sd,
    log_sd_of_cv,
    patients_for_change,
    patients_for_equivalence,
    plan,
    power_of_change,
    power_of_equivalence,
    smallest_change_detected,
)


@pytest.mark.parametrize(
    ("cv", "patients", "power"),
    [
        # Two-by-two cross-over, true ratio 0.95, margin 0.80-1.25: R package PowerTOST (exact, Owen's Q), vignette
        # "Average bioequivalence"; 20 subjects at CV 20 % also in Diletti et al., Int J Clin Pharmacol 1991;29:1.
        (0.20, 20, 0.834680),
        (0.30, 40, 0.815845),
    ],
)
def test_power_of_equivalence_is_the_published_one(cv: float, patients: int, power: float) -> None:
    log_sd = math.sqrt(2.0) * log_sd_of_cv(cv)
    ours = power_of_equivalence(log_sd, patients, true_ratio=0.95, degrees_of_freedom=patients - 2)
    assert ours == pytest.approx(power, abs=2e-6)


@pytest.mark.parametrize(
    ("cv", "patients", "power"),
    # Simulated power of a log-ratio TOST, one film a visit (shared/reference, derived with 200,000 draws).
    [(0.05, 4, 1.00), (0.08, 4, 0.82), (0.10, 4, 0.60), (0.10, 6, 0.90), (0.13, 6, 0.65), (0.20, 10, 0.51)],
)
def test_power_for_single_films(cv: float, patients: int, power: float) -> None:
    assert power_of_equivalence(log_ratio_sd(cv), patients) == pytest.approx(power, abs=0.012)


def test_power_where_patients_differ() -> None:
    assert power_of_equivalence(log_ratio_sd(0.05, between_sd=0.2), 10) == pytest.approx(0.84, abs=0.012)


@pytest.mark.parametrize(("effect", "patients"), [(0.5, 34), (0.8, 15), (0.2, 199)])
def test_patients_for_change_of_the_textbook(effect: float, patients: int) -> None:
    # One-sample t test, two-sided 5 %, power 80 %: Cohen's d 0.2, 0.5, 0.8 need 199, 34 and 15 (G*Power, and
    # statsmodels TTestPower gives 198.2, 33.4, 14.3).
    assert patients_for_change(1.0, true_ratio=math.exp(effect)) == patients


def test_power_of_change_is_the_level_where_nothing_changed() -> None:
    assert power_of_change(0.3, 10, true_ratio=1.0) == pytest.approx(0.05, abs=1e-6)
    assert power_of_change(0.3, 10, true_ratio=1.2) == pytest.approx(power_of_change(0.3, 10, true_ratio=1 / 1.2))


def test_power_of_change_agrees_with_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    for effect, patients in ((0.3, 5), (1.0, 8), (2.5, 4), (0.1, 300)):
        expected = TTestPower().power(effect, patients, 0.05)
        assert power_of_change(1.0, patients, true_ratio=math.exp(effect)) == pytest.approx(expected, abs=1e-6)


def test_fewest_patients_for_equivalence() -> None:
    log_sd = log_ratio_sd(0.10)
    patients = patients_for_equivalence(log_sd)
    assert power_of_equivalence(log_sd, patients) >= 0.80 > power_of_equivalence(log_sd, patients - 1)
    with pytest.raises(UsageError, match="not inside the margin"):
        patients_for_equivalence(log_sd, true_ratio=1.3)
    with pytest.raises(UsageError, match="10000 patients"):
        patients_for_equivalence(50.0)


def test_repeats_divide_the_measurement_error_only() -> None:
    assert log_ratio_sd(0.1, repeats=4) == pytest.approx(log_ratio_sd(0.1) / 2)
    assert log_ratio_sd(0.0, between_sd=0.2, repeats=4) == pytest.approx(0.2)


def test_the_smallest_change_has_the_power_asked_for() -> None:
    ratio = smallest_change_detected(0.15, 8)
    assert power_of_change(0.15, 8, true_ratio=ratio) == pytest.approx(0.80, abs=1e-6)


def test_plan_holds_together() -> None:
    result = plan(patients=12, within_cv=0.08, between_sd=0.1, repeats=2)
    assert result.log_sd == pytest.approx(log_ratio_sd(0.08, between_sd=0.1, repeats=2))
    assert 0.9 < result.power_equivalence < 1.0
    assert result.power_change > 0.9
    assert 5.0 < result.smallest_change_percent < 20.0


def test_what_a_study_could_have_detected_does_not_depend_on_what_it_found() -> None:
    ratios, errors = np.array([0.02, -0.03, 0.05, 0.0]), np.full(4, 0.06)
    one = could_have_detected(ratios, errors)
    two = could_have_detected(ratios + 0.3, errors)
    assert one.smallest_increase_percent == pytest.approx(two.smallest_increase_percent)
    assert one.power_equivalence == pytest.approx(two.power_equivalence)
    # Four patients who agree by chance are not more precise than their films.
    assert one.log_sd == pytest.approx(0.06)
    low, high = one.smallest_margin_ratio
    assert low * high == pytest.approx(1.0)
    assert power_of_equivalence(one.log_sd, 4, margin_ratio=(low, high)) == pytest.approx(0.80, abs=1e-4)
    assert one.smallest_decrease_percent == pytest.approx(100 * (1 / (1 + one.smallest_increase_percent / 100) - 1))


@pytest.mark.parametrize("patients", [2, 3, 5, 12, 40])
def test_power_agrees_with_simulation(patients: int) -> None:
    rng = np.random.default_rng(patients)
    from scipy import stats

    draws = rng.normal(math.log(1.05), 0.15, (20_000, patients))
    half = stats.t.ppf(0.95, patients - 1) * draws.std(axis=1, ddof=1) / math.sqrt(patients)
    mean = draws.mean(axis=1)
    share = np.mean((mean - half > math.log(0.8)) & (mean + half < math.log(1.25)))
    assert power_of_equivalence(0.15, patients, true_ratio=1.05) == pytest.approx(share, abs=0.012)
