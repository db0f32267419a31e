"""Logarithms of which some are known only to lie below or above a bound: a burden of zero is one below its limit.

A normal law with least squares where a value is measured and its tail probability where it is not (Tobin, Econometrica
1958;26:24). The likelihood is concave in coefficients over sigma and 1 over sigma (Olsen, Econometrica 1978;46:1211).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, level, numbers
from calcimeasure.statistics.equivalence import GeometricMeanRatio
from calcimeasure.statistics.laws import t_probability, t_quantile

BELOW, MEASURED, ABOVE = -1, 0, 1
_FAR = 60.0
"""Standard deviations at which a limit that was not found is taken not to exist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CensoredFit:
    """A regression of which some responses are known only by a bound.

    Attributes
    ----------
    coefficients
        One a column of the design, by maximum likelihood.
    residual_sd
        The likelihood's standard deviation, freed of its bias: sigma sqrt(n / (n - columns)).
    degrees_of_freedom
        Measured responses less columns.
    """

    coefficients: tuple[float, ...]
    residual_sd: float
    log_likelihood: float
    degrees_of_freedom: int
    count: int


class CensoredRegression:
    """A normal regression whose responses are measured, or lie below or above a bound.

    Intervals come from the likelihood ratio W of a fixed coefficient against the best one, as
    t = sqrt(df expm1(W / m)) with m measured responses: exactly Student's t of least squares where all were measured.

    Parameters
    ----------
    values
        The responses, or the bounds.
    sides
        -1 where the response lies below its value, 0 where it is measured, 1 where it lies above.
    design
        Shape (values, columns).

    Raises
    ------
    UsageError
        Where the measured responses are too few, or do not vary, for the columns.
    """

    def __init__(self, values: ArrayLike, sides: ArrayLike, design: ArrayLike) -> None:
        self.values = numbers(values, name="values")
        self.sides = np.asarray(sides, dtype=np.int64).ravel()
        self.design = np.asarray(design, dtype=np.float64)
        if self.sides.shape != self.values.shape or self.design.shape[:1] != self.values.shape:
            raise UsageError("values, sides and the rows of the design do not match")
        measured = self.sides == MEASURED
        self.measured_count = int(measured.sum())
        self.degrees_of_freedom = self.measured_count - int(np.linalg.matrix_rank(self.design[measured]))
        if self.degrees_of_freedom < 1 or np.linalg.matrix_rank(self.design) < self.design.shape[1]:
            raise UsageError(f"{self.measured_count} measured values are too few, or too alike, for this comparison")
        start, *_ = np.linalg.lstsq(self.design[measured], self.values[measured], rcond=None)
        residual = self.values[measured] - self.design[measured] @ start
        spread = math.sqrt(float((residual**2).mean()))
        if spread <= 1e-9 * max(1.0, float(np.abs(self.values).max())):
            raise UsageError("the measured values do not vary; their spread cannot be estimated")
        self._start, self._spread = start, spread
        self._best = self._maximum(self.design, np.zeros_like(self.values))

    @property
    def fit(self) -> CensoredFit:
        """The maximum of the likelihood."""
        log_likelihood, scaled = self._best
        sigma = 1.0 / scaled[-1]
        unbiased = math.sqrt(self.values.size / max(1, self.values.size - self.design.shape[1]))
        return CensoredFit(
            coefficients=tuple(float(one) * sigma for one in scaled[:-1]),
            residual_sd=sigma * unbiased,
            log_likelihood=log_likelihood,
            degrees_of_freedom=self.degrees_of_freedom,
            count=self.values.size,
        )

    def estimate(self, column: int) -> float:
        """Return a coefficient; infinite where the likelihood rises without end."""
        fit = self.fit
        for sign in (-1.0, 1.0):
            far = fit.coefficients[column] + sign * _FAR * fit.residual_sd
            if self._distance(column, far) < 1e-6:
                return sign * math.inf
        return fit.coefficients[column]

    def t_statistic(self, column: int, value: float) -> float:
        """Return the signed root of the likelihood ratio of a coefficient's value, on the scale of Student's t."""
        ratio = self._distance(column, value)
        root = math.sqrt(self.degrees_of_freedom * math.expm1(min(ratio / self.measured_count, 700.0)))
        return math.copysign(root, self.fit.coefficients[column] - value)

    def interval(self, column: int, confidence_level: float = 0.95) -> Interval:
        """Return the limits of a coefficient; infinite where the data set none."""
        critical = t_quantile((1.0 + level(confidence_level)) / 2.0, self.degrees_of_freedom)
        return (self._limit(column, -1.0, critical), self._limit(column, 1.0, critical))

    def _limit(self, column: int, sign: float, critical: float) -> float:
        from scipy.optimize import brentq

        centre, step = self.fit.coefficients[column], self.fit.residual_sd / math.sqrt(self.values.size)

        def excess(value: float) -> float:
            return abs(self.t_statistic(column, value)) - critical

        inner, outer = centre, centre + sign * step
        while excess(outer) < 0.0:
            if abs(outer - centre) > _FAR * critical * self.fit.residual_sd:
                return sign * math.inf
            inner, step = outer, 2.0 * step
            outer += sign * step
        return float(brentq(excess, inner, outer, xtol=1e-10 * max(1.0, abs(outer))))

    def _distance(self, column: int, value: float) -> float:
        """Return twice the fall of the log-likelihood where a coefficient is fixed."""
        rest = np.delete(self.design, column, axis=1)
        fixed, _ = self._maximum(rest, value * self.design[:, column], np.delete(self._start, column))
        return max(0.0, 2.0 * (self._best[0] - fixed))

    def _maximum(self, design: Floats, offset: Floats, start: Floats | None = None) -> tuple[float, Floats]:
        """Return the largest log-likelihood, and coefficients over sigma followed by 1 over sigma."""
        first = np.append((self._start if start is None else start) / self._spread, 1.0 / self._spread)
        log_likelihood = _LogLikelihood(self.values - offset, self.sides, design)
        return _newton(log_likelihood, first)


