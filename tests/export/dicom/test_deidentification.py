from __future__ import annotations

import stat
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from calcimeasure.cli.deidentify_command import deidentify as command
from calcimeasure.errors import FilmError
from calcimeasure.export.dicom import write_measurement_report
from calcimeasure.export.dicom.deidentification import deidentify
from calcimeasure.io import read_film
from calcimeasure.io.dicom_object import encoded

KEY = bytes(range(32))
SECRETS = (b"ller", b"Zo", b"SECRET-4711", b"19600102", b"Rita", b"Hospital", b"Street", b"Nurse", b"20250301")


def identifying(kit, path: Path, **attributes: object) -> Path:
    item = pydicom.Dataset()
    item.RequestedProcedureDescription = "for Rita"
    nested = pydicom.Dataset()
    nested.PersonName = "M\u00fcller^Zo\u00eb"
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "x"
    nested.PersonIdentificationCodeSequence = [code]
    kit.source(
        "dx_detector",
        path,
        InstitutionName="Hospital",
        InstitutionAddress="Street 1",
        OperatorsName="Nurse^Nora",
        RequestAttributesSequence=[item],
        ContentCreatorIdentificationCodeSequence=[nested],
        BurnedInAnnotation="NO",
        PatientComments="Rita called",
        DateOfSecondaryCapture="20250301",
        AcquisitionDateTime="20250301101500.123",
        **attributes,
    )
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0019, "VENDOR", create=True)
    block.add_new(0x01, "LO", "SECRET-4711")
    dataset.save_as(path)
    return path


@pytest.fixture
def film(kit, tmp_path: Path) -> Path:
    return identifying(kit, tmp_path / "Zo\u00eb.dcm")


def test_nothing_that_identifies_is_left_in_the_bytes(film: Path) -> None:
    done = deidentify(film, KEY)
    content = encoded(done.dataset)

    assert [secret for secret in SECRETS if secret in film.read_bytes()] == list(SECRETS)
    assert [secret for secret in SECRETS if secret in content] == []
    assert not [element for element in done.dataset if element.tag.is_private]
    assert "ller" not in done.name
    assert done.dataset.PatientIdentityRemoved == "YES"


def test_what_measuring_needs_is_kept(film: Path, tmp_path: Path) -> None:
    done = deidentify(film, KEY)
    (tmp_path / done.name).write_bytes(encoded(done.dataset))
    before, after = read_film(film), read_film(tmp_path / done.name)

    np.testing.assert_array_equal(before.pixels, after.pixels)
    assert after.spacing == before.spacing
    assert after.grey == before.grey
    for name in ("side", "body_part", "view", "modality", "age_years"):
        kept, was = getattr(after.identity, name), getattr(before.identity, name)
        assert kept == (int(was) if name == "age_years" and was is not None else was), name
    assert done.dataset.PatientAge == "065Y"


def test_intervals_between_visits_stay(kit, tmp_path: Path) -> None:
    dates = ("20250301", "20250603", "20260228")
    shifted = []
    for number, date in enumerate(dates):
        path = kit.source("dx_detector", tmp_path / f"{number}.dcm", seed=number, StudyDate=date, ContentDate=date)
        dataset = deidentify(path, KEY).dataset
        assert dataset.StudyDate == dataset.ContentDate
        shifted.append(datetime.strptime(dataset.StudyDate, "%Y%m%d"))
    wanted = [datetime.strptime(date, "%Y%m%d") for date in dates]
    assert [day - shifted[0] for day in shifted] == [day - wanted[0] for day in wanted]
    assert 365 <= (wanted[0] - shifted[0]).days < 3650


def test_patients_keep_apart_and_keys_too(kit, tmp_path: Path) -> None:
    one = kit.source("dx_detector", tmp_path / "1.dcm", PatientID="A")
    two = kit.source("dx_detector", tmp_path / "2.dcm", PatientID="B")
    subjects = {deidentify(path, key).subject for path in (one, two) for key in (KEY, KEY[::-1])}

    assert len(subjects) == 4
    assert deidentify(one, KEY).subject in subjects


def test_references_stay_consistent_and_the_way_back_is_shut(kit, tmp_path: Path) -> None:
    first = kit.source("dx_detector", tmp_path / "1.dcm", seed=1)
    reference = pydicom.Dataset()
    source = pydicom.dcmread(first)
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    second = kit.source("dx_detector", tmp_path / "2.dcm", seed=2, SourceImageSequence=[reference])
    one, two = deidentify(first, KEY).dataset, deidentify(second, KEY).dataset

    assert two.SourceImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert one.SOPInstanceUID != source.SOPInstanceUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert one.SOPClassUID == source.SOPClassUID


def test_the_result_is_a_valid_film(kit, film: Path, tmp_path: Path, dciodvfy) -> None:
    done = deidentify(film, KEY)
    (tmp_path / "out.dcm").write_bytes(encoded(done.dataset))

    # The synthetic source is no complete DX object itself; de-identifying it may add no error.
    assert set(dciodvfy.errors(tmp_path / "out.dcm")) <= set(dciodvfy.errors(film))


@pytest.mark.parametrize(("born", "age"), [("19300101", "090Y"), ("20240201", "013M"), ("20230101", "002Y")])
def test_ages_are_told_and_great_ages_are_not(kit, tmp_path: Path, born: str, age: str) -> None:
    path = kit.source("dx_detector", tmp_path / "a.dcm", PatientBirthDate=born)

    assert deidentify(path, KEY).dataset.PatientAge == age


