"""Decode a TIFF picture with the depth it has."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.io.film_parts import Picture, check_size, damaged_film
from calcimeasure.io.resolution_tag import MM_AN_INCH, Resolution, resolution_from_density

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_MIN_IS_WHITE, _RGB, _PALETTE = 0, 2, 3
# None, deflate (both numbers) and PackBits: tifffile decodes these fast without help.
_DIRECT = {1, 8, 32946, 32773}
_UNIT_MM = {2: MM_AN_INCH, 3: 10.0}
_NAMED_UNIT_MM = {
    "inch": MM_AN_INCH, "in": MM_AN_INCH, "cm": 10.0, "mm": 1.0, "millimeter": 1.0,
    "um": 1e-3, "µm": 1e-3, "\\u00b5m": 1e-3, "micron": 1e-3, "microns": 1e-3,
}  # fmt: skip


def read_tiff(data: bytes, frame: int | None, where: str) -> Picture:
    """Decode one page of a TIFF file; `frame` counts pages from 1.

    Raises
    ------
    FilmError
        If the file is damaged, cut off, or holds several pages and none was named.
    DecoderError
        If no installed decoder reads its compression.
    """
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page, index, count = _choose_page(file, frame, where)
            check_size(page.imagelength, page.imagewidth, where)
            _check_complete(page, len(data), where)
            pixels, white_is_low = _decode(page, data, index, where)
            resolution = _resolution(file, page)
    except FilmError:
        raise
    except Exception as error:
        # tifffile lets many kinds of exception out on damaged files.
        raise damaged_film(f"the TIFF file is damaged ({type(error).__name__})", where) from error
    return Picture(pixels=pixels, white_is_low=white_is_low, frame=index if count > 1 else None, resolution=resolution)


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


def _decode(page: TiffPage, data: bytes, index: int, where: str) -> tuple[NDArray[Any], bool]:
    photometric = int(page.photometric)
    if page.dtype is None or page.dtype.kind == "b":
        raise FilmError("the picture is one of black and white bits", where=where, remedy="Give the film itself.")
    if int(page.compression) not in _DIRECT:
        return _decode_elsewhere(page, data, index, where)
    pixels = np.squeeze(page.asarray())
    if photometric == _PALETTE and page.colormap is not None:
        pixels = np.moveaxis(page.colormap[:, pixels], 0, 2)
    elif photometric == _RGB and pixels.ndim == 3 and int(page.planarconfig) == 2:
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, 0]
    if pixels.ndim not in (2, 3):
        raise FilmError(f"a page of shape {page.shape} is not one film", where=where, remedy="Export one picture.")
    return pixels, photometric == _MIN_IS_WHITE


def _decode_elsewhere(page: TiffPage, data: bytes, index: int, where: str) -> tuple[NDArray[Any], bool]:
    """Decode LZW, JPEG and others with the TIFF library in OpenCV, which keeps 16 bits in every channel."""
    decoded, pictures = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if not decoded or index >= len(pictures):
        raise DecoderError(
            f"the TIFF compression {_compression_name(page)} cannot be decoded",
            where=where,
            remedy="Save the picture without compression.",
        )
    pixels = np.asarray(pictures[index])
    if pixels.ndim == 3:
        pixels = pixels[:, :, 2::-1] if pixels.shape[2] >= 3 else pixels[:, :, 0]
    # OpenCV turns MinIsWhite round itself at 8 bits and leaves it alone at 16.
    return pixels, int(page.photometric) == _MIN_IS_WHITE and pixels.dtype != np.uint8


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
