"""Decode a TIFF picture with the depth it has."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.io.coded_stream import check_cost, frame_header
from calcimeasure.io.film_parts import Picture, check_size, damaged_film
from calcimeasure.io.picture_orientation import ORIENTATION_TAG, upright
from calcimeasure.io.resolution_tag import MM_AN_INCH, Resolution, resolution_from_density

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_MIN_IS_WHITE, _RGB, _PALETTE = 0, 2, 3
_BITS = {2, 3, 4, 32771}
# None, LZW, deflate (both numbers), PackBits, LZMA, Zstandard: decoded into a buffer of the size that the header gives.
_BOUNDED = {1, 5, 8, 32773, 32946, 34925, 50000}
# JPEG and JPEG 2000, which have a size of their own.
_PICTURES = {7, 33003, 33004, 33005, 34712}
_MOST_PAGES = 10_000
_UNIT_MM = {2: MM_AN_INCH, 3: 10.0}
_NAMED_UNIT_MM = {
    "inch": MM_AN_INCH, "in": MM_AN_INCH, "cm": 10.0, "mm": 1.0, "millimeter": 1.0,
    "um": 1e-3, "µm": 1e-3, "\\u00b5m": 1e-3, "micron": 1e-3, "microns": 1e-3,
}  # fmt: skip


def read_tiff(data: bytes, frame: int | None, where: str) -> Picture:
    """Decode one page of a TIFF file, as its orientation tag says; `frame` counts pages from 1.

    Raises
    ------
    FilmError
        If the file is damaged, cut off, or holds several pages and none was named.
    DecoderError
        If no decoder reads its compression.
    """
    import tifffile

    check_directories(data, where)
    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page, index, count = _choose_page(file, frame, where)
            check_page(page, data, where)
            pixels = _decode(page, where)
            resolution = _resolution(file, page)
            orientation = page.tags.get(ORIENTATION_TAG)
    except FilmError:
        raise
    except Exception as error:
        # tifffile lets many kinds of exception out on damaged files.
        raise damaged_film(f"the TIFF file is damaged ({type(error).__name__})", where) from error
    white_is_low = int(page.photometric) == _MIN_IS_WHITE
    picture = Picture(
        pixels=pixels, white_is_low=white_is_low, frame=index if count > 1 else None, resolution=resolution
    )
    return upright(picture, None if orientation is None else orientation.value)


def check_directories(data: bytes, where: str) -> None:
    """Refuse a file whose directories lead back to one another: tifffile would follow them without end."""
    order: Literal["little", "big"] = "big" if data[:2] == b"MM" else "little"
    big = int.from_bytes(data[2:4], order) == 43
    start, count_bytes, entry_bytes, offset_bytes = (8, 8, 20, 8) if big else (4, 2, 12, 4)
    offset = int.from_bytes(data[start : start + offset_bytes], order)
    seen: set[int] = set()
    while 0 < offset < len(data):
        if offset in seen or len(seen) >= _MOST_PAGES:
            raise damaged_film("the directories of the TIFF file lead back to one another", where)
        seen.add(offset)
        entries = int.from_bytes(data[offset : offset + count_bytes], order)
        following = offset + count_bytes + entries * entry_bytes
        offset = int.from_bytes(data[following : following + offset_bytes], order)


def check_page(page: TiffPage, data: bytes, where: str) -> None:
    """Refuse a page that is larger than any film, ends before its pixels do, or cannot be decoded within bounds."""
    size = -(-max(page.bitspersample, 8) // 8) * page.samplesperpixel
    compression = int(page.compression)
    check_size(
        page.imagelength,
        page.imagewidth,
        where,
        bytes_a_pixel=size,
        coded_bytes=None if compression == 1 else len(data),
    )
    if compression not in _BOUNDED | _PICTURES | _BITS:
        raise DecoderError(
            f"the TIFF compression {_compression_name(page)} is not read",
            where=where,
            remedy="Save the picture without compression.",
        )
    _check_complete(page, len(data), where)
    part = page.chunks[:2] if len(page.chunks) >= 2 else (page.imagelength, page.imagewidth)
    # A tile may reach beyond the picture, but not by much more than itself.
    check_size(max(part[0], 2), max(part[1], 2), where, bytes_a_pixel=size)
    if compression in _PICTURES:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            _check_coded_part(data[offset : offset + count], (part[0], part[1]), where)


def _check_coded_part(stream: bytes, part: tuple[int, int], where: str) -> None:
    found = frame_header(stream)
    if found is not None and (found.rows > part[0] or found.columns > part[1]):
        raise damaged_film("a part of the TIFF file is larger than its header says", where)
    if (cost := check_cost(stream)) is not None:
        raise damaged_film(cost, where)


def _choose_page(file: TiffFile, frame: int | None, where: str) -> tuple[TiffPage, int, int]:
    from tifffile import TiffPage

    pages = [page for page in file.pages if isinstance(page, TiffPage) and not page.is_reduced]
    if not pages:
        raise damaged_film("the TIFF file holds no page", where)
    if frame is None and len(pages) > 1:
        remedy = f"Name one with --frame, from 1 to {len(pages)}."
        raise FilmError(f"the file holds {len(pages)} pages", where=where, remedy=remedy)
    if frame is not None and frame > len(pages):
        remedy = f"Name one from 1 to {len(pages)}."
        raise FilmError(f"page {frame} was asked for and the file holds {len(pages)}", where=where, remedy=remedy)
    page = pages[(frame or 1) - 1]
    return page, page.index, len(pages)


def _check_complete(page: TiffPage, size: int, where: str) -> None:
    """Refuse a file that ends before its pixels do: decoders fill up with zeros without a word."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    held = sum(page.databytecounts)
    needed = (page.imagelength * page.imagewidth * page.samplesperpixel * page.bitspersample + 7) // 8
    if not ends or max(ends) > size or (int(page.compression) == 1 and held < needed):
        raise damaged_film("the pixel data is cut off", where)


