"""Files that would take more memory or time than any film are refused at once, through whichever door they come."""

from __future__ import annotations

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from calcimeasure.errors import CalciMeasureError, FilmError, LabelsError
from calcimeasure.export.dicom.deidentification import deidentify
from calcimeasure.export.dicom.describe_object import describe_object
from calcimeasure.io import film_from_array, read_film
from calcimeasure.io.dicom_seg import is_segmentation
from calcimeasure.io.label_images import read_labels
from calcimeasure.study.header_scan import read_header

MOST_S = 20.0


@pytest.fixture(autouse=True)
def _soon():
    start = time.process_time()
    yield
    assert time.process_time() - start < MOST_S


def directories(links: list[int]) -> bytes:
    """A TIFF whose directory n is followed by that of number links[n]; each has one entry."""
    size = 2 + 12 + 4
    starts = [8 + number * size for number in range(len(links))]
    body = b"".join(struct.pack("<HHHIII", 1, 254, 4, 1, 0, starts[link] if link >= 0 else 0) for link in links)
    return b"II*\0" + struct.pack("<I", 8) + body


@pytest.mark.parametrize("links", [[0], [1, 0], [1, 2, 3, 1]])
def test_directories_that_point_at_one_another(tmp_path, links):
    path = tmp_path / "film.tif"
    path.write_bytes(directories(links))
    with pytest.raises(FilmError, match="lead back"):
        read_film(path)
    with pytest.raises(LabelsError, match="lead back"):
        read_labels(path, film_from_array(np.eye(40), invert=False))


@pytest.mark.parametrize("place", ["early", "late", "without a length", "with a false length"])
def test_deflated_bombs_through_every_door(tmp_path, film_dataset, ramp, place):
    dataset = film_dataset(ramp(), syntax=DeflatedExplicitVRLittleEndian)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    content = buffer.getvalue()
    length = int.from_bytes(content[140:144], "little")
    meta = content[144 : 144 + length]
    if place == "late":
        meta = b"\2\0\x16\0AE" + struct.pack("<H", 2000) + b"A" * 2000 + meta
    head = content[:132]
    if place != "without a length":
        stated = 2**31 if place == "with a false length" else len(meta)
        head += content[132:140] + struct.pack("<I", stated)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(6)) + packer.flush()
    path = tmp_path / "bomb.dcm"
    path.write_bytes(head + meta + bomb)
    for opened in (read_film, describe_object, lambda file: deidentify(file, bytes(32))):
        with pytest.raises(CalciMeasureError, match="larger than any film"):
            opened(path)
    assert "larger than any film" in read_header(path).problem
    assert not is_segmentation(path)


def test_a_header_of_millions_of_items(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp())
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    content = path.read_bytes()
    start = content.index(b"\x00\x52\x29\x92SQ")
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 3_000_000
    end = content.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(
        content[:start] + content[start : start + 8] + struct.pack("<I", len(items)) + items + content[end:]
    )
    with pytest.raises(FilmError, match="more items"):
        read_film(path)


def test_a_header_of_a_million_elements(tmp_path, film_dataset, ramp):
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, film_dataset(ramp()), enforce_file_format=True)
    content = path.read_bytes()
    end = content.index(b"\xe0\x7f\x10\x00")
    numbers = np.arange(1_000_000)
    elements = np.zeros((1_000_000, 8), np.uint8)
    elements[:, 0], elements[:, 1] = 0x11 + 2 * (numbers >> 16), 0x60
    elements[:, 2], elements[:, 3], elements[:, 4:6] = numbers & 255, numbers >> 8 & 255, (0x4C, 0x4F)
    path.write_bytes(content[:end] + elements.tobytes() + content[end:])
    with pytest.raises(FilmError, match="more elements"):
        read_film(path)


def png_header(rows: int, columns: int, depth: int, colour: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("rows", "columns", "depth", "colour"), [(12000, 12000, 16, 6), (40000, 40000, 8, 0)])
def test_pictures_larger_than_memory(tmp_path, rows, columns, depth, colour):
    path = tmp_path / "film.png"
    path.write_bytes(png_header(rows, columns, depth, colour))
    with pytest.raises(FilmError, match="any film"):
        read_film(path)


def test_a_float_tiff_larger_than_memory(tmp_path):
    path = tmp_path / "film.tif"
    small = io.BytesIO()
    tifffile.imwrite(small, np.zeros((32, 32)), photometric="minisblack", compression="zlib", metadata=None)
    content = small.getvalue()
    for tag in (256, 257, 278):
        at = content.find(struct.pack("<HH", tag, 3))
        kind = 3 if at >= 0 else 4
        at = at if at >= 0 else content.find(struct.pack("<HH", tag, 4))
        value = struct.pack("<H", 11000) if kind == 3 else struct.pack("<I", 11000)
        content = content[: at + 8] + value + content[at + 8 + len(value) :]
    path.write_bytes(content)
    with pytest.raises(FilmError, match=r"more than any film|cut off|holds"):
        read_film(path)


def test_a_strip_that_inflates_without_end(tmp_path):
    path = tmp_path / "film.tif"
    made = io.BytesIO()
    tifffile.imwrite(made, np.zeros((200, 200), np.uint16), photometric="minisblack", compression="zlib", metadata=None)
    with tifffile.TiffFile(io.BytesIO(made.getvalue())) as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = made.getvalue()
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(4)) + packer.flush()
    at = content.find(struct.pack("<HHI", 279, 4, 1)) + 8
    assert at > 8
    content = content[:at] + struct.pack("<I", len(bomb)) + content[at + 4 :]
    at = content.find(struct.pack("<HHI", 273, 4, 1)) + 8
    content = content[:at] + struct.pack("<I", len(content)) + content[at + 4 :]
    path.write_bytes(content + bomb)
    assert count < offset + count
    with pytest.raises(FilmError):
        read_film(path)


def test_a_jpeg_of_thousands_of_scans(tmp_path):
    picture = np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    at = coded.rindex(b"\xff\xda")
    path = tmp_path / "film.jpg"
    path.write_bytes(coded[:at] + coded[at:-2] * 3000 + b"\xff\xd9")
    with pytest.raises(FilmError, match="scans"):
        read_film(path)


def test_labels_that_are_damaged(tmp_path):
    film = film_from_array(np.eye(64), invert=False)
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, np.eye(64, dtype=np.uint16), photometric="minisblack", compression="zlib")
    content = path.read_bytes()
    for cut in (len(content) // 3, len(content) - 20):
        path.write_bytes(content[:cut])
        with pytest.raises(LabelsError):
            read_labels(path, film)