class _LogLikelihood:
    """Value, gradient and negative Hessian of the log-likelihood in Olsen's parameters."""

    def __init__(self, values: Floats, sides: NDArray[np.int64], design: Floats) -> None:
        self.measured = sides == MEASURED
        self.signs = -np.asarray(sides, dtype=np.float64)[~self.measured]
        # z = value / sigma - x beta / sigma is linear in the parameters.
        self.rows = np.column_stack([-design, values])

    def __call__(self, parameters: Floats) -> tuple[float, Floats, Floats]:
        theta = parameters[-1]
        z = self.rows @ parameters
        exact, tails = self.rows[self.measured], self.rows[~self.measured]
        residual, bound = z[self.measured], self.signs * z[~self.measured]
        log_tail = log_ndtr(bound)
        # phi / Phi, which stays finite in the far tail.
        hazard = np.exp(-0.5 * bound**2 - 0.5 * math.log(2.0 * math.pi) - log_tail)
        count = residual.size
        value = count * (math.log(theta) - 0.5 * math.log(2.0 * math.pi)) - 0.5 * float(residual @ residual)
        value += float(log_tail.sum())
        gradient = -exact.T @ residual + tails.T @ (self.signs * hazard)
        gradient[-1] += count / theta
        curvature = exact.T @ exact + tails.T @ (tails * (hazard * (hazard + bound))[:, None])
        curvature[-1, -1] += count / theta**2
        return value, gradient, curvature


def _newton(function: Callable[[Floats], tuple[float, Floats, Floats]], start: Floats) -> tuple[float, Floats]:
    """Return the maximum of a concave function: Newton's steps, halved until it rises and 1 / sigma stays positive."""
    at = start
    value, gradient, curvature = function(at)
    for _ in range(200):
        # A separated column has no curvature far out: a little is added, so that its steps stay finite.
        ridge = 1e-12 * np.trace(curvature) * np.eye(at.size)
        step = np.linalg.solve(curvature + ridge, gradient)
        rise = float(gradient @ step)
        if rise < 1e-14 * max(1.0, abs(value)):
            break
        length = 1.0
        while length > 1e-10:
            tried = at + length * step
            if tried[-1] > 0.0:
                found = function(tried)
                if found[0] >= value + 1e-4 * length * rise:
                    break
            length /= 2.0
        else:
            break
        at, (value, gradient, curvature) = tried, found
    return value, at


def censored_geometric_mean_ratio(
    log_ratios: ArrayLike,
    sides: ArrayLike,
    *,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    confidence_level: float = 0.95,
) -> GeometricMeanRatio:
    """Return the geometric mean ratio where some ratios are known only to lie below or above a bound.

    A burden that fell from A to zero has a ratio below limit / A, one that rose from zero to A a ratio above
    A / limit. Without any such patient the result is that of `geometric_mean_ratio`. A limit of the interval is 0 or
    infinite where the data set none.

    Parameters
    ----------
    log_ratios
        Natural log ratios, or their bounds.
    sides
        -1 below the bound, 0 measured, 1 above the bound.

    Raises
    ------
    UsageError
        With fewer than two measured ratios that differ.
    """
    values = numbers(log_ratios, name="log_ratios", least=2)
    model = CensoredRegression(values, sides, np.ones((values.size, 1)))
    mean, degrees = model.estimate(0), model.degrees_of_freedom
    low, high = (_exp(bound) for bound in model.interval(0, confidence_level))
    low_90, high_90 = (_exp(bound) for bound in model.interval(0, 0.90))
    p_low = t_probability(-model.t_statistic(0, math.log(margin_ratio[0])), degrees)
    p_high = t_probability(model.t_statistic(0, math.log(margin_ratio[1])), degrees)
    ratio = _exp(mean)
    return GeometricMeanRatio(
        patients=values.size,
        censored=int((np.asarray(sides) != MEASURED).sum()),
        confidence_level=confidence_level,
        margin_ratio=margin_ratio,
        ratio=ratio,
        interval=(low, high),
        interval_90=(low_90, high_90),
        change_percent=100.0 * (ratio - 1.0),
        change_percent_interval=(100.0 * (low - 1.0), 100.0 * (high - 1.0)),
        log_sd=model.fit.residual_sd,
        p_no_change=2.0 * t_probability(-abs(model.t_statistic(0, 0.0)), degrees),
        p_equivalence=max(p_low, p_high),
        equivalent=margin_ratio[0] < low_90 and high_90 < margin_ratio[1],
    )


def _exp(value: float) -> float:
    return math.exp(value) if value < 700.0 else math.inf
