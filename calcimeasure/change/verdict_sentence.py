"""The verdict as one sentence for people: `verdict_sentence`."""

from __future__ import annotations

import math

from calcimeasure.change.change_records import Change, Comparison, Interval, Link, LinkStatus, Verdict

Assessed = Comparison | Change

_MOST_NAMED = 5


def verdict_sentence(change: Assessed) -> str:
    """Return what a compared pair shows, in one or two sentences.

    "No change" is said only where equivalence is shown and the change itself is not detectable; a pair that cannot
    tell says so, with the smallest change that it could have shown. Deposits are named by the number of their link:
    the row of `links.csv` and the number on the pictures.
    """
    if change.verdict is Verdict.NOT_COMPARABLE:
        return _with_reasons("The films cannot be compared", change.reasons)
    if change.verdict is Verdict.NO_DEPOSITS:
        return "No deposits on either film."
    if change.total_area_change_percent is None:
        return _from_zero(change)
    return " ".join(part for part in (_headline(change), _changed_deposits(change)) if part)


def _headline(change: Assessed) -> str:
    total, interval = change.total_area_change_percent, change.ci95_percent
    smallest = change.smallest_detectable_change_percent
    if total is None or interval is None or smallest is None:
        return _with_reasons(change.verdict.value, change.reasons)
    digits = 0 if smallest >= 2.0 else 1
    by = (
        f"{_signed(total, digits)} % (95 % interval {_signed(interval[0], digits)} to {_signed(interval[1], digits)} %)"
    )
    could = f"{smallest:.{digits}f} %"
    if change.verdict is Verdict.NO_CHANGE:
        if change.detectable:
            return f"The total area changed by {by}, less than the margin of {_margin(change.margin_ratio)}."
        return f"No change: the total area changed by {by}; this pair could have shown a change of {could}."
    if change.verdict is Verdict.INDETERMINATE:
        return (
            f"The films cannot tell: the total area changed by {by}; "
            f"this pair could have shown a change of {could}, and does not show that there was less than the margin of "
            f"{_margin(change.margin_ratio)}."
        )
    word = "Increase" if change.verdict is Verdict.INCREASE else "Decrease"
    beyond = {
        True: f"beyond the margin of {_margin(change.margin_ratio)}",
        False: f"less than the margin of {_margin(change.margin_ratio)}",
        None: f"which may be more or less than the margin of {_margin(change.margin_ratio)}",
    }[change.beyond_margin]
    return f"{word}: the total area changed by {by}, {beyond}."


def _from_zero(change: Assessed) -> str:
    before = _area(change.baseline_common_area_mm2, change.baseline_common_area_px)
    after = _area(change.followup_common_area_mm2, change.followup_common_area_px)
    if change.verdict is Verdict.INCREASE:
        return f"Increase: {after} on the follow-up, where the baseline shows no deposit."
    if change.verdict is Verdict.DECREASE:
        return f"Decrease: {before} on the baseline, where the follow-up shows no deposit."
    areas = f" ({before or 'none'} on the baseline, {after or 'none'} on the follow-up)" if before or after else ""
    return _with_reasons(f"The films cannot tell{areas}", change.reasons)


def _changed_deposits(change: Assessed) -> str:
    """Name the deposits that are new, resolved or detectably changed, by the numbers of the links."""
    named = [f"deposit {number} {_what(change.links[number - 1])}" for number in change.changed_links]
    if not named:
        return ""
    rest = len(named) - _MOST_NAMED
    shown = named[:_MOST_NAMED] + ([f"and {rest} more"] if rest > 0 else [])
    # Where the total did not change, what did is worth a "but".
    but = "But: " if change.verdict is Verdict.NO_CHANGE else "Among the deposits: "
    return f"{but}{'; '.join(shown)}."


def _what(link: Link) -> str:
    if link.status is LinkStatus.NEW:
        return "is new"
    if link.status is LinkStatus.RESOLVED:
        return "is gone"
    if link.area_change_percent is None or link.ci95_percent is None:
        return "changed"
    low, high = (_signed(bound, 0) for bound in link.ci95_percent)
    return f"changed by {_signed(link.area_change_percent, 0)} % (95 % interval {low} to {high} %)"


def _area(area_mm2: float | None, area_px: float | None) -> str:
    if area_mm2 is not None:
        return f"{area_mm2:.1f} mm²" if area_mm2 > 0.0 else ""
    return f"{area_px:.0f} pixels" if area_px else ""


def _margin(margin_ratio: Interval) -> str:
    low, high = margin_ratio
    return f"{_signed(100.0 * (low - 1.0), 0)} to {_signed(100.0 * (high - 1.0), 0)} %"


def _signed(value: float, digits: int) -> str:
    rounded = round(value, digits)
    return f"{0.0:.{digits}f}" if rounded == 0.0 else f"{math.copysign(abs(rounded), value):+.{digits}f}"


def _with_reasons(head: str, reasons: tuple[str, ...]) -> str:
    if not reasons:
        return f"{head}."
    text = " ".join(reason if reason.endswith((".", "!", "?")) else f"{reason}." for reason in reasons)
    return f"{head}: {text[0].lower()}{text[1:]}" if not text[:2].isupper() else f"{head}: {text}"
