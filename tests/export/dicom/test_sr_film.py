from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import highdicom as hd
import pydicom
import pytest

from calcimeasure.deposits import Finding
from calcimeasure.errors import OutputError
from calcimeasure.export.dicom import ReadingContext, write_measurement_report, write_segmentation
from calcimeasure.measurement.measurement_records import FilmMeasurement

READING = ReadingContext(reader="Doe^Jane", signed_at=datetime(2025, 6, 7, 8, 9, 10))


def area_of(group, unit: str) -> float:
    """Return the area that a group states in `unit`, with all its digits."""
    found = [item for item in group.get_measurements() if item.unit.value == unit]
    assert len(found) == 1
    return float(found[0][0].MeasuredValueSequence[0].FloatingPointValue)


def uncertainty_of(group, unit: str) -> float:
    item = next(item for item in group.get_measurements() if item.unit.value == unit)[0]
    child = next(
        child
        for child in item.ContentSequence
        if child.ConceptNameCodeSequence[0].CodeValue == "371884006"  # +/-, range of measurement uncertainty
    )
    assert child.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == unit
    return float(child.MeasuredValueSequence[0].FloatingPointValue)


@pytest.fixture(scope="module")
def report(measurement: FilmMeasurement, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    segmentation = folder / "segmentation.dcm"
    write_segmentation(measurement, segmentation, reading=READING)
    path = folder / "measurement.sr.dcm"
    write_measurement_report(measurement, path, segmentation=segmentation, reading=READING, visit="month 3")
    return path


def test_no_source_gives_an_error_in_the_validator(report, dciodvfy) -> None:
    assert dciodvfy.errors(report) == []


def test_dcmtk_reads_it(report, dsrdump) -> None:
    run = subprocess.run([dsrdump, str(report)], capture_output=True, text=True, errors="replace", check=True)

    assert "Imaging Measurement Report" in run.stdout
    assert 'Person Observer Name")="Doe^Jane"' in run.stdout
    assert 'Time Point")="month 3"' in run.stdout
    assert "E:" not in run.stderr


def test_the_numbers_are_the_measured_ones_to_the_last_digit(report, measurement: FilmMeasurement) -> None:
    content = hd.sr.srread(report).content
    groups = content.get_planar_roi_measurement_groups()

    assert len(groups) == len(measurement.deposits)
    for group, row in zip(groups, measurement.deposits, strict=True):
        assert area_of(group, "{pixels}") == row.area_px
        assert uncertainty_of(group, "{pixels}") == row.area_se_px
        if row.area_mm2 is None:
            assert [item.unit.value for item in group.get_measurements()] == ["{pixels}"]
        else:
            assert area_of(group, "mm2") == row.area_mm2
            assert uncertainty_of(group, "mm2") == row.area_se_mm2
    (burden,) = content.get_image_measurement_groups()
    assert area_of(burden, "{pixels}") == measurement.total_area_px
    if measurement.total_area_mm2 is not None:
        assert area_of(burden, "mm2") == measurement.total_area_mm2


def test_regions_refer_to_the_segmentation_by_segment(report, measurement: FilmMeasurement) -> None:
    segmentation = pydicom.dcmread(report.with_name("segmentation.dcm"), stop_before_pixels=True)
    for number, group in enumerate(hd.sr.srread(report).content.get_planar_roi_measurement_groups(), start=1):
        reference = group.referenced_segmentation_frame[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        assert "ReferencedFrameNumber" not in reference
        assert group.tracking_uid == segmentation.SegmentSequence[number - 1].TrackingUID
        assert group.tracking_identifier == f"deposit {number}"


def test_findings_and_sites_are_coded(report, measurement: FilmMeasurement) -> None:
    groups = hd.sr.srread(report).content.get_planar_roi_measurement_groups()

    assert [row.finding for row in measurement.deposits] == [Finding.CALCINOSIS, Finding.VASCULAR, Finding.ARTICULAR]
    assert groups[0].finding_type.value == "18115005"
    assert groups[1].finding_type.value == "237897009"
    assert groups[2].finding_type.scheme_designator == "99CALCIMEASURE"
    site = groups[0].finding_sites[0]
    assert site.value.value == "85562004"  # hand
    assert (site.laterality is not None) == (measurement.film.identity.side is not None)


def test_without_a_segmentation_the_groups_refer_to_the_film(measurement, tmp_path: Path, dciodvfy) -> None:
    path = tmp_path / "sr.dcm"
    write_measurement_report(measurement, path)

    assert dciodvfy.errors(path) == []
    groups = hd.sr.srread(path).content.get_image_measurement_groups()
    assert len(groups) == len(measurement.deposits) + 1
    assert area_of(groups[0], "{pixels}") == measurement.deposits[0].area_px


def test_the_same_input_gives_the_same_bytes(report, measurement, tmp_path: Path) -> None:
    again = tmp_path / "again.dcm"
    write_measurement_report(
        measurement, again, segmentation=report.with_name("segmentation.dcm"), reading=READING, visit="month 3"
    )

    assert again.read_bytes() == report.read_bytes()


def test_a_folder_that_is_not_there_is_said_without_its_path(measurement, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^sr\.dcm: the report could not be written"):
        write_measurement_report(measurement, tmp_path / "absent" / "sr.dcm")
