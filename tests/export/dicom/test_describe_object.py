from __future__ import annotations

from datetime import datetime
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image
from pydicom.sr.codedict import codes

from calcimeasure.cli.show_command import show
from calcimeasure.errors import FilmError
from calcimeasure.export.dicom import ReadingContext, write_comparison_dicom, write_measurement_dicom
from calcimeasure.export.dicom.describe_object import describe_object

READING = ReadingContext(reader="Doe^Jane", signed_at=datetime(2025, 6, 7))
SECRETS = ("ller", "Zo\u00eb", "SECRET-4711", "19600102", "Rita")


@pytest.fixture
def folder(measurement, tmp_path: Path) -> Path:
    write_measurement_dicom(measurement, tmp_path, reading=READING, visit="month 3")
    return tmp_path


def test_a_segmentation_is_told_segment_by_segment(folder: Path, measurement) -> None:
    lines = describe_object(folder / "segmentation.dcm")

    assert lines[0].startswith("DICOM Segmentation, BINARY, JPEG 2000")
    assert "dated 2025-06-07" in lines[1]
    assert lines[2] == "read by Doe^Jane"
    segments = [line for line in lines if line.startswith(("  1 ", "  2 "))]
    # 4 x 5 pixels, and 11 x 13 less a hole of 3 x 2.
    assert "20 px" in segments[0]
    assert "137 px" in segments[1]
    assert ("mm²" in segments[0]) == (measurement.film.spacing.mm is not None)


def test_a_report_is_told_as_a_tree(folder: Path, measurement) -> None:
    text = "\n".join(describe_object(folder / "measurement.sr.dcm"))

    assert "Imaging Measurement Report" in text
    assert "Person Observer Name: Doe^Jane" in text
    assert "Time Point: month 3" in text
    assert f"      Area: {measurement.deposits[0].area_px:.6g} px" in text
    assert "segment 2" in text


def test_identity_is_not_printed(folder: Path) -> None:
    for name in ("segmentation.dcm", "measurement.sr.dcm"):
        text = "\n".join(describe_object(folder / name))
        assert not [secret for secret in SECRETS if secret in text]


def test_a_pair_names_its_verdict(pair, tmp_path: Path) -> None:
    write_comparison_dicom(pair, tmp_path)
    text = "\n".join(describe_object(tmp_path / "change.sr.dcm"))

    assert "Change from baseline to follow-up: " in text
    assert "Lower limit of the 95 % interval: " in text


def test_subject_context_of_another_programs_report_is_withheld(folder: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(folder / "measurement.sr.dcm")
    name = pydicom.Dataset()
    name.RelationshipType, name.ValueType, name.PersonName = "HAS OBS CONTEXT", "PNAME", "Secret^Sue"
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "121029", "DCM", "Subject Name"
    name.ConceptNameCodeSequence = [code]
    dataset.ContentSequence.append(name)
    dataset.save_as(tmp_path / "other.dcm")

    text = "\n".join(describe_object(tmp_path / "other.dcm"))
    assert "Subject Name: (not shown)" in text
    assert "Sue" not in text


def test_another_object_is_named(kit, tmp_path: Path) -> None:
    film = kit.film("cr_calibrated", tmp_path)
    with pytest.raises(FilmError, match=r"this is a film \(Computed Radiography Image Storage\)") as caught:
        describe_object(film.path)
    assert "segment FILM --out DIR --dicom" in caught.value.remedy


def test_what_is_no_result_is_told_with_what_to_do(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "film.png")
    (tmp_path / "notes.txt").write_text("Dear colleague")
    for name, problem, remedy in (
        ("film.png", "this is a picture, not a DICOM result", "segment FILM --out DIR --dicom"),
        ("notes.txt", "it is no DICOM file", "write them with --dicom"),
        (".", "it cannot be read: is a directory", "Name a SEG or SR"),
    ):
        with pytest.raises(FilmError) as caught:
            describe_object(tmp_path / name)
        assert caught.value.problem == problem
        assert remedy in caught.value.remedy
        assert caught.value.where == str(tmp_path / name)


def test_the_command_prints_several_files(folder: Path) -> None:
    files = [str(folder / name) for name in ("segmentation.dcm", "measurement.sr.dcm")]
    result = CliRunner().invoke(show, files, catch_exceptions=False)

    assert result.exit_code == 0
    assert result.output.startswith(f"{files[0]}:\nDICOM Segmentation")
    assert f"\n\n{files[1]}:\nDICOM structured report" in result.output


def test_one_file_that_is_no_result_does_not_hide_the_others(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear colleague")
    files = [str(tmp_path / "notes.txt"), str(folder / "segmentation.dcm")]
    result = CliRunner().invoke(show, files, catch_exceptions=False, standalone_mode=False)

    assert result.return_value == 3
    assert "notes.txt: it is no DICOM file" in result.stderr
    assert f"{files[1]}:\nDICOM Segmentation" in result.stdout


def test_another_programs_label_map_is_told(kit, tmp_path: Path) -> None:
    film = kit.film("cr_calibrated", tmp_path)
    image = np.zeros(film.shape, np.uint8)
    image[2:5, 3:10] = 1
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="lump",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type="MANUAL",
    )
    hd.seg.Segmentation(
        [pydicom.dcmread(film.path)], image, "LABELMAP", [description], hd.UID(), 1, hd.UID(), 1, "m", "other", "2", "s"
    ).save_as(tmp_path / "other.dcm")
    lines = describe_object(tmp_path / "other.dcm")

    assert lines[0].startswith("DICOM Segmentation, LABELMAP")
    assert lines[1].startswith("made by other 2, dated ")
    assert "  1  lump: Lesion, manual, 21 px = 0.17 mm²" in lines
