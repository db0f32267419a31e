"""The parts of a study's page besides its result: doses, scores, events, films, what is left out."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcimeasure.study.exposures_and_outcomes import (
    ADVERSE_EVENT,
    MINIMAL_DIFFERENCES,
    PAIN,
    doses_at_visits,
    outcome_changes,
    visit_dates,
)
from calcimeasure.study.report_sections import signed
from calcimeasure.study.result_store import Store
from calcimeasure.study.study_charts import Timeline, timeline
from calcimeasure.study.study_state import StudyState
from calcimeasure.study.subject_burden import SubjectChange

THUMBNAIL_PX = 220
MOST_THUMBNAILS = 120


def timelines_of(state: StudyState, changes: Sequence[SubjectChange]) -> list[Timeline]:
    """Return a timeline a subject: doses and pain, with the change of area written at each film."""
    dates = visit_dates(state.films)
    by_visit = {(change.subject, change.visit): change for change in changes}
    drawn = []
    for subject in sorted({film.subject for film in state.films if film.include}):
        films = []
        for visit in state.settings.visit_names:
            day = dates.get((subject, visit))
            change = by_visit.get((subject, visit))
            percent = None if change is None else change.area_change_percent
            if day is not None:
                films.append((day, visit if percent is None else f"{visit}, area {signed(percent)}"))
        doses = [dose for dose in state.exposures if dose.subject == subject]
        pain = [
            (one.date, one.value)
            for one in state.outcomes
            if one.subject == subject and one.measure == PAIN and one.value is not None
        ]
        line = timeline(subject, doses, sorted(pain), films)
        if line is not None:
            drawn.append(line)
    return drawn


def outcome_rows(state: StudyState) -> list[dict[str, str]]:
    """Return each score from baseline to each visit, against its published minimal important difference."""
    changes = outcome_changes(state.outcomes, visit_dates(state.films), state.settings.baseline)
    rows = []
    for change in changes:
        known = MINIMAL_DIFFERENCES.get(change.measure)
        against = "" if known is None else f"{'reaches' if change.reached else 'does not reach'} {known.change:g}"
        rows.append(
            {
                "subject": change.subject,
                "visit": change.visit,
                "measure": change.measure.replace("_", " "),
                "change": f"{change.baseline:g} to {change.value:g}",
                "against": against,
                "source": "" if known is None else known.source,
            }
        )
    return rows


def study_film_pictures(state: StudyState, store: Store) -> list[dict[str, str]]:
    """Return a small picture of each film with its outlines, as far as a page can hold."""
    shown: list[dict[str, str]] = []
    outcomes = {name: one for mark in state.readings.values() if mark for name, one in mark["films"].items()}
    for film in state.films:
        outcome = outcomes.get(film.name)
        if outcome is None or outcome["status"] != "ok" or len(shown) >= MOST_THUMBNAILS:
            continue
        address = _thumbnail(store.film_folder(film) / "overlay.png")
        if address:
            record = outcome["record"]
            area = record["total_area_mm2"]
            size = f"{area:.1f} mm²" if area is not None else f"{record['total_area_px']:.0f} pixels"
            words = f"{film.subject}, {film.visit}, {film.side} {film.body_part}"
            shown.append({"address": address, "words": words, "size": size})
    return shown


def _thumbnail(path: Path) -> str:
    import cv2

    if not path.exists():
        return ""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        return ""
    scale = THUMBNAIL_PX / max(picture.shape[:2])
    if scale < 1.0:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    written, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}" if written else ""


def excluded_rows(state: StudyState, pairs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return every film and pair that is not in the result, with the reason."""
    excluded = [(film.name, film.note or "left out in films.csv") for film in state.films if not film.include]
    excluded += list(state.failed_films.items())
    excluded += list(state.failed_pairs.items())
    excluded += [(m["followup"], " ".join(m["reasons"])) for m in pairs if m["verdict"] == "not_comparable"]
    return excluded


def dose_rows(state: StudyState) -> list[dict[str, str]]:
    """Return what each patient had been given by the day of each film."""
    return [
        {
            "subject": one.subject,
            "visit": one.visit,
            "drug": one.drug,
            "doses": str(one.doses),
            "sum": f"{one.cumulative_dose:g} {one.unit}",
        }
        for one in doses_at_visits(state.exposures, visit_dates(state.films))
    ]


def event_rows(state: StudyState) -> list[dict[str, str]]:
    """Return adverse events in their words."""
    return [
        {"subject": one.subject, "date": one.date, "text": one.text}
        for one in sorted(state.outcomes, key=lambda one: (one.subject, one.date))
        if one.measure == ADVERSE_EVENT
    ]
