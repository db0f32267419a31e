"""The changes of every patient as far as they are finished: who still has work to be done is not evaluable yet."""

from __future__ import annotations

from dataclasses import replace

from calcimeasure.study.patient_ratios import NOT_EVALUABLE
from calcimeasure.study.series import CHANGE
from calcimeasure.study.study_state import StudyState
from calcimeasure.study.subject_burden import SubjectChange, subject_changes


def finished_changes(state: StudyState) -> tuple[SubjectChange, ...]:
    """Return each patient's change at each visit.

    A patient some of whose films are not read or compared as the files have it now has no change: a sum without a
    limb would pass for the whole. One of whose films failed keeps the sum of the rest, with the reason.
    """
    marks = [mark for mark in state.pairs.values() if mark and mark["kind"] == CHANGE and mark["status"] == "ok"]
    films = {film.name: film for film in state.films}
    failed: dict[tuple[str, str], list[str]] = {}
    for name, reason in (*state.failed_films.items(), *state.failed_pairs.items()):
        film = films[name]
        failed.setdefault((film.subject, film.visit), []).append(f"{film.side} {film.body_part} is left out: {reason}")
    changes = []
    for change in subject_changes(state.films, marks, state.settings):
        waiting = state.pending.get(change.subject, ())
        here = [name for name in waiting if films[name].visit in (change.visit, state.settings.baseline)]
        if here:
            change = SubjectChange(  # noqa: PLW2901
                subject=change.subject,
                arm=change.arm,
                visit=change.visit,
                limbs=0,
                verdict=NOT_EVALUABLE,
                reason=f"Not finished: {', '.join(here)}.",
            )
        faults = {state.settings.baseline, change.visit}
        lost = [words for visit in sorted(faults) for words in failed.get((change.subject, visit), [])]
        if lost:
            change = replace(change, reason=" ".join([*filter(None, [change.reason]), *lost]))  # noqa: PLW2901
        changes.append(change)
    return tuple(changes)


def unfinished_sentence(state: StudyState) -> str:
    """Return what is not finished, by patient; empty where everything is."""
    pending = state.pending
    if not pending:
        return ""
    listed = "; ".join(f"{subject} ({', '.join(names)})" for subject, names in pending.items())
    return (
        f"Unfinished: films of {len(pending)} of the patients are new, changed or not yet compared, and none of their "
        f"numbers are below: {listed}. Run `calcimeasure study run`."
    )
