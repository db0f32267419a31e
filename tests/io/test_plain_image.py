"""PNG, JPEG and TIFF: depth kept, resolution only where it can be believed, what is no film refused."""

from __future__ import annotations

import base64
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from calcimeasure import read_film
from calcimeasure.errors import FilmError
from calcimeasure.io import codec_probes

SHAPE = (600, 480)


@pytest.fixture
def grey16() -> np.ndarray:
    return (
        (np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint32) * 65535 // (SHAPE[0] * SHAPE[1]))
        .astype(np.uint16)
        .reshape(SHAPE)
    )


@pytest.fixture
def grey8(grey16) -> np.ndarray:
    return (grey16 >> 8).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_stay_16_bits(tmp_path, grey16, suffix):
    path = tmp_path / f"film{suffix}"
    cv2.imwrite(str(path), grey16)
    film = read_film(path)
    np.testing.assert_array_equal(film.pixels, grey16)
    assert (film.grey.lowest, film.grey.highest) == (0, 65535)
    assert film.identity.modality is None
    assert film.path == path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_in_three_equal_channels(tmp_path, grey16, suffix):
    path = tmp_path / f"film{suffix}"
    cv2.imwrite(str(path), np.repeat(grey16[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(read_film(path).pixels, grey16)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_8_bit_png_of_every_mode(tmp_path, grey8, mode):
    path = tmp_path / "film.png"
    Image.fromarray(grey8).convert(mode).save(path)
    np.testing.assert_array_equal(read_film(path).pixels, grey8)


def test_jpeg_is_close_and_named_anything(tmp_path, grey8):
    path = tmp_path / "film.dcm"
    Image.fromarray(grey8).save(path, "JPEG", quality=95)
    assert np.abs(read_film(path).pixels - grey8).max() < 8


def test_transparent_parts_are_padding(tmp_path, grey8):
    path = tmp_path / "film.png"
    colour = np.dstack([grey8, grey8, grey8, np.full_like(grey8, 255)])
    colour[:50, :, :3], colour[:50, :, 3] = 255, 0
    Image.fromarray(colour).save(path)
    film = read_film(path)
    assert film.padding[:50].all()
    assert not film.padding[50:].any()
    assert film.pixels[:50].max() == film.pixels[50:].min()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_compressions(tmp_path, grey8, grey16, compression, bits):
    pixels = grey8 if bits == 8 else grey16
    path = tmp_path / "film.tif"
    Image.fromarray(pixels).save(path, compression=compression)
    np.testing.assert_array_equal(read_film(path).pixels, pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_with_min_is_white_is_turned_round(tmp_path, grey8, grey16, bits):
    pixels = grey8 if bits == 8 else grey16
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, pixels, photometric="miniswhite")
    film = read_film(path)
    assert film.grey.inverted
    np.testing.assert_array_equal(film.pixels, 2.0**bits - 1 - pixels)


def _with_photometric(data: bytes, value: int) -> bytes:
    """Rewrite the PhotometricInterpretation (tag 262) of a small-endian TIFF."""
    offset = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[offset : offset + 2])[0]
    changed = bytearray(data)
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
        if struct.unpack("<H", data[entry : entry + 2])[0] == 262:
            changed[entry + 8 : entry + 10] = struct.pack("<H", value)
    return bytes(changed)


@pytest.mark.parametrize("bits", [8, 16])
def test_compressed_tiff_with_min_is_white(tmp_path, grey8, grey16, bits):
    pixels = grey8 if bits == 8 else grey16
    path = tmp_path / "film.tif"
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    path.write_bytes(_with_photometric(path.read_bytes(), 0))
    np.testing.assert_array_equal(read_film(path).pixels, 2.0**bits - 1 - pixels)


def test_big_endian_and_float_tiff_with_values_that_are_no_numbers(tmp_path, grey16):
    pixels = grey16.astype(np.float32)
    pixels[0, :3] = [np.nan, np.inf, -np.inf]
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, pixels, byteorder=">")
    film = read_film(path)
    assert film.padding.sum() == 3
    assert np.isfinite(film.pixels).all()
    assert "3 pixels hold no number" in film.warnings[0].text


def test_a_tiff_of_nothing_but_nan(tmp_path):
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, np.full(SHAPE, np.nan, np.float32))
    with pytest.raises(FilmError, match="no pixel holds a number"):
        read_film(path)


