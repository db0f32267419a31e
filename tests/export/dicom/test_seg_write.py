from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from calcimeasure.deposits import Origin
from calcimeasure.errors import LabelsError, OutputError, UsageError
from calcimeasure.export.dicom import ReadingContext, read_segmentation, write_segmentation
from calcimeasure.io import read_film
from calcimeasure.io.dicom_seg import referenced_images
from calcimeasure.measurement.measurement_records import FilmMeasurement

READING = ReadingContext(reader="Doe^Jane", signed_at=datetime(2025, 6, 7, 8, 9, 10))


@pytest.fixture(scope="module")
def written(measurement: FilmMeasurement, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "segmentation.dcm"
    assert write_segmentation(measurement, path)
    return path


def test_no_source_gives_an_error_in_the_validator(written, dciodvfy) -> None:
    assert dciodvfy.errors(written) == []


def test_uncompressed_is_valid_too_and_dcmtk_reads_it(measurement, tmp_path, dciodvfy) -> None:
    path = tmp_path / "plain.dcm"
    write_segmentation(measurement, path, compressed=False)

    assert dciodvfy.errors(path) == []
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


def test_highdicom_reads_the_same_label_image(measurement, written) -> None:
    segmentation = hd.seg.segread(written)

    assert segmentation.number_of_segments == 3
    source = segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    pixels = segmentation.get_pixels_by_source_instance([source], combine_segments=True)
    np.testing.assert_array_equal(pixels[0], measurement.labels.image)


def test_segments_say_what_made_them(written) -> None:
    segments = pydicom.dcmread(written).SegmentSequence

    assert [int(segment.SegmentNumber) for segment in segments] == [1, 2, 3]
    # The fixture's origins in turn: auto, clicked, edited.
    assert [segment.SegmentAlgorithmType for segment in segments] == ["AUTOMATIC", "SEMIAUTOMATIC", "SEMIAUTOMATIC"]
    first = segments[0].SegmentedPropertyTypeCodeSequence[0]
    assert (first.CodeValue, first.CodingSchemeDesignator) == ("18115005", "SCT")
    assert segments[0].SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"


def test_drawn_deposits_are_manual_and_name_the_reader(kit: SimpleNamespace, tmp_path: Path) -> None:
    film = kit.film("dx_detector", tmp_path)
    image = np.zeros(film.shape, np.uint16)
    image[3:9, 3:9] = 1
    path = tmp_path / "drawn.dcm"
    write_segmentation(kit.measured(film, kit.labels(image, film, Origin.DRAWN)), path, reading=READING)

    dataset = pydicom.dcmread(path)
    assert dataset.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
    assert dataset.ContentCreatorName == "Doe^Jane"
    assert (dataset.ContentDate, dataset.ContentTime) == ("20250607", "080910")


def test_identity_comes_from_the_film_and_text_survives_the_change_of_alphabet(kit, tmp_path: Path) -> None:
    film = kit.film("cr_calibrated", tmp_path)
    image = np.zeros(film.shape, np.uint16)
    image[0, 0] = 1
    path = tmp_path / "seg.dcm"
    write_segmentation(kit.measured(film, kit.labels(image, film)), path)

    dataset, source = pydicom.dcmread(path), pydicom.dcmread(film.path)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber"):
        assert dataset[keyword].value == source[keyword].value, keyword
    assert str(dataset.PatientName) == "M\u00fcller^Zo\u00eb"
    assert dataset.SeriesInstanceUID != source.SeriesInstanceUID


@pytest.mark.parametrize(
    ("kind", "spacing"),
    [("cr_calibrated", [0.09, 0.09]), ("dx_detector", [0.1, 0.15]), ("no_spacing", None), ("plain", [0.2, 0.2])],
)
def test_the_spacing_is_the_one_measured_with_and_none_is_invented(kit, tmp_path: Path, kind, spacing) -> None:
    film = kit.film(kind, tmp_path)
    image = np.zeros(film.shape, np.uint16)
    image[0, 0] = 1
    path = tmp_path / "seg.dcm"
    write_segmentation(kit.measured(film, kit.labels(image, film)), path)

    shared = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
    found = shared.get("PixelMeasuresSequence")
    assert (found and [float(value) for value in found[0].PixelSpacing]) == spacing


def test_the_same_input_gives_the_same_bytes(measurement, written, tmp_path: Path) -> None:
    again = tmp_path / "again.dcm"
    write_segmentation(measurement, again)

    assert again.read_bytes() == written.read_bytes()


def test_a_different_deposit_gives_a_different_instance(kit, tmp_path: Path) -> None:
    film = kit.film("dx_detector", tmp_path)
    instances, tracking = set(), set()
    for width in (4, 5):
        image = np.zeros(film.shape, np.uint16)
        image[3:9, 3 : 3 + width] = 1
        path = tmp_path / f"{width}.dcm"
        write_segmentation(kit.measured(film, kit.labels(image, film)), path)
        dataset = pydicom.dcmread(path)
        instances.add(dataset.SOPInstanceUID)
        tracking.add(dataset.SegmentSequence[0].TrackingUID)
    assert len(instances) == len(tracking) == 2


@pytest.mark.parametrize(
    ("epoch", "date"), [(None, ("20250301", "101627")), ("86400", ("19700102", "000000"))], ids=["film", "epoch"]
)
def test_the_date_is_never_that_of_the_clock(kit, tmp_path: Path, monkeypatch, epoch, date) -> None:
    if epoch is None:
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    else:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    film = kit.film("dx_detector", tmp_path)
    image = np.zeros(film.shape, np.uint16)
    image[0, 0] = 1
    write_segmentation(kit.measured(film, kit.labels(image, film)), tmp_path / "seg.dcm")

    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (dataset.ContentDate, dataset.ContentTime) == date
    assert (dataset.InstanceCreationDate, dataset.InstanceCreationTime) == date


def test_an_epoch_that_is_no_number_is_said(kit, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    film = kit.film("dx_detector", tmp_path)
    image = np.zeros(film.shape, np.uint16)
    image[0, 0] = 1
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH: 'yesterday'"):
        write_segmentation(kit.measured(film, kit.labels(image, film)), tmp_path / "seg.dcm")


def test_a_film_without_deposits_has_no_segmentation(kit, tmp_path: Path) -> None:
    film = kit.film("dx_detector", tmp_path)
    path = tmp_path / "seg.dcm"
    empty = kit.labels(np.zeros(film.shape, np.uint16), film)

    assert write_segmentation(kit.measured(film, empty), path) is False
    assert not path.exists()


def test_a_folder_that_is_not_there_is_said_without_its_path(measurement, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^seg\.dcm: the segmentation could not be written"):
        write_segmentation(measurement, tmp_path / "absent" / "seg.dcm")


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientSex": "X", "StudyDate": "2025.03.01", "ContentDate": "", "AcquisitionDate": "20250302"},
        {"PatientName": "no caret but long " * 3, "StudyTime": "9h30"},
        {"FrameOfReferenceUID": "1.2.3.4.5", "PositionReferenceIndicator": ""},
    ],
    ids=["values of no code", "odd name and time", "frame of reference"],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
def test_odd_headers_still_give_a_valid_object(kit, tmp_path: Path, dciodvfy, attributes) -> None:
    film = kit.film("cr_calibrated", tmp_path)
    kit.source("cr_calibrated", film.path, **attributes)
    image = np.zeros(film.shape, np.uint16)
    image[0, 0] = 1
    write_segmentation(kit.measured(film, kit.labels(image, film)), tmp_path / "seg.dcm")

    assert dciodvfy.errors(tmp_path / "seg.dcm") == []


def test_dcmtk_dumps_it(written) -> None:
    try:
        run = subprocess.run(["dcmdump", str(written)], capture_output=True, text=True, errors="replace", check=True)
    except FileNotFoundError:
        pytest.skip("dcmdump is not installed (Debian package dcmtk)")
    assert "SegmentationStorage" in run.stdout
    assert not run.stderr


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.7.3"])
def test_one_frame_of_a_film_of_several(kit: SimpleNamespace, tmp_path: Path, sop_class: str) -> None:
    """Fluoroscopy, and Secondary Capture of several frames: the object is about the frame that was measured."""
    path = kit.source("dx_detector", tmp_path / "film.dcm")
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.NumberOfFrames, dataset.PixelData = 2, dataset.PixelData * 2
    dataset.save_as(path, enforce_file_format=True)
    film = read_film(path, frame=2, invert=False)
    measurement = kit.measured(film, kit.labels(kit.three_deposits(), film))
    segmentation = tmp_path / "segmentation.dcm"
    assert write_segmentation(measurement, segmentation)
    written = pydicom.dcmread(segmentation)
    references = list(referenced_images(written))
    assert {str(image.ReferencedSOPClassUID) for image in references} == {sop_class}
    assert {image.get("ReferencedFrameNumber") for image in references} >= {2}
    assert (read_segmentation(segmentation, film).image == measurement.labels.image).all()
    with pytest.raises(LabelsError, match="not on frame 1"):
        read_segmentation(segmentation, read_film(path, frame=1, invert=False))
