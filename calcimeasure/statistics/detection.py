"""The limit of detection: the size from which things are found 95 times in 100, from films with known truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, level, positive
from calcimeasure.statistics.laws import normal_quantile

_LARGEST_EXPONENT = 700.0
_STEPS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitOfDetection:
    """Where the chance of being found reaches a given probability.

    Attributes
    ----------
    size, interval
        The size, and its interval (on the log scale); infinite where larger things are not found more often.
    intercept, slope
        Of the log odds on the natural logarithm of size.
    """

    count: int
    found: int
    probability: float
    confidence_level: float
    size: float
    interval: Interval
    intercept: float
    slope: float

    def chance(self, size: float) -> float:
        """Return the chance that something of this size is found."""
        return float(expit(self.intercept + self.slope * math.log(size)))


def limit_of_detection(
    sizes: ArrayLike, found: ArrayLike, *, probability: float = 0.95, confidence_level: float = 0.95
) -> LimitOfDetection:
    """Return the size that is found with the wanted probability, by logistic regression on log size.

    Maximum likelihood by Newton's steps; with log odds a + b ln x the limit is exp((logit p - a) / b), and the delta
    method on its logarithm gives the interval (as probit limits are had in CLSI EP17). The false alarms that the same
    setting of the detector gives must be stated with it: a detector that marks everything misses nothing.

    Parameters
    ----------
    sizes
        Of things that are really there.
    found
        Whether each was found.

    Raises
    ------
    UsageError
        When all were found, or none: the size at which it begins is then not in the data. When found and missed ones
        do not overlap in size, or share but one, for the same reason.
    """
    level(confidence_level)
    x = np.log(positive(sizes, name="sizes", least=4))
    y = np.asarray(found, dtype=np.float64).ravel()
    if y.size != x.size or not np.isin(y, (0.0, 1.0)).all():
        raise UsageError(f"{x.size} sizes need as many answers, found or not", where="found")
    hits, misses = x[y == 1.0], x[y == 0.0]
    if not hits.size or not misses.size:
        raise UsageError(
            f"{hits.size} of {x.size} were found: the limit is not within these sizes",
            remedy="Add smaller ones where all were found, larger ones where none was.",
        )
    # One size in common is not enough: the likelihood has no maximum then either.
    if hits.min() >= misses.max() or hits.max() <= misses.min():
        raise UsageError("found and missed ones do not overlap in size", remedy="Add sizes between them.")
    coefficients, covariance = _logistic(x, y)
    intercept, slope = (float(value) for value in coefficients)
    log_limit = (float(logit(probability)) - intercept) / slope if slope > 0.0 else math.inf
    if log_limit > _LARGEST_EXPONENT:
        limit, interval = math.inf, (math.inf, math.inf)
    else:
        gradient = np.array([-1.0 / slope, -log_limit / slope])
        half = normal_quantile((1.0 + confidence_level) / 2.0) * math.sqrt(float(gradient @ covariance @ gradient))
        limit = math.exp(log_limit)
        interval = (math.exp(log_limit - half), math.exp(min(log_limit + half, _LARGEST_EXPONENT)))
    return LimitOfDetection(
        count=x.size,
        found=hits.size,
        probability=probability,
        confidence_level=confidence_level,
        size=limit,
        interval=interval,
        intercept=intercept,
        slope=slope,
    )


def _logistic(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return maximum-likelihood coefficients (intercept, slope) and their covariance."""
    centre = float(x.mean())
    design = np.column_stack([np.ones_like(x), x - centre])
    coefficients = np.zeros(2)
    for _ in range(_STEPS):
        fitted = expit(design @ coefficients)
        information = design.T @ (design * (fitted * (1.0 - fitted))[:, None])
        step = np.linalg.solve(information, design.T @ (y - fitted))
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-12:
            break
    # Back to the logarithm itself, not its distance from the mean.
    back = np.array([[1.0, -centre], [0.0, 1.0]])
    return back @ coefficients, back @ np.linalg.inv(information) @ back.T
