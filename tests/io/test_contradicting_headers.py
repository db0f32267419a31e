"""Headers that contradict the pixels: the pixels are read rightly, and it is said."""

from __future__ import annotations

import contextlib

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate

from calcimeasure.errors import FilmError
from calcimeasure.io import read_film


def smooth(rows: int = 120, columns: int = 100, low: int = 0, high: int = 4095) -> np.ndarray:
    """A picture as films are: smooth with noise, over the whole range."""
    y, x = np.indices((rows, columns))
    wave = 0.5 - 0.5 * np.cos(x / columns * 9) * np.cos(y / rows * 4)
    noise = np.random.default_rng(3).normal(0, 0.004, (rows, columns))
    return np.clip(low + (wave + noise) * (high - low), low, high).astype(np.int32)


def codes(film) -> list[str]:
    return [notice.code.value for notice in film.warnings]


@pytest.fixture
def write(tmp_path, film_dataset):
    """Write a film whose header may say anything of its pixels; `coded` makes it an encapsulated one."""

    def make(pixels: np.ndarray, *, coded: list[bytes] | None = None, data: bytes | None = None, **attributes):
        dataset = film_dataset(pixels, **attributes)
        if coded is not None:
            dataset.PixelData = encapsulate(coded)
            dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        if data is not None:
            dataset.PixelData = data
        path = tmp_path / "film.dcm"
        pydicom.dcmwrite(path, dataset, enforce_file_format=False)
        return path

    return make


def test_lossy_overshoot_is_clipped_and_never_wraps(write):
    """White a little beyond white stays white: masked, it would turn black."""
    pixels = smooth(low=0, high=1023).astype(np.uint16)
    pixels[40:60, 40:60] = 1023
    beyond = pixels.copy()
    beyond[45:55, 45:55] = 1060
    stream = imagecodecs.jpeg8_encode(beyond, level=100, bitspersample=12)
    film = read_film(write(pixels, coded=[stream], syntax="1.2.840.10008.1.2.4.51", BitsStored=10, HighBit=9))
    assert film.pixels.max() == 1023
    assert film.pixels[45:55, 45:55].min() > 990
    assert codes(film) == []


