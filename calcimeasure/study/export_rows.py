"""The rows of the exported tables, made from the marks of finished work: the same study gives the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from calcimeasure.study.exposures_and_outcomes import doses_at_visits, outcome_changes, visit_dates
from calcimeasure.study.finished_changes import finished_changes
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.series import CHANGE
from calcimeasure.study.study_state import StudyState
from calcimeasure.study.subject_burden import SubjectChange

Row = dict[str, Any]
_FILM_COPIED = (
    "film_id",
    "sha256",
    "spacing_basis",
    "total_area_mm2",
    "total_area_se_mm2",
    "total_area_px",
    "total_area_se_px",
)
_PAIR_COPIED = (
    "baseline_common_area_mm2",
    "followup_common_area_mm2",
    "total_area_change_mm2",
    "total_area_change_percent",
    "log_ratio",
    "log_ratio_se",
    "smallest_detectable_change_percent",
    "change_detected_with_80_percent_power_percent",
    "detectable",
    "beyond_margin",
    "area_change_band",
    "sentence",
    "verdict",
)


def export_rows(state: StudyState) -> dict[str, list[Row]]:
    """Return the rows of every table, by its name."""
    films = {film.name: film for film in state.films if film.include}
    outcomes = {
        name: outcome for mark in state.readings.values() if mark is not None for name, outcome in mark["films"].items()
    }
    pairs = [mark for mark in state.pairs.values() if mark is not None]
    changes = [mark for mark in pairs if mark["kind"] == CHANGE and mark["status"] == "ok"]
    subjects = finished_changes(state)
    dates = visit_dates(state.films)
    rows = {
        "films": [_film(film, outcomes.get(film.name)) for film in state.films],
        "deposits": [row for film in films.values() for row in _deposits(film, outcomes.get(film.name))],
        "links": [row for mark in changes for row in _links(films[mark["followup"]], mark)],
        "pairs": [_pair(films[mark["followup"]], mark) for mark in pairs],
        "subjects": [_subject(change) for change in subjects],
        "exposures": [asdict(row) for row in doses_at_visits(state.exposures, dates)],
        "outcomes": [asdict(row) for row in outcome_changes(state.outcomes, dates, state.settings.baseline)],
    }
    return rows | _submission(state, films, outcomes, changes, subjects)


def _key(film: FilmRow) -> Row:
    return {
        "subject": film.subject,
        "visit": film.visit,
        "body_part": film.body_part,
        "side": film.side,
        "view": film.view,
        "repeat": film.repeat,
    }


def _film(film: FilmRow, outcome: Row | None) -> Row:
    row: Row = {**_key(film), "date": film.date}
    if not film.include:
        return row | {"status": "left_out", "reason": film.note, "film_id": film.film_id}
    if outcome is None:
        return row | {"status": "pending"}
    if outcome["status"] != "ok":
        return row | {"status": "failed", "reason": outcome["reason"], "film_id": film.film_id}
    record = outcome["record"]
    spacing = record["pixel_spacing_mm"] or (None, None)
    return row | {
        "status": "ok",
        "read_by": outcome["read_by"],
        **{name: record[name] for name in _FILM_COPIED},
        "row_spacing_mm": spacing[0],
        "col_spacing_mm": spacing[1],
        "deposits": len(record["deposits"]),
        "warnings": " ".join(record["warnings"]),
    }


def _deposits(film: FilmRow, outcome: Row | None) -> Iterator[Row]:
    if outcome is not None and outcome["status"] == "ok":
        for deposit in outcome["record"]["deposits"]:
            yield {**_key(film), "film_id": outcome["record"]["film_id"], **deposit}


def _links(film: FilmRow, mark: Row) -> Iterator[Row]:
    for link in mark["links"]:
        low, high = link["ci95_percent"] or (None, None)
        labels = {name: ";".join(map(str, link[name])) for name in ("baseline_labels", "followup_labels")}
        yield {**_key(film), **link, **labels, "ci95_low_percent": low, "ci95_high_percent": high}


def _pair(film: FilmRow, mark: Row) -> Row:
    row = {**_key(film), "kind": mark["kind"], "baseline": mark["baseline"], "status": mark["status"]}
    if mark["status"] != "ok":
        return row | {"reason": mark["reason"]}
    intervals: Row = {}
    for level in ("95", "90"):
        low, high = mark[f"ci{level}_percent"] or (None, None)
        intervals |= {f"ci{level}_low_percent": low, f"ci{level}_high_percent": high}
    texts = {"reason": " ".join(mark["reasons"]), "warnings": " ".join(mark["warnings"])}
    return {**row, **{name: mark[name] for name in _PAIR_COPIED}, **intervals, **texts}


def _subject(change: SubjectChange) -> Row:
    row = asdict(change)
    low, high = row.pop("ci95_percent") or (None, None)
    return row | {"ci95_low_percent": low, "ci95_high_percent": high}


def _submission(
    state: StudyState,
    films: dict[str, FilmRow],
    outcomes: dict[str, Row],
    changes: list[Row],
    subjects: tuple[SubjectChange, ...],
) -> dict[str, list[Row]]:
    """Return tables shaped as the CDISC domains TU, TR and RS.

    A deposit of the baseline film keeps its link identifier at every visit; one that a link calls new gets its own.
    Deposits that a link groups share the identifier of the first.
    """
    study = "".join(c if c.isalnum() else "-" for c in state.settings.title).strip("-").upper()[:20] or "STUDY"
    numbers = {visit: number for number, visit in enumerate(state.settings.visit_names, start=1)}
    tu: list[Row] = []
    tr: list[Row] = []
    baselines = [f for f in films.values() if f.visit == state.settings.baseline and f.repeat == 1]
    for film in baselines:
        for deposit in _deposits(film, outcomes.get(film.name)):
            lesion = _lesion(film, "B", deposit["label"])
            tu.append(_identified(lesion, film, "PRESENT AT BASELINE", deposit["origin"]))
            tr.append(_result(lesion, film, deposit["area_mm2"], deposit["area_px"], deposit["origin"]))
    for mark in changes:
        film = films[mark["followup"]]
        for link in mark["links"]:
            is_new = not link["baseline_labels"]
            label = link["followup_labels"][0] if is_new else link["baseline_labels"][0]
            lesion = _lesion(film, film.visit if is_new else "B", label)
            if link["status"] == "new":
                tu.append(_identified(lesion, film, "NEW", _origin(outcomes, film, link)))
            if link["status"] == "not_evaluable":
                tr.append(
                    {
                        **_result(lesion, film, None, None, _origin(outcomes, film, link)),
                        "TRSTAT": "NOT DONE",
                        "TRREASND": link["reason"],
                    }
                )
            else:
                areas = (link["followup_area_mm2"], link["followup_area_px"])
                tr.append(_result(lesion, film, *areas, _origin(outcomes, film, link)))
    dates = visit_dates(state.films)
    by_person = {film.subject for film in films.values() if outcomes.get(film.name, {}).get("read_by") == "person"}
    rs = [
        {
            **_response(change, "READER" if change.subject in by_person else "ALGORITHM"),
            "RSDTC": dates.get((change.subject, change.visit), ""),
        }
        for change in subjects
    ]
    visits = {visit.upper(): number for visit, number in numbers.items()}
    for row in (*tu, *tr, *rs):
        row["VISITNUM"] = visits[row["VISIT"]]
    for domain, rows in (("TU", tu), ("TR", tr), ("RS", rs)):
        rows.sort(key=lambda row: row["USUBJID"])
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["USUBJID"]] = counts.get(row["USUBJID"], 0) + 1
            row |= {"STUDYID": study, "DOMAIN": domain, f"{domain}SEQ": counts[row["USUBJID"]]}
    return {"tu": tu, "tr": tr, "rs": rs}


def _lesion(film: FilmRow, seen: str, label: int) -> str:
    return "-".join((film.side, film.body_part, film.view, seen.replace(" ", ""), f"{label:02d}"))


def _origin(outcomes: dict[str, Row], film: FilmRow, link: Row) -> str:
    """Return how the deposits of a link came about on the follow-up film, as that film's own record has it."""
    outcome = outcomes.get(film.name, {})
    origins = {deposit["label"]: deposit["origin"] for deposit in outcome.get("record", {}).get("deposits", [])}
    found = [origins[label] for label in link["followup_labels"] if label in origins]
    if not found:
        # Nothing is there: who read the film says so.
        return "edited" if outcome.get("read_by") == "person" else "auto"
    return next((origin for origin in found if origin != "auto"), "auto")


