"""Repeatability: what repeated measurements of the same thing differ by, and the profile of it by size.

Terms and formulae follow Bland and Altman (BMJ 1996;313:744) and the QIBA papers (Raunig et al., Stat Methods Med Res
2015;24:27; Obuchowski et al., Acad Radiol 2016;23:496).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, grouped, level, positive
from calcimeasure.statistics.laws import chi2_quantile, normal_quantile

if TYPE_CHECKING:
    import pandas as pd

MOST_EXPONENT = 700.0
"""Above it an exponential is infinite: two measurements of one thing that differ so say nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeatability:
    """Within-subject variation, in the unit of measurement and relative to it.

    Attributes
    ----------
    subjects, degrees_of_freedom
        Subjects measured more than once, and the repeats beyond the first.
    wsd, wsd_interval
        Within-subject standard deviation, with chi-square limits.
    rc, rc_interval
        Repeatability coefficient 1.96 sqrt(2) wSD = 2.77 wSD: two measurements of the same thing differ by less than
        it 95 times in 100.
    log_wsd
        Within-subject SD of the natural logarithms; None where a value is not positive.
    wcv, wcv_interval
        Within-subject coefficient of variation sqrt(exp(log_wsd^2) - 1), with limits from those of log_wsd.
    wcv_rms
        Root of the mean over subjects of (SD / mean)^2, as QIBA writes it.
    rc_percent
        (low, high) change in percent between which two measurements of the same thing differ 95 times in 100:
        100 (exp(∓1.96 sqrt(2) log_wsd) - 1). Not symmetric: a ratio is.
    rc_percent_upper
        The same from the upper chi-square limit of log_wsd: what a careful reader allows for.
    """

    subjects: int
    degrees_of_freedom: int
    confidence_level: float
    wsd: float
    wsd_interval: Interval
    rc: float
    rc_interval: Interval
    log_wsd: float | None
    wcv: float | None
    wcv_interval: Interval | None
    wcv_rms: float | None
    rc_percent: Interval | None
    rc_percent_upper: Interval | None


def repeatability(
    values: ArrayLike, subjects: Sequence[object] | NDArray[np.generic], *, confidence_level: float = 0.95
) -> Repeatability:
    """Return the within-subject variation of repeated measurements.

    The pooled variance is sum over subjects of (x - mean)^2 over N - n, a chi-square variable times wSD^2 / (N - n),
    which gives the limits sqrt(df s^2 / chi2).

    Parameters
    ----------
    values
        One measurement a row.
    subjects
        What was measured, a name a row; a subject named once adds nothing and is left out.
    confidence_level
        Of the limits.

    Raises
    ------
    UsageError
        When nothing was measured twice.
    """
    level(confidence_level)
    groups = grouped(values, subjects, name="values")
    wsd, degrees = pooled_sd(groups)
    limits = chi_square_limits(wsd, degrees, confidence_level)
    factor = normal_quantile(0.975) * math.sqrt(2.0)
    relative: dict[str, float | Interval | None] = dict.fromkeys(
        ("log_wsd", "wcv", "wcv_interval", "wcv_rms", "rc_percent", "rc_percent_upper")
    )
    if all((group > 0.0).all() for group in groups):
        log_wsd, _ = pooled_sd([np.log(group) for group in groups])
        low, high = chi_square_limits(log_wsd, degrees, confidence_level)
        relative = {
            "log_wsd": log_wsd,
            "wcv": cv_of_log_sd(log_wsd),
            "wcv_interval": (cv_of_log_sd(low), cv_of_log_sd(high)),
            "wcv_rms": math.sqrt(float(np.mean([group.var(ddof=1) / group.mean() ** 2 for group in groups]))),
            "rc_percent": _change_limits(factor * log_wsd),
            "rc_percent_upper": _change_limits(factor * high),
        }
    return Repeatability(
        subjects=len(groups),
        degrees_of_freedom=degrees,
        confidence_level=confidence_level,
        wsd=wsd,
        wsd_interval=limits,
        rc=factor * wsd,
        rc_interval=(factor * limits[0], factor * limits[1]),
        **relative,  # type: ignore[arg-type]
    )


def pooled_sd(groups: Sequence[Floats]) -> tuple[float, int]:
    """Return the pooled standard deviation within groups and its degrees of freedom."""
    degrees = sum(group.size - 1 for group in groups)
    squares = math.fsum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return math.sqrt(squares / degrees), degrees


def chi_square_limits(sd: float, degrees_of_freedom: int, confidence_level: float = 0.95) -> Interval:
    """Return the limits sqrt(df s^2 / chi2) of a standard deviation."""
    tail = (1.0 - confidence_level) / 2.0
    return (
        sd * math.sqrt(degrees_of_freedom / chi2_quantile(1.0 - tail, degrees_of_freedom)),
        sd * math.sqrt(degrees_of_freedom / chi2_quantile(tail, degrees_of_freedom)),
    )


def cv_of_log_sd(log_sd: float) -> float:
    """Return the coefficient of variation of a log-normal quantity."""
    square = log_sd * log_sd
    return math.sqrt(math.expm1(square)) if square < MOST_EXPONENT else math.inf


def log_sd_of_cv(cv: float) -> float:
    """Return the SD of the logarithm of a quantity with a coefficient of variation: sqrt(ln(1 + CV^2))."""
    if cv < 0.0 or not math.isfinite(cv):
        raise UsageError(f"{cv} is not a coefficient of variation", remedy="Give a fraction, e.g. 0.08 for 8 %.")
    return math.sqrt(math.log1p(cv * cv))


