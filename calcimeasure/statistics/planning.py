"""Sample size and power, for equivalence and for change; and what a study that was done could have detected.

A patient's log ratio of two visits with m films each has the standard deviation
sqrt(2 ln(1 + CV^2) / m + B^2): measurement error, and true changes that differ between patients with SD B.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtr

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, numbers
from calcimeasure.statistics.laws import t_quantile
from calcimeasure.statistics.repeatability import log_sd_of_cv

MOST_PATIENTS = 10_000
_NODES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A planned study of one arm, before and after.

    Attributes
    ----------
    log_sd
        Standard deviation of a patient's log ratio.
    power_equivalence
        Chance that the 90 % interval lies inside the margin, where the true ratio is `true_ratio_equivalence`.
    power_change
        Chance that a true ratio of `true_ratio_change` differs from 1 at 5 % two-sided.
    smallest_change_percent
        The true increase that the study detects with the wanted power.
    """

    patients: int
    repeats: int
    within_cv: float
    between_sd: float
    margin_ratio: Interval
    log_sd: float
    true_ratio_equivalence: float
    power_equivalence: float
    true_ratio_change: float
    power_change: float
    smallest_change_percent: float


def log_ratio_sd(within_cv: float, *, between_sd: float = 0.0, repeats: int = 1) -> float:
    """Return the standard deviation of a patient's log ratio of two visits."""
    if repeats < 1 or between_sd < 0.0:
        raise UsageError("repeats must be 1 or more, and the SD between patients not negative")
    return math.hypot(log_sd_of_cv(within_cv) * math.sqrt(2.0 / repeats), between_sd)


def power_of_equivalence(
    log_sd: float,
    patients: int,
    *,
    true_ratio: float = 1.0,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    degrees_of_freedom: int | None = None,
    alpha: float = 0.05,
) -> float:
    """Return the exact power of two one-sided t tests of a mean log ratio.

    Given the sample SD s, both tests reject where low + t s / sqrt(n) < mean < high - t s / sqrt(n); the normal
    probability of that is integrated over the chi law of s (the same number as Owen's Q functions give; Diletti et
    al., Int J Clin Pharmacol 1991;29:1).

    Parameters
    ----------
    log_sd
        Standard deviation of a patient's log ratio.
    degrees_of_freedom
        Patients - 1 unless a design says otherwise (patients - 2 in a two-by-two cross-over).
    """
    if patients < 2 or log_sd < 0.0:
        raise UsageError(f"{patients} patients with an SD of {log_sd:g} make no study")
    degrees = patients - 1 if degrees_of_freedom is None else degrees_of_freedom
    low, high = (math.log(bound) - math.log(true_ratio) for bound in margin_ratio)
    se = log_sd / math.sqrt(patients)
    if se == 0.0:
        return 1.0 if low < 0.0 < high else 0.0
    critical = t_quantile(1.0 - alpha, degrees)

    def inside(factors: Floats) -> Floats:
        return np.maximum(ndtr(high / se - critical * factors) - ndtr(low / se + critical * factors), 0.0)

    # Where the sample SD exceeds sigma by more than this factor, the two tests cannot both reject.
    return _over_sample_sd(inside, degrees, most=(high - low) / (2.0 * critical * se))


def power_of_change(log_sd: float, patients: int, *, true_ratio: float, alpha: float = 0.05) -> float:
    """Return the power of the two-sided t test of a geometric mean ratio of 1 (the non-central t)."""
    if patients < 2 or log_sd < 0.0 or true_ratio <= 0.0:
        raise UsageError("a study needs two patients, an SD that is not negative and a positive ratio")
    if log_sd == 0.0:
        return 0.0 if true_ratio == 1.0 else 1.0
    noncentrality = math.log(true_ratio) / (log_sd / math.sqrt(patients))
    critical = t_quantile(1.0 - alpha / 2.0, patients - 1)

    def missed(factors: Floats) -> Floats:
        return np.asarray(ndtr(critical * factors - noncentrality) - ndtr(-critical * factors - noncentrality))

    return 1.0 - _over_sample_sd(missed, patients - 1)


def patients_for_equivalence(
    log_sd: float, *, power: float = 0.80, true_ratio: float = 1.0, margin_ratio: Interval = DEFAULT_MARGIN_RATIO
) -> int:
    """Return the fewest patients with which equivalence is shown with the wanted power.

    Raises
    ------
    UsageError
        Where the true ratio lies outside the margin, or more than 10,000 patients would be needed.
    """
    if not margin_ratio[0] < true_ratio < margin_ratio[1]:
        raise UsageError(f"a true ratio of {true_ratio:g} is not inside the margin: no study can show equivalence")
    return _fewest(lambda n: power_of_equivalence(log_sd, n, true_ratio=true_ratio, margin_ratio=margin_ratio), power)


def patients_for_change(log_sd: float, *, true_ratio: float, power: float = 0.80) -> int:
    """Return the fewest patients with which a true ratio is distinguished from 1 with the wanted power."""
    if true_ratio == 1.0:
        raise UsageError("a ratio of 1 is no change to detect")
    return _fewest(lambda n: power_of_change(log_sd, n, true_ratio=true_ratio), power)


def smallest_change_detected(log_sd: float, patients: int, *, power: float = 0.80) -> float:
    """Return the smallest true ratio above 1 that differs from 1 at 5 % with the wanted power."""
    from scipy.optimize import brentq

    if log_sd == 0.0:
        return 1.0
    scale = log_sd / math.sqrt(patients)
    upper = scale * (t_quantile(0.975, patients - 1) + 10.0) * 2.0
    root = brentq(
        lambda delta: power_of_change(log_sd, patients, true_ratio=math.exp(delta)) - power, 1e-9 * scale, upper
    )
    return math.exp(float(root))


