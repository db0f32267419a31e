"""Results as DICOM the way a user makes them: the commands on the sample films, and what other programs read of it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pandas as pd
import pydicom
import pytest
import tifffile
from pydicom.sr.codedict import codes

from calcimeasure.cli.main import run

FILMS = ("baseline", "followup")


def calcimeasure(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        run([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def pair(sample_images: Path) -> dict[str, Path]:
    return {name: sample_images / "grown" / f"{name}.dcm" for name in FILMS}


@pytest.fixture(scope="module")
def compared(pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dicom") / "out"
    visits = ("--baseline-visit", "screening", "--followup-visit", "month 3")
    assert calcimeasure("compare", *pair.values(), "--out", out, "--dicom-pictures", "--quiet", *visits) == 0
    return out


@pytest.fixture(scope="module")
def read_back(pair, compared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pair once more, its segmentations given as a person's readings."""
    out = tmp_path_factory.mktemp("back") / "out"
    given = [word for name in FILMS for word in (f"--{name}-labels", compared / name / "segmentation.dcm")]
    reader = ("--reader", "Doe^Jane")
    assert calcimeasure("compare", *pair.values(), "--out", out, "--dicom", "--quiet", *given, *reader) == 0
    return out


def areas_in_report(path: Path) -> list[float]:
    """Return the area in mm² of each deposit with all its digits, as highdicom reads it."""
    found = []
    for group in hd.sr.srread(path).content.get_planar_roi_measurement_groups():
        (area,) = [item[0] for item in group.get_measurements() if item.unit.value == "mm2"]
        found.append(float(area.MeasuredValueSequence[0].FloatingPointValue))
    return found


def test_the_validator_finds_no_error_in_any_of_them(compared: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    files = sorted(compared.rglob("*.dcm"))
    assert len(files) == 6
    for path in files:
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
        assert [line for line in said.stderr.splitlines() if line.startswith("Error")] == [], path.name


def test_record_table_and_report_give_the_same_number(compared: Path) -> None:
    record = json.loads((compared / "comparison.json").read_text())
    in_record = [row["area_mm2"] for name in FILMS for row in record[name]["deposits"]]
    with (compared / "deposits.csv").open(newline="") as file:
        in_table = [float(row["area_mm2"]) for row in csv.DictReader(file)]

    assert len(in_record) > 4
    assert in_table == in_record
    assert areas_in_report(compared / "change.sr.dcm") == in_record


def test_a_segment_is_a_deposit_of_the_label_image(compared: Path) -> None:
    for name in FILMS:
        segmentation = hd.seg.segread(compared / name / "segmentation.dcm")
        source = segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
        pixels = segmentation.get_pixels_by_source_instance([source], combine_segments=True)
        np.testing.assert_array_equal(pixels[0], tifffile.imread(compared / name / "labels.tif"))


def test_a_link_is_followed_by_one_uid_at_both_visits(compared: Path) -> None:
    record = json.loads((compared / "comparison.json").read_text())
    uids = {
        name: [s.TrackingUID for s in pydicom.dcmread(compared / name / "segmentation.dcm").SegmentSequence]
        for name in FILMS
    }
    matched = [link for link in record["links"] if link["status"] == "matched"]
    assert matched
    for link in matched:
        (before,), (after,) = link["baseline_labels"], link["followup_labels"]
        assert uids["baseline"][before - 1] == uids["followup"][after - 1]
    assert len(set(uids["baseline"]) & set(uids["followup"])) == len(matched)


def test_the_report_names_the_visits_and_codes_the_verdict(compared: Path, capsys) -> None:
    assert calcimeasure("show", compared / "change.sr.dcm") == 0
    shown = capsys.readouterr().out

    assert "Time Point: screening" in shown
    assert "Time Point: month 3" in shown
    assert "Change from baseline to follow-up: Increase in size" in shown
    assert "Impression: Increase: the total area changed by" in shown
    assert "Simulated" not in shown


def test_a_segmentation_read_back_measures_the_same_to_the_last_digit(compared: Path, read_back: Path) -> None:
    assert (read_back / "deposits.csv").read_bytes() == (compared / "deposits.csv").read_bytes()
    first, again = (pd.read_csv(folder / "links.csv", dtype=str) for folder in (compared, read_back))
    # Nobody touched what the program found: its limit of detection still holds for a deposit that one film shows alone.
    assert first["status"].isin(["new", "resolved"]).any()
    assert first["detectable"].notna().all()
    pd.testing.assert_frame_equal(first, again)


def test_the_reader_is_named_in_every_object(read_back: Path) -> None:
    for name in FILMS:
        assert pydicom.dcmread(read_back / name / "segmentation.dcm").ContentCreatorName == "Doe^Jane"
    persons = [
        item.PersonName
        for item in pydicom.dcmread(read_back / "change.sr.dcm").ContentSequence
        if item.ValueType == "PNAME"
    ]
    assert persons == ["Doe^Jane"]
    settings = json.loads((read_back / "comparison.json").read_text())["settings"]
    assert (settings["baseline_reader"], settings["followup_reader"]) == ("Doe^Jane", "Doe^Jane")


def foreign_segmentation(film: Path, path: Path) -> int:
    """Write a rectangle as another maker's program does; return how many pixels it has."""
    source = pydicom.dcmread(film)
    mask = np.zeros((1, source.Rows, source.Columns), np.uint8)
    mask[0, 400:420, 300:310] = 1
    hd.seg.Segmentation(
        source_images=[source],
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=1,
                segment_label="lump",
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=codes.SCT.Lesion,
                algorithm_type="MANUAL",
            )
        ],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="another maker",
        manufacturer_model_name="another program",
        software_versions="1",
        device_serial_number="1",
    ).save_as(path)
    return int(mask.sum())


def test_another_makers_segmentation_is_measured_as_drawn(pair, tmp_path: Path) -> None:
    count = foreign_segmentation(pair["baseline"], tmp_path / "seg.dcm")
    given = ("--labels", tmp_path / "seg.dcm", "--reader", "Doe^Jane")
    assert calcimeasure("segment", pair["baseline"], "--out", tmp_path / "out", "--dicom", "--quiet", *given) == 0
    (deposit,) = json.loads((tmp_path / "out" / "measurement.json").read_text())["deposits"]

    # 20 rows of 10 pixels, 0.23 mm a side.
    assert (count, deposit["area_px"], deposit["area_method"], deposit["origin"]) == (200, 200.0, "outline", "drawn")
    assert deposit["area_mm2"] == pytest.approx(200 * 0.23**2, rel=1e-12)
    segment = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm").SegmentSequence[0]
    assert segment.SegmentAlgorithmType == "MANUAL"


def test_what_does_not_fit_is_refused_with_the_reason(pair, tmp_path: Path, capsys) -> None:
    foreign_segmentation(pair["baseline"], tmp_path / "seg.dcm")
    smaller = pydicom.dcmread(pair["baseline"])
    smaller.Rows, smaller.Columns = 450, 800
    smaller.PixelData = smaller.PixelData[: len(smaller.PixelData) // 2]
    smaller.save_as(tmp_path / "smaller.dcm")
    for film, reason in (
        (pair["followup"], "it was made on another image than this film"),
        (tmp_path / "smaller.dcm", "its grid is 900 x 800, the film's 450 x 800"),
    ):
        status = calcimeasure("segment", film, "--labels", tmp_path / "seg.dcm", "--out", tmp_path / "out", "--quiet")
        assert status == 3
        assert f"seg.dcm: {reason}" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
