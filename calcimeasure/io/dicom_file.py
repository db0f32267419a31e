"""The one way in for DICOM files of any kind: parsed within bounds of bytes, elements and items.

pydicom inflates a deflated file whole, builds every item that a header claims, and drops a picture whose end is
missing. Here the bounds come first, and the pixel data is cut out of the bytes as they are.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from calcimeasure.errors import CalciMeasureError, FilmError
from calcimeasure.io.film_parts import MAX_FILE_BYTES, damaged_film
from calcimeasure.io.pixel_fragments import end_of_fragments

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.tag import BaseTag

_DEFLATED = "1.2.840.10008.1.2.1.99"
_INFLATED_BYTES = 64 * 1024**2
_INFLATED_RATIO = 50
_ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0"
_MOST_ITEMS = 100_000
_MOST_READS = 500_000
_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")


class _TooManyReadsError(Exception):
    """A header has more elements than any film's."""


class _BoundedBytes(BytesIO):
    """Bytes that pydicom may read from a bounded number of times; each element costs at least one."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and count."""
        self.reads += 1
        if self.reads > _MOST_READS:
            raise _TooManyReadsError
        return super().read(size)


def read_file_bytes(path: Path) -> bytes:
    """Return the bytes of a file that may hold a film.

    Raises
    ------
    FilmError
        When it is missing, no file, empty, too large, or cannot be opened.
    """
    where = str(path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise FilmError("this is a folder", where=where, remedy="Name one file in it.")
        if not path.is_file():
            raise FilmError("this is not a file", where=where, remedy="Name a file.")
        if size > MAX_FILE_BYTES:
            limit = f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB"
            raise FilmError(limit, where=where, remedy="Export the film alone.")
        data = path.read_bytes()
    except (FileNotFoundError, ValueError) as error:
        # A name with a null byte is a ValueError.
        raise FilmError("there is no such file", where=where, remedy="Check the path.") from error
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise FilmError(f"the file cannot be opened: {reason}", where=where, remedy="Check the file.") from error
    if not data:
        raise damaged_film("the file is empty", where)
    return data


def read_dicom_file(path: Path, *, pixels: bool = True) -> FileDataset:
    """Return the DICOM object in a file; parameters and errors as in `parse_dicom`."""
    return parse_dicom(read_file_bytes(path), str(path), pixels=pixels)


def parse_dicom(data: bytes, where: str, *, pixels: bool = True) -> FileDataset:
    """Return the DICOM object in the bytes of a file, with or without file meta header; call it within `discreet`.

    Parameters
    ----------
    data
        The file. A deflated one is inflated; the object is then one in explicit VR little endian.
    where
        The file, for messages.
    pixels
        Whether the pixel data, and what follows it, is returned too.

    Raises
    ------
    FilmError
        When the header is damaged, or the file would take more memory or time than any film.
    """
    try:
        meta, source = _opened(data, where)
        _check_items(source.getvalue(), where)
        return _parsed(source, meta, pixels=pixels)
    except CalciMeasureError:
        raise
    except _TooManyReadsError:
        raise _too_much("its header has more elements than any film's", where) from None
    except RecursionError:
        raise damaged_film("the DICOM header is damaged: its sequences are nested without end", where) from None
    except Exception as error:
        # pydicom lets many kinds of exception out on damaged files, with header text in some of them.
        raise damaged_film(f"the DICOM header is damaged ({type(error).__name__})", where) from None


def _too_much(problem: str, where: str) -> FilmError:
    return FilmError(problem, where=where, remedy="Export the film again.")


def _opened(data: bytes, where: str) -> tuple[FileMetaDataset | None, _BoundedBytes]:
    """Return what to parse; with the file meta header where the rest was deflated, at whose end it then stands."""
    from pydicom.filereader import _read_file_meta_info, read_preamble

    source = _BoundedBytes(data)
    read_preamble(source, force=True)
    meta = _read_file_meta_info(source)
    if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
        source.seek(0)
        return None, source
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    most = min(max(_INFLATED_BYTES, _INFLATED_RATIO * len(data)), MAX_FILE_BYTES)
    try:
        inflated = inflater.decompress(data[source.tell() :], most)
    except zlib.error:
        raise damaged_film("the deflated data is damaged", where) from None
    if inflater.unconsumed_tail:
        raise _too_much("the deflated data is larger than any film", where)
    return meta, _BoundedBytes(inflated)


def _check_items(data: bytes, where: str) -> None:
    if max(data.count(tag) for tag in _ITEM_TAGS) > _MOST_ITEMS:
        raise _too_much("its sequences have more items than any film's", where)


def _parsed(source: _BoundedBytes, meta: FileMetaDataset | None, *, pixels: bool) -> FileDataset:
    from pydicom.dataset import FileDataset
    from pydicom.filereader import read_dataset, read_partial
    from pydicom.uid import ExplicitVRLittleEndian

    stop: list[tuple[int, str | None, int]] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if int(tag) in _PIXEL_TAGS:
            stop.append((int(tag), vr, length))
            return True
        return False

    if meta is None:
        dataset = read_partial(source, at_pixels, force=True)
    else:
        inner = read_dataset(source, is_implicit_VR=False, is_little_endian=True, stop_when=at_pixels)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", inner, b"\0" * 128, meta, is_implicit_VR=False, is_little_endian=True)
        dataset.set_original_encoding(False, True, inner.original_character_set)
    if stop and pixels:
        _add_pixels(dataset, source, stop[-1])
    return dataset


def _add_pixels(dataset: FileDataset, source: _BoundedBytes, element: tuple[int, str | None, int]) -> None:
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import BaseTag

    tag, vr, length = element
    implicit, little = dataset.original_encoding
    start = source.tell() + (12 if not implicit and vr in _LONG_VRS else 8)
    data = source.getvalue()
    end = end_of_fragments(data, start) if length == _UNDEFINED else min(start + length, len(data))
    value, rest = data[start:end], end
    if data[end : end + 4] == _END_OF_SEQUENCE:
        rest = end + 8
    dataset[tag] = RawDataElement(BaseTag(tag), vr, length, value, start, bool(implicit), bool(little))
    following = _following(data[rest:], implicit=bool(implicit), little=bool(little))
    for found in following or ():
        if int(found.tag) > tag:
            dataset[found.tag] = found


def _following(data: bytes, *, implicit: bool, little: bool) -> Dataset | None:
    """Return the elements after the pixel data; None for bytes that are none."""
    from pydicom.filereader import read_dataset

    try:
        return read_dataset(_BoundedBytes(data), is_implicit_VR=implicit, is_little_endian=little)
    except Exception:
        # What follows the picture is no part of it: rubbish there leaves the film as good as it was.
        return None