def upper_limit_of_cv(cv: float, degrees_of_freedom: int, *, assurance: float = 0.80) -> float:
    """Return the one-sided upper limit of a CV: a plan made with it reaches its power with this assurance.

    The log variance times df over its chi-square quantile (Julious and Owen, Pharm Stat 2006;5:29).
    """
    log_sd = log_sd_of_cv(cv)
    quantile = chi2_quantile(1.0 - level(assurance), degrees_of_freedom)
    return cv_of_log_sd(log_sd * math.sqrt(degrees_of_freedom / quantile))


def precision_profile(
    values: ArrayLike,
    subjects: Sequence[object] | NDArray[np.generic],
    *,
    bins: int | Sequence[float] = 5,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Return the within-subject CV by size: precision of a small deposit is not that of a large one.

    Parameters
    ----------
    values
        Positive measurements, a row each.
    subjects
        What was measured.
    bins
        A number of classes with equally many subjects, or the edges of classes of geometric mean size. A subject
        outside the edges is in no class.

    Returns
    -------
    pandas.DataFrame
        A row a class: size_from, size_to, size_mean (geometric), subjects, degrees_of_freedom, wcv, wcv_low, wcv_high,
        rc_percent_low, rc_percent_high, rc (in the unit of the values: it holds for this size alone).
    """
    import pandas as pd

    groups = grouped(positive(values, name="values"), subjects, name="values")
    sizes = np.array([float(np.exp(np.log(group).mean())) for group in groups])
    edges = _edges(sizes, bins)
    rows = []
    for low_edge, high_edge in pairwise(edges):
        last = high_edge == edges[-1]
        inside = (sizes >= low_edge) & ((sizes <= high_edge) if last else (sizes < high_edge))
        if not inside.any():
            continue
        chosen = [np.log(group) for group, take in zip(groups, inside, strict=True) if take]
        log_wsd, degrees = pooled_sd(chosen)
        low, high = chi_square_limits(log_wsd, degrees, confidence_level)
        rc = _change_limits(normal_quantile(0.975) * math.sqrt(2.0) * log_wsd)
        rows.append(
            {
                "size_from": float(low_edge),
                "size_to": float(high_edge),
                "size_mean": float(np.exp(np.log(sizes[inside]).mean())),
                "subjects": int(inside.sum()),
                "degrees_of_freedom": degrees,
                "wcv": cv_of_log_sd(log_wsd),
                "wcv_low": cv_of_log_sd(low),
                "wcv_high": cv_of_log_sd(high),
                "rc_percent_low": rc[0],
                "rc_percent_high": rc[1],
                "rc": normal_quantile(0.975) * math.sqrt(2.0) * pooled_sd([np.exp(logs) for logs in chosen])[0],
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrecisionCurve:
    """Within-subject CV as a smooth function of area: CV^2 = floor^2 + edge^2 / area.

    An error of the outline grows with the perimeter, so that the relative error of area falls with the root of area;
    what pose and processing do is the same at any size.

    Attributes
    ----------
    floor_cv
        The CV of a very large deposit.
    edge_coefficient
        CV times root of area of a very small one, in the root of the area's unit.
    """

    floor_cv: float
    edge_coefficient: float

    def cv(self, area: float) -> float:
        """Return the CV at an area."""
        return math.sqrt(self.floor_cv**2 + self.edge_coefficient**2 / area)

    def smallest_area(self, cv: float) -> float:
        """Return the smallest area that is measured with at most this CV; infinite where none is."""
        if cv <= self.floor_cv:
            return math.inf
        return self.edge_coefficient**2 / (cv**2 - self.floor_cv**2)


def precision_curve(values: ArrayLike, subjects: Sequence[object] | NDArray[np.generic]) -> PrecisionCurve:
    """Fit CV^2 = floor^2 + edge^2 / area by maximum likelihood: each subject's variance is gamma about it.

    Iterated non-negative least squares with weights df / expected^2 are the scoring steps of that likelihood.

    Raises
    ------
    UsageError
        With fewer than three subjects measured twice.
    """
    from scipy.optimize import nnls

    groups = grouped(positive(values, name="values"), subjects, name="values")
    if len(groups) < 3:
        raise UsageError(f"{len(groups)} repeated subjects are too few for a curve; at least 3 are needed")
    areas = np.array([float(np.exp(np.log(group).mean())) for group in groups])
    variances = np.array([float(np.log(group).var(ddof=1)) for group in groups])
    degrees = np.array([group.size - 1.0 for group in groups])
    design = np.column_stack([np.ones_like(areas), 1.0 / areas])
    expected = np.full_like(variances, variances.mean() or 1.0)
    coefficients = np.zeros(2)
    for _ in range(200):
        weights = np.sqrt(degrees) / expected
        previous = coefficients
        coefficients, _ = nnls(design * weights[:, None], variances * weights)
        expected = np.maximum(design @ coefficients, 1e-12)
        if np.allclose(coefficients, previous, rtol=1e-10, atol=0.0):
            break
    return PrecisionCurve(floor_cv=math.sqrt(coefficients[0]), edge_coefficient=math.sqrt(coefficients[1]))


def _edges(sizes: Floats, bins: int | Sequence[float]) -> Floats:
    if isinstance(bins, int):
        if bins < 1:
            raise UsageError(f"{bins} classes of size cannot be made")
        return np.unique(np.quantile(sizes, np.linspace(0.0, 1.0, bins + 1)))
    edges = np.asarray(bins, dtype=np.float64)
    if edges.size < 2 or (np.diff(edges) <= 0.0).any():
        raise UsageError("edges of size classes must be two or more, and increase", where="bins")
    return edges


def _change_limits(log_half_width: float) -> Interval:
    high = 100.0 * math.expm1(log_half_width) if log_half_width < MOST_EXPONENT else math.inf
    return (100.0 * math.expm1(-log_half_width), high)
