"""Label images as NIfTI, NRRD and MHA: pixels, spacing, orientation, findings, and what other tools save."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin
from calcimeasure.errors import LabelsError, OutputError
from calcimeasure.io import film_from_array
from calcimeasure.io.label_images import read_labels, write_labels
from calcimeasure.notices import NoticeCode
from calcimeasure.radiograph import Radiograph

SUFFIXES = ("nii", "nii.gz", "nrrd", "mha")


@pytest.fixture
def film() -> Radiograph:
    pixels = np.random.default_rng(1).integers(0, 4096, (30, 20), dtype=np.uint16)
    return film_from_array(pixels, spacing_mm=(0.2, 0.1))


@pytest.fixture
def image() -> NDArray[np.uint16]:
    """An L near the top left corner, which no turn and no mirroring leaves as it is, and a second deposit."""
    image = np.zeros((30, 20), np.uint16)
    image[2:9, 3], image[8, 3:6] = 1, 1
    image[20:23, 12:18] = 2
    return image


@pytest.fixture
def labels(image: NDArray[np.uint16], film: Radiograph) -> DepositLabels:
    deposits = (
        Deposit(label=1, origin=Origin.AUTO, confidence=0.75),
        Deposit(label=2, finding=Finding.VASCULAR, origin=Origin.EDITED),
    )
    return DepositLabels(image=image, deposits=deposits, method="network/1", film_sha256=film.sha256)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_tool_sees_the_same_pixels_and_millimetres(
    labels: DepositLabels, film: Radiograph, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"labels.{suffix}"
    write_labels(labels, path, spacing=film.spacing)
    picture = SimpleITK.ReadImage(str(path))
    assert picture.GetSize() == (20, 30)
    assert picture.GetSpacing() == pytest.approx((0.1, 0.2))
    assert picture.GetDirection() == (1.0, 0.0, 0.0, 1.0)
    assert [picture[3, row] for row in (1, 2, 8, 9)] == [0, 1, 1, 0]
    assert [picture[column, 8] for column in (2, 5, 6)] == [0, 1, 0]
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(picture), labels.image)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(labels: DepositLabels, film: Radiograph, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels.{suffix}"
    write_labels(labels, path, spacing=film.spacing)
    back = read_labels(path, film)
    np.testing.assert_array_equal(back.image, labels.image)
    assert back.warnings == ()
    if suffix in ("nrrd", "mha"):
        assert (back.deposits, back.method) == (labels.deposits, "network/1")
    else:
        assert {deposit.origin for deposit in back.deposits} == {Origin.DRAWN}
    first = path.read_bytes()
    write_labels(labels, path, spacing=film.spacing)
    assert path.read_bytes() == first


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
def test_one_slice_of_three_dimensions_turned_in_the_patient(
    image: NDArray[np.uint16], film: Radiograph, tmp_path: Path, dtype: type
) -> None:
    picture = SimpleITK.GetImageFromArray(image[np.newaxis].astype(dtype))
    picture.SetSpacing((0.1, 0.2, 1.0))
    picture.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    SimpleITK.WriteImage(picture, str(tmp_path / "other.nii.gz"))
    back = read_labels(tmp_path / "other.nii.gz", film)
    np.testing.assert_array_equal(back.image, image)
    assert back.warnings == ()


@pytest.mark.parametrize("suffix", ["png", "tif", "nrrd"])
def test_a_mask_is_split_into_its_components(film: Radiograph, tmp_path: Path, suffix: str) -> None:
    mask = np.zeros((30, 20), np.uint8)
    mask[2:5, 2:5] = mask[5:7, 5:7] = 255  # they touch at a corner: one component
    mask[20:25, 10:12] = 255
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(mask), str(tmp_path / f"mask.{suffix}"))
    back = read_labels(tmp_path / f"mask.{suffix}", film)
    assert len(back) == 2
    assert back.image[3, 3] == back.image[6, 6] == 1
    assert back.image[22, 11] == 2
    assert [warning.code for warning in back.warnings] == [NoticeCode.MASK_SPLIT]
    assert "its 2 separate parts" in str(back.warnings[0])


def test_labels_edited_in_another_tool_count_as_drawn(labels: DepositLabels, film: Radiograph, tmp_path: Path) -> None:
    path = tmp_path / "labels.nrrd"
    write_labels(labels, path, spacing=film.spacing)
    picture = SimpleITK.ReadImage(str(path))
    picture[15, 2] = 3
    SimpleITK.WriteImage(picture, str(path))
    back = read_labels(path, film)
    assert len(back) == 3
    assert {deposit.origin for deposit in back.deposits} == {Origin.DRAWN}
    assert [warning.code for warning in back.warnings] == [NoticeCode.LABELS_EDITED]


def test_another_spacing_is_warned_of(image: NDArray[np.uint16], film: Radiograph, tmp_path: Path) -> None:
    picture = SimpleITK.GetImageFromArray(image)
    picture.SetSpacing((0.1, 0.3))
    SimpleITK.WriteImage(picture, str(tmp_path / "other.mha"))
    [warning] = read_labels(tmp_path / "other.mha", film).warnings
    assert warning.code is NoticeCode.LABEL_SPACING_DIFFERS
    assert "0.3 x 0.1 mm; areas are measured with the film's 0.2 x 0.1 mm" in warning.text


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((20, 30), np.uint8), r"it is 20 x 30, the film 30 x 20 \(rows x columns\)"),
        (np.zeros((4, 30, 20), np.uint8), "it has 3 dimensions"),
        (np.full((30, 20), 0.5), "float64, not whole numbers"),
        (np.full((30, 20), -1, np.int16), "negative number -1"),
    ],
)
def test_what_does_not_fit_is_refused(film: Radiograph, tmp_path: Path, array: NDArray[np.generic], words: str) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(tmp_path / "bad.nii.gz"))
    with pytest.raises(LabelsError, match=words):
        read_labels(tmp_path / "bad.nii.gz", film)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_file_is_refused(film: Radiograph, tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"bad.{suffix}").write_text("label,row,col\n")
    with pytest.raises(LabelsError, match="cannot be read as NIfTI, NRRD or MHA"):
        read_labels(tmp_path / f"bad.{suffix}", film)


def test_labels_of_another_film_are_refused(labels: DepositLabels, film: Radiograph, tmp_path: Path) -> None:
    write_labels(labels, tmp_path / "labels.nrrd", spacing=film.spacing)
    other = film_from_array(np.array(film.pixels) + 1.0, spacing_mm=(0.2, 0.1))
    with pytest.raises(LabelsError, match="made on another film"):
        read_labels(tmp_path / "labels.nrrd", other)


def test_a_format_that_is_not_written(labels: DepositLabels, tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"End the name in \.tif"):
        write_labels(labels, tmp_path / "labels.png")


@pytest.mark.parametrize("suffix", [*SUFFIXES, "tif"])
def test_a_write_that_fails_leaves_the_older_labels(
    suffix: str, labels: DepositLabels, film: Radiograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"labels.{suffix}"
    write_labels(labels, path, spacing=film.spacing)
    older = path.read_bytes()

    def cut_off(_image: object, name: str, **_options: object) -> None:
        Path(name).write_bytes(older[:50])
        raise RuntimeError("no space left on device")

    def cut_off_bytes(part: Path, data: bytes) -> int:
        with part.open("wb") as file:
            file.write(data[:50])
        raise OSError("no space left on device")

    monkeypatch.setattr(SimpleITK, "WriteImage", cut_off)
    if suffix == "tif":
        monkeypatch.setattr(Path, "write_bytes", cut_off_bytes)
    with pytest.raises(OutputError, match="could not be written"):
        write_labels(labels, path, spacing=film.spacing)
    assert path.read_bytes() == older
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
