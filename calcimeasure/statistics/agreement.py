"""Agreement of two methods (Bland and Altman) and of a method with truth (bias and linearity)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Interval, level, paired
from calcimeasure.statistics.laws import f_probability, noncentral_t_quantile, normal_quantile, t_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class BlandAltman:
    """Limits of agreement with exact confidence limits.

    Attributes
    ----------
    bias, bias_interval
        Mean difference first - second, with its t interval.
    sd
        Standard deviation of the differences.
    limits
        bias ∓ z sd, between which 95 % of differences are expected.
    lower_limit_interval, upper_limit_interval
        Exact intervals of each limit from the non-central t.
    proportional_slope, proportional_slope_interval
        Slope of the differences on the means, with its t interval: other than 0, one bias does not fit all sizes.
    """

    pairs: int
    confidence_level: float
    bias: float
    bias_interval: Interval
    sd: float
    limits: Interval
    lower_limit_interval: Interval
    upper_limit_interval: Interval
    proportional_slope: float
    proportional_slope_interval: Interval


def bland_altman(
    first: ArrayLike, second: ArrayLike, *, coverage: float = 0.95, confidence_level: float = 0.95
) -> BlandAltman:
    """Return the limits of agreement of paired measurements.

    A limit d + z s is a percentile of a normal law; sqrt(n) (limit - d) / s follows a non-central t with n - 1 degrees
    of freedom and non-centrality z sqrt(n), whose quantiles bound it exactly (Carkeet, Optom Vis Sci 2015;92:e71;
    Shieh, BMC Med Res Methodol 2018;18:45). Take logarithms first where errors grow with size.

    Parameters
    ----------
    first, second
        One value a pair.
    coverage
        Share of differences that the limits are to hold: z = Phi^-1((1 + coverage) / 2).
    confidence_level
        Of all intervals.

    Raises
    ------
    UsageError
        With fewer than three pairs.
    """
    level(confidence_level)
    one, two = paired(first, second, names=("first", "second"), least=3)
    differences = one - two
    count, bias, sd = differences.size, float(differences.mean()), float(differences.std(ddof=1))
    z = normal_quantile((1.0 + level(coverage)) / 2.0)
    half = t_quantile((1.0 + confidence_level) / 2.0, count - 1) * sd / math.sqrt(count)
    tail = (1.0 - confidence_level) / 2.0
    near, far = tolerance_factor(count, z, tail) * sd, tolerance_factor(count, z, 1.0 - tail) * sd
    slope, slope_half = _slope((one + two) / 2.0, differences, confidence_level)
    return BlandAltman(
        pairs=count,
        confidence_level=confidence_level,
        bias=bias,
        bias_interval=(bias - half, bias + half),
        sd=sd,
        limits=(bias - z * sd, bias + z * sd),
        lower_limit_interval=(bias - far, bias - near),
        upper_limit_interval=(bias + near, bias + far),
        proportional_slope=slope,
        proportional_slope_interval=(slope - slope_half, slope + slope_half),
    )


def tolerance_factor(count: int, z: float, probability: float) -> float:
    """Return k such that mean + k SD of `count` values exceeds the z-percentile with this probability."""
    root = math.sqrt(count)
    return noncentral_t_quantile(probability, count - 1, z * root) / root


def _slope(x: np.ndarray, y: np.ndarray, confidence_level: float) -> tuple[float, float]:
    """Return the least-squares slope of y on x and the half-width of its t interval; (0, inf) without spread of x."""
    centred = x - x.mean()
    spread = float((centred**2).sum())
    if spread == 0.0:
        return (0.0, math.inf)
    slope = float((centred * (y - y.mean())).sum()) / spread
    residual = y - y.mean() - slope * centred
    se = math.sqrt(float((residual**2).sum()) / (x.size - 2) / spread)
    return (slope, t_quantile((1.0 + confidence_level) / 2.0, x.size - 2) * se)


@dataclass(frozen=True, kw_only=True, slots=True)
class Linearity:
    """Measured against true values.

    Attributes
    ----------
    slope, slope_interval, intercept, intercept_interval
        Least squares of measured on true.
    quadratic_p
        Probability of so large a quadratic term where the relation is straight.
    bias, bias_interval
        Mean of measured - true, with its t interval.
    bias_percent, bias_percent_interval
        The same of 100 (measured - true) / true; None where a true value is 0.
    residual_sd, r_squared
        About the line.
    """

    count: int
    confidence_level: float
    slope: float
    slope_interval: Interval
    intercept: float
    intercept_interval: Interval
    quadratic_p: float
    bias: float
    bias_interval: Interval
    bias_percent: float | None
    bias_percent_interval: Interval | None
    residual_sd: float
    r_squared: float


def linearity(measured: ArrayLike, truth: ArrayLike, *, confidence_level: float = 0.95) -> Linearity:
    """Return bias and linearity of a measurement against truth.

    As the metrology papers ask (Raunig et al., Stat Methods Med Res 2015;24:27): a quadratic term first, then the
    line; a slope other than 1 biases change, a bias that is the same everywhere does not. For change itself, give log
    ratios.

    Raises
    ------
    UsageError
        With fewer than four values or a truth that does not vary.
    """
    level(confidence_level)
    y, x = paired(measured, truth, names=("measured", "truth"), least=4)
    if np.ptp(x) == 0.0:
        raise UsageError("the true values are all the same", where="truth", remedy="Linearity needs several sizes.")
    count = x.size
    half_quantile = t_quantile((1.0 + confidence_level) / 2.0, count - 2)
    slope, slope_half = _slope(x, y, confidence_level)
    intercept = float(y.mean() - slope * x.mean())
    residual = y - intercept - slope * x
    residual_sd = math.sqrt(float((residual**2).sum()) / (count - 2))
    spread = float(((x - x.mean()) ** 2).sum())
    intercept_half = half_quantile * residual_sd * math.sqrt(1.0 / count + float(x.mean()) ** 2 / spread)
    total = float(((y - y.mean()) ** 2).sum())
    bias, bias_half = _mean_with_half_width(y - x, confidence_level)
    percent: float | None = None
    percent_interval: Interval | None = None
    if (x != 0.0).all():
        percent, half = _mean_with_half_width(100.0 * (y - x) / x, confidence_level)
        percent_interval = (percent - half, percent + half)
    return Linearity(
        count=count,
        confidence_level=confidence_level,
        slope=slope,
        slope_interval=(slope - slope_half, slope + slope_half),
        intercept=intercept,
        intercept_interval=(intercept - intercept_half, intercept + intercept_half),
        quadratic_p=_quadratic_p(x, y, float((residual**2).sum())),
        bias=bias,
        bias_interval=(bias - bias_half, bias + bias_half),
        bias_percent=percent,
        bias_percent_interval=percent_interval,
        residual_sd=residual_sd,
        r_squared=1.0 - float((residual**2).sum()) / total if total > 0.0 else 1.0,
    )


def _mean_with_half_width(values: np.ndarray, confidence_level: float) -> tuple[float, float]:
    half = t_quantile((1.0 + confidence_level) / 2.0, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size)
    return (float(values.mean()), float(half))


def _quadratic_p(x: np.ndarray, y: np.ndarray, linear_residual: float) -> float:
    """Return the p-value of the F test of a quadratic term, on centred x."""
    scaled = (x - x.mean()) / x.std()
    design = np.column_stack([np.ones_like(scaled), scaled, scaled**2])
    if np.linalg.matrix_rank(design) < 3:
        return 1.0
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = float(((y - design @ coefficients) ** 2).sum())
    if residual <= 0.0:
        return 1.0 if linear_residual <= 0.0 else 0.0
    statistic = (linear_residual - residual) / (residual / (x.size - 3))
    return 1.0 - f_probability(max(statistic, 0.0), 1.0, x.size - 3)
