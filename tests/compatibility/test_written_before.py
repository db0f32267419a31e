"""Results, readings and studies written by version 0.1.0 open today and mean the same.

`data/` was written by that version from four simulated films (an elbow and a hand, two visits each, 0.95 mm a pixel):

- `compare/`: `compare --dicom` of the elbow, automatic; `segment/`: `segment --points clicks.csv --dicom` of the hand;
- `review/readings/`: the hand's pair, signed by R1 after four edits, left unsigned by R2 after two;
- `study/`: both limbs, read and compared. Pictures and tables, which are written anew, are left out.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

import calcimeasure
from calcimeasure.cli.main import cli
from calcimeasure.deposits import Finding, Origin
from calcimeasure.export.json_records import load_schema
from calcimeasure.io import read_film
from calcimeasure.io.label_images import read_labels
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph
from calcimeasure.review.reading_store import ReadingLocation, check_signature
from calcimeasure.review.review_input import ReviewInput, pair_review_input
from calcimeasure.review.review_session import ReviewSession, unfinished, with_signed
from calcimeasure.study import result_store

DATA = Path(__file__).with_name("data")
VERSION = "0.1.0"
MODELS_SHA256 = "58c2b943b92c5351b0a6ecde7c417e23f1a3aaea892486e3ca9893e5bcc45580"


def film(name: str) -> Radiograph:
    return read_film(DATA / "films" / name)


@pytest.mark.parametrize("path", sorted(DATA.rglob("comparison.json")) + sorted(DATA.rglob("measurement.json")))
def test_records_fit_todays_schemas(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(record, load_schema(record["schema"]), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(("which", "name"), [("baseline", "A/baseline.dcm"), ("followup", "A/month3.dcm")])
def test_labels_of_a_comparison_read_back_from_tiff_and_from_seg(which: str, name: str) -> None:
    record = json.loads((DATA / "compare" / "comparison.json").read_text(encoding="utf-8"))[which]
    of_tiff = read_labels(DATA / "compare" / which / "labels.tif", film(name))
    of_seg = read_labels(DATA / "compare" / which / "segmentation.dcm", film(name))
    np.testing.assert_array_equal(of_tiff.image, of_seg.image)
    assert [one.label for one in of_tiff.deposits] == [row["label"] for row in record["deposits"]]
    assert {one.origin for one in of_tiff.deposits} == {Origin.AUTO}
    for row in record["deposits"]:
        centroid = np.argwhere(of_tiff.image == row["label"]).mean(axis=0)
        assert centroid == pytest.approx([row["centroid_row"], row["centroid_col"]])


def test_dicom_objects_of_a_comparison_can_be_shown() -> None:
    for path in (DATA / "compare" / "change.sr.dcm", DATA / "segment" / "measurement.sr.dcm"):
        shown = CliRunner().invoke(cli, ["show", str(path)], standalone_mode=False)
        assert shown.exception is None, shown.output
        assert "mm" in shown.output


def test_labels_of_clicks_stay_clicked_and_are_measured_again(tmp_path: Path) -> None:
    labels = read_labels(DATA / "segment" / "labels.tif", film("B/baseline.dcm"))
    assert [one.origin for one in labels.deposits] == [Origin.CLICKED]
    again = CliRunner().invoke(
        cli,
        ["segment", str(DATA / "films" / "B" / "baseline.dcm"), "--labels", str(DATA / "segment" / "labels.tif"),
         "--out", str(tmp_path / "out"), "--quiet"],
        standalone_mode=False,
    )  # fmt: skip
    assert again.exception is None, again.output
    before, after = (
        json.loads((folder / "measurement.json").read_text()) for folder in (DATA / "segment", tmp_path / "out")
    )
    assert after["total_area_mm2"] == pytest.approx(before["total_area_mm2"], rel=1e-6)


@pytest.fixture(scope="module")
def hand() -> ReviewInput:
    """The hand's pair as the program finds it, from the deposits that were signed (so that none is searched for)."""
    films = {TimePoint.BASELINE: film("B/baseline.dcm"), TimePoint.FOLLOWUP: film("B/month3.dcm")}
    readings = DATA / "review" / "readings"
    labels = {
        which: read_labels(readings / one.film_id / "R1" / "v1" / "labels.tif", one) for which, one in films.items()
    }
    return pair_review_input(*films.values(), labels=labels)


