"""Grey films that come in colour, and pictures that are turned by their orientation tag."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from calcimeasure.errors import FilmError
from calcimeasure.io import film_from_array, read_film


def grey(rows: int = 240, columns: int = 200, high: int = 250) -> np.ndarray:
    y, x = np.indices((rows, columns))
    limb = 0.15 + 0.6 * np.exp(-(((x - columns / 2) / 40) ** 2)) * (0.8 + 0.2 * np.cos(y / 17))
    noise = np.random.default_rng(3).normal(0, 0.01, (rows, columns))
    return np.clip((limb + noise) * high, 0, high).astype(np.uint8)


def marked(pixels: np.ndarray, colour: tuple[int, int, int] = (255, 0, 0)) -> np.ndarray:
    picture = np.dstack([pixels] * 3)
    cv2.arrowedLine(picture, (20, 200), (70, 150), colour, 2)
    return picture


def codes(film) -> list[str]:
    return [notice.code.value for notice in film.warnings]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_a_coloured_arrow_is_left_out_and_said(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    Image.fromarray(marked(grey())).save(path, **({"quality": 92} if suffix == ".jpg" else {}))
    film = read_film(path, invert=False)
    assert codes(film) == ["coloured_marks"]
    assert film.padding[150:200, 20:70].any()
    assert 0 < film.padding.mean() < 0.03
    away = ~cv2.dilate(film.padding.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert np.abs(film.pixels - grey())[away].max() <= (12 if suffix == ".jpg" else 0)


def test_a_coloured_arrow_in_an_array():
    film = film_from_array(marked(grey()), invert=False)
    assert codes(film) == ["coloured_marks"]
    assert film.padding.any()


@pytest.mark.parametrize("tint", [(0.80, 0.92, 1.0), (1.0, 0.93, 0.78)])
def test_a_tinted_film_is_measured_without_its_tint(tmp_path, tint):
    plain = grey()
    picture = np.rint(plain[:, :, None] * np.array(tint)).astype(np.uint8)
    path = tmp_path / "film.png"
    Image.fromarray(picture).save(path)
    film = read_film(path, invert=False)
    assert codes(film) == ["film_tinted"]
    assert film.padding is None
    assert np.corrcoef(film.pixels.ravel(), plain.ravel())[0, 1] > 0.9995


def test_noise_of_lossy_colour_is_grey(tmp_path):
    noisy = np.dstack([grey()] * 3).astype(float)
    noisy += np.random.default_rng(1).normal(0, 4, noisy.shape)
    path = tmp_path / "film.jpg"
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=70)
    assert codes(read_film(path, invert=False)) == []


def test_a_photograph_is_refused(tmp_path):
    y, x = np.indices((240, 200))
    sky = np.dstack([90 + 0 * x, 140 + 0 * x, 220 - y // 4])
    sky[120:] = np.dstack([60 + x // 3, 140 - y // 4, 40 + 0 * x])[120:]
    path = tmp_path / "photo.png"
    Image.fromarray(sky.astype(np.uint8)).save(path)
    with pytest.raises(FilmError, match="colour picture"):
        read_film(path)


ORIENTED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"compression": "zlib", "predictor": True}])
def test_orientation_of_tiff_counts_whatever_the_compression(tmp_path, orientation, options):
    pixels = grey(60, 48).astype(np.uint16) * 16
    path = tmp_path / "film.tif"
    tifffile.imwrite(
        path, pixels, photometric="minisblack", metadata=None, extratags=[(274, "H", 1, orientation)],
        resolution=(100, 50), resolutionunit="CENTIMETER", **options,
    )  # fmt: skip
    film = read_film(path, invert=False)
    np.testing.assert_array_equal(film.pixels, ORIENTED[orientation](pixels))
    # The tag's columns are 0.1 mm wide and its rows 0.2 mm high; the film is too small for it to be believed.
    assert film.spacing.pixel_aspect == pytest.approx(0.5 if orientation >= 5 else 2.0)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_orientation_of_phone_pictures(tmp_path, orientation):
    path = tmp_path / "film.png"
    image = Image.fromarray(grey(60, 48))
    exif = Image.Exif()
    exif[274] = orientation
    image.save(path, exif=exif)
    np.testing.assert_array_equal(read_film(path, invert=False).pixels, ORIENTED[orientation](grey(60, 48)))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_tiff_of_12_bits(tmp_path, compression):
    """Twelve bits without gaps, as scanners write them."""
    pixels = grey(50, 40).astype(np.uint16) * 16
    flat = pixels.reshape(-1, 2).astype(np.uint32)
    packed = np.stack([flat[:, 0] >> 4, (flat[:, 0] & 15) << 4 | flat[:, 1] >> 8, flat[:, 1] & 255], 1).astype(np.uint8)
    path = tmp_path / "film.tif"
    data = packed.tobytes()
    if compression:
        import imagecodecs

        data = bytes({"lzw": imagecodecs.lzw_encode, "zlib": imagecodecs.zlib_encode}[compression](data))
    code = {None: 1, "lzw": 5, "zlib": 8}[compression]
    tags = [(256, 40), (257, 50), (258, 12), (259, code), (262, 1), (273, 8), (277, 1), (278, 50), (279, len(data))]
    entries = b"".join(tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little") for tag, value in tags)
    offset = 8 + len(data) + len(data) % 2
    head = b"II*\0" + offset.to_bytes(4, "little")
    body = data + b"\0" * (len(data) % 2) + len(tags).to_bytes(2, "little") + entries + bytes(4)
    path.write_bytes(head + body)
    np.testing.assert_array_equal(read_film(path, invert=False).pixels, pixels)


def test_a_default_resolution_is_warned_of(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(grey(600, 480)).save(path, dpi=(300, 300))
    assert "resolution_doubtful" in codes(read_film(path, invert=False))
    Image.fromarray(grey(600, 480)).save(path, dpi=(254.1, 254.1))
    assert "resolution_doubtful" not in codes(read_film(path, invert=False))
