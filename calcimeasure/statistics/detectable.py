"""The change that a measurement with a known error can show: of one patient, on the log scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calcimeasure.errors import UsageError
from calcimeasure.statistics.laws import normal_quantile, t_quantile
from calcimeasure.statistics.repeatability import MOST_EXPONENT, log_sd_of_cv


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectableChange:
    """What a change of one patient between two visits must be.

    Attributes
    ----------
    log_se
        Standard error of the log ratio of two visits.
    decrease_percent, increase_percent
        The smallest decrease and increase that differ from none at the level.
    increase_80_percent_power
        True increase that is detected 80 times in 100.
    """

    log_se: float
    quantile: float
    decrease_percent: float
    increase_percent: float
    increase_80_percent_power: float


def detectable_change(
    within_cv: float,
    *,
    repeats: int = 1,
    confidence_level: float = 0.95,
    degrees_of_freedom: float = math.inf,
) -> DetectableChange:
    """Return the smallest detectable change of one patient from the within-subject CV.

    The log ratio of two visits with m films each has SE sqrt(2 ln(1 + CV^2) / m); a change is detectable where it
    exceeds q SE, q from the normal law or, where the CV is itself estimated, from Student's t.

    Parameters
    ----------
    within_cv
        Within-subject coefficient of variation, a fraction.
    repeats
        Films a visit whose log areas are averaged.
    degrees_of_freedom
        Of the estimate of the CV.
    """
    if repeats < 1:
        raise UsageError(f"{repeats} films a visit cannot be measured")
    upper = (1.0 + confidence_level) / 2.0
    finite = math.isfinite(degrees_of_freedom)
    quantile = t_quantile(upper, degrees_of_freedom) if finite else normal_quantile(upper)
    power = t_quantile(0.80, degrees_of_freedom) if finite else normal_quantile(0.80)
    log_se = log_sd_of_cv(within_cv) * math.sqrt(2.0 / repeats)
    return DetectableChange(
        log_se=log_se,
        quantile=quantile,
        decrease_percent=100.0 * math.expm1(-quantile * log_se),
        increase_percent=_increase(quantile * log_se),
        increase_80_percent_power=_increase((quantile + power) * log_se),
    )


def _increase(log_ratio: float) -> float:
    return 100.0 * math.expm1(log_ratio) if log_ratio < MOST_EXPONENT else math.inf
