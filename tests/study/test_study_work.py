"""How a row's film is opened, and what is kept of a failure: its reason, and no folder, which carry patients' names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calcimeasure.errors import FilmError
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.study_work import FilmWork, open_film, reason_of

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


def test_a_row_rotations_the_grey_of_its_film(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    Image.fromarray((np.add.outer(np.arange(64), np.arange(80)) % 251).astype(np.uint8)).save(path)
    settings = {"magnification_corrected": False}
    as_it_is, turned = (
        open_film(replace(WORK, row=replace(ROW, invert=invert), path=path, sha256="ab"), settings)
        for invert in (False, True)
    )
    assert not np.array_equal(as_it_is.pixels, turned.pixels)
    assert len(np.unique(as_it_is.pixels.astype(np.int64) + turned.pixels.astype(np.int64))) == 1