def plan(
    *,
    patients: int,
    within_cv: float,
    between_sd: float = 0.0,
    repeats: int = 1,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    true_ratio_equivalence: float = 1.0,
    true_ratio_change: float = 1.25,
    power: float = 0.80,
) -> Plan:
    """Return the power of a study of so many patients."""
    log_sd = log_ratio_sd(within_cv, between_sd=between_sd, repeats=repeats)
    return Plan(
        patients=patients,
        repeats=repeats,
        within_cv=within_cv,
        between_sd=between_sd,
        margin_ratio=margin_ratio,
        log_sd=log_sd,
        true_ratio_equivalence=true_ratio_equivalence,
        power_equivalence=power_of_equivalence(
            log_sd, patients, true_ratio=true_ratio_equivalence, margin_ratio=margin_ratio
        ),
        true_ratio_change=true_ratio_change,
        power_change=power_of_change(log_sd, patients, true_ratio=true_ratio_change),
        smallest_change_percent=100.0 * (smallest_change_detected(log_sd, patients, power=power) - 1.0),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Detectable:
    """What a study that was done could have detected, from its own films.

    Attributes
    ----------
    log_sd
        The SD of patients' log ratios that was assumed: the observed one, or what the films' own errors amount to
        where that is larger (few patients can agree by chance).
    smallest_increase_percent, smallest_decrease_percent
        The true change of the geometric mean that it would have detected 80 times in 100.
    power_equivalence
        The chance it had to show equivalence, had nothing changed.
    smallest_margin_ratio
        The narrowest symmetric margin within which it had an 80 % chance of showing equivalence.
    """

    patients: int
    log_sd: float
    smallest_increase_percent: float
    smallest_decrease_percent: float
    power_equivalence: float
    smallest_margin_ratio: Interval


def could_have_detected(
    log_ratios: ArrayLike,
    log_ratio_ses: ArrayLike,
    *,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    power: float = 0.80,
    spread: float | None = None,
) -> Detectable:
    """Return what a study of these patients, with these errors, could have detected.

    Power is computed from the precision of the films and the spread of patients, never from the change that was
    observed: "observed power" only repeats the p-value (Hoenig and Heisey, Am Stat 2001;55:19).

    Parameters
    ----------
    log_ratios, log_ratio_ses
        Of the patients with a measured ratio.
    spread
        SD of patients' log ratios where it was estimated from more than these: from those known by a bound, too.
    """
    from scipy.optimize import brentq

    ratios = numbers(log_ratios, name="log_ratios", least=2)
    errors = numbers(log_ratio_ses, name="log_ratio_ses", least=2)
    observed = float(ratios.std(ddof=1)) if spread is None else spread
    log_sd = max(observed, math.sqrt(float((errors**2).mean())))
    if log_sd == 0.0:
        raise UsageError("neither patients nor films vary; there is no power to compute")
    factor = smallest_change_detected(log_sd, ratios.size, power=power)

    def lacking(log_margin: float) -> float:
        margin = (math.exp(-log_margin), math.exp(log_margin))
        return power_of_equivalence(log_sd, ratios.size, margin_ratio=margin) - power

    widest = log_sd / math.sqrt(ratios.size) * (t_quantile(0.95, ratios.size - 1) + 5.0) * 12.0
    log_margin = float(brentq(lacking, 1e-6 * log_sd, widest))
    return Detectable(
        patients=ratios.size,
        log_sd=log_sd,
        smallest_increase_percent=100.0 * (factor - 1.0),
        smallest_decrease_percent=100.0 * (1.0 / factor - 1.0),
        power_equivalence=power_of_equivalence(log_sd, ratios.size, margin_ratio=margin_ratio),
        smallest_margin_ratio=(math.exp(-log_margin), math.exp(log_margin)),
    )


def _over_sample_sd(function: Callable[[Floats], Floats], degrees: int, *, most: float = math.inf) -> float:
    """Return the mean of a function of s / sigma, where s / sigma follows chi / sqrt(degrees), up to `most`."""
    # The chi law lies within 12 of its standard deviations, about 1 / sqrt(2 df), to machine precision.
    spread = 12.0 / math.sqrt(2.0 * degrees)
    lower, upper = max(0.0, 1.0 - spread), min(most, 1.0 + spread)
    if upper <= lower:
        return 0.0
    nodes, weights = _nodes()
    factors = lower + (upper - lower) * (nodes + 1.0) / 2.0
    log_density = (
        (1.0 - degrees / 2.0) * math.log(2.0)
        - float(gammaln(degrees / 2.0))
        + (degrees / 2.0) * math.log(degrees)
        + (degrees - 1.0) * np.log(factors)
        - degrees * factors**2 / 2.0
    )
    total = float((weights * np.exp(log_density) * function(factors)).sum()) * (upper - lower) / 2.0
    return min(1.0, max(0.0, total))


@cache
def _nodes() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return nodes, weights


def _fewest(power_with: Callable[[int], float], power: float) -> int:
    """Return the smallest number of patients whose power reaches what is wanted, by doubling and halving."""
    if not 0.0 < power < 1.0:
        raise UsageError(f"a power of {power:g} is not between 0 and 1")
    enough = 2
    while power_with(enough) < power:
        enough *= 2
        if enough > MOST_PATIENTS:
            raise UsageError(
                f"more than {MOST_PATIENTS} patients would be needed",
                remedy="Measure better (repeat films), widen the margin, or look for a larger change.",
            )
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power_with(middle) < power:
            too_few = middle
        else:
            enough = middle
    return enough
