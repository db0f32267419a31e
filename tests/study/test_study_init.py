"""A folder of films becomes a proposed manifest; what is no film, a copy or not stated is reported."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study.manifest import read_manifest
from calcimeasure.study.proposed_names import KEY_FILE
from calcimeasure.study.study_init import init_study
from calcimeasure.study.study_settings import read_settings


def test_headers_become_rows(films: Path, tmp_path: Path) -> None:
    proposal = init_study(films, tmp_path / "study", title="Trial")
    rows = read_manifest(tmp_path / "study" / "films.csv", visits=proposal.settings.visit_names)
    assert len(rows) == 4
    assert {(row.visit, row.side, row.body_part, row.view) for row in rows} == {
        ("baseline", "R", "HAND", "PA"),
        ("month 3", "R", "HAND", "PA"),
    }
    assert {row.spacing_basis for row in rows} == {"detector"}
    assert all((tmp_path / "study" / row.path).exists() for row in rows)
    settings = read_settings(tmp_path / "study" / "study.toml")
    assert settings == proposal.settings
    assert settings.title == "Trial"
    assert settings.analysis.burden_view == {"HAND": "PA"}


def test_the_key_of_pseudonyms_is_a_file_of_its_own(films: Path, tmp_path: Path) -> None:
    init_study(films, tmp_path / "study")
    with (tmp_path / "study" / KEY_FILE).open() as file:
        key = {row["identifier"]: row["subject"] for row in csv.DictReader(file)}
    assert set(key) == {"PATIENT A", "PATIENT B"}
    assert "PATIENT" not in (tmp_path / "study" / "films.csv").read_text().upper().replace("../FILMS", "")


def test_names_of_files_do_not_matter(films: Path, tmp_path: Path) -> None:
    expected = {(row.film_id, row.key) for row in init_study(films, tmp_path / "one").films}
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for index, path in enumerate(sorted(films.rglob("*.dcm"), reverse=True)):
        shutil.copy(path, shuffled / f"IM{index:04d}")
    assert {(row.film_id, row.key) for row in init_study(shuffled, tmp_path / "two").films} == expected


def test_what_is_no_film_is_reported_with_the_reason(films: Path, tmp_path: Path) -> None:
    (films / "empty.dcm").write_bytes(b"")
    (films / "letter.bin").write_bytes(b"%PDF-1.4 hello")
    (films / "cut.dcm").write_bytes((films / "A" / "baseline.dcm").read_bytes()[:200])
    (films / "notes.txt").write_text("nobody takes this for a film")
    (films / ".hidden").write_bytes(b"x")
    proposal = init_study(films, tmp_path / "study")
    reported = {Path(path).name: reason for path, reason in proposal.left_out}
    assert set(reported) == {"empty.dcm", "letter.bin", "cut.dcm"}
    assert reported["empty.dcm"] == "is empty"
    assert "PDF" in reported["letter.bin"]
    assert (tmp_path / "study" / "left_out.csv").exists()
    assert len(proposal.films) == 4


def test_the_same_file_twice_is_left_out_and_a_second_exposure_is_a_repeat(films: Path, tmp_path: Path) -> None:
    import pydicom

    shutil.copy(films / "A" / "baseline.dcm", films / "A" / "copy.dcm")
    dataset = pydicom.dcmread(films / "A" / "baseline.dcm")
    dataset.AcquisitionTime = "130000"
    dataset.save_as(films / "A" / "again.dcm")
    rows = {Path(row.path).name: row for row in init_study(films, tmp_path / "study").films if "/A/" in row.path}
    assert [rows[name].repeat for name in ("baseline.dcm", "again.dcm")] == [1, 2]
    assert rows["again.dcm"].include
    assert not rows["copy.dcm"].include
    assert "the same file as" in rows["copy.dcm"].note
    # The manifest that is written is one that can be read.
    read_manifest(tmp_path / "study" / "films.csv")


def test_a_plain_picture_takes_what_its_name_says(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    (tmp_path / "films" / "Anna").mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "films" / "Anna" / "left_hand_baseline.png"), picture)
    (row,) = init_study(tmp_path / "films", tmp_path / "study").films
    assert (row.side, row.body_part, row.visit, row.view) == ("L", "HAND", "baseline", "UNKNOWN")
    assert "side from the file's name" in row.note
    assert row.subject == "S001"


def test_a_second_init_is_refused_and_an_update_adds_what_is_new(films: Path, tmp_path: Path) -> None:
    import pydicom

    study = tmp_path / "study"
    init_study(films, study)
    with pytest.raises(StudyError, match="--update"):
        init_study(films, study)
    # A person's edit stands; the new film is added with its subject's pseudonym.
    text = (study / "films.csv").read_text()
    (study / "films.csv").write_text(text.replace(",yes,\n", ",yes,looked at\n", 1))
    dataset = pydicom.dcmread(films / "A" / "month3.dcm")
    dataset.StudyDate = dataset.AcquisitionDate = "20250717"
    dataset.save_as(films / "A" / "late.dcm")
    proposal = init_study(films, study, update=True)
    assert proposal.new == 1
    assert sum(row.note == "looked at" for row in proposal.films) == 1
    added = next(row for row in proposal.films if row.path.endswith("late.dcm"))
    assert added.subject == next(row for row in proposal.films if row.path.endswith("A/month3.dcm")).subject


def test_a_study_inside_its_films_passes_its_own_results_over(films: Path) -> None:
    init_study(films)
    (films / "results").mkdir()
    shutil.copy(films / "A" / "baseline.dcm", films / "results" / "image.dcm")
    assert init_study(films, update=True).new == 0


def test_no_folder_and_no_films(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such folder"):
        init_study(tmp_path / "nowhere")
    with pytest.raises(StudyError, match="no film"):
        init_study(tmp_path)
