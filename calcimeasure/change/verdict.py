"""The verdict on a pair: the table of `docs/records.md` as pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calcimeasure.change.change_records import Interval, Verdict
from calcimeasure.change.intervals import LogRatio
from calcimeasure.errors import UsageError

BAND_PERCENT = 25.0
"""Half-width of the clinical score's band of change (Valenzuela, Semin Arthritis Rheum 2022;53:151980)."""

UNSURE = "The interval neither excludes no change nor lies inside the margin."


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A verdict with what goes beside it.

    Attributes
    ----------
    verdict
        A word of `docs/records.md`.
    detectable
        Whether the 95 % interval excludes no change; from or to zero, whether the area exceeds the limit of
        detection; None where nothing was there to test.
    beyond_margin
        True: the 95 % interval lies wholly outside the margin; None: it straddles it; False: it lies inside, or
        equivalence is shown.
    reasons
        Why the films cannot tell, in sentences.
    """

    verdict: Verdict
    detectable: bool | None = None
    beyond_margin: bool | None = None
    reasons: tuple[str, ...] = ()


def checked_margin(margin_ratio: Interval) -> Interval:
    """Return the margin, or say what is wrong with it.

    Raises
    ------
    UsageError
        Unless 0 < low < 1 < high.
    """
    low, high = margin_ratio
    if not (math.isfinite(high) and 0.0 < low < 1.0 < high):
        raise UsageError(
            f"the margin {low:g} to {high:g} does not enclose a ratio of 1",
            where="margin_ratio",
            remedy="Give a ratio below 1 and one above it, e.g. 0.80 and 1.25.",
        )
    return (float(low), float(high))


def decide_on_ratio(ratio: LogRatio, margin_ratio: Interval) -> Decision:
    """Return the verdict where both films show deposits.

    Equivalence comes first: `no_change` where the 90 % interval lies inside the margin (two one-sided tests at 5 %
    each, Schuirmann, J Pharmacokinet Biopharm 1987;15:657). Then a change, where the 95 % interval excludes none.
    """
    low_margin, high_margin = (math.log(bound) for bound in checked_margin(margin_ratio))
    low, high = ratio.bounds(0.90)
    detectable = ratio.detectable
    if low_margin < low and high < high_margin:
        return Decision(verdict=Verdict.NO_CHANGE, detectable=detectable, beyond_margin=False)
    if not detectable:
        return Decision(
            verdict=Verdict.INDETERMINATE,
            detectable=False,
            reasons=(UNSURE,),
        )
    low, high = ratio.bounds(0.95)
    beyond: bool | None = None
    if low > high_margin or high < low_margin:
        beyond = True
    elif low_margin < low and high < high_margin:
        beyond = False
    verdict = Verdict.INCREASE if ratio.value > 0.0 else Verdict.DECREASE
    return Decision(verdict=verdict, detectable=True, beyond_margin=beyond)


def decide_from_zero(
    *, area: float, limit_of_detection: float | None, empty_is_baseline: bool, margin_ratio: Interval
) -> Decision:
    """Return the verdict where one film shows deposits and the other none.

    Parameters
    ----------
    area
        Burden of the film that shows deposits, in any unit of area.
    limit_of_detection
        Area that the empty film would have shown 95 times in 100, in the same unit; None where it is not known.
    empty_is_baseline
        Whether the baseline is the empty one.
    """
    low_margin, high_margin = checked_margin(margin_ratio)
    empty = "baseline" if empty_is_baseline else "follow-up"
    if limit_of_detection is None:
        reason = f"What the {empty} would have shown is not known."
        return Decision(verdict=Verdict.INDETERMINATE, reasons=(reason,))
    if area <= limit_of_detection:
        reason = f"So small an area could have been missed on the {empty}, which shows none."
        return Decision(verdict=Verdict.INDETERMINATE, detectable=False, reasons=(reason,))
    # The empty film holds at most its limit of detection, so that the ratio is at least area / limit.
    factor = high_margin if empty_is_baseline else 1.0 / low_margin
    return Decision(
        verdict=Verdict.INCREASE if empty_is_baseline else Verdict.DECREASE,
        detectable=True,
        beyond_margin=True if area > factor * limit_of_detection else None,
    )


def area_change_band(percent_change: float | None, verdict: Verdict) -> str | None:
    """Return the clinical score's band for the change of area: `progressive`, `stable` or `improved`.

    A label beside the verdict; it is not that score, and the band is of readers' making, not of measurement error.
    Without a percentage (from or to zero) the verdict decides; None where neither can.
    """
    if percent_change is None:
        return {Verdict.INCREASE: "progressive", Verdict.DECREASE: "improved"}.get(verdict)
    if percent_change > BAND_PERCENT:
        return "progressive"
    return "improved" if percent_change < -BAND_PERCENT else "stable"
