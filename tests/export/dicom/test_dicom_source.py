from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from calcimeasure.export.dicom import read_segmentation, write_measurement_dicom
from calcimeasure.export.dicom.describe_object import describe_object
from calcimeasure.export.dicom.secondary_capture import write_secondary_capture
from calcimeasure.io import film_from_array, read_film
from calcimeasure.io.dicom_source import read_source

CREATED = ("20250301", "120000")


def test_a_plain_film_wrapped_and_read_again_is_the_same_film(tmp_path: Path, dciodvfy) -> None:
    array = np.random.default_rng(1).integers(0, 65536, (60, 50), dtype=np.uint16)
    film = film_from_array(array, spacing_mm=0.2, side="R", body_part="HAND")
    write_secondary_capture(film, tmp_path / "image.dcm", created=CREATED)
    again = read_film(tmp_path / "image.dcm")

    assert dciodvfy.errors(tmp_path / "image.dcm") == []
    # Which way the grey runs may be decided by the picture; the numbers are the same either way.
    np.testing.assert_array_equal(again.pixels, film.pixels)
    assert again.spacing.mm == film.spacing.mm
    assert (again.identity.side, again.identity.body_part) == ("R", "HAND")


def test_fractions_and_negative_values_come_back_within_a_step(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).normal(0, 10, (60, 50)).astype(np.float32)
    film = film_from_array(pixels)
    write_secondary_capture(film, tmp_path / "image.dcm", created=CREATED)

    step = float(np.ptp(pixels)) / 65535
    assert np.abs(read_film(tmp_path / "image.dcm").pixels - film.pixels).max() < step


def test_the_wrapped_image_is_known_by_its_pixels(kit, tmp_path: Path) -> None:
    film = kit.film("plain", tmp_path)
    other = kit.film("plain", tmp_path, seed=2)

    assert read_source(film).header.SOPInstanceUID == read_source(replace(film)).header.SOPInstanceUID
    assert read_source(film).header.SOPInstanceUID != read_source(other).header.SOPInstanceUID


def test_a_file_without_meta_header_keeps_its_identity(kit, tmp_path: Path) -> None:
    film = kit.film("cr_calibrated", tmp_path)
    content = film.path.read_bytes()
    # Preamble, magic and group 0002 end where the first element of group 0008 starts.
    bare = tmp_path / "bare"
    bare.write_bytes(content[content.index(b"\x08\x00\x05\x00") :])

    assert read_source(replace(film, path=bare)).header.PatientID == "SECRET-4711"


def test_a_file_that_is_gone_gives_a_wrapped_source(kit, tmp_path: Path) -> None:
    film = kit.film("cr_calibrated", tmp_path)
    shutil.move(film.path, tmp_path / "elsewhere.dcm")

    assert read_source(film).wrapped


@pytest.mark.parametrize("part", ["CHEST", None])
def test_a_part_that_is_no_pair_has_no_laterality(part: str | None, tmp_path: Path, dciodvfy) -> None:
    film = film_from_array(np.arange(3000, dtype=np.uint16).reshape(60, 50), body_part=part)
    write_secondary_capture(film, tmp_path / "image.dcm", created=CREATED)

    assert dciodvfy.errors(tmp_path / "image.dcm") == []


def test_a_header_that_breaks_the_rules_is_quoted_nowhere(kit, tmp_path: Path, caplog, recwarn, capfd) -> None:
    """pydicom and highdicom quote what they complain of; everything here goes through them."""
    film = kit.film("cr_calibrated", tmp_path)
    source = pydicom.dcmread(film.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.SOPInstanceUID = "999.999.01.23.4711"
        source.StudyTime = "SECRET"
        source.PatientName = "SECRET^" + 70 * "x"
        source.save_as(film.path)
    recwarn.clear()
    caplog.clear()
    image = np.zeros(film.shape, np.uint16)
    image[3:9, 3:9] = 1
    measurement = kit.measured(film, kit.labels(image, film))
    write_measurement_dicom(measurement, tmp_path)
    read_segmentation(tmp_path / "segmentation.dcm", film)
    describe_object(tmp_path / "segmentation.dcm")
    describe_object(tmp_path / "measurement.sr.dcm")

    assert not recwarn.list
    assert not [record for record in caplog.records if record.name.startswith(("pydicom", "highdicom"))]
    assert capfd.readouterr() == ("", "")
