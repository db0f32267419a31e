"""Intraclass correlation with its interval, by the names of McGraw and Wong (Psychol Methods 1996;1:30).

An ICC says how well subjects are distinguished, not how large a change can be seen: always report it with the SEM
and the smallest detectable change, which are here too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Interval, level
from calcimeasure.statistics.laws import f_quantile, normal_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class IntraclassCorrelation:
    """One form of ICC.

    Attributes
    ----------
    form
        ``A,1`` (absolute agreement of a single reader), ``C,1`` (consistency), ``A,k`` and ``C,k`` (of the mean of
        all readers).
    sem
        Standard error of measurement of a single reading: the root of error variance, with the readers' variance for
        agreement, without for consistency.
    smallest_detectable_change
        1.96 sqrt(2) SEM of single readings; for the mean of k, divided by sqrt(k).
    """

    form: str
    subjects: int
    readers: int
    confidence_level: float
    value: float
    interval: Interval
    sem: float
    smallest_detectable_change: float


def intraclass_correlations(table: ArrayLike, *, confidence_level: float = 0.95) -> dict[str, IntraclassCorrelation]:
    """Return ICC(A,1), ICC(C,1), ICC(A,k) and ICC(C,k) of a complete table.

    With mean squares R of subjects, C of readers and E of the rest, n subjects and k readers:
    A,1 = (R - E) / (R + (k-1) E + k (C - E) / n); C,1 = (R - E) / (R + (k-1) E);
    A,k = (R - E) / (R + (C - E) / n); C,k = (R - E) / R. The interval of C is exact (F), that of A uses
    Satterthwaite's degrees of freedom.

    Parameters
    ----------
    table
        Shape (subjects, readers).

    Raises
    ------
    UsageError
        For a table with gaps or fewer than two subjects or readers.
    """
    level(confidence_level)
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise UsageError(
            f"a table of shape {values.shape} is not complete with two subjects and two readers at least",
            remedy="Leave out subjects that not every reader measured.",
        )
    squares = _mean_squares(values)
    bounds = {
        "C,1": _consistency_interval(squares, values.shape, confidence_level),
        "A,1": _agreement_interval(squares, values.shape, confidence_level),
    }
    readers = values.shape[1]
    for form in ("A", "C"):
        low, high = bounds[f"{form},1"]
        bounds[f"{form},k"] = (_spearman_brown(low, readers), _spearman_brown(high, readers))
    return {form: _form(form, squares, values.shape, bounds[form], confidence_level) for form in sorted(bounds)}


def _mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean squares of subjects, readers and the rest."""
    subjects, readers = values.shape
    grand, by_subject, by_reader = values.mean(), values.mean(axis=1), values.mean(axis=0)
    rest = values - by_subject[:, None] - by_reader[None, :] + grand
    return (
        readers * float(((by_subject - grand) ** 2).sum()) / (subjects - 1),
        subjects * float(((by_reader - grand) ** 2).sum()) / (readers - 1),
        float((rest**2).sum()) / ((subjects - 1) * (readers - 1)),
    )


def _form(
    form: str,
    squares: tuple[float, float, float],
    shape: tuple[int, ...],
    interval: Interval,
    confidence_level: float,
) -> IntraclassCorrelation:
    subjects, readers = shape
    of_subjects, of_readers, rest = squares
    reader_term = (of_readers - rest) / subjects if form.startswith("A") else 0.0
    mean_of_all = form.endswith("k")
    noise = reader_term if mean_of_all else (readers - 1) * rest + readers * reader_term
    denominator = of_subjects + noise
    sem = math.sqrt(rest + max(reader_term, 0.0))
    used = sem / math.sqrt(readers) if mean_of_all else sem
    return IntraclassCorrelation(
        form=form,
        subjects=subjects,
        readers=readers,
        confidence_level=confidence_level,
        value=(of_subjects - rest) / denominator if denominator > 0.0 else math.nan,
        interval=interval,
        sem=sem,
        smallest_detectable_change=normal_quantile(0.975) * math.sqrt(2.0) * used,
    )


def _consistency_interval(
    squares: tuple[float, float, float], shape: tuple[int, ...], confidence_level: float
) -> Interval:
    subjects, readers = shape
    of_subjects, _, rest = squares
    if rest <= 0.0:
        # Without any spread, of subjects neither, the coefficient is undefined.
        return (1.0, 1.0) if of_subjects > 0.0 else (math.nan, math.nan)
    upper = (1.0 + confidence_level) / 2.0
    numerator, denominator = subjects - 1, (subjects - 1) * (readers - 1)
    low = of_subjects / rest / f_quantile(upper, numerator, denominator)
    high = of_subjects / rest * f_quantile(upper, denominator, numerator)
    return ((low - 1.0) / (low + readers - 1.0), (high - 1.0) / (high + readers - 1.0))


def _agreement_interval(
    squares: tuple[float, float, float], shape: tuple[int, ...], confidence_level: float
) -> Interval:
    n, k = shape
    of_subjects, of_readers, rest = squares
    denominator = of_subjects + (k - 1) * rest + k * (of_readers - rest) / n
    if denominator <= 0.0:
        return (math.nan, math.nan)
    icc = (of_subjects - rest) / denominator
    if icc >= 1.0:
        return (1.0, 1.0)
    a = k * icc / (n * (1.0 - icc))
    b = 1.0 + k * icc * (n - 1) / (n * (1.0 - icc))
    degrees = (a * of_readers + b * rest) ** 2 / (
        (a * of_readers) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1))
    )
    upper = (1.0 + confidence_level) / 2.0
    noise = k * of_readers + (k * n - k - n) * rest
    f_low = f_quantile(upper, n - 1, degrees)
    f_high = f_quantile(upper, degrees, n - 1)
    return (
        n * (of_subjects - f_low * rest) / (f_low * noise + n * of_subjects),
        n * (f_high * of_subjects - rest) / (noise + n * f_high * of_subjects),
    )


def _spearman_brown(single: float, count: int) -> float:
    return count * single / (1.0 + (count - 1) * single)
