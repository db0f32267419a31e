"""The share of patients of whom something holds, with the exact interval."""

from __future__ import annotations

from dataclasses import dataclass

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Interval, level
from calcimeasure.statistics.laws import beta_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class Proportion:
    """A share with its Clopper-Pearson interval.

    Attributes
    ----------
    one_sided_upper
        The exact upper bound at the level, one-sided: for a share of which only the upper end matters.
    """

    count: int
    total: int
    confidence_level: float
    share: float
    interval: Interval
    one_sided_upper: float


def proportion(count: int, total: int, *, confidence_level: float = 0.95) -> Proportion:
    """Return a share with its exact interval (Clopper and Pearson, Biometrika 1934;26:404).

    The limits are quantiles of Beta(x, n - x + 1) and Beta(x + 1, n - x). Of 0 among 4 patients the interval reaches
    to 60 %: nothing seen in four is compatible with much. Who could not be judged stays in `total`.

    Raises
    ------
    UsageError
        Unless 0 <= count <= total and total > 0.
    """
    level(confidence_level)
    if not 0 <= count <= total or total < 1:
        raise UsageError(f"{count} of {total} is no share")
    tail = (1.0 - confidence_level) / 2.0
    return Proportion(
        count=count,
        total=total,
        confidence_level=confidence_level,
        share=count / total,
        interval=(_lower(count, total, tail), _upper(count, total, tail)),
        one_sided_upper=_upper(count, total, 2.0 * tail),
    )


def _lower(count: int, total: int, tail: float) -> float:
    return 0.0 if count == 0 else beta_quantile(tail, count, total - count + 1)


def _upper(count: int, total: int, tail: float) -> float:
    return 1.0 if count == total else beta_quantile(1.0 - tail, count + 1, total - count)
