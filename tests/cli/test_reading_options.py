"""Whose reading it is: from the command line, or from the signature that lies beside the labels."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from calcimeasure.cli.main import run
from calcimeasure.cli.reading_options import reading_of, reading_settings
from calcimeasure.errors import ReadingError, UsageError
from calcimeasure.export.dicom import ReadingContext


def signed_version(folder: Path, labels: str) -> Path:
    """Write what a signed version of a reading is made of, as far as a signature speaks of it."""
    path = folder / labels
    path.parent.mkdir(parents=True)
    path.write_bytes(b"labels")
    record = {
        "reader": "R1",
        "signed_at": "2025-06-07T08:09:10+02:00",
        "files": {labels: hashlib.sha256(b"labels").hexdigest()},
    }
    (folder / "signature.json").write_text(json.dumps(record))
    return path


def test_a_name_makes_a_reading_of_clicks_and_labels(tmp_path: Path) -> None:
    for points, labels in ((tmp_path / "p.csv", None), (None, tmp_path / "l.tif")):
        assert reading_of(points, labels, "Doe^Jane") == ReadingContext(reader="Doe^Jane")
        assert reading_of(points, labels, None) is None


def test_a_name_without_a_reading_is_refused() -> None:
    assert reading_of(None, None, None) is None
    with pytest.raises(UsageError, match="none was given"):
        reading_of(None, None, "Doe^Jane")


@pytest.mark.parametrize("labels", ["labels.tif", "baseline/labels.tif", "followup/labels.tif"])
def test_a_signature_names_reader_and_time(tmp_path: Path, labels: str) -> None:
    path = signed_version(tmp_path / "v1", labels)
    signed_at = datetime.fromisoformat("2025-06-07T08:09:10+02:00")

    assert reading_of(None, path, None) == ReadingContext(reader="R1", signed_at=signed_at)
    # The signature holds a code; the person's own name may be given for it.
    assert reading_of(None, path, "Doe^Jane") == ReadingContext(reader="Doe^Jane", signed_at=signed_at)


def test_what_was_altered_after_signing_is_refused(tmp_path: Path) -> None:
    path = signed_version(tmp_path / "v1", "labels.tif")
    path.write_bytes(b"other")
    with pytest.raises(ReadingError, match=r"'labels\.tif' is not what was signed"):
        reading_of(None, path, None)


def test_the_record_says_what_was_given() -> None:
    reading = ReadingContext(reader="R1", signed_at=datetime(2025, 6, 7, 8, 9, 10))
    assert reading_settings(None, None) == {}
    assert reading_settings(reading, "month 3", "followup") == {
        "followup_reader": "R1",
        "followup_visit": "month 3",
        "followup_signed_at": "2025-06-07T08:09:10",
    }


@pytest.mark.parametrize("name", ["", " ", "^", "a\\b", "a=b", "a\nb", "x" * 64, "a^b^c^d^e^f"])
def test_what_cannot_be_a_person_name_in_dicom_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a person's name"):
        ReadingContext(reader=name)


@pytest.mark.parametrize("command", [["segment", "a.dcm"], ["compare", "a.dcm", "b.dcm"]])
def test_the_program_is_not_a_person(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run([*command, "--reader", "R1", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "--points or --labels" in capsys.readouterr().err