def test_pages_are_frames(tmp_path, grey16):
    path = tmp_path / "film.tif"
    pages = np.stack([grey16, grey16 // 2])
    tifffile.imwrite(path, pages, photometric="minisblack")
    with pytest.raises(FilmError, match="2 pages"):
        read_film(path)
    film = read_film(path, frame=2)
    np.testing.assert_array_equal(film.pixels, pages[1])
    assert film.frame == 1
    with pytest.raises(FilmError, match="from 1 to 2"):
        read_film(path, frame=3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_colour_photographs_are_refused(tmp_path, suffix, grey8):
    colour = np.dstack([grey8, np.full_like(grey8, 90), 255 - grey8])
    path = tmp_path / f"film.{suffix}"
    cv2.imwrite(str(path), colour)
    with pytest.raises(FilmError, match="colour picture"):
        read_film(path)


def test_colour_of_12_bits_in_16_is_refused(tmp_path, grey16):
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), np.dstack([grey16 >> 4, np.full_like(grey16, 1000), grey16 >> 5]) // 4)
    with pytest.raises(FilmError, match="colour picture"):
        read_film(path)


def test_bits_are_refused(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(np.eye(300, dtype=bool)).save(path)
    with pytest.raises(FilmError, match="black and white"):
        read_film(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_cut_off_pictures_are_refused(tmp_path, suffix, share):
    path = tmp_path / f"film.{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, SHAPE, np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(FilmError):
        read_film(path)


def test_a_claim_of_many_pixels_is_refused_unread(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 46341, 46341, 16, 0, 0, 0, 0)
    path = tmp_path / "film.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(FilmError, match="than any film"):
        read_film(path)


@pytest.mark.parametrize("name", ["JPEG extended, 12 bits", "JPEG lossless"])
def test_a_jpeg_of_more_than_8_bits(tmp_path, name):
    path = tmp_path / "film.jpg"
    probe = next(one for one in codec_probes.coded_pictures() if one["name"] == name)
    path.write_bytes(base64.b64decode(probe["coded"]))
    expected = codec_probes._expected(probe["bits"])
    assert np.abs(read_film(path).pixels - expected).max() <= probe["largest_error"]


def test_a_jpeg_of_rubbish(tmp_path):
    path = tmp_path / "film.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + b"nothing of a picture" * 9)
    with pytest.raises(FilmError, match="damaged or cut off"):
        read_film(path)


RESOLUTIONS = [
    # dpi -> mm or None (600 x 480 pixels)
    (72, None),
    (72.009, None),
    (96, None),
    (95.9, None),
    (120, None),
    (144, None),
    (300, 25.4 / 300),
    (150, 25.4 / 150),
    (169.3333, 0.15),
    (2000, None),
    (40, None),
    (600, None),
]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize(("dpi", "millimetres"), RESOLUTIONS)
def test_only_believable_resolutions_count(tmp_path, grey8, suffix, dpi, millimetres):
    path = tmp_path / f"film.{suffix}"
    Image.fromarray(grey8).save(path, dpi=(dpi, dpi))
    spacing = read_film(path).spacing
    if millimetres is None:
        assert spacing.mm is None
        assert "not believed" in spacing.note
    else:
        assert spacing.basis == "file_resolution"
        assert spacing.mm == pytest.approx((millimetres, millimetres), rel=5e-3)


def test_the_user_overrides_a_resolution(tmp_path, grey8):
    path = tmp_path / "film.png"
    Image.fromarray(grey8).save(path, dpi=(300, 300))
    film = read_film(path, spacing_mm=(0.1, 0.12))
    assert (film.spacing.basis, film.spacing.mm) == ("user", (0.1, 0.12))


def test_rows_and_columns_are_kept_apart(tmp_path, grey8):
    path = tmp_path / "film.tif"
    Image.fromarray(grey8).save(path, dpi=(200, 250))
    assert read_film(path).spacing.mm == pytest.approx((25.4 / 250, 25.4 / 200))


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("cm", 10.0), ("micron", 1e-3)])
def test_the_scale_of_imagej(tmp_path, grey16, unit, scale):
    path = tmp_path / "film.tif"
    density = scale / 0.15
    tifffile.imwrite(path, grey16, imagej=True, resolution=(density, density), metadata={"unit": unit})
    spacing = read_film(path).spacing
    assert spacing.basis == "file_resolution"
    assert spacing.mm == pytest.approx((0.15, 0.15), rel=1e-4)


def test_a_density_without_unit_gives_the_shape_of_a_pixel(tmp_path, grey8):
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, grey8, resolution=(2.0, 1.0), resolutionunit=1)
    spacing = read_film(path).spacing
    assert (spacing.mm, spacing.pixel_aspect) == (None, 2.0)
