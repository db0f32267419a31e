"""From a DICOM file's bytes to the stored values of one frame.

The header's claims are checked against the bytes before anything is allocated for them.
"""

from __future__ import annotations

import re
import struct
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.io import jpeg_stream
from calcimeasure.io.dicom_header import Header
from calcimeasure.io.film_parts import check_size, damaged_film, grey_from_colour

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
}
_RLE = "1.2.840.10008.1.2.5"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_USUAL = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}
# Beyond this many pixels a compressed film must show some bytes for them.
_LARGE_PIXELS = 50_000_000
_PIXELS_A_BYTE = 1000


def stored_values(header: Header, where: str) -> NDArray[Any]:
    """Return the stored values of the header's frame: shape (rows, columns), the overlay bits taken out.

    Raises
    ------
    FilmError
        If there are no pixels, too few for what the header claims, or they are damaged or coloured.
    DecoderError
        If no installed decoder reads their coding.
    """
    dataset = header.dataset
    rows, columns = header.integer("Rows") or 0, header.integer("Columns") or 0
    keyword = next((k for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if k in dataset), None)
    data = None if keyword is None else header.raw(keyword)
    if keyword is None or not isinstance(data, bytes) or not data:
        raise FilmError(
            "the file has a header but no picture (PixelData is missing)",
            where=where,
            remedy="Export the film again with its pixels.",
        )
    check_size(rows, columns, where)
    if keyword != "PixelData":
        kind = "<f4" if keyword == "FloatPixelData" else "<f8"
        return _native(header, data, np.dtype(kind), (rows, columns, 1), where)
    bits = header.integer("BitsAllocated") or 0
    if bits not in (8, 16, 32):
        raise FilmError(
            f"the pixels have {bits} bits (BitsAllocated), which no radiograph has",
            where=where,
            remedy="Give the film itself, not a mask or an overlay of it.",
        )
    syntax = transfer_syntax(dataset)
    if syntax in _NATIVE:
        samples = header.integer("SamplesPerPixel") or 1
        order = ">" if syntax == _BIG_ENDIAN else "<"
        pixels = _native(header, data, np.dtype(f"{order}u{bits // 8}"), (rows, columns, samples), where)
    else:
        pixels = _compressed(header, syntax, (rows, columns), where)
    if pixels.ndim == 3:
        return _one_channel(header, pixels, where)
    # JPEG streams hold the values themselves; only raw and run-length coded words have bits to spare around them.
    return _significant_bits(pixels, header, shifted=syntax in _NATIVE or syntax == _RLE)


def stored_range(header: Header) -> tuple[int, int]:
    """Return the smallest and largest value that the coding allows."""
    bits = header.integer("BitsStored") or header.integer("BitsAllocated") or 16
    if (header.integer("SamplesPerPixel") or 1) > 1:
        return (0, 2 ** (header.integer("BitsAllocated") or 8) - 1)
    if header.integer("PixelRepresentation") == 1:
        return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return (0, 2**bits - 1)


def transfer_syntax(dataset: Dataset) -> str:
    """Return the transfer syntax, worked out from the bytes where the file does not say or cannot be right."""
    meta = getattr(dataset, "file_meta", None)
    stated = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    encapsulated = bool(dataset["PixelData"].is_undefined_length)
    if stated and encapsulated != (stated in _NATIVE):
        return stated
    if encapsulated:
        return jpeg_stream.guess_syntax(_stream(Header(dataset), dataset.PixelData))
    if stated:
        return stated if stated in _NATIVE else "1.2.840.10008.1.2.1"
    _, little = dataset.original_encoding
    return _BIG_ENDIAN if little is False else "1.2.840.10008.1.2.1"


def _native(header: Header, data: bytes, kind: np.dtype[Any], shape: tuple[int, int, int], where: str) -> NDArray[Any]:
    rows, columns, samples = shape
    values = rows * columns * samples
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    needed = values * kind.itemsize * frames
    if len(data) < needed:
        size = f"{rows} x {columns} pixels need {needed} bytes and there are {len(data)}"
        raise damaged_film(f"the pixel data is cut off: {size}", where)
    pixels = np.frombuffer(data, dtype=kind, count=values, offset=header.frame * values * kind.itemsize)
    if kind.byteorder == ">":
        pixels = pixels.astype(kind.newbyteorder("="))
    if samples == 1:
        return pixels.reshape(rows, columns)
    if header.integer("PlanarConfiguration") == 1:
        return np.moveaxis(pixels.reshape(samples, rows, columns), 0, 2)
    return pixels.reshape(rows, columns, samples)


