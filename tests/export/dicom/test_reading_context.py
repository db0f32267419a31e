"""The date of an object: the film's, or none; never the clock's, and never one that looks like a real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from calcimeasure.export.dicom import write_comparison_dicom, write_measurement_dicom
from calcimeasure.export.dicom.describe_object import describe_object
from tests.fixtures.drawn_pairs import with_change

FILES = ("image.dcm", "segmentation.dcm", "measurement.sr.dcm", "overlay.sc.dcm")


@pytest.fixture
def plain(kit, tmp_path: Path, monkeypatch):
    """A measured film that came from a file without a header."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    film = kit.film("plain", tmp_path)
    image = np.zeros(film.shape, np.uint16)
    image[3:9, 3:9] = 1
    return kit.measured(film, kit.labels(image, film))


def dated(measurement, day: str):
    film = measurement.film
    return replace(measurement, film=replace(film, identity=replace(film.identity, study_date=day)))


def test_a_film_without_a_date_gives_objects_without_one(plain, tmp_path: Path, dciodvfy) -> None:
    files = write_measurement_dicom(plain, tmp_path, pictures=True)

    assert files.notes == (
        "The film has no date: its DICOM objects leave the date empty, or say 1900-01-01 where DICOM demands one. "
        "Give its date with --date YYYY-MM-DD.",
    )
    for name in FILES:
        dataset = pydicom.dcmread(tmp_path / name)
        assert dciodvfy.errors(tmp_path / name) == [], name
        assert dataset.StudyDate == ""
        assert "InstanceCreationDate" not in dataset
        demanded = name in ("segmentation.dcm", "measurement.sr.dcm")
        assert dataset.get("ContentDate", "") == ("19000101" if demanded else ""), name
        # No date hides elsewhere: neither the clock's nor that of an epoch.
        values = [str(one.value) for one in dataset.iterall() if one.VR in ("DA", "DT") and one.value]
        assert set(values) <= {"19000101"}, name
    assert any("undated" in line for line in describe_object(tmp_path / "segmentation.dcm"))


def test_a_given_date_is_that_of_the_study_and_of_every_object(plain, tmp_path: Path, dciodvfy) -> None:
    files = write_measurement_dicom(dated(plain, "2026-01-31"), tmp_path, pictures=True)

    assert files.notes == ()
    for name in FILES:
        dataset = pydicom.dcmread(tmp_path / name)
        assert dciodvfy.errors(tmp_path / name) == [], name
        assert (dataset.StudyDate, dataset.InstanceCreationDate) == ("20260131", "20260131")
    assert any("dated 2026-01-31" in line for line in describe_object(tmp_path / "measurement.sr.dcm"))


def test_a_pair_without_dates_is_told_for_each_film_and_stays_the_same(plain, pair, tmp_path: Path, dciodvfy) -> None:
    undated = with_change(replace(pair, baseline=plain, followup=plain), links=(), changed_links=())
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = write_comparison_dicom(undated, tmp_path / name, pictures=True)
        contents.append([(tmp_path / name / one).read_bytes() for one in files.written])
    assert contents[0] == contents[1]
    assert [note.partition(":")[0] for note in files.notes] == [
        "The baseline film has no date",
        "The follow-up film has no date",
    ]
    document = pydicom.dcmread(tmp_path / "one" / "report.pdf.dcm")
    assert (document.ContentDate, document.AcquisitionDateTime) == ("", "")
    assert dciodvfy.errors(tmp_path / "one" / "report.pdf.dcm") == []
    assert b"CreationDate" not in document.EncapsulatedDocument
