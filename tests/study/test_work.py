"""What is kept of a failure: its reason, and no folder, since folders carry patients' names."""

from __future__ import annotations

from pathlib import Path

import pytest

from calcimeasure.errors import FilmError
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.work import FilmWork, reason_of

FOLDER = Path("/archive/Doe Jane")
ROW = FilmRow(subject="S1", visit="baseline", body_part="HAND", side="L", view="PA", path="Doe Jane/film.dcm")
WORK = FilmWork(row=ROW, path=FOLDER / "film.dcm", sha256=None, reading=None, folder=Path("/study/results/films/x"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            FilmError("the file is empty", where=str(WORK.path), remedy="Copy it."),
            "film.dcm: the file is empty. Copy it.",
        ),
        (FilmError("the folder is full", where=str(WORK.folder)), "x: the folder is full"),
        (ValueError(f"bad {FOLDER}/film.dcm"), "unexpected ValueError: bad /film.dcm"),
        (FilmError("it is one", where="film.dcm, row 2"), "film.dcm, row 2: it is one"),
    ],
)
def test_a_reason_names_no_folder(error: Exception, reason: str) -> None:
    assert reason_of(error, WORK) == reason
