"""What may hide in a film beside its known attributes: each row of the standard's table, free text, bits, comments."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from calcimeasure.cli.deidentify_command import deidentify as command
from calcimeasure.export.dicom.deidentification import TABLE, deidentify
from calcimeasure.io import read_film
from calcimeasure.io.dicom_object import encoded

KEY = bytes(range(32))
CANARY = "CANARYBIRD"
# The options of the profile that are declared: characteristics of the patient stay, dates are moved.
KEPT = {"PatientAge", "PatientSex", "PatientSize", "PatientWeight"}


def table_rows() -> list[int]:
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector

    rows = dicom_anonymization_database_selector(TABLE)["ALL_TAGS"]
    return sorted({(row[0] << 16) + row[1] for row in rows if len(row) == 2 and row[0] not in (0x0000, 0x0002, 0x7FE0)})


def canary(tag: int) -> object:
    """A value of the tag's type that a person could be known by; None where its type holds none."""
    item = Dataset()
    item.TextValue, item.PersonName = CANARY, CANARY
    values: dict[str, object] = {
        **dict.fromkeys(("LO", "SH", "ST", "LT", "UC", "UT", "PN", "CS", "AE"), CANARY),
        **dict.fromkeys(("OB", "OW", "UN"), CANARY.encode()),
        "UR": f"http://{CANARY}.example",
        "DA": "19330717",
        "DT": "19330717101500",
        "UI": "1.2.276.4711.4711",
        "SQ": [item],
    }
    return values.get(dictionary_VR(tag))


def test_no_row_of_the_standards_table_keeps_what_it_held(kit, tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    kit.source("dx_detector", path, BurnedInAnnotation="NO")
    dataset = pydicom.dcmread(path)
    filled = 0
    for tag in table_rows():
        try:
            value = canary(tag)
        except KeyError:
            continue
        if value is None or pydicom.datadict.keyword_for_tag(tag) in {"SOPClassUID", "SpecificCharacterSet", *KEPT}:
            continue
        if tag in dataset and pydicom.datadict.keyword_for_tag(tag) in ("PixelData", "Rows"):
            continue
        dataset.add_new(tag, dictionary_VR(tag), value)
        filled += 1
    assert filled > 400
    dataset.save_as(path, enforce_file_format=True)
    content = encoded(deidentify(path, KEY).dataset)
    for trace in (CANARY.encode(), b"19330717", b"1.2.276.4711.4711"):
        assert trace not in content
    assert read_film(path).shape


def overlaid(kit, path: Path) -> Path:
    kit.source("dx_detector", path, BurnedInAnnotation="NO")
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy() & 0x0FFF
    pixels[4:20, 4:40] |= 0x8000
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = pixels.tobytes() + b"\nCANARYBIRD was here"
    dataset.add_new(0x60000010, "US", pixels.shape[0])
    dataset.add_new(0x60000011, "US", pixels.shape[1])
    dataset.add_new(0x60000022, "LO", CANARY)
    dataset.add_new(0x60000102, "US", 15)
    dataset.add_new(0x60001500, "LO", CANARY)
    dataset.add_new(0x00120102, "LO", CANARY)
    dataset.add_new(0x00102201, "LO", CANARY)
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.276.4711.4711"
    dataset.file_meta.PrivateInformation = CANARY.encode()
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "85562004", "SCT", CANARY
    dataset.AnatomicRegionSequence = [item]
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_overlays_free_text_and_bytes_after_the_pixels_are_gone(kit, tmp_path: Path) -> None:
    path = overlaid(kit, tmp_path / "film.dcm")
    before = read_film(path)
    content = encoded(deidentify(path, KEY).dataset)
    assert CANARY.encode() not in content
    assert b"1.2.276.4711.4711" not in content
    clean = tmp_path / "clean.dcm"
    clean.write_bytes(content)
    after = read_film(clean)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert int(pydicom.dcmread(clean).pixel_array.max()) <= 0x0FFF
    assert after.identity.body_part == before.identity.body_part


@pytest.mark.parametrize("false_syntax", [False, True])
def test_comments_of_a_coded_stream_are_gone_and_the_values_stay(kit, tmp_path: Path, *, false_syntax: bool) -> None:
    path = tmp_path / "film.dcm"
    kit.source("dx_detector", path, BurnedInAnnotation="NO")
    dataset = pydicom.dcmread(path)
    grey = (dataset.pixel_array >> 4).astype(np.uint8)
    stream = cv2.imencode(".jpg", grey)[1].tobytes()
    text = f"Exif {CANARY}".encode()
    comment = b"".join(marker + (len(text) + 2).to_bytes(2, "big") + text for marker in (b"\xff\xfe", b"\xff\xe1"))
    dataset.PixelData = encapsulate([stream[:2] + comment + stream[2:]])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4." + ("90" if false_syntax else "50")
    dataset.save_as(path, enforce_file_format=True)
    before = read_film(path)
    clean = tmp_path / "clean.dcm"
    clean.write_bytes(encoded(deidentify(path, KEY).dataset))
    assert CANARY.encode() not in clean.read_bytes()
    np.testing.assert_array_equal(read_film(clean).pixels, before.pixels)


def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY.hex())
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path


def test_two_films_of_one_uid_are_both_kept_and_it_is_said(kit, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name, add in (("a.dcm", 0), ("b.dcm", 7), ("copy of a.dcm", 0)):
        kit.source("dx_detector", films / name, BurnedInAnnotation="NO")
        dataset = pydicom.dcmread(films / name)
        dataset.PixelData = ((dataset.pixel_array + add) & 0x0FFF).astype("<u2").tobytes()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        dataset.save_as(films / name, enforce_file_format=True)
    out = tmp_path / "out"
    ran = CliRunner().invoke(command, [str(films), "--out", str(out), "--key", str(key_file(tmp_path))])
    assert ran.exit_code == 0, ran.output
    kept = [pydicom.dcmread(path) for path in sorted(out.glob("*.dcm"))]
    assert len(kept) == len({film.SOPInstanceUID for film in kept}) == 2
    assert "Another film has the same SOP Instance UID" in ran.output


def test_a_film_without_uid_and_one_that_cannot_be_cleaned_stop_no_other(kit, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        kit.source("dx_detector", films / name, BurnedInAnnotation="NO", SOPInstanceUID=f"1.2.3.{ord(name[0])}")
    dataset = pydicom.dcmread(films / "a.dcm")
    del dataset.SOPInstanceUID
    dataset.save_as(films / "a.dcm")
    content = (films / "b.dcm").read_bytes()
    (films / "b.dcm").write_bytes(content[: len(content) // 2])
    out = tmp_path / "out"
    ran = CliRunner().invoke(
        command, [str(films), "--out", str(out), "--key", str(key_file(tmp_path))], standalone_mode=False
    )
    assert ran.return_value == 5
    assert len(list(out.glob("*.dcm"))) == 2
    assert "film 2 of 3" in ran.output