def test_more_bits_than_stated_are_read(write):
    pixels = smooth(high=16383).astype(np.uint16)
    film = read_film(write(pixels, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert codes(film) == ["stored_bits_contradictory"]


def test_an_overlay_in_unused_bits_is_no_contradiction(write):
    pixels = smooth().astype(np.uint16)
    marked = pixels.copy()
    marked[20:40, 30:60] |= 0x8000
    film = read_film(write(marked, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert codes(film) == []


@pytest.mark.parametrize(("stated", "low", "high"), [(0, -900, 1100), (1, 0, 4095)])
def test_a_sign_that_is_not_there_and_one_that_is(write, stated, low, high):
    pixels = smooth(low=low, high=high)
    stored = pixels.astype(np.int16).view(np.uint16) if low < 0 else pixels.astype(np.uint16)
    stored = stored & 0x0FFF if stated else stored
    film = read_film(write(stored, BitsStored=16 if low < 0 else 12, HighBit=15 if low < 0 else 11,
                           PixelRepresentation=stated))  # fmt: skip
    np.testing.assert_array_equal(film.pixels, pixels)
    assert codes(film) == ["stored_bits_contradictory"]


def test_air_beside_a_black_border_is_no_sign(write):
    """MONOCHROME1: the brightest air beside a border of zeros jumps by the whole range, as it should."""
    pixels = smooth(low=300, high=4095).astype(np.uint16)
    pixels[:, :12] = 0
    pixels[:, 12:30] = 4095 - np.random.default_rng(1).integers(0, 90, (120, 18))
    film = read_film(write(pixels, BitsStored=12, HighBit=11), invert=False)
    np.testing.assert_array_equal(film.pixels, pixels)
    assert "stored_bits_contradictory" not in codes(film)


@pytest.mark.parametrize("stated_high", [15, 11])
def test_a_high_bit_that_is_elsewhere(write, stated_high):
    pixels = smooth().astype(np.uint16)
    stored = pixels if stated_high == 15 else pixels << 4
    film = read_film(write(stored, BitsStored=12, HighBit=stated_high))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert codes(film) == ["stored_bits_contradictory"]


@pytest.mark.parametrize("bits", [0, 17, 5000, 65535])
def test_bits_stored_that_no_pixel_has_are_named(write, bits):
    with pytest.raises(FilmError, match=f"BitsStored says {bits} bits") if bits else pytest.raises(FilmError):
        read_film(write(smooth().astype(np.uint16), BitsStored=bits))


def test_spacing_of_one_millimetre_is_a_placeholder(write):
    film = read_film(write(smooth().astype(np.uint16), PixelSpacing=[1, 1]))
    assert film.spacing.mm is None
    assert codes(film) == ["spacing_placeholder"]
    assert read_film(write(smooth().astype(np.uint16), ImagerPixelSpacing=[1, 1], PixelSpacing=[0.2, 0.2])).spacing.mm


def test_a_palette_is_applied(write):
    """Indices in any order: the table says what grey each is."""
    grey = (smooth() // 16).astype(np.uint8)
    order = np.random.default_rng(2).permutation(256)
    table = np.argsort(order).astype("<u2") * 257
    attributes = {}
    for name in ("Red", "Green", "Blue"):
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        attributes[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    path = write(order[grey].astype(np.uint8), PhotometricInterpretation="PALETTE COLOR", **attributes)
    np.testing.assert_array_equal(read_film(path).pixels, grey.astype(np.float32) * 257)


def test_a_palette_that_is_missing_is_named(write):
    with pytest.raises(FilmError, match="red table is missing"):
        read_film(write((smooth() // 16).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR"))


def test_words_of_8_bit_pixels_in_big_endian(tmp_path, film_dataset):
    pixels = (smooth() // 16).astype(np.uint8)
    dataset = film_dataset(pixels, syntax="1.2.840.10008.1.2.2")
    dataset["PixelData"].VR = "OW"
    dataset.PixelData = pixels.reshape(-1, 2)[:, ::-1].tobytes()
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_film(path).pixels, pixels)


def test_packed_12_bits(write):
    pixels = smooth(121, 99).astype(np.uint16)
    flat = np.append(pixels.ravel(), 0).reshape(-1, 2).astype(np.uint32)
    words = flat[:, 0] | flat[:, 1] << 12
    packed = np.stack([words & 255, words >> 8 & 255, words >> 16], axis=1).astype(np.uint8).tobytes()
    packed += b"\0" * (len(packed) % 2)
    film = read_film(write(pixels, data=packed, BitsAllocated=12, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(film.pixels, pixels)


@pytest.mark.parametrize("interpretation", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_of_a_grey_film_in_colour(write, interpretation):
    grey = (smooth() // 16).astype(np.uint8)
    if interpretation == "YBR_FULL":
        data = np.dstack([grey, np.full_like(grey, 128), np.full_like(grey, 128)]).tobytes()
    else:
        pairs = grey.reshape(-1, 2)
        data = np.column_stack([pairs, np.full((len(pairs), 2), 128, np.uint8)]).tobytes()
    path = write(grey, data=data, PhotometricInterpretation=interpretation, SamplesPerPixel=3, PlanarConfiguration=0)
    film = read_film(path)
    np.testing.assert_array_equal(film.pixels, grey)
    assert codes(film) == []


def j2k(pixels: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="j2k"))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.5"])
def test_a_false_transfer_syntax_is_overruled_by_the_bytes(write, syntax):
    pixels = smooth().astype(np.uint16)
    film = read_film(write(pixels, coded=[j2k(pixels)], syntax=syntax, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert codes(film) == ["pixel_coding_contradictory"]


def test_bytes_after_the_end_marker_and_a_delimiter_that_is_missing(write):
    pixels = smooth().astype(np.uint16)
    path = write(pixels, coded=[j2k(pixels) + b"\0" * 300], syntax="1.2.840.10008.1.2.4.90", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_film(path).pixels, pixels)
    content = path.read_bytes()
    assert content[-8:-4] == b"\xfe\xff\xdd\xe0"
    path.write_bytes(content[:-8])
    np.testing.assert_array_equal(read_film(path).pixels, pixels)


def test_an_end_marker_that_is_missing_and_a_picture_that_is_cut(write):
    pixels = smooth(200, 160).astype(np.uint16)
    grey = (pixels // 16).astype(np.uint8)
    stream = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    whole = read_film(write(grey, coded=[stream], syntax="1.2.840.10008.1.2.4.50")).pixels
    ended = read_film(write(grey, coded=[stream[:-2]], syntax="1.2.840.10008.1.2.4.50")).pixels
    np.testing.assert_array_equal(whole, ended)
    with pytest.raises(FilmError, match="cut off"):
        read_film(write(grey, coded=[stream[: len(stream) * 2 // 3]], syntax="1.2.840.10008.1.2.4.50"))


@pytest.mark.parametrize("table", ["rubbish", "wrong", "none"])
def test_offset_tables_that_lead_nowhere(tmp_path, film_dataset, table):
    frames = [smooth(high=high).astype(np.uint16) for high in (4095, 2000, 3000)]
    streams = [j2k(frame) for frame in frames]
    dataset = film_dataset(frames[0], syntax="1.2.840.10008.1.2.4.90", BitsStored=12, HighBit=11, NumberOfFrames=3)
    # Two fragments a frame, so that they have to be told apart.
    halves = [part for stream in streams for part in (stream[:400], stream[400:] + b"\0" * (len(stream) % 2))]
    items = b"".join(b"\xfe\xff\x00\xe0" + len(half).to_bytes(4, "little") + half for half in halves)
    offsets = {"rubbish": b"\x99" * 12, "wrong": np.array([0, 1000, 2000], "<u4").tobytes(), "none": b""}[table]
    dataset.PixelData = b"\xfe\xff\x00\xe0" + len(offsets).to_bytes(4, "little") + offsets + items
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    for number, frame in enumerate(frames, start=1):
        np.testing.assert_array_equal(read_film(path, frame=number, invert=False).pixels, frame)


@pytest.mark.parametrize("sizes", [(40, 30), (41, 29)])
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_ICT", "YBR_RCT"])
@pytest.mark.parametrize(
    "syntax",
    ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"]
    + [f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91)],
)
def test_no_coding_ends_the_process(write, syntax, interpretation, sizes):
    """Every transfer syntax with every colour model and odd and even sizes, whatever the stream really holds."""
    grey = (smooth(*sizes) // 16).astype(np.uint8)
    stream = j2k(grey) if syntax[-2:] in ("90", "91") else cv2.imencode(".jpg", grey)[1].tobytes()
    samples = 1 if interpretation.startswith("MONO") else 3
    for coded in ([stream], [stream[:90]], [b"\1\0\0\0\x40\0\0\0" + bytes(56) + stream]):
        said = {"PhotometricInterpretation": interpretation, "SamplesPerPixel": samples}
        path = write(grey, coded=coded, syntax=syntax, **said)
        with contextlib.suppress(FilmError):
            assert read_film(path).shape == sizes
