"""`study report`: one offline page, from the sentence that a paper would print to every excluded film.

The page is of the same make as a pair's (`calcimeasure.results.report`): text is escaped, a policy forbids fetching,
neither a time nor a path is written, and the same study gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcimeasure.comparison.intervals import CALIBRATION_NOTE
from calcimeasure.comparison.verdict import UNSURE
from calcimeasure.results.records import library_versions
from calcimeasure.results.report.bars import make_bar
from calcimeasure.results.report.page import NOT_A_DEVICE
from calcimeasure.study.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Timeline,
    agreement,
    area_lines,
    study_axis,
    timeline,
)
from calcimeasure.study.declared import changed_after_results
from calcimeasure.study.endpoint import Endpoint, analyse
from calcimeasure.study.series import CHANGE, REPEAT, gaps
from calcimeasure.study.state import StudyState
from calcimeasure.study.store import Store, write_whole
from calcimeasure.study.subjects import SubjectChange, subject_changes
from calcimeasure.study.timelines import MINIMAL_DIFFERENCES, PAIN, outcome_changes, visit_dates

if TYPE_CHECKING:
    from jinja2 import Environment

REPORT = "report.html"
THUMBNAIL_PX = 220
MOST_THUMBNAILS = 120
VERDICT_WORDS = {
    "no_change": "No change",
    "increase": "Increase",
    "decrease": "Decrease",
    "indeterminate": "Cannot tell",
    "no_deposits": "No deposits",
    "not_evaluable": "Not evaluable",
    "not_comparable": "Not comparable",
}
_CANVAS = {
    "width": WIDTH,
    "height": HEIGHT,
    "left": LEFT,
    "right": WIDTH - RIGHT,
    "top": TOP,
    "bottom": HEIGHT - BOTTOM,
}
_STYLE = """
td.bars, th.bars { width: 250px; min-width: 200px; }
td.status small { white-space: normal; }
.sentences p { margin: 10px 0 0; max-width: 80ch; font-size: 1.05rem; }
svg.chart { display: block; width: 100%; max-width: 760px; height: auto; }
svg.chart text { font-size: 12px; fill: var(--muted); }
svg.chart .grid { stroke: var(--line); stroke-width: 1px; }
svg.chart .line { fill: none; stroke: var(--bar); stroke-width: 1.6px; stroke-opacity: 0.75; }
svg.chart .dot { fill: var(--bar); }
svg.chart .limit { stroke: var(--muted); stroke-width: 1.4px; stroke-dasharray: 5 4; }
svg.chart .mean { stroke: var(--bar); stroke-width: 1.4px; }
svg.chart .margin { fill: var(--band); }
svg.chart .stroke { stroke: var(--bar); stroke-width: 2px; }
svg.chart .film { stroke: var(--muted); stroke-width: 1.2px; stroke-dasharray: 2 3; }
svg.chart .name { font-weight: 600; fill: var(--ink); }
.timelines { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 18px 28px; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
.sheet img { width: 100%; height: 190px; object-fit: contain; background: var(--film); border-radius: 6px; }
.sheet figcaption { padding-top: 4px; font-size: 0.82rem; color: var(--muted); }
@media print { .sheet img { height: 30mm; } .sheet figure { break-inside: avoid; } }
"""


def write_report(study: Path, state: StudyState) -> Path:
    """Write the page of a study into its results.

    Parameters
    ----------
    study
        The study's folder.
    state
        What is finished.

    Returns
    -------
    Path
        `results/report.html`.
    """
    store = Store(study)
    path = store.root / REPORT
    write_whole(path, report_html(state, store).encode())
    return path


def report_html(state: StudyState, store: Store) -> str:
    """Return the page of a study."""
    pair_style = resources.files("calcimeasure.results.report").joinpath("templates", "style.css")
    style = pair_style.read_text("utf-8") + _STYLE
    pairs = [mark for mark in state.pairs.values() if mark is not None and mark["status"] == "ok"]
    changes = subject_changes(state.films, [mark for mark in pairs if mark["kind"] == CHANGE], state.settings)
    endpoint = analyse(changes, state.settings)
    axis = study_axis(endpoint, state.settings.margin_ratio)
    repeats = _repeats(pairs)
    limits = _limits(repeats)
    return (
        _environment()
        .get_template("study.html.j2")
        .render(
            style=style,
            policy=_policy(style),
            title=state.settings.title,
            sentences=endpoint.sentences,
            tiles=_tiles(endpoint),
            axis=axis,
            rows=[_row(change, axis) for change in _sorted(endpoint.subjects)],
            visit=endpoint.visit,
            mean=_mean(endpoint, axis),
            lines=area_lines(_areas(changes, state)),
            repeats=agreement(repeats, limits[0], limits[1]),
            repeat_words=_repeat_words(repeats, limits),
            canvas=_CANVAS,
            timelines=_timelines(state, changes),
            outcomes=_outcomes(state),
            films=_films(state, store),
            excluded=_excluded(state, pairs),
            gaps=gaps(state.films, state.settings),
            declared=_declared(state, store),
            facts=_facts(state, endpoint),
            zeros=None if endpoint.zeros is None else endpoint.zeros.to_dict("records"),
            calibration=CALIBRATION_NOTE,
            not_a_device=NOT_A_DEVICE,
        )
    )


def _sorted(changes: Sequence[SubjectChange]) -> list[SubjectChange]:
    """Return subjects by their change, largest increase first, as a waterfall stands; those without one last."""
    return sorted(changes, key=lambda c: (c.log_ratio is None, -(c.log_ratio or 0.0), c.subject))


def _row(change: SubjectChange, axis: Any) -> dict[str, Any]:
    interval = change.ci95_percent
    return {
        "subject": change.subject,
        "arm": change.arm,
        "limbs": change.limbs,
        "before": _number(change.baseline_area_mm2),
        "after": _number(change.followup_area_mm2),
        "change": "" if change.area_change_percent is None else _signed(change.area_change_percent),
        "interval": "" if interval is None else f"{interval[0]:+.0f} to {interval[1]:+.0f} %",
        "smallest": ""
        if change.smallest_detectable_change_percent is None
        else f"{change.smallest_detectable_change_percent:.0f} %",
        "verdict": VERDICT_WORDS.get(change.verdict, change.verdict),
        "band": change.area_change_band or "",
        # What every indeterminate patient has in common is told once, below the table.
        "reason": change.reason.replace(UNSURE, "").strip(),
        "bar": make_bar(axis, change.area_change_percent, interval),
    }


def _mean(endpoint: Endpoint, axis: Any) -> dict[str, Any] | None:
    mean = endpoint.mean_ratio
    if mean is None:
        return None
    ci90 = tuple(100.0 * (bound - 1.0) for bound in mean.interval_90)
    return {
        "patients": mean.patients,
        "change": f"{mean.change_percent:+.1f} %",
        "interval": f"{mean.change_percent_interval[0]:+.1f} to {mean.change_percent_interval[1]:+.1f} %",
        "bar": make_bar(axis, mean.change_percent, mean.change_percent_interval, (ci90[0], ci90[1])),
    }


def _tiles(endpoint: Endpoint) -> list[dict[str, str]]:
    tiles = []
    if endpoint.mean_ratio is not None:
        low, high = endpoint.mean_ratio.change_percent_interval
        note = f"95 % interval {low:+.1f} to {high:+.1f} %"
        tiles.append({"term": "Mean change", "value": f"{endpoint.mean_ratio.change_percent:+.1f} %", "note": note})
    for term, share in (("Shown unchanged", endpoint.unchanged), ("Detectable change", endpoint.changed)):
        if share is not None:
            low, high = (100.0 * bound for bound in share.interval)
            value, note = f"{share.count} of {share.total}", f"95 % interval {low:.0f} to {high:.0f} %"
            tiles.append({"term": term, "value": value, "note": note})
    if endpoint.detectable is not None:
        value = f"{endpoint.detectable.smallest_increase_percent:+.0f} %"
        tiles.append({"term": "Mean change it could detect", "value": value, "note": "80 times in 100"})
    return tiles


def _areas(changes: Sequence[SubjectChange], state: StudyState) -> list[tuple[str, list[tuple[int, str, float]]]]:
    """Return each subject's burden over time: the baseline of the primary visit's limbs, then each visit as a ratio.

    Each visit sums the limbs evaluable there and at baseline; drawn is the baseline times the ratio, so that a limb
    that is missing once does not look like a change.
    """
    days = {visit.name: visit.day for visit in state.settings.visits}
    drawn: dict[str, list[tuple[int, str, float]]] = {}
    for change in changes:
        if change.log_ratio is None or change.baseline_area_mm2 is None:
            continue
        points = drawn.setdefault(
            change.subject, [(days[state.settings.baseline], state.settings.baseline, change.baseline_area_mm2)]
        )
        points.append((days[change.visit], change.visit, points[0][2] * math.exp(change.log_ratio)))
    return sorted(drawn.items())


def _repeats(pairs: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    return [
        (
            mark["followup"],
            math.sqrt(mark["baseline_common_area_mm2"] * mark["followup_common_area_mm2"]),
            mark["log_ratio"],
        )
        for mark in pairs
        if mark["kind"] == REPEAT and mark["log_ratio"] is not None and mark["baseline_common_area_mm2"]
    ]


def _limits(repeats: Sequence[tuple[str, float, float]]) -> tuple[float, tuple[float, float] | None]:
    from calcimeasure.statistics import bland_altman

    logs = [log for _, _, log in repeats]
    if len(logs) < 3 or max(logs) == min(logs):
        return (sum(logs) / len(logs) if logs else 0.0), None
    result = bland_altman(logs, [0.0] * len(logs))
    return result.bias, result.limits


def _repeat_words(repeats: Sequence[tuple[str, float, float]], limits: tuple[float, tuple[float, float] | None]) -> str:
    if not repeats:
        return "No visit has a second exposure: the precision of this study rests on simulated films alone."
    cv = math.sqrt(sum(log * log for _, _, log in repeats) / len(repeats) / 2.0)
    exposures = "1 repeat exposure" if len(repeats) == 1 else f"{len(repeats)} repeat exposures"
    said = f"{exposures}: within-patient CV {100.0 * math.sqrt(math.expm1(cv * cv)):.1f} %"
    if limits[1] is None:
        return f"{said}; too few for limits of agreement."
    low, high = (100.0 * math.expm1(limit) for limit in limits[1])
    return f"{said}; two exposures differ by {low:+.0f} to {high:+.0f} % 95 times in 100."


def _timelines(state: StudyState, changes: Sequence[SubjectChange]) -> list[Timeline]:
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
                films.append((day, visit if percent is None else f"{visit}, area {_signed(percent)}"))
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


def _outcomes(state: StudyState) -> list[dict[str, str]]:
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


def _films(state: StudyState, store: Store) -> list[dict[str, str]]:
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


def _excluded(state: StudyState, pairs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    told = [(film.name, film.note or "left out in films.csv") for film in state.films if not film.include]
    told += list(state.failed_films.items())
    told += list(state.failed_pairs.items())
    told += [(m["followup"], " ".join(m["reasons"])) for m in pairs if m["verdict"] == "not_comparable"]
    return told


def _declared(state: StudyState, store: Store) -> str:
    text = f"The analysis was declared before results were computed (hash {state.settings.declared_sha256[:16]})."
    if changed_after_results(store, state.settings):
        return (
            "The declared analysis, visits or settings were changed after results had been computed: read what "
            f"follows as exploratory (hash now {state.settings.declared_sha256[:16]})."
        )
    return text


def _facts(state: StudyState, endpoint: Endpoint) -> list[tuple[str, str]]:
    settings, analysis = state.settings, state.settings.analysis
    low, high = settings.margin_ratio
    facts = [
        ("Estimand", analysis.estimand),
        ("Primary analysis", f"{analysis.primary} at {endpoint.visit}"),
        ("Margin", f"ratios {low:g} to {high:g}, two one-sided tests at 5 % each"),
        ("Visits", ", ".join(f"{v.name} (day {v.day} ± {v.window_days})" for v in settings.visits)),
        ("Burden", ", ".join(f"{part}: {view}" for part, view in analysis.burden_view.items()) or "every view"),
        ("Segmenter", settings.method),
        ("Readings", settings.primary_reader or "the program's, and signed ones where there are any"),
        ("Interval of a pair", "Student's t on the log ratio; see docs/statistics.md"),
    ]
    if endpoint.posterior is not None:
        chance = 100.0 * endpoint.posterior.probability_inside_margin
        facts.append(("Bayesian", f"{chance:.1f} % that the mean lies inside the margin. {endpoint.posterior.prior}"))
    facts += [(name, version) for name, version in library_versions().items()]
    return facts


def _signed(percent: float) -> str:
    # Rounded first: a change of -0.3 % is "0 %", not "-0 %".
    rounded = round(percent)
    return f"{rounded:+d} %" if rounded else "0 %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("calcimeasure.study", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
