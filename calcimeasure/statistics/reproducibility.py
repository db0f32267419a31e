"""Reproducibility: what measurements differ by when the reader (or machine) differs too.

Two-way random effects: x = mean + subject + reader + subject:reader + error. The reproducibility coefficient is
RDC = 1.96 sqrt(2) sqrt(reader + subject:reader + error variance): the difference of two measurements of the same
subject by two readers stays within it 95 times in 100 (Raunig et al., Stat Methods Med Res 2015;24:27).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, level
from calcimeasure.statistics.laws import normal_quantile

DRAWS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproducibility:
    """Variance components of a crossed study, in the unit of the values (log them first for ratios).

    Attributes
    ----------
    subject_variance, reader_variance, interaction_variance, error_variance
        Estimates from the mean squares, negative ones put at 0. Without repeats in a cell the interaction cannot be
        separated from the error; both are in `error_variance`, and `interaction_variance` is None.
    repeatability_coefficient, reproducibility_coefficient
        2.77 times the root of the error variance, and of reader, interaction and error variance together.
    rdc_interval
        Generalised confidence interval of the reproducibility coefficient.
    """

    subjects: int
    readers: int
    repeats: int
    confidence_level: float
    subject_variance: float
    reader_variance: float
    interaction_variance: float | None
    error_variance: float
    repeatability_coefficient: float
    reproducibility_coefficient: float
    rdc_interval: Interval


def reproducibility(
    values: ArrayLike, *, rng: np.random.Generator, confidence_level: float = 0.95, draws: int = DRAWS
) -> Reproducibility:
    """Return variance components and the reproducibility coefficient of a balanced study.

    The interval is a generalised one (Weerahandi, J Am Stat Assoc 1993;88:899): each mean square times its degrees of
    freedom over a chi-square draw is a draw of its expectation; the variance of interest is a sum of those, and the
    quantiles of the draws bound it.

    Parameters
    ----------
    values
        Shape (subjects, readers) or (subjects, readers, repeats), complete.
    rng
        Draws the chi-square variables.
    confidence_level, draws
        Of the interval.

    Raises
    ------
    UsageError
        With fewer than two subjects or readers, or a missing value.
    """
    level(confidence_level)
    table = np.asarray(values, dtype=np.float64)
    if table.ndim == 2:
        table = table[:, :, None]
    if table.ndim != 3 or table.shape[0] < 2 or table.shape[1] < 2:
        raise UsageError(
            f"a table of shape {np.asarray(values).shape} is not subjects x readers (x repeats), two of each at least"
        )
    if not np.isfinite(table).all():
        raise UsageError("a value is missing", remedy="Leave out subjects that not every reader measured.")
    squares, degrees = _mean_squares(table)
    subjects, readers, repeats = table.shape
    components = _components(squares, table.shape)
    between = _between_reader_variance(squares, table.shape)
    # One draw a mean square: reader, interaction and, with repeats, error.
    drawn = [square * df / rng.chisquare(df, draws) for square, df in zip(squares[1:], degrees[1:], strict=True)]
    variances = np.maximum(_between_reader_variance([squares[0], *drawn], table.shape), 0.0)
    tail = (1.0 - confidence_level) / 2.0
    low, high = np.quantile(variances, [tail, 1.0 - tail])
    factor = normal_quantile(0.975) * math.sqrt(2.0)
    return Reproducibility(
        subjects=subjects,
        readers=readers,
        repeats=repeats,
        confidence_level=confidence_level,
        **components,  # type: ignore[arg-type]
        repeatability_coefficient=factor * math.sqrt(components["error_variance"] or 0.0),
        reproducibility_coefficient=factor * math.sqrt(max(float(between), 0.0)),
        rdc_interval=(factor * math.sqrt(float(low)), factor * math.sqrt(float(high))),
    )


def _mean_squares(table: Floats) -> tuple[list[float], list[int]]:
    """Return mean squares and degrees of freedom of subject, reader, interaction and, with repeats, error."""
    subjects, readers, repeats = table.shape
    grand = table.mean()
    by_subject, by_reader, by_cell = table.mean(axis=(1, 2)), table.mean(axis=(0, 2)), table.mean(axis=2)
    interaction = by_cell - by_subject[:, None] - by_reader[None, :] + grand
    sums = [
        readers * repeats * float(((by_subject - grand) ** 2).sum()),
        subjects * repeats * float(((by_reader - grand) ** 2).sum()),
        repeats * float((interaction**2).sum()),
    ]
    degrees = [subjects - 1, readers - 1, (subjects - 1) * (readers - 1)]
    if repeats > 1:
        sums.append(float(((table - by_cell[:, :, None]) ** 2).sum()))
        degrees.append(subjects * readers * (repeats - 1))
    return [total / df for total, df in zip(sums, degrees, strict=True)], degrees


def _components(squares: list[float], shape: tuple[int, ...]) -> dict[str, float | None]:
    subjects, readers, repeats = shape
    subject, reader, interaction = squares[:3]
    estimates: dict[str, float | None] = {
        "subject_variance": max((subject - interaction) / (readers * repeats), 0.0),
        "reader_variance": max((reader - interaction) / (subjects * repeats), 0.0),
    }
    if repeats > 1:
        estimates["interaction_variance"] = max((interaction - squares[3]) / repeats, 0.0)
        estimates["error_variance"] = squares[3]
    else:
        estimates["interaction_variance"] = None
        estimates["error_variance"] = interaction
    return estimates


def _between_reader_variance(squares: Sequence[float | Floats], shape: tuple[int, ...]) -> Floats:
    """Return reader + interaction + error variance as a sum of mean squares."""
    subjects, _, repeats = shape
    reader, interaction = np.asarray(squares[1]), np.asarray(squares[2])
    total = (reader - interaction) / (subjects * repeats) + interaction / repeats
    if repeats > 1:
        total = total + np.asarray(squares[3]) * (1.0 - 1.0 / repeats)
    return np.asarray(total, dtype=np.float64)
