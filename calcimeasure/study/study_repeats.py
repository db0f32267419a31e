"""A study's own repeats as a table for `assess_precision`: repeat exposures, their deposits, and repeat readings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcimeasure.errors import StudyError
from calcimeasure.study.series import REPEAT
from calcimeasure.study.study_state import Study, StudyState

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = re.compile(r"(.+)\.([2-9])")


class Repeated(StrEnum):
    """What was done again."""

    FILMS = "films"
    DEPOSITS = "deposits"
    READINGS = "readings"


def repeats_table(folder: Path, what: Repeated) -> pd.DataFrame:
    """Return a row a measurement, with the columns item, reader and area_mm2.

    Parameters
    ----------
    folder
        The study.
    what
        ``films``: the burden of each repeat exposure and of the first of its visit, over what both show. ``deposits``:
        the same deposit by deposit, as linked. ``readings``: what readers signed of one film. A reader who reads a
        film again without looking at the first reading signs as CODE.2, CODE.3, ...: repeats of reader CODE.

    Raises
    ------
    StudyError
        When the study has none.
    """
    import pandas as pd

    study = Study(folder)
    if what is Repeated.READINGS:
        rows = list(_readings(study))
    else:
        rows = list(_exposures(study.state(), by_deposit=what is Repeated.DEPOSITS))
    if not rows:
        missing = {
            Repeated.READINGS: ("no film was read twice", "Let two readers sign it, or one again as CODE.2."),
            Repeated.FILMS: ("no visit has a repeat exposure that was compared", "Expose some limbs twice at a visit."),
            Repeated.DEPOSITS: ("no deposit was measured on two exposures", "Expose some limbs twice at a visit."),
        }
        raise StudyError(missing[what][0], where=folder.name, remedy=missing[what][1])
    return pd.DataFrame(rows, columns=["item", "reader", "area_mm2"])


def single_film_table(folder: Path) -> pd.DataFrame:
    """Return the burden of each repeat exposure as its film alone shows it, with the columns item and area_mm2.

    Films of a limb are judged together, which makes their areas agree; a reader of single films sees them alone.
    """
    import pandas as pd

    state = Study(folder).state()
    alone = {name: one for mark in state.readings.values() if mark for name, one in mark["films"].items()}
    rows = []
    for name, mark in state.pairs.items():
        if mark is not None and mark["kind"] == REPEAT and mark["status"] == "ok":
            films = (mark["baseline"], mark["followup"])
            rows += [(name, alone[film]["record"]["total_area_mm2"]) for film in films]
    return pd.DataFrame(rows, columns=["item", "area_mm2"])


def _exposures(state: StudyState, *, by_deposit: bool) -> Iterator[tuple[str, str, float | None]]:
    for name, mark in state.pairs.items():
        if mark is None or mark["kind"] != REPEAT or mark["status"] != "ok" or mark["verdict"] == "not_comparable":
            continue
        if not by_deposit:
            for area in (mark["baseline_common_area_mm2"], mark["followup_common_area_mm2"]):
                yield name, "program", area
            continue
        for number, link in enumerate(mark["links"], start=1):
            if link["status"] == "matched":
                for area in (link["baseline_area_mm2"], link["followup_area_mm2"]):
                    yield f"{name} {number}", "program", area


def _readings(study: Study) -> Iterator[tuple[str, str, float | None]]:
    """Give the burden of every film that has more than one signed reading, the newest version of each."""
    from calcimeasure.review.reading_store import check_signature, latest_version, readers_of

    root = study.store.study / "readings"
    for film in study.films:
        key = study.film_id(film) if film.include else ""
        if not key:
            continue
        versions = {reader: latest_version(root / key / reader) for reader in readers_of(study.store.study, key)}
        signed = {reader: version for reader, version in versions.items() if version is not None}
        if len(signed) < 2:
            continue
        for reader, version in sorted(signed.items()):
            check_signature(version)
            record: dict[str, Any] = json.loads((version / "measurement.json").read_text(encoding="utf-8"))
            again = _AGAIN.fullmatch(reader)
            yield film.name, again.group(1) if again else reader, record["total_area_mm2"]
