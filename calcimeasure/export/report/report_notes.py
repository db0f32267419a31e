"""Notes on the page that keep its numbers from being misread: why areas differ, and the limit of detection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from calcimeasure.change import unmatched
from calcimeasure.change.change_records import Comparison, LinkStatus
from calcimeasure.export.report.wording import NARROW, number_text
from calcimeasure.measurement.measurement_records import FilmMeasurement

# What a reader sees of it: below, both numbers look the same on the page.
_SEEN = 0.002


def why_areas_differ(comparison: Comparison) -> str:
    """Return why the areas under the films are not those that are compared; empty where they are."""
    c = comparison
    compared = ((c.baseline, c.baseline_common_area_px), (c.followup, c.followup_common_area_px))
    applied = bool(c.registration.scale_applied and c.registration.scale and c.registration.scale != 1.0)
    if not any(_differs(film, area) for film, area in compared) and not applied:
        return ""
    parts = ["count only what both films show"]
    if applied and c.registration.scale is not None:
        times = number_text(c.registration.scale, 3)
        parts.append(f"bring the follow-up, whose bones are {times} times as large, to the baseline's size")
    if any(link.status is LinkStatus.MATCHED for link in c.links):
        parts.append("judge the edge of a deposit on both films together")
    done = f"{', '.join(parts[:-1])} and {parts[-1]}" if parts[1:] else parts[0]
    return (
        "Under each film stands all the calcinosis on it, as measured on that film alone. The areas compared, above "
        f"and in the table, differ from that: they {done}."
    )


def limit_of_detection_text(comparison: Comparison, record: Mapping[str, Any]) -> float | None:
    """Return the area of a deposit that would be found 95 times in 100, in mm²; None where nobody knows.

    What was declared comes first; else it is the segmenter's, where it alone found the deposits of both films.
    """
    declared = (record.get("settings") or {}).get("limit_of_detection_mm2")
    films = (comparison.baseline, comparison.followup)
    return unmatched.pair_limit_of_detection(
        films, None if declared is None else float(declared), [film.labels for film in films]
    )


def limit_words(limit_mm2: float | None) -> str:
    """Return the limit of detection with what it means."""
    if limit_mm2 is None:
        return "not known of who or what read these films"
    size = f"{number_text(limit_mm2)}{NARROW}mm²"
    return f"{size}: a deposit of this size is found 95 times in 100, a smaller one less often"


def _differs(film: FilmMeasurement, compared_px: float | None) -> bool:
    return compared_px is not None and not math.isclose(film.total_area_px, compared_px, rel_tol=_SEEN)
