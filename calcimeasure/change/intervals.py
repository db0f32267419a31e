"""The uncertainty of a change on the logarithm of the ratio, and the intervals made of it. Pure numbers.

The estimand is the ratio of footprint areas at a common pose and magnification. Its logarithm is

    r = ln(A_followup) - ln(A_baseline) - 2 ln(s),

with s the size of the follow-up's bones over the baseline's (0 in place of 2 ln s where it is not applied). The
variance of r is a sum of independent parts, each with a name, so that a report can say what an interval is made of:

========================  ==========================================================================================
measurement               (se_b / A_b)^2 + (se_f / A_f)^2: noise, edge, background (delta method)
detection                 (d_b / A_b)^2 + (d_f / A_f)^2: pieces missed or falsely found, see `film_burden`
scale                     (2 se_s / s)^2 where the scale is applied
magnification             a stated prior where it is not: the height of the limb above the detector is then unknown
repositioning             a stated prior: the SD of r between two exposures of an unchanged limb laid down anew
area method               a prior, times the share of area painted on one film and modelled on the other
processing                a prior, where the two films were clearly processed differently
========================  ==========================================================================================

Every interval is r ± q SE with q a quantile of Student's t with few degrees of freedom: missed and false pieces make
tails heavier than the normal law's. The very q of the 95 % interval is that of the smallest detectable change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from scipy.special import stdtr, stdtrit

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.change.change_records import Interval

POWER_80_QUANTILE = 0.84
"""The normal quantile of 80 % power, to the two digits that `docs/records.md` gives."""

CALIBRATION_NOTE = "Calibrated on simulated films; not yet verified on patients' repeat films."


@dataclass(frozen=True, kw_only=True, slots=True)
class IntervalModel:
    """The stated priors and the law of the interval; the defaults are those that reports name.

    Attributes
    ----------
    repositioning_sd
        SD of the log area ratio of a *pair* of exposures of an unchanged limb (not of one film). 0.02 is what a flat
        deposit shows when each film is tilted by 0 to 15 degrees about either axis (area goes with the cosine).
    magnification_sd
        SD of the log area ratio from an unknown height of the limb, used where bones do not give the scale: 10 mm of
        height at 1 m distance from the focus is 2 % of area.
    method_sd
        SD of the log ratio of one deposit painted on one film and modelled on the other: a painted half-maximum
        outline loses up to a quarter of a thinning edge.
    processing_sd
        SD of the log ratio of two films that were clearly processed differently.
    degrees_of_freedom
        Of Student's t.
    inflation
        Factor on the SE from calibration on simulated pairs.
    """

    repositioning_sd: float = 0.02
    magnification_sd: float = 0.02
    method_sd: float = 0.10
    processing_sd: float = 0.05
    degrees_of_freedom: float = 8.0
    inflation: float = 1.0

    def __post_init__(self) -> None:
        for name in ("repositioning_sd", "magnification_sd", "method_sd", "processing_sd"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise UsageError(f"{name} {value} is not a standard deviation", remedy="Give 0 or a positive number.")
        if not self.degrees_of_freedom > 0.0 or not self.inflation > 0.0:
            raise UsageError("degrees of freedom and inflation of an interval must be positive")

    def quantile(self, level: float) -> float:
        """Return q such that a fraction `level` of Student's t lies within ±q."""
        return float(stdtrit(self.degrees_of_freedom, 0.5 + level / 2.0))

    def p_value(self, log_ratio: float, log_ratio_se: float) -> float:
        """Return the two-sided probability of so large a log ratio where nothing changed."""
        if log_ratio_se <= 0.0:
            return 1.0 if log_ratio == 0.0 else 0.0
        return float(2.0 * stdtr(self.degrees_of_freedom, -abs(log_ratio) / log_ratio_se))


@dataclass(frozen=True, kw_only=True, slots=True)
class Variances:
    """The parts of the variance of a log ratio, by name; their sum is what the interval rests on."""

    measurement: float = 0.0
    detection: float = 0.0
    scale: float = 0.0
    magnification: float = 0.0
    repositioning: float = 0.0
    area_method: float = 0.0
    processing: float = 0.0

    @property
    def total(self) -> float:
        """The sum of all parts."""
        # The order of the two films enters only inside `measurement` and `detection`, as one sum of two terms
        # each: swapping the films leaves the total the same to the last digit.
        total: float = sum(getattr(self, part.name) for part in fields(self))
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRatio:
    """A log ratio with its standard error and the law of its interval.

    Attributes
    ----------
    value, se
        Natural logarithm of follow-up over baseline, and its standard error.
    model
        Gives the quantiles.
    """

    value: float
    se: float
    model: IntervalModel

    def bounds(self, level: float) -> Interval:
        """Return (low, high) of the log ratio: value ± q SE."""
        half = self.model.quantile(level) * self.se
        return (self.value - half, self.value + half)

    def percent_interval(self, level: float) -> Interval:
        """Return the interval in percent change."""
        low, high = self.bounds(level)
        return (percent(low), percent(high))

    @property
    def detectable(self) -> bool:
        """Whether the 95 % interval excludes no change."""
        return abs(self.value) > self.model.quantile(0.95) * self.se

    @property
    def p_value(self) -> float:
        """The two-sided probability of so large a ratio where nothing changed."""
        return self.model.p_value(self.value, self.se)

    @property
    def smallest_detectable_change_percent(self) -> float:
        """100 (exp(q SE) - 1), with the q and SE of the 95 % interval."""
        return percent(self.model.quantile(0.95) * self.se)

    @property
    def change_detected_with_80_percent_power_percent(self) -> float:
        """100 (exp((q + 0.84) SE) - 1)."""
        return percent((self.model.quantile(0.95) + POWER_80_QUANTILE) * self.se)


def percent(log_ratio: float) -> float:
    """Return 100 (exp(log_ratio) - 1): a log ratio as percent change.

    Beyond the range of floating point the answer is the largest finite number: records hold no infinities.
    """
    return 100.0 * math.expm1(min(log_ratio, 690.0))


def holm(p_values: list[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down method, in the given order.

    The adjusted value of the k-th smallest of m is the running maximum of (m - k + 1) p, at most 1; rejecting where
    it is at most 5 % keeps the chance of any false rejection at 5 % (Holm, Scand J Statist 1979;6:65).
    """
    count = len(p_values)
    adjusted = [0.0] * count
    running = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