def test_burned_in_text_is_warned_of(kit, tmp_path: Path) -> None:
    said = {}
    for value in ("YES", "NO", None):
        path = kit.source(
            "dx_detector", tmp_path / f"{value}.dcm", **({} if value is None else {"BurnedInAnnotation": value})
        )
        said[value] = deidentify(path, KEY).warnings
    assert "says that identifying text is burned in" in said["YES"][0]
    assert said["NO"] == ()
    assert "does not say" in said[None][0]


def test_a_report_is_refused(pair, tmp_path: Path) -> None:
    write_measurement_report(pair.baseline, tmp_path / "sr.dcm")
    with pytest.raises(FilmError, match="it is a structured report"):
        deidentify(tmp_path / "sr.dcm", KEY)


def test_a_blanked_film_keeps_the_limb_and_loses_the_text(pair, kit, tmp_path: Path) -> None:
    pixels = np.clip(pair.baseline.film.pixels, 0, 4095).astype(np.uint16)
    path = kit.source("dx_detector", tmp_path / "text.dcm", shape=pixels.shape, PixelData=pixels.tobytes())
    done = deidentify(path, KEY, blank=True)

    limbs = pair.baseline.anatomy.on_film(pair.baseline.anatomy.limbs) > 0
    after = done.dataset.pixel_array
    kept = (after == pixels)[limbs].mean()
    assert kept > 0.995
    text = (pixels > 3500) & ~limbs
    assert text.sum() > 50
    assert (after[text] == pixels.min()).mean() > 0.95
    assert done.dataset.BurnedInAnnotation == "NO"
    assert done.warnings == ()


def test_text_over_the_limb_is_blanked_and_said(pair, kit, tmp_path: Path) -> None:
    pixels = np.clip(pair.baseline.film.pixels, 0, 4000).astype(np.uint16)
    over = np.zeros(pixels.shape, np.uint8)
    cv2.putText(over, "DOE JANE 1949", (130, 335), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1)
    pixels[over > 0] = 4095
    path = kit.source("dx_detector", tmp_path / "text.dcm", shape=pixels.shape, PixelData=pixels.tobytes())
    done = deidentify(path, KEY, blank=True)

    assert (done.dataset.pixel_array[over > 0] == pixels.min()).mean() > 0.95
    assert "Text over the limb was blanked" in done.warnings[0]


class TestCommand:
    def run(self, *arguments: object):
        return CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)

    def test_films_get_names_without_identity_and_the_key_is_private(self, kit, film, tmp_path: Path) -> None:
        result = self.run(film, "--out", tmp_path / "out", "--key", tmp_path / "key")

        assert result.exception is None
        assert result.return_value == 0
        (written,) = (tmp_path / "out").iterdir()
        assert result.output.splitlines()[0] == written.name
        assert written.name.startswith("S")
        assert written.name.split("_")[2:4] == ["HAND", "L"]
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600

    def test_the_same_key_gives_the_same_films(self, film, tmp_path: Path) -> None:
        for name in ("one", "two"):
            self.run(film, "--out", tmp_path / name, "--key", tmp_path / "key")
        (one,), (two,) = (list((tmp_path / name).iterdir()) for name in ("one", "two"))

        assert one.name == two.name
        assert one.read_bytes() == two.read_bytes()

    @pytest.mark.parametrize(
        "table", ["patient_id,subject\nSECRET-4711,P07\n", "subject,identifier\nP07,secret-4711\n"]
    )
    def test_pseudonyms_can_be_given(self, film, tmp_path: Path, table: str) -> None:
        (tmp_path / "subjects.csv").write_text(table)
        self.run(film, "--out", tmp_path / "out", "--key", tmp_path / "key", "--subjects", tmp_path / "subjects.csv")

        (written,) = (tmp_path / "out").iterdir()
        assert pydicom.dcmread(written).PatientID == "P07"

    def test_one_films_failure_does_not_stop_the_rest_and_no_name_is_told(self, film, tmp_path: Path) -> None:
        folder = tmp_path / "films"
        folder.mkdir()
        bad = pydicom.dcmread(film)
        del bad.PixelData
        bad.save_as(folder / "a_M\u00fcller.dcm")
        (folder / "b.dcm").write_bytes(film.read_bytes())
        result = self.run(folder, "--out", tmp_path / "out", "--key", tmp_path / "key")

        assert result.return_value == 5
        assert "film 1 of 2: it holds no picture." in result.output
        assert "ller" not in result.output
        assert len(list((tmp_path / "out").iterdir())) == 1

    def test_other_files_of_a_folder_are_left_out_and_counted(self, film, tmp_path: Path) -> None:
        folder = tmp_path / "films"
        folder.mkdir()
        (folder / "M\u00fcller.txt").write_text("no")
        (folder / "b.dcm").write_bytes(film.read_bytes())
        result = self.run(folder, "--out", tmp_path / "out", "--key", tmp_path / "key")
        named = self.run(folder / "M\u00fcller.txt", "--out", tmp_path / "other", "--key", tmp_path / "key")

        assert (result.return_value, named.return_value) == (0, 5)
        assert "1 other file in the folders: no DICOM, left out." in result.output
        assert "film 1 of 1: it is no DICOM file." in named.output
        assert "ller" not in result.output + named.output

    def test_a_key_that_others_read_is_refused(self, film, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("00" * 32)
        key.chmod(0o644)
        result = self.run(film, "--out", tmp_path / "out", "--key", key)

        assert "others can read the key" in str(result.exception)
        assert not (tmp_path / "out").exists()

    def test_a_folder_in_use_is_refused(self, film, tmp_path: Path) -> None:
        result = self.run(film, "--out", film.parent, "--key", tmp_path / "key")

        assert "holds files already" in str(result.exception)
