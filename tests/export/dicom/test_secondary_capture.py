from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from calcimeasure.export.dicom import write_comparison_dicom, write_measurement_dicom
from calcimeasure.export.dicom.secondary_capture import write_document, write_picture
from calcimeasure.export.overlay import encode_png


@pytest.fixture
def png() -> bytes:
    picture = np.zeros((40, 30, 3), np.uint8)
    picture[10:20, 5:15] = (200, 30, 60)
    return encode_png(picture)


def test_a_picture_is_valid_and_shows_what_was_given(measurement, png, tmp_path: Path, dciodvfy) -> None:
    path = tmp_path / "picture.dcm"
    film = measurement.film
    write_picture(film, png, path)

    assert dciodvfy.errors(path) == []
    dataset = pydicom.dcmread(path)
    assert dataset.pixel_array[12, 7].tolist() == [200, 30, 60]
    assert dataset.pixel_array.shape == (40, 30, 3)
    if film.path is not None:
        source = pydicom.dcmread(film.path)
        assert (dataset.PatientID, dataset.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
        assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_a_document_is_valid_and_comes_out_as_it_went_in(measurement, tmp_path: Path, dciodvfy) -> None:
    path = tmp_path / "report.dcm"
    pdf = b"%PDF-1.4 odd"
    write_document(measurement.film, pdf + b"!", path, title="A title")

    assert dciodvfy.errors(path) == []
    dataset = pydicom.dcmread(path)
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == pdf + b"!"


def test_a_pair_gets_pictures_and_a_page_on_request(pair, tmp_path: Path, dciodvfy) -> None:
    files = write_comparison_dicom(pair, tmp_path, pictures=True)

    assert files.written[-3:] == ("baseline/overlay.sc.dcm", "followup/overlay.sc.dcm", "report.pdf.dcm")
    for name in files.written[-3:]:
        assert dciodvfy.errors(tmp_path / name) == [], name
    document = pydicom.dcmread(tmp_path / "report.pdf.dcm")
    assert document.EncapsulatedDocument.startswith(b"%PDF-")
    assert b"Doe" not in document.EncapsulatedDocument


def test_the_same_pair_gives_the_same_page(pair, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_comparison_dicom(pair, tmp_path / name, pictures=True)
        contents.append((tmp_path / name / "report.pdf.dcm").read_bytes())
    assert contents[0] == contents[1]


def test_a_film_gets_a_picture_on_request(measurement, tmp_path: Path) -> None:
    files = write_measurement_dicom(measurement, tmp_path, pictures=True)

    assert files.written[-1] == "overlay.sc.dcm"
    assert pydicom.dcmread(tmp_path / "overlay.sc.dcm").PhotometricInterpretation == "RGB"
