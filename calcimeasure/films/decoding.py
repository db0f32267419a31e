"""From a DICOM file's bytes to the stored values of one frame.

The header's claims are checked against the bytes before anything is allocated for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.films.header import Header
from calcimeasure.films.parts import check_size, grey_from_colour

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
}
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG_START = b"\xff\xd8"
_CODESTREAM_START = b"\xff\x4f\xff\x51"
_CODESTREAM_END = b"\xff\xd9"
# Beyond this many pixels a compressed film must show some bytes for them.
_LARGE_PIXELS = 50_000_000
_PIXELS_A_BYTE = 1000
_SYNTAX_OF_FRAME = {
    0xC0: "1.2.840.10008.1.2.4.50",
    0xC1: "1.2.840.10008.1.2.4.51",
    0xC3: "1.2.840.10008.1.2.4.70",
    0xF7: "1.2.840.10008.1.2.4.80",
}


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
    if keyword is None or not dataset[keyword].value:
        raise FilmError(
            "the file has a header but no picture (PixelData is missing)",
            where=where,
            remedy="Export the film again with its pixels.",
        )
    check_size(rows, columns, where)
    if keyword != "PixelData":
        kind = "<f4" if keyword == "FloatPixelData" else "<f8"
        return _native(header, dataset[keyword].value, np.dtype(kind), (rows, columns, 1), where)
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
        pixels = _native(header, dataset.PixelData, np.dtype(f"{order}u{bits // 8}"), (rows, columns, samples), where)
    else:
        pixels = _compressed(header, syntax, (rows, columns), where)
    if pixels.ndim == 3:
        return _one_channel(header, pixels, where)
    return _significant_bits(pixels, header)


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
        return _syntax_of_codestream(_first_frame(dataset.PixelData))
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
        raise FilmError(
            f"the pixel data is cut off: {rows} x {columns} pixels need {needed} bytes and there are {len(data)}",
            where=where,
            remedy="Copy or export the film again.",
        )
    pixels = np.frombuffer(data, dtype=kind, count=values, offset=header.frame * values * kind.itemsize)
    if kind.byteorder == ">":
        pixels = pixels.astype(kind.newbyteorder("="))
    if samples == 1:
        return pixels.reshape(rows, columns)
    if header.integer("PlanarConfiguration") == 1:
        return np.moveaxis(pixels.reshape(samples, rows, columns), 0, 2)
    return pixels.reshape(rows, columns, samples)


def _compressed(header: Header, syntax: str, shape: tuple[int, int], where: str) -> NDArray[Any]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    data = header.dataset.PixelData
    size = shape[0] * shape[1]
    if size > _LARGE_PIXELS and size > _PIXELS_A_BYTE * len(data):
        raise FilmError(
            f"the file claims {shape[0]} x {shape[1]} pixels and holds {len(data)} bytes for them",
            where=where,
            remedy="Copy or export the film again.",
        )
    name = UID(syntax).name
    cannot = DecoderError(
        f"the pixels are coded as {name} (transfer syntax {syntax}), which no installed decoder reads",
        where=where,
        remedy="Convert the file to an uncompressed or JPEG 2000 transfer syntax; `calcimeasure doctor` lists what can be read.",
    )
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError as error:
        raise cannot from error
    if not decoder.is_available:
        raise cannot
    try:
        pixels, _ = decoder.as_array(header.dataset, index=header.frame, raw=False)
    except Exception as error:
        raise cannot from error
    return pixels


def _one_channel(header: Header, pixels: NDArray[Any], where: str) -> NDArray[Any]:
    if header.words("PhotometricInterpretation") == "PALETTE COLOR":
        raise FilmError("the pixels are coloured by a palette", where=where, remedy="Export the radiograph in grey.")
    return grey_from_colour(pixels[:, :, :3], where)


def _significant_bits(pixels: NDArray[Any], header: Header) -> NDArray[Any]:
    """Take BitsStored bits below HighBit, with their sign: other bits may hold overlays or rubbish."""
    allocated = 8 * pixels.dtype.itemsize
    stored = min(header.integer("BitsStored") or allocated, allocated)
    high = header.integer("HighBit")
    shift = 0 if high is None else max(high + 1 - stored, 0)
    unsigned = pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))
    signed = header.integer("PixelRepresentation") == 1
    if pixels.dtype.kind == "i" and stored == allocated:
        return pixels
    if shift:
        unsigned = unsigned >> shift
    if signed:
        spare = allocated - stored
        values = unsigned.view(np.dtype(f"i{pixels.dtype.itemsize}"))
        return values if spare == 0 else (values << spare) >> spare
    limit = 2**stored - 1
    if stored < allocated and int(unsigned.max()) > limit:
        unsigned = unsigned & np.array(limit, dtype=unsigned.dtype)
    return unsigned


def _first_frame(data: bytes) -> bytes:
    from pydicom.encaps import generate_fragments

    fragments = generate_fragments(data)
    next(fragments, b"")
    return next(fragments, b"")


def _syntax_of_codestream(frame: bytes) -> str:
    if frame.startswith(_CODESTREAM_START):
        return "1.2.840.10008.1.2.4.91"
    if not frame.startswith(_JPEG_START):
        return "1.2.840.10008.1.2.5"
    position = 2
    while position + 4 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker in _SYNTAX_OF_FRAME:
            return _SYNTAX_OF_FRAME[marker]
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return "1.2.840.10008.1.2.4.50"
