"""Methods that need many patients: the bootstrap and the mixed model. Below 20 patients they are refused.

With few clusters their intervals cover 0.80 to 0.86 where they claim 0.95 (`benchmarks/statistics.py` prints it): a
t interval over patients is honest there, and simpler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, level, numbers
from calcimeasure.statistics.laws import t_quantile

FEWEST_PATIENTS = 20
FEWEST_FOR_BOOTSTRAP_T = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusteredRatio:
    """A geometric mean ratio with an interval that knows of patients.

    Attributes
    ----------
    method
        How it was made.
    between_patient_sd, within_patient_sd
        Of log ratios; None from the bootstrap.
    """

    method: str
    patients: int
    confidence_level: float
    ratio: float
    interval: Interval
    between_patient_sd: float | None = None
    within_patient_sd: float | None = None


def bootstrap_ratio(
    log_ratios: ArrayLike, *, rng: np.random.Generator, resamples: int = 10_000, confidence_level: float = 0.95
) -> ClusteredRatio:
    """Return the geometric mean ratio over patients with a bias-corrected accelerated bootstrap interval.

    Patients are drawn, not deposits (Efron, J Am Stat Assoc 1987;82:171).

    Raises
    ------
    UsageError
        With fewer than 20 patients.
    """
    level(confidence_level)
    values = numbers(log_ratios, name="log_ratios")
    _enough(values.size, "A bootstrap")
    low, high = bca_interval(values, rng=rng, resamples=resamples, confidence_level=confidence_level)
    return ClusteredRatio(
        method="bootstrap over patients, bias-corrected and accelerated",
        patients=values.size,
        confidence_level=confidence_level,
        ratio=math.exp(float(values.mean())),
        interval=(math.exp(low), math.exp(high)),
    )


def bca_interval(values: Floats, *, rng: np.random.Generator, resamples: int, confidence_level: float) -> Interval:
    """Return the bias-corrected accelerated bootstrap interval of a mean, for any number of values."""
    mean = float(values.mean())
    means = values[rng.integers(0, values.size, (resamples, values.size))].mean(axis=1)
    below = (np.count_nonzero(means < mean) + 0.5 * np.count_nonzero(means == mean)) / resamples
    bias = float(ndtri(np.clip(below, 1.0 / resamples, 1.0 - 1.0 / resamples)))
    # The jackknife of a mean: leaving patient i out moves it against his deviation.
    deviations = values - mean
    spread = float((deviations**2).sum()) ** 1.5
    acceleration = float((deviations**3).sum()) / (6.0 * spread) if spread > 0.0 else 0.0
    tail = (1.0 - confidence_level) / 2.0
    probabilities = []
    for z in (float(ndtri(tail)), float(ndtri(1.0 - tail))):
        moved = bias + z
        probabilities.append(float(ndtr(bias + moved / (1.0 - acceleration * moved))))
    low, high = np.quantile(means, probabilities)
    return (float(low), float(high))


def bootstrap_t_ratio(
    log_ratios: ArrayLike, *, rng: np.random.Generator, resamples: int = 10_000, confidence_level: float = 0.90
) -> ClusteredRatio:
    """Return the geometric mean ratio with the bootstrap-t interval, which allows for skewed errors.

    Each resample's mean is divided by its own standard error (Efron 1981; Hall, Ann Stat 1988;16:927): second-order
    correct, where Student's t rejects too often.

    Raises
    ------
    UsageError
        With fewer than 10 patients, or none that differ.
    """
    level(confidence_level)
    values = numbers(log_ratios, name="log_ratios")
    if values.size < FEWEST_FOR_BOOTSTRAP_T or np.ptp(values) == 0.0:
        raise UsageError(f"a bootstrap-t interval of {values.size} patients says nothing of their skewness")
    drawn = values[rng.integers(0, values.size, (resamples, values.size))]
    spread = drawn.std(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (drawn.mean(axis=1) - values.mean()) / (spread / math.sqrt(values.size))
    # A resample of one patient alone has no spread; it lies beyond every quantile, on its own side.
    ratios = np.where(spread > 0.0, ratios, np.copysign(np.inf, drawn.mean(axis=1) - values.mean()))
    tail = (1.0 - confidence_level) / 2.0
    low, high = np.quantile(ratios, [tail, 1.0 - tail], method="inverted_cdf")
    mean, se = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    return ClusteredRatio(
        method="bootstrap-t over patients",
        patients=values.size,
        confidence_level=confidence_level,
        ratio=math.exp(mean),
        interval=(math.exp(mean - float(high) * se), math.exp(mean - float(low) * se)),
    )


def mixed_model_ratio(
    log_ratios: ArrayLike,
    patients: Sequence[object] | NDArray[np.generic],
    *,
    confidence_level: float = 0.95,
    by_patient: bool = False,
) -> ClusteredRatio:
    """Return the mean log ratio of deposits nested in patients, from a mixed model with a random patient intercept.

    y_ij = mu + b_i + e_ij, fitted by restricted maximum likelihood over the one ratio of variances (Patterson and
    Thompson, Biometrika 1971;58:545). The interval is a t interval with patients - 1 degrees of freedom, the
    between-within rule, which holds with few clusters (BMC Med Res Methodol 2021;21:56).

    Parameters
    ----------
    by_patient
        Weigh each patient alike, however many deposits there are: the model's own weights favour patients with many,
        and mislead where these change otherwise (informative cluster size: Williamson et al., Biometrics 2003;59:36).

    Raises
    ------
    UsageError
        With fewer than 20 patients.
    """
    level(confidence_level)
    values = numbers(log_ratios, name="log_ratios")
    codes = {name: code for code, name in enumerate(dict.fromkeys(patients))}
    _enough(len(codes), "A mixed model")
    groups = np.array([codes[name] for name in patients])
    if groups.size != values.size:
        raise UsageError(f"{values.size} log ratios and {groups.size} patient names")
    if values.size == len(codes) or np.ptp(values) == 0.0:
        raise UsageError(
            "no patient has two deposits, or none of them differ: there is nothing to nest",
            remedy="Use the geometric mean ratio over patients.",
        )

    counts = np.bincount(groups).astype(np.float64)
    means = np.bincount(groups, weights=values) / counts
    within = float(((values - means[groups]) ** 2).sum())
    ratio = _variance_ratio(counts, means, within)
    mean, residual = _given_ratio(ratio, counts, means, within)
    se = math.sqrt(residual / float((counts / (1.0 + ratio * counts)).sum()))
    if by_patient:
        mean, se = float(means.mean()), float(means.std(ddof=1)) / math.sqrt(means.size)
    half = t_quantile((1.0 + confidence_level) / 2.0, len(codes) - 1) * se
    return ClusteredRatio(
        method=f"mixed model, deposits nested in patients{', each patient weighted alike' if by_patient else ''}",
        patients=len(codes),
        confidence_level=confidence_level,
        ratio=math.exp(mean),
        interval=(math.exp(mean - half), math.exp(mean + half)),
        between_patient_sd=math.sqrt(ratio * residual),
        within_patient_sd=math.sqrt(residual),
    )


def _given_ratio(ratio: float, counts: Floats, means: Floats, within: float) -> tuple[float, float]:
    """Return the mean and the residual variance, given the ratio of between to residual variance."""
    weights = counts / (1.0 + ratio * counts)
    mean = float((weights * means).sum() / weights.sum())
    return mean, (within + float((weights * (means - mean) ** 2).sum())) / (counts.sum() - 1.0)


def _variance_ratio(counts: Floats, means: Floats, within: float) -> float:
    """Return the ratio of between to residual variance that maximises the restricted likelihood; 0 is allowed."""
    from scipy.optimize import minimize_scalar

    def deviance(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        _, residual = _given_ratio(ratio, counts, means, within)
        weights = counts / (1.0 + ratio * counts)
        return float(
            (counts.sum() - 1.0) * math.log(residual) + np.log1p(ratio * counts).sum() + math.log(weights.sum())
        )

    # The deviance may have its minimum at the edge: a coarse look first, then Brent within the best stretch.
    grid = np.linspace(math.log(1e-8), math.log(1e8), 65)
    best = int(np.argmin([deviance(point) for point in grid]))
    if best == 0:
        return 0.0
    bounds = (grid[best - 1], grid[min(best + 1, grid.size - 1)])
    found = minimize_scalar(deviance, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return math.exp(float(found.x))


def _enough(patients: int, what: str) -> None:
    if patients < FEWEST_PATIENTS:
        raise UsageError(
            f"{what} of {patients} patients covers less than it claims",
            remedy=f"Use the t interval of the geometric mean ratio below {FEWEST_PATIENTS} patients.",
        )
