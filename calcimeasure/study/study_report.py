"""`study report`: one offline page, from the sentence that a paper would print to every excluded film.

The page is of the same make as a pair's (`calcimeasure.export.report`): text is escaped, a policy forbids fetching,
neither a time nor a path is written, and the same study gives the same bytes.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from calcimeasure.change.intervals import CALIBRATION_NOTE
from calcimeasure.export.report.report_page import NOT_A_DEVICE, content_policy, page_environment
from calcimeasure.study.declaration import declared_now
from calcimeasure.study.declaration_text import declared_sentence
from calcimeasure.study.endpoint import analyse
from calcimeasure.study.exclusion_check import analysis_with_excluded
from calcimeasure.study.finished_changes import finished_changes, unfinished_sentence
from calcimeasure.study.report_context import (
    dose_rows,
    event_rows,
    excluded_rows,
    outcome_rows,
    study_film_pictures,
    timelines_of,
)
from calcimeasure.study.report_sections import (
    analysis_rows,
    areas_over_time,
    clustered_deposits,
    facts_of,
    largest_first,
    limit_sentence,
    limits_of,
    mean_rows,
    patient_row,
    patient_tables,
    repeat_rows,
    repeat_words,
    repeats_of,
    tiles_of,
    zero_rows,
)
from calcimeasure.study.result_store import Store, write_whole
from calcimeasure.study.series import gaps
from calcimeasure.study.study_charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    agreement,
    area_lines,
    study_axis,
    waterfall,
)
from calcimeasure.study.study_state import StudyState

REPORT = "report.html"
_CANVAS = {
    "width": WIDTH,
    "height": HEIGHT,
    "left": LEFT,
    "right": WIDTH - RIGHT,
    "top": TOP,
    "bottom": HEIGHT - BOTTOM,
}


def write_study_report(study: Path, state: StudyState) -> Path:
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
    write_whole(path, study_report_html(state, store).encode())
    return path


def study_report_html(state: StudyState, store: Store) -> str:
    """Return the page of a study."""
    style = _style()
    settings = state.settings
    pairs = [mark for mark in state.pairs.values() if mark is not None and mark["status"] == "ok"]
    changes = finished_changes(state)
    primary = settings.analysis.primary_visit
    endpoint = analyse(changes, settings, deposits=clustered_deposits(state, pairs, primary))
    declared = declared_now(store, settings, state.films)
    repeated = analysis_with_excluded(state, store, pairs, [name for name, _ in declared.exclusions])
    axis = study_axis(endpoint, settings.margin_ratio)
    repeats = repeats_of(pairs)
    limits = limits_of(repeats)
    falls = [(change.subject, change.log_ratio) for change in endpoint.ratios if change.log_ratio is not None]
    return (
        page_environment("calcimeasure.study")
        .get_template("study.html.j2")
        .render(
            style=style,
            policy=content_policy(style),
            title=settings.title,
            sentences=tuple(filter(None, (unfinished_sentence(state), *endpoint.sentences))),
            tiles=tiles_of(endpoint),
            axis=axis,
            rows=[patient_row(change, axis) for change in largest_first(endpoint.subjects)],
            others=endpoint.others,
            visit=endpoint.visit,
            means=mean_rows(endpoint, axis),
            analysed=analysis_rows(endpoint),
            limit=limit_sentence(state, pairs),
            fall=waterfall(falls, settings.margin_ratio),
            patients=patient_tables(state, pairs, changes),
            lines=area_lines(areas_over_time(changes, state)),
            repeats=agreement(repeats, limits[0], limits[1]),
            repeat_words=repeat_words(repeats, limits),
            repeat_rows=repeat_rows(repeats),
            canvas=_CANVAS,
            timelines=timelines_of(state, changes),
            doses=dose_rows(state),
            events=event_rows(state),
            outcomes=outcome_rows(state),
            films=study_film_pictures(state, store),
            excluded=excluded_rows(state, pairs),
            contradictions=sorted(state.contradictions.items()),
            gaps=gaps(state.films, settings),
            declared=declared_sentence(declared, settings),
            declared_changes=declared.changes,
            exclusions=declared.exclusions,
            with_excluded=() if repeated is None else repeated.sentences,
            facts=facts_of(state, endpoint),
            zeros=zero_rows(endpoint),
            calibration=CALIBRATION_NOTE,
            not_a_device=NOT_A_DEVICE,
        )
    )


def _style() -> str:
    """Return the style of a pair's page and what a study's adds to it."""
    of_pair = resources.files("calcimeasure.export.report").joinpath("templates", "style.css")
    of_study = resources.files("calcimeasure.study").joinpath("templates", "study.css")
    return of_pair.read_text("utf-8") + of_study.read_text("utf-8")
