"""The analysis repeated with the films that were left out after results: what the exclusions did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from calcimeasure.study.endpoint import Endpoint, analyse
from calcimeasure.study.result_store import Store
from calcimeasure.study.series import CHANGE
from calcimeasure.study.study_state import StudyState
from calcimeasure.study.subject_burden import subject_changes

Mark = Mapping[str, Any]


def analysis_with_excluded(
    state: StudyState, store: Store, pairs: Sequence[Mark], excluded: Sequence[str]
) -> Endpoint | None:
    """Return the analysis with films that were excluded after results, from the results that they had.

    Parameters
    ----------
    pairs
        Marks of the finished pairs as they are now.
    excluded
        Names of the films.

    Returns
    -------
    Endpoint or None
        None where the excluded films have no results left, or their rows are gone from films.csv.
    """
    back = set(excluded)
    films = tuple(replace(film, include=True) if film.name in back else film for film in state.films)
    now = {mark["followup"]: mark for mark in pairs if mark["kind"] == CHANGE}
    for film in films:
        if not film.include:
            continue
        path = store.root / "done" / "pairs" / film.subject.replace(" ", "-") / f"{film.name}.json"
        if film.name in now or not path.exists():
            continue
        mark = json.loads(path.read_text(encoding="utf-8"))
        # A pair that lost its own film, or its baseline, keeps the mark of the run before.
        if mark.get("kind") == CHANGE and mark.get("status") == "ok" and back & {mark["followup"], mark["baseline"]}:
            now[film.name] = mark
    if set(now) == {mark["followup"] for mark in pairs if mark["kind"] == CHANGE}:
        return None
    return analyse(subject_changes(films, list(now.values()), state.settings), state.settings)
