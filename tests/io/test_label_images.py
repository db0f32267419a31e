"""Label images: written, read back equal, and refused with a reason where they do not fit."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from calcimeasure.change.change_records import Comparison
from calcimeasure.deposits import Finding, Origin
from calcimeasure.errors import LabelsError
from calcimeasure.io.label_images import labels_tiff, read_labels
from calcimeasure.radiograph import Spacing, SpacingBasis


@pytest.fixture
def written(pair: Comparison, tmp_path: Path) -> Path:
    path = tmp_path / "labels.tif"
    path.write_bytes(labels_tiff(pair.baseline.labels, pair.baseline.film.spacing))
    return path


def test_round_trip(pair: Comparison, written: Path) -> None:
    labels = read_labels(written, pair.baseline.film)
    np.testing.assert_array_equal(labels.image, pair.baseline.labels.image)
    assert labels.deposits == pair.baseline.labels.deposits
    assert labels.method == pair.baseline.labels.method
    assert labels.film_sha256 == pair.baseline.film.sha256
    assert [str(one) for one in labels.warnings] == [str(one) for one in pair.baseline.labels.warnings]
    assert labels.image.dtype == np.uint16


def test_any_tool_reads_it(pair: Comparison, written: Path) -> None:
    with tifffile.TiffFile(written) as tiff:
        page = tiff.pages.first
        assert page.dtype == np.uint16
        assert page.shape == pair.baseline.film.shape
        assert page.tags["ResolutionUnit"].value == 3  # centimetre
        dots, length = page.tags["YResolution"].value
        assert 10.0 * length / dots == pytest.approx(pair.baseline.film.spacing.row_mm, rel=1e-6)
    np.testing.assert_array_equal(cv2.imread(str(written), cv2.IMREAD_UNCHANGED), pair.baseline.labels.image)


def test_pixels_that_are_not_square(pair: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(labels_tiff(pair.baseline.labels, Spacing(row_mm=0.2, col_mm=0.1, basis=SpacingBasis.CALIBRATED)))
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        assert tags["XResolution"].value == (100, 1)
        assert tags["YResolution"].value == (50, 1)


def test_no_identity_in_the_file(pair: Comparison, written: Path) -> None:
    with tifffile.TiffFile(written) as tiff:
        description = json.loads(tiff.pages.first.description)
        assert "DateTime" not in tiff.pages.first.tags
    assert set(description) == {
        "schema", "film_sha256", "method", "pixel_spacing_mm", "spacing_basis", "deposits", "warnings",
    }  # fmt: skip
    assert b"Doe" not in written.read_bytes()


def test_same_bytes(pair: Comparison) -> None:
    first, second = (labels_tiff(pair.baseline.labels, pair.baseline.film.spacing) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["other.tif", "other.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_another_tools_labels_count_as_drawn(pair: Comparison, tmp_path: Path, name: str, dtype: type) -> None:
    image = np.zeros(pair.baseline.film.shape, dtype)
    image[10:20, 10:20], image[30:40, 30:40] = 7, 200
    path = tmp_path / name
    if path.suffix == ".png":
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    else:
        tifffile.imwrite(path, image)
    labels = read_labels(path, pair.baseline.film)
    assert len(labels) == 2
    assert {deposit.origin for deposit in labels.deposits} == {Origin.DRAWN}
    assert {deposit.finding for deposit in labels.deposits} == {Finding.CALCINOSIS}
    assert labels.image[15, 15] == 1
    assert labels.image[35, 35] == 2


def test_empty_labels(pair: Comparison, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "none.tif", np.zeros(pair.baseline.film.shape, np.uint8))
    assert len(read_labels(tmp_path / "none.tif", pair.baseline.film)) == 0


def bad_file(kind: str, folder: Path, shape: tuple[int, int]) -> Path:
    path = folder / ("bad.png" if kind in {"colour", "not a png", "empty"} else "bad.tif")
    if kind == "missing":
        return folder / "missing.tif"
    if kind == "shape":
        tifffile.imwrite(path, np.zeros((shape[0], shape[1] - 1), np.uint8))
    elif kind == "float":
        tifffile.imwrite(path, np.zeros(shape, np.float32))
    elif kind == "negative":
        tifffile.imwrite(path, np.full(shape, -1, np.int16))
    elif kind == "pages":
        tifffile.imwrite(path, np.zeros((2, *shape), np.uint8), photometric="minisblack")
    elif kind == "colour":
        path.write_bytes(cv2.imencode(".png", np.zeros((*shape, 3), np.uint8))[1].tobytes())
    elif kind in {"not a tiff", "not a png", "empty"}:
        path.write_text("" if kind == "empty" else "label,row,col\n")
    elif kind == "suffix":
        path = folder / "labels.csv"
        path.write_text("1,2,3\n")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such file"),
        ("shape", r"the film 500 x 400 \(rows x columns\)"),
        ("float", "float32, not whole numbers"),
        ("negative", "negative number -1"),
        ("pages", "2 pages"),
        ("colour", "3 dimensions"),
        ("not a tiff", "cannot be read as a TIFF"),
        ("not a png", "cannot be read as a PNG"),
        ("empty", "cannot be read as a PNG"),
        ("suffix", "'.csv' is not a format"),
    ],
)
def test_what_does_not_fit_is_refused(pair: Comparison, tmp_path: Path, kind: str, words: str) -> None:
    path = bad_file(kind, tmp_path, pair.baseline.film.shape)
    with pytest.raises(LabelsError, match=words) as caught:
        read_labels(path, pair.baseline.film)
    assert caught.value.where == str(path)
    assert caught.value.remedy
    assert caught.value.exit_status == 3


def test_labels_of_another_film_are_refused(pair: Comparison, written: Path) -> None:
    with pytest.raises(LabelsError, match="made on another film") as caught:
        read_labels(written, pair.followup.film)
    assert "exchanged" in caught.value.remedy


def test_pixels_that_no_longer_fit_the_description(pair: Comparison, written: Path) -> None:
    labels = pair.baseline.labels
    with tifffile.TiffFile(written) as tiff:
        description = tiff.pages.first.description
    image = labels.image.copy()
    image[image == 5] = 0
    tifffile.imwrite(written, image, description=description, metadata=None)
    with pytest.raises(LabelsError, match="changed after calcimeasure wrote it"):
        read_labels(written, pair.baseline.film)


def test_a_damaged_description(pair: Comparison, written: Path) -> None:
    description = {"schema": "calcimeasure.labels/1", "deposits": [{"label": 1, "finding": "gold"}]}
    tifffile.imwrite(written, pair.baseline.labels.image, description=json.dumps(description), metadata=None)
    with pytest.raises(LabelsError, match="damaged"):
        read_labels(written, pair.baseline.film)


def test_a_film_without_a_hash_in_the_labels(pair: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(labels_tiff(replace(pair.baseline.labels, film_sha256=""), pair.baseline.film.spacing))
    assert len(read_labels(path, pair.baseline.film)) == 5


def test_a_palette_png_holds_numbers(pair: Comparison, tmp_path: Path) -> None:
    """Annotation tools save labels with a palette: the indices are the labels, the colours are for looking."""
    image = np.zeros(pair.baseline.film.shape, np.uint8)
    image[10:20, 10:20], image[30:40, 30:40] = 1, 2
    coloured = Image.fromarray(image).convert("P")
    coloured.putdata(image.ravel())
    coloured.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [0] * 759)
    coloured.save(tmp_path / "palette.png")
    labels = read_labels(tmp_path / "palette.png", pair.baseline.film)
    np.testing.assert_array_equal(labels.image, image)


def test_a_monstrous_size_is_refused_before_decoding(pair: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (9000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(LabelsError, match="it is 9000 x 9000, the film 500 x 400"):
        read_labels(path, pair.baseline.film)