def _compressed(header: Header, syntax: str, shape: tuple[int, int], where: str) -> NDArray[Any]:
    from pydicom.uid import UID

    data = header.dataset.PixelData
    rows, columns = shape
    if rows * columns > max(_LARGE_PIXELS, _PIXELS_A_BYTE * len(data)):
        raise damaged_film(f"the file claims {rows} x {columns} pixels and holds {len(data)} bytes for them", where)
    stream = _stream(header, data)
    if not stream or jpeg_stream.is_cut_off(stream):
        raise damaged_film("the pixel data is cut off", where)
    found = jpeg_stream.frame_header(stream)
    if found is not None and (found.rows, found.columns) != shape:
        raise FilmError(
            f"Rows and Columns say {rows} x {columns} pixels and the coded picture has {found.rows} x {found.columns}",
            where=where,
            remedy="The file is damaged; export the film again.",
        )
    if syntax == jpeg_stream.JPEG_EXTENDED:
        pixels = jpeg_stream.decode_extended(stream, rows, columns)
        if pixels is not None:
            return pixels
    return _decode_with_pydicom(header, syntax, UID(syntax).name, where)


def _decode_with_pydicom(header: Header, syntax: str, name: str, where: str) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    # A damaged header may have anything in its place.
    readable = name if re.fullmatch(r"[0-9.]{1,64}", syntax) else "something that is no UID"
    coding = f"the pixels are coded as {readable} (TransferSyntaxUID{f' {syntax}' if readable == name else ''})"
    remedy = "Convert it to uncompressed or JPEG 2000 pixels; `calcimeasure doctor` lists what can be read."
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        raise DecoderError(f"{coding}, which no decoder is known for", where=where, remedy=remedy) from None
    if not decoder.is_available:
        raise DecoderError(f"{coding}, which no installed decoder reads", where=where, remedy=remedy)
    for keyword, usual in _USUAL.items():
        # Decoders insist on these; a film without them can only be of the usual kind.
        if header.raw(keyword) is None:
            setattr(header.dataset, keyword, usual)
    try:
        with jpeg_stream.silent_stderr() if syntax == _RLE else nullcontext():
            pixels, _ = decoder.as_array(header.dataset, index=header.frame, raw=False)
    except BaseException as error:
        # Each decoder lets out kinds of its own, which say what was tried and not what is wrong. The one for RLE is
        # written in Rust, whose panics are not even Exceptions.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DecoderError(
            f"{coding} and no installed decoder could make a picture of them", where=where, remedy=remedy
        ) from None
    return pixels


def _stream(header: Header, data: bytes) -> bytes:
    """Return the compressed stream of the header's frame."""
    from pydicom.encaps import get_frame

    dataset = header.dataset
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    try:
        return get_frame(
            data, header.frame, number_of_frames=frames, extended_offsets=offsets if all(offsets) else None
        )
    except (ValueError, EOFError, struct.error, IndexError):
        return b""


def _one_channel(header: Header, pixels: NDArray[Any], where: str) -> NDArray[Any]:
    if header.words("PhotometricInterpretation") == "PALETTE COLOR":
        raise FilmError("the pixels are coloured by a palette", where=where, remedy="Export the radiograph in grey.")
    return grey_from_colour(pixels[:, :, :3], where)


def _significant_bits(pixels: NDArray[Any], header: Header, *, shifted: bool) -> NDArray[Any]:
    """Take BitsStored bits below HighBit, with their sign: other bits may hold overlays or rubbish."""
    allocated = 8 * pixels.dtype.itemsize
    stored = min(header.integer("BitsStored") or allocated, allocated)
    high = header.integer("HighBit")
    translation = 0 if high is None or not shifted else max(high + 1 - stored, 0)
    unsigned = pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))
    signed = header.integer("PixelRepresentation") == 1
    if pixels.dtype.kind == "i" and stored == allocated:
        return pixels
    if translation:
        unsigned = unsigned >> translation
    if signed:
        spare = allocated - stored
        values = unsigned.view(np.dtype(f"i{pixels.dtype.itemsize}"))
        return values if spare == 0 else (values << spare) >> spare
    limit = 2**stored - 1
    if stored < allocated and int(unsigned.max()) > limit:
        unsigned = unsigned & np.array(limit, dtype=unsigned.dtype)
    return unsigned