def _evaluator(origin: str) -> str:
    return "ALGORITHM" if origin == "auto" else "READER"


def _identified(lesion: str, film: FilmRow, result: str, origin: str) -> Row:
    return {
        "USUBJID": film.subject,
        "TULNKID": lesion,
        "TUTESTCD": "LESIDENT",
        "TUTEST": "Lesion Identification",
        "TUORRES": result,
        "TUSTRESC": result,
        "TULOC": film.body_part,
        "TULAT": {"L": "LEFT", "R": "RIGHT", "B": "BILATERAL"}[film.side],
        "TUMETHOD": "X-RAY",
        "TUEVAL": _evaluator(origin),
        "VISIT": film.visit.upper(),
        "TUDTC": film.date,
    }


def _result(lesion: str, film: FilmRow, area_mm2: float | None, area_px: float | None, origin: str) -> Row:
    shown, unit = (area_mm2, "mm2") if area_mm2 is not None else (area_px, "px")
    return {
        "USUBJID": film.subject,
        "TRLNKID": lesion,
        "TRTESTCD": "AREA",
        "TRTEST": "Area",
        "TRORRES": "" if shown is None else repr(shown),
        "TRORRESU": "" if shown is None else unit,
        "TRSTRESC": "" if area_mm2 is None else repr(area_mm2),
        "TRSTRESN": area_mm2,
        "TRSTRESU": "" if area_mm2 is None else "mm2",
        "TRMETHOD": "X-RAY",
        "TREVAL": _evaluator(origin),
        "VISIT": film.visit.upper(),
        "TRDTC": film.date,
    }


def _response(change: SubjectChange, evaluator: str) -> Row:
    row: Row = {
        "USUBJID": change.subject,
        "RSTESTCD": "OVRLRESP",
        "RSTEST": "Overall Response",
        "RSCAT": "RADIOGRAPHIC CALCINOSIS AREA",
        "RSEVAL": evaluator,
        "VISIT": change.visit.upper(),
    }
    if change.verdict == "not_evaluable":
        return row | {"RSSTAT": "NOT DONE", "RSREASND": change.reason}
    verdict = change.verdict.replace("_", " ").upper()
    return row | {"RSORRES": verdict, "RSSTRESC": verdict}
