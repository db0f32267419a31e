"""Numbers and terms as text for the page and its tables."""

from __future__ import annotations

import math
import re
from datetime import date

from calcimeasure.change.change_records import Comparison, Interval, Link, LinkStatus, Verdict
from calcimeasure.deposits import AreaMethod, Origin
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Identity, Radiograph, SpacingBasis
from calcimeasure.registration.registration_records import Registration

MINUS = "\u2212"
NARROW = "\u202f"
EN_DASH = "\u2013"
NONE = EN_DASH

VERDICT_WORDS = {
    Verdict.INCREASE: "Increase",
    Verdict.DECREASE: "Decrease",
    Verdict.NO_CHANGE: "No change",
    Verdict.INDETERMINATE: "Indeterminate",
    Verdict.NO_DEPOSITS: "No deposits",
    Verdict.NOT_COMPARABLE: "Not comparable",
}

ORIGIN_WORDS = {
    Origin.AUTO: "found automatically",
    Origin.CLICKED: "clicked by a reader",
    Origin.EDITED: "edited by a reader",
    Origin.DRAWN: "drawn by a reader",
}

METHOD_WORDS = {
    AreaMethod.EDGE_MODEL: "edge model",
    AreaMethod.OUTLINE: "outline as painted",
}

BASIS_SENTENCES = {
    SpacingBasis.USER: "Millimetres rest on the spacing that the user gave.",
    SpacingBasis.CALIBRATED: "Millimetres were calibrated to the patient's plane, as the file states.",
    SpacingBasis.DETECTOR: (
        "Millimetres are those of the detector: the limb is shown larger than it is, by a factor that the file does "
        "not state. Percent change is the number to rely on."
    ),
    SpacingBasis.SCANNED_FILM: (
        "Millimetres are those of the scanned film: the limb is shown larger than it is, by an unknown factor. "
        "Percent change is the number to rely on."
    ),
    SpacingBasis.ASSUMED_DETECTOR: (
        "The file gives a pixel spacing without saying what it was calibrated to. Percent change is the number to "
        "rely on."
    ),
    SpacingBasis.FILE_RESOLUTION: (
        "Millimetres rest on the image file's resolution, whose plane is unknown. Percent change is the number to "
        "rely on."
    ),
    SpacingBasis.MAGNIFICATION_CORRECTED: (
        "Millimetres are those of the detector, divided by the magnification that the file states."
    ),
    SpacingBasis.NONE: "The file gives no spacing that can be used: areas are in pixels, change in percent only.",
}

_SIDES = {"L": "left", "R": "right", "B": "both sides"}


def number_text(value: float | None, digits: int | None = None) -> str:
    """Return a number with about three figures, or as many decimals as asked; a dash where there is none."""
    if value is None:
        return NONE
    if digits is None:
        size = abs(value)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed_percent(value: float | None, digits: int = 0) -> str:
    """Return a change in percent with its sign: ``+12 %``."""
    if value is None:
        return NONE
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return f"0{NARROW}%"
    return f"{'+' if value > 0 else MINUS}{text}{NARROW}%"


def interval_percent(interval: Interval | None, digits: int = 0) -> str:
    """Return an interval in percent: ``−3 to +8 %``."""
    if interval is None:
        return NONE
    low, high = (signed_percent(value, digits).removesuffix(f"{NARROW}%") for value in interval)
    return f"{low} to {high}{NARROW}%"


def percent_digits(comparison: Comparison) -> int:
    """Return the decimals that percentages of a pair deserve: one where it could show a change below 2 %."""
    smallest = comparison.smallest_detectable_change_percent
    return 1 if smallest is not None and smallest < 2.0 else 0


def area(mm2: float | None, px: float | None) -> str:
    """Return an area in mm² where that is known, else in pixels."""
    if mm2 is not None:
        return f"{number_text(mm2)}{NARROW}mm²"
    return NONE if px is None else f"{number_text(px, 0)}{NARROW}px²"


def area_with_error(measurement: FilmMeasurement) -> str:
    """Return a film's burden with its standard error, both to the error's second figure."""
    value, error, unit = measurement.total_area_mm2, measurement.total_area_se_mm2, "mm²"
    if value is None or error is None:
        value, error, unit = measurement.total_area_px, measurement.total_area_se_px, "px²"
    digits = min(max(1 - math.floor(math.log10(error)), 0), 3) if error > 0 else 1
    return f"{number_text(value, digits)} ± {number_text(error, digits)}{NARROW}{unit}"


def count_of_deposits(measurement: FilmMeasurement) -> str:
    """Return how many deposits a film has, in words."""
    count = len(measurement.deposits)
    return f"{count or 'no'} deposit{'s' * (count != 1)}"


