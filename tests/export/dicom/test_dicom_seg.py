from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from calcimeasure.deposits import Finding, Origin
from calcimeasure.errors import LabelsError
from calcimeasure.export.dicom import is_segmentation, read_segmentation, write_segmentation
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph


def round_trip(kit: SimpleNamespace, image: NDArray[np.integer], folder: Path, kind: str = "dx_detector"):
    film = kit.film(kind, folder, shape=image.shape)
    labels = kit.labels(image, film)
    path = folder / "seg.dcm"
    if not write_segmentation(kit.measured(film, labels), path):
        return labels, None
    return labels, read_segmentation(path, film)


@st.composite
def label_images(draw: st.DrawFn) -> NDArray[np.uint16]:
    """Small images of 0 to 9 deposits in any arrangement, numbered 1..n."""
    # highdicom packs frames of fewer than eight pixels wrongly; a film has more.
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)).filter(lambda shape: shape[0] * shape[1] >= 8))
    raw = draw(st_numpy.arrays(np.uint16, shape, elements=st.integers(0, 9)))
    _, inverse = np.unique(raw, return_inverse=True)
    numbered = inverse.reshape(shape) + int(raw.min() != 0)
    return numbered.astype(np.uint16)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(image=label_images())
def test_any_label_image_comes_back_exactly(kit, image: NDArray[np.uint16]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        labels, back = round_trip(kit, image, Path(folder))
    if back is None:
        assert not labels.deposits
        return
    np.testing.assert_array_equal(back.image, labels.image)
    assert back.deposits == labels.deposits
    assert back.method == labels.method


def test_two_hundred_deposits_come_back_exactly(kit, tmp_path: Path) -> None:
    image = np.zeros((210, 410), np.uint16)
    for number in range(200):
        row, col = divmod(number, 20)
        image[row * 21 : row * 21 + 1 + number % 19, col * 20 : col * 20 + 1 + number % 17] = number + 1
    labels, back = round_trip(kit, image, tmp_path)

    np.testing.assert_array_equal(back.image, labels.image)
    assert back.deposits == labels.deposits


def test_every_source_comes_back_with_origins_and_findings(measurement: FilmMeasurement, tmp_path: Path) -> None:
    path = tmp_path / "seg.dcm"
    write_segmentation(measurement, path)
    back = read_segmentation(path, measurement.film)

    np.testing.assert_array_equal(back.image, measurement.labels.image)
    assert back.deposits == measurement.labels.deposits
    assert back.film_sha256 == measurement.film.sha256
    assert back.warnings == ()


@pytest.fixture
def film(kit, tmp_path: Path) -> Radiograph:
    return kit.film("cr_calibrated", tmp_path)


def foreign(
    film: Radiograph,
    path: Path,
    pixels: NDArray[np.generic],
    *,
    numbers: tuple[int, ...] = (1, 2),
    types: tuple[object, ...] = (codes.SCT.Lesion, codes.SCT.Lesion),
    kind: str = "BINARY",
    source: pydicom.Dataset | None = None,
) -> Path:
    """Write a segmentation as another program that uses highdicom does, with none of our private elements."""
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"thing {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=coded,
            algorithm_type="MANUAL",
        )
        for number, coded in zip(numbers, types, strict=True)
    ]
    segmentation = hd.seg.Segmentation(
        source_images=[pydicom.dcmread(film.path) if source is None else source],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=hd.UID(),
        series_number=7,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="another",
        manufacturer_model_name="another",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=False,
        max_fractional_value=200,
    )
    segmentation.save_as(path)
    return path


def two_squares(film: Radiograph) -> NDArray[np.uint8]:
    image = np.zeros(film.shape, np.uint8)
    image[5:10, 5:15] = 1
    image[50:60, 5:9] = 2
    return image


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_another_programs_segmentation_is_a_reading(film: Radiograph, tmp_path: Path, kind: str) -> None:
    image = two_squares(film)
    back = read_segmentation(foreign(film, tmp_path / "seg.dcm", image, kind=kind), film)

    np.testing.assert_array_equal(back.image, image)
    assert [deposit.origin for deposit in back.deposits] == [Origin.DRAWN, Origin.DRAWN]
    # Whatever they call a lesion, it counts.
    assert [deposit.finding for deposit in back.deposits] == [Finding.CALCINOSIS, Finding.CALCINOSIS]


def test_a_segmentation_by_dcmqi_is_a_reading(kit, tmp_path: Path) -> None:
    """Written by dcmqi 1.5.7 (itkimage2segimage) on this very film, to which a plane in space was added for it."""
    path = Path(__file__).parent / "data" / "dcmqi_segmentation.dcm"
    film = kit.film("cr_calibrated", tmp_path)
    back = read_segmentation(path, film)

    assert pydicom.dcmread(path).ManufacturerModelName == "https://github.com/QIICR/dcmqi"
    np.testing.assert_array_equal(back.image, kit.three_deposits())
    assert [deposit.origin for deposit in back.deposits] == [Origin.DRAWN, Origin.EDITED, Origin.AUTO]
    assert [deposit.finding for deposit in back.deposits] == [Finding.CALCINOSIS, Finding.VASCULAR, Finding.CALCINOSIS]
    with pytest.raises(LabelsError, match="made on another image"):
        read_segmentation(path, kit.film("cr_calibrated", tmp_path, seed=2))


def test_a_deflated_file_is_read(film: Radiograph, tmp_path: Path) -> None:
    path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)

    np.testing.assert_array_equal(read_segmentation(path, film).image, two_squares(film))