@pytest.fixture
def readings(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "review", tmp_path / "review"))


def test_a_signed_reading_opens_and_is_followed_by_a_second_version(hand: ReviewInput, readings: Path) -> None:
    location = ReadingLocation(root=readings, key=hand.key, reader="R1")
    signature = check_signature(location.versions()[-1])
    assert (signature["reader"], signature["version"]) == ("R1", 1)
    history = [json.loads(line) for line in (location.versions()[-1] / "history.jsonl").read_text().splitlines()]
    assert [action["step"] for action in history] == ["do", "do", "undo", "redo"]
    session = ReviewSession(with_signed(hand, location), location=location)
    signed = json.loads((location.versions()[-1] / "comparison.json").read_text(encoding="utf-8"))
    for visit in TimePoint:
        measured = session.measurement(visit)
        assert measured.total_area_mm2 == pytest.approx(signed[visit.value]["total_area_mm2"], rel=1e-6)
        assert [row.finding.value for row in measured.deposits] == [
            row["finding"] for row in signed[visit.value]["deposits"]
        ]
    second = session.sign()
    session.close()
    assert second.name == "v2"
    assert check_signature(second)["follows_version"] == 1


def test_a_draft_goes_on_where_its_reader_stopped(hand: ReviewInput, readings: Path) -> None:
    location = ReadingLocation(root=readings, key=hand.key, reader="R2")
    draft = unfinished(location)
    assert draft is not None
    session = ReviewSession(hand, location=location, draft=draft)
    assert [action["step"] for action in session.actions] == ["do", "do"]
    findings = {row.label: row.finding for row in session.measurement(TimePoint.BASELINE).deposits}
    assert findings[2] is Finding.UNCERTAIN
    session.close()
    assert location.draft.is_file()


@pytest.fixture
def written_by_0_1_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the version and the models out of the marks' keys: another release measures anew, and is meant to."""
    monkeypatch.setattr(calcimeasure, "__version__", VERSION)
    monkeypatch.setattr(result_store, "_models_sha256", lambda: MODELS_SHA256)


@pytest.fixture
def study(tmp_path: Path, written_by_0_1_0: None) -> Path:
    shutil.copytree(DATA / "films", tmp_path / "films")
    return Path(shutil.copytree(DATA / "study", tmp_path / "study"))


def command(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli, ["study", *map(str, arguments)], standalone_mode=False)
    assert result.exception is None, result.output
    assert not result.return_value
    return result


def finished(study: Path) -> dict[str, str]:
    """Hash of every file that finished work left, by its path."""
    folders = (study / "results" / name for name in ("done", "films", "pairs"))
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(study).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_finished_study_is_reported_and_not_computed_again(study: Path) -> None:
    before = finished(study)
    assert "4 of 4 films read" in command("status", study).output
    assert (
        "To do: 0 films of 0 limbs to be read, with their pairs; 0 other pairs."
        in command("run", study, "--dry-run").output
    )
    command("report", study)
    assert "2 indeterminate" in command("run", study, "--workers", "1").output
    assert finished(study) == before
    with (study / "results" / "tables" / "pairs.csv").open(encoding="utf-8", newline="") as table:
        changes = {row["subject"]: row["total_area_change_percent"] for row in csv.DictReader(table)}
    for name, change in changes.items():
        mark = next((study / "results" / "done" / "pairs" / name.replace(" ", "-")).glob("*.json"))
        assert float(change) == pytest.approx(json.loads(mark.read_text())["total_area_change_percent"])


def test_a_study_half_done_is_finished(study: Path) -> None:
    """As a run leaves it that was killed before the last pair."""
    for left in ("done/pairs/Patient-B", "pairs/Patient-B"):
        shutil.rmtree(study / "results" / left)
    before = finished(study)
    assert "1 piece of work is not done yet." in command("status", study).output
    assert "2 indeterminate" in command("run", study, "--workers", "1").output
    after = finished(study)
    assert before.items() <= after.items()
    assert set(after) - set(before) >= {"results/done/pairs/Patient-B/Patient-B_month-3_HAND_R_PA_1.json"}