def _decode(page: TiffPage, where: str) -> NDArray[Any]:
    photometric = int(page.photometric)
    if page.dtype is None or page.dtype.kind == "b" or int(page.compression) in _BITS:
        raise FilmError("the picture is one of black and white bits", where=where, remedy="Give the film itself.")
    try:
        pixels = np.squeeze(page.asarray(maxworkers=1))
    except (NotImplementedError, ValueError, RuntimeError) as error:
        # What the codecs raise on damage is a RuntimeError of theirs.
        raise damaged_film(
            f"its pixels ({_compression_name(page)}) cannot be decoded ({type(error).__name__})", where
        ) from error
    if photometric == _PALETTE and page.colormap is not None:
        pixels = np.moveaxis(page.colormap[:, pixels], 0, 2)
    elif photometric == _RGB and pixels.ndim == 3 and int(page.planarconfig) == 2:
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, 0]
    if pixels.ndim not in (2, 3):
        raise FilmError(f"a page of shape {page.shape} is not one film", where=where, remedy="Export one picture.")
    return pixels


def _compression_name(page: TiffPage) -> str:
    return str(getattr(page.compression, "name", page.compression))


def _resolution(file: TiffFile, page: TiffPage) -> Resolution | None:
    x_tag, y_tag = page.tags.get("XResolution"), page.tags.get("YResolution")
    if x_tag is None or y_tag is None:
        return None
    x_density, y_density = _ratio(x_tag.value), _ratio(y_tag.value)
    if file.is_imagej:
        named = str((file.imagej_metadata or {}).get("unit", "")).lower()
        return resolution_from_density(x_density, y_density, _NAMED_UNIT_MM.get(named), f"ImageJ's scale ({named})")
    unit = page.tags.get("ResolutionUnit")
    unit_mm = _UNIT_MM.get(int(unit.value) if unit is not None else 2)
    return resolution_from_density(x_density, y_density, unit_mm, "the TIFF resolution tag")


def _ratio(value: Any) -> float:
    numerator, denominator = value
    return float(numerator) / float(denominator) if denominator else 0.0