def test_fractions_count_from_one_half(film: Radiograph, tmp_path: Path) -> None:
    fractions = np.zeros((1, *film.shape, 1), np.float32)
    fractions[0, 5:10, 5:15] = 1.0
    fractions[0, 5, 5:15] = 0.49
    fractions[0, 9, 5:15] = 0.5
    path = foreign(film, tmp_path / "s.dcm", fractions, numbers=(1,), types=(codes.SCT.Lesion,), kind="FRACTIONAL")
    back = read_segmentation(path, film)

    assert np.flatnonzero(back.image[:, 5]).tolist() == [6, 7, 8, 9]


def test_coded_types_become_findings(film: Radiograph, tmp_path: Path) -> None:
    types = (codes.SCT.PathologicCalcification, codes.SCT.Ossification)
    back = read_segmentation(foreign(film, tmp_path / "seg.dcm", two_squares(film), types=types), film)

    assert [deposit.finding for deposit in back.deposits] == [Finding.CALCINOSIS, Finding.OSSIFICATION]


def test_gaps_and_empty_segments_are_closed_and_said(film: Radiograph, tmp_path: Path) -> None:
    types = (codes.SCT.Lesion,) * 3
    image = np.where(two_squares(film) == 2, 3, 0).astype(np.uint8)
    back = read_segmentation(foreign(film, tmp_path / "s.dcm", image, numbers=(1, 2, 3), types=types), film)

    assert [deposit.label for deposit in back.deposits] == [1]
    assert (back.image > 0).sum() == 40
    assert tuple(map(str, back.warnings)) == (
        "Segments without pixels were left out: 1, 2.",
        "The segments were numbered 3; they are now 1 to 1.",
    )


def test_another_spacing_is_said(film: Radiograph, tmp_path: Path) -> None:
    path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
    dataset = pydicom.dcmread(path)
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.5]
    dataset.save_as(path)

    assert tuple(map(str, read_segmentation(path, film).warnings)) == (
        "The segmentation was made with a spacing of 0.5 x 0.5 mm; areas are measured with the film's 0.09 x 0.09 mm.",
    )


class TestRejected:
    def test_another_grid(self, kit, film: Radiograph, tmp_path: Path) -> None:
        other = kit.film("cr_calibrated", tmp_path, shape=(60, 45), seed=2)
        path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
        with pytest.raises(LabelsError, match=r"seg\.dcm: its grid is 120 x 90, the film's 60 x 45"):
            read_segmentation(path, other)

    def test_another_image_of_the_same_size(self, kit, film: Radiograph, tmp_path: Path) -> None:
        other = kit.film("cr_calibrated", tmp_path, seed=2)
        path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
        with pytest.raises(LabelsError, match="made on another image than this film"):
            read_segmentation(path, other)

    def test_overlapping_segments(self, film: Radiograph, tmp_path: Path) -> None:
        masks = np.zeros((1, *film.shape, 2), np.uint8)
        masks[0, 5:10, 5:15, 0] = 1
        masks[0, 9:12, 5:15, 1] = 1
        path = foreign(film, tmp_path / "seg.dcm", masks)
        with pytest.raises(LabelsError, match="segments 1 and 2 overlap in 10 pixels"):
            read_segmentation(path, film)

    def test_a_turned_segmentation(self, film: Radiograph, tmp_path: Path) -> None:
        path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
        dataset = pydicom.dcmread(path)
        plane = pydicom.Dataset()
        plane.ImageOrientationPatient = [0, 1, 0, 1, 0, 0]
        dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = [plane]
        dataset.save_as(path)
        with pytest.raises(LabelsError, match="turned or mirrored"):
            read_segmentation(path, film)

    def test_a_stack_of_images(self, film: Radiograph, tmp_path: Path) -> None:
        path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
        dataset = pydicom.dcmread(path)
        dataset.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
        dataset.save_as(path)
        with pytest.raises(LabelsError, match="segment 1 has 2 frames"):
            read_segmentation(path, film)

    def test_the_film_itself(self, film: Radiograph) -> None:
        with pytest.raises(LabelsError, match="it is no Segmentation but Computed Radiography Image Storage"):
            read_segmentation(film.path, film)

    def test_a_text_file(self, film: Radiograph, tmp_path: Path) -> None:
        path = tmp_path / "labels.csv"
        path.write_text("row,col\n")
        with pytest.raises(LabelsError, match=r"labels\.csv: it is no DICOM file"):
            read_segmentation(path, film)

    def test_a_truncated_file(self, film: Radiograph, tmp_path: Path) -> None:
        path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(LabelsError):
            read_segmentation(path, film)

    def test_an_absent_file(self, film: Radiograph, tmp_path: Path) -> None:
        with pytest.raises(LabelsError, match=r"none\.dcm: it cannot be read"):
            read_segmentation(tmp_path / "none.dcm", film)


def test_a_multiframe_film_keeps_its_frame(kit, tmp_path: Path) -> None:
    film = replace(kit.film("cr_calibrated", tmp_path), frame=2)
    source = pydicom.dcmread(film.path)
    source.NumberOfFrames = 4
    source.PixelData = source.PixelData * 4
    source.save_as(film.path)
    labels = kit.labels(two_squares(film), film)
    path = tmp_path / "seg.dcm"
    write_segmentation(kit.measured(film, labels), path)

    np.testing.assert_array_equal(read_segmentation(path, film).image, labels.image)
    with pytest.raises(LabelsError, match="made on frame 3, not on frame 1"):
        read_segmentation(path, replace(film, frame=0))


def test_is_segmentation_tells_without_reading_pixels(film: Radiograph, tmp_path: Path) -> None:
    path = foreign(film, tmp_path / "seg.dcm", two_squares(film))
    (tmp_path / "text.dcm").write_text("no")

    assert is_segmentation(path)
    assert not is_segmentation(film.path)
    assert not is_segmentation(tmp_path / "text.dcm")
    assert not is_segmentation(tmp_path / "absent.dcm")