def margin(ratio: Interval) -> str:
    """Return a margin of ratios in percent: ``−20 to +25 %``."""
    return interval_percent((100.0 * (ratio[0] - 1.0), 100.0 * (ratio[1] - 1.0)))


def typographic(sentence: str) -> str:
    """Return a sentence with true minus signs and per cent signs that do not leave their number."""
    return re.sub(r"(?<=\d) %", f"{NARROW}%", re.sub(r"(?<![\w.])-(?=\d)", MINUS, sentence))


def status_words(link: Link) -> str:
    """Return how a link stands across the films."""
    before, after = len(link.baseline_labels), len(link.followup_labels)
    return {
        LinkStatus.MATCHED: "On both films",
        LinkStatus.NEW: "New",
        LinkStatus.RESOLVED: "Resolved",
        LinkStatus.SPLIT: f"Split into {after}",
        LinkStatus.MERGED: f"Merged from {before}",
        LinkStatus.GROUP: f"Group, {before} to {after}",
        LinkStatus.NOT_EVALUABLE: "Not evaluable",
    }[link.status]


def what_is_shown(identity: Identity) -> str:
    """Return body part, side and view, as far as the header says: ``Hand, left, PA view``."""
    parts = [
        identity.body_part.capitalize() if identity.body_part else "",
        _SIDES.get(identity.side or "", ""),
        f"{identity.view} view" if identity.view else "",
    ]
    return ", ".join(part for part in parts if part)


def time_between(baseline: Identity, followup: Identity) -> str:
    """Return how far apart the exposures are, in words; empty where a date is missing."""
    try:
        days = (date.fromisoformat(followup.study_date or "") - date.fromisoformat(baseline.study_date or "")).days
    except ValueError:
        return ""
    order = "" if days >= 0 else ", the follow-up first"
    days = abs(days)
    if days < 45:
        return f"{days} day{'s' * (days != 1)} apart{order}"
    months = days / 30.44
    return f"{days} days apart, about {months:.0f} months{order}"


def spacing_words(film: Radiograph) -> str:
    """Return a film's spacing with the tags it came from."""
    if film.spacing.mm is None:
        return film.spacing.note or "none"
    row_mm, col_mm = film.spacing.mm
    size = f"{row_mm:.4g}{NARROW}mm"
    if not math.isclose(row_mm, col_mm, rel_tol=1e-6):
        size = f"{row_mm:.4g}{NARROW}mm a row, {col_mm:.4g}{NARROW}mm a column"
    return f"{size} ({film.spacing.note})" if film.spacing.note else size


def alignment_words(registration: Registration) -> str:
    """Return how well the films were aligned, in a sentence or two."""
    if registration.status != "ok":
        why = f": {registration.reason}" if registration.reason else "."
        return f"The films could not be aligned{why}"
    parts = []
    if registration.rms_mm is not None:
        parts.append(f"The bones lie within {number_text(registration.rms_mm, 1)}{NARROW}mm (root mean square).")
    elif registration.rms_px is not None:
        parts.append(f"The bones lie within {number_text(registration.rms_px, 1)} pixels (root mean square).")
    if registration.rotation_deg is not None:
        parts.append(f"The follow-up was turned by {number_text(abs(registration.rotation_deg), 1)}°.")
    if registration.scale is not None:
        se = "" if registration.scale_se is None else f" ± {number_text(registration.scale_se, 3)} (standard error)"
        use = "the change is corrected for it" if registration.scale_applied else "the change is not corrected for it"
        parts.append(f"Bones on the follow-up are {number_text(registration.scale, 3)}{se} times as large; {use}.")
    return " ".join(parts)


def spoken_link(link: Link, index: int, digits: int = 0) -> str:
    """Return one link as a sentence: the text alternative of its bar."""
    if link.area_change_percent is None or link.ci95_percent is None:
        return f"Deposit {index}: {status_words(link).lower()}."
    return (
        f"Deposit {index}: {signed_percent(link.area_change_percent, digits)}, "
        f"95 % interval {interval_percent(link.ci95_percent, digits)}."
    )


def spoken_total(comparison: Comparison) -> str:
    """Return the total as a sentence: the text alternative of its bar."""
    if comparison.total_area_change_percent is None:
        return "Total: no percentage."
    digits = percent_digits(comparison)
    return (
        f"Total: {signed_percent(comparison.total_area_change_percent, digits)}, "
        f"95 % interval {interval_percent(comparison.ci95_percent, digits)}, "
        f"90 % interval {interval_percent(comparison.ci90_percent, digits)}, "
        f"margin {margin(comparison.margin_ratio)}."
    )
