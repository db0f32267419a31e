"""From a DICOM file's bytes to the stored values of one frame.

The header's claims are checked against the bytes before anything is allocated for them. Where the transfer syntax
contradicts the bytes, the bytes are believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.io import coded_stream
from calcimeasure.io.coded_stream import StreamKind, stream_kind
from calcimeasure.io.colour_spaces import palette_to_rgb, ybr_to_rgb
from calcimeasure.io.dicom_header import Header
from calcimeasure.io.film_colour import grey_from_colour
from calcimeasure.io.film_parts import check_size, damaged_film, value_range
from calcimeasure.io.pixel_fragments import begins_with_item, frame_stream, last_fragment_is_short
from calcimeasure.io.stored_bits import header_reading, read_decoded, read_native
from calcimeasure.notices import Notice, NoticeCode

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
}
_LITTLE_ENDIAN, _BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_RLE = "1.2.840.10008.1.2.5"
_SYNTAXES = {
    StreamKind.JPEG: re.compile(r"1\.2\.840\.10008\.1\.2\.4\.(5|6|70$)"),
    StreamKind.JPEG_LS: re.compile(r"1\.2\.840\.10008\.1\.2\.4\.8"),
    StreamKind.JPEG_2000: re.compile(r"1\.2\.840\.10008\.1\.2\.4\.(9|20)"),
    StreamKind.RLE: re.compile(re.escape(_RLE)),
}
_LOSSLESS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", _RLE)
_REMEDY = "Convert it to uncompressed or JPEG 2000 pixels; `calcimeasure doctor` lists what can be read."


@dataclass(frozen=True, kw_only=True)
class StoredPixels:
    """Stored values of one frame, shape (rows, columns), their limits, and where coloured marks hide the film."""

    values: NDArray[Any]
    limits: tuple[float, float]
    marks: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class DecodedFrame:
    """A frame as it is stored, before its bits are read: shape (rows, columns), or with samples as a third axis.

    `coding` is None for pixels that were not coded; `is_ybr` is None where PhotometricInterpretation decides.
    """

    pixels: NDArray[Any]
    coding: StreamKind | None = None
    lossy: bool = False
    is_ybr: bool | None = None


def stored_values(header: Header, where: str, notes: list[Notice]) -> StoredPixels:
    """Return the stored values of the header's frame, the overlay bits taken out; contradictions go to the notes.

    Raises
    ------
    FilmError
        If there are no pixels, too few for what the header claims, or they are damaged or a photograph's.
    DecoderError
        If no decoder reads their coding.
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
    if keyword != "PixelData":
        kind = np.dtype("<f4" if keyword == "FloatPixelData" else "<f8")
        check_size(rows, columns, where, bytes_a_pixel=kind.itemsize)
        values = _native(header, data, kind, (rows, columns, 1), where)
        return StoredPixels(values=values, limits=value_range(values))
    return _grey(header, decode_frame(header, where, notes), where, notes)


def decode_frame(header: Header, where: str, notes: list[Notice]) -> DecodedFrame:
    """Return the header's frame of PixelData; errors as in `stored_values`."""
    dataset = header.dataset
    rows, columns = header.integer("Rows") or 0, header.integer("Columns") or 0
    data = header.raw("PixelData")
    if not isinstance(data, bytes) or not data:
        raise damaged_film("there is no pixel data that can be read", where)
    _check_depth(header, where)
    samples = header.integer("SamplesPerPixel") or 1
    bits = header.integer("BitsAllocated") or 8
    check_size(rows, columns, where, bytes_a_pixel=-(-samples * bits // 8))
    if is_coded(dataset, _native_bytes(header, (rows, columns))):
        return _compressed(header, (rows, columns), where, notes)
    return DecodedFrame(pixels=_uncompressed(header, data, (rows, columns), where))


def _check_depth(header: Header, where: str) -> None:
    bits = header.integer("BitsAllocated") or 0
    if bits not in (8, 12, 16, 32):
        raise FilmError(
            f"the pixels have {bits} bits (BitsAllocated), which no radiograph has",
            where=where,
            remedy="Give the film itself, not a mask or an overlay of it.",
        )


def is_coded(dataset: Dataset, native_bytes: int) -> bool:
    """Return whether pixel data is compressed, by its bytes; `native_bytes` is its size if it is not."""
    element = dataset["PixelData"]
    if element.is_undefined_length:
        return True
    data = element.value
    if len(data) in (native_bytes, native_bytes + 1):
        return False
    return begins_with_item(data) or (len(data) < native_bytes and stream_kind(data) is not StreamKind.UNKNOWN)


def _native_bytes(header: Header, shape: tuple[int, int]) -> int:
    samples = 2 if _is_subsampled(header) else header.integer("SamplesPerPixel") or 1
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    return -(-shape[0] * shape[1] * samples * (header.integer("BitsAllocated") or 8) // 8) * frames


def transfer_syntax(dataset: Dataset) -> str:
    """Return the transfer syntax, worked out from the bytes where the file does not say or cannot be right."""
    header = Header(dataset)
    meta = getattr(dataset, "file_meta", None)
    stated = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    if not is_coded(dataset, _native_bytes(header, (header.integer("Rows") or 0, header.integer("Columns") or 0))):
        if stated in _NATIVE:
            return stated
        return _BIG_ENDIAN if dataset.original_encoding[1] is False else _LITTLE_ENDIAN
    stream = frame_stream(dataset.PixelData, 0, max(header.integer("NumberOfFrames") or 1, 1))
    kind = stream_kind(stream)
    if kind is StreamKind.UNKNOWN or _SYNTAXES[kind].match(stated):
        return stated
    return coded_stream.guess_syntax(stream)


def _grey(header: Header, decoded: DecodedFrame, where: str, notes: list[Notice]) -> StoredPixels:
    """Return the grey values of a decoded picture."""
    pixels, interpretation = decoded.pixels, header.words("PhotometricInterpretation") or ""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3:
        luma = None
        pixels = pixels[:, :, :3]
        if pixels.shape[2] < 3:
            pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
        elif interpretation.startswith("YBR") if decoded.is_ybr is None else decoded.is_ybr:
            luma = np.ascontiguousarray(pixels[:, :, 0])
            pixels = ybr_to_rgb(pixels)
        grey = grey_from_colour(pixels, where)
        notes.extend(grey.notices)
        values = grey.pixels if luma is None else luma
        return StoredPixels(values=values, limits=value_range(values), marks=grey.marks)
    stated = header_reading(header, where, shifted=decoded.coding is None)
    if decoded.coding is None:
        values, limits = read_native(pixels, stated, notes)
    else:
        values, limits = read_decoded(pixels, stated, notes, lossy=decoded.lossy)
    if interpretation != "PALETTE COLOR":
        return StoredPixels(values=values, limits=limits)
    grey = grey_from_colour(palette_to_rgb(values, header, limits, where), where)
    notes.extend(grey.notices)
    return StoredPixels(values=grey.pixels, limits=value_range(grey.pixels), marks=grey.marks)


def _uncompressed(header: Header, data: bytes, shape: tuple[int, int], where: str) -> NDArray[Any]:
    bits, samples = header.integer("BitsAllocated") or 8, header.integer("SamplesPerPixel") or 1
    little = header.dataset.original_encoding[1] is not False
    if bits == 12:
        return _packed_12_bits(header, data, shape, where)
    if bits == 8 and not little and header.dataset["PixelData"].VR == "OW":
        # Words of two pixels, whose bytes are in the order of the words.
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    if samples == 3 and _is_subsampled(header) and len(data) < shape[0] * shape[1] * 3:
        return _subsampled(header, data, shape, where)
    return _native(header, data, np.dtype(f"{'<' if little else '>'}u{bits // 8}"), (*shape, samples), where)


def _native(header: Header, data: bytes, kind: np.dtype[Any], shape: tuple[int, int, int], where: str) -> NDArray[Any]:
    rows, columns, samples = shape
    values = rows * columns * samples
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    _check_length(len(data), values * kind.itemsize * frames, (rows, columns), where)
    pixels = np.frombuffer(data, dtype=kind, count=values, offset=header.frame * values * kind.itemsize)
    if kind.byteorder == ">":
        pixels = pixels.astype(kind.newbyteorder("="))
    if samples == 1:
        return pixels.reshape(rows, columns)
    if header.integer("PlanarConfiguration") == 1:
        return np.moveaxis(pixels.reshape(samples, rows, columns), 0, 2)
    return pixels.reshape(rows, columns, samples)


def _check_length(held: int, needed: int, shape: tuple[int, int], where: str) -> None:
    if held < needed:
        size = f"{shape[0]} x {shape[1]} pixels need {needed} bytes and there are {held}"
        raise damaged_film(f"the pixel data is cut off: {size}", where)


def _packed_12_bits(header: Header, data: bytes, shape: tuple[int, int], where: str) -> NDArray[np.uint16]:
    """Return pixels of 12 bits without gaps between them: two in three bytes, the lower bits first (PS3.5 8.1.1)."""
    pixels = shape[0] * shape[1]
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    _check_length(len(data), -(-pixels * 3 * frames // 2), shape, where)
    first = header.frame * pixels
    packed = np.frombuffer(data, np.uint8, offset=first // 2 * 3)
    trios = packed[: -(-(pixels + first % 2) // 2) * 3]
    trios = np.pad(trios, (0, -trios.size % 3)).reshape(-1, 3).astype(np.uint16)
    both = np.empty((trios.shape[0], 2), np.uint16)
    both[:, 0] = trios[:, 0] | (trios[:, 1] & 0x0F) << 8
    both[:, 1] = trios[:, 1] >> 4 | trios[:, 2] << 4
    return both.ravel()[first % 2 : first % 2 + pixels].reshape(shape)


def _is_subsampled(header: Header) -> bool:
    return header.words("PhotometricInterpretation") == "YBR_FULL_422" and header.integer("SamplesPerPixel") == 3


def _subsampled(header: Header, data: bytes, shape: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """Return YBR_FULL_422: two luminances, then the two colours that both share (PS3.3 C.7.6.3.1.2)."""
    values = shape[0] * shape[1] * 2
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    _check_length(len(data), values * frames, shape, where)
    pairs = np.frombuffer(data, np.uint8, count=values // 4 * 4, offset=header.frame * values).reshape(-1, 4)
    pixels = np.full((shape[0] * shape[1], 3), 128, np.uint8)
    for place in range(2):
        pixels[place : 2 * len(pairs) : 2, 0] = pairs[:, place]
        pixels[place : 2 * len(pairs) : 2, 1:] = pairs[:, 2:]
    return pixels.reshape(*shape, 3)


def _compressed(header: Header, shape: tuple[int, int], where: str, notes: list[Notice]) -> DecodedFrame:
    data = header.dataset.PixelData
    frames = max(header.integer("NumberOfFrames") or 1, 1)
    stream = frame_stream(data, header.frame, frames)
    kind = stream_kind(stream)
    coding = _coding_name(header, kind)
    if not stream or (kind is StreamKind.RLE and last_fragment_is_short(data)):
        raise damaged_film("the pixel data is cut off", where)
    if kind is StreamKind.UNKNOWN:
        raise DecoderError(f"{coding}, which no decoder is known for", where=where, remedy=_REMEDY)
    check_size(*shape, where, coded_bytes=len(stream))
    if kind is not StreamKind.RLE:
        _check_stream(stream, shape, coding, where)
    try:
        decoded = _decoded(header, stream, kind, shape)
    except Exception as error:
        # Each decoder lets out kinds of its own, which say what was tried and not what is wrong.
        raise DecoderError(
            f"{coding} and no decoder could make a picture of them", where=where, remedy=_REMEDY
        ) from error
    if decoded.pixels.shape[:2] != shape:
        raise DecoderError(f"{coding} and make a picture of another size", where=where, remedy=_REMEDY)
    _note_contradictions(header, decoded, notes)
    return decoded


def _check_stream(stream: bytes, shape: tuple[int, int], coding: str, where: str) -> None:
    found = coded_stream.frame_header(stream)
    if found is None:
        raise DecoderError(f"{coding} and no decoder could make a picture of them", where=where, remedy=_REMEDY)
    if (found.rows, found.columns) != shape:
        raise FilmError(
            f"Rows and Columns say {shape[0]} x {shape[1]} pixels and the coded picture has "
            f"{found.rows} x {found.columns}",
            where=where,
            remedy="The file is damaged; export the film again.",
        )
    check_size(*shape, where, bytes_a_pixel=max(found.components, 1) * (1 if found.precision <= 8 else 2))
    if (cost := coded_stream.check_cost(stream)) is not None:
        raise damaged_film(cost, where)
    if coded_stream.is_cut_off(stream):
        raise damaged_film("the pixel data is cut off", where)


def _decoded(header: Header, stream: bytes, kind: StreamKind, shape: tuple[int, int]) -> DecodedFrame:
    if kind is StreamKind.RLE:
        samples, bits = header.integer("SamplesPerPixel") or 1, header.integer("BitsAllocated") or 8
        size = np.dtype(f"<u{max(bits // 8, 1)}")
        return DecodedFrame(pixels=coded_stream.decode_rle(stream, (*shape, samples), size), coding=kind)
    pixels = coded_stream.decode(_ended(stream), is_rgb=header.words("PhotometricInterpretation") == "RGB")
    # JPEG's decoder, and JPEG 2000's where the stream names the transform, give red, green and blue.
    done = kind is StreamKind.JPEG or (kind is StreamKind.JPEG_2000 and _has_transform(stream))
    return DecodedFrame(pixels=pixels, coding=kind, lossy=_is_lossy(header, stream), is_ybr=False if done else None)


def _ended(stream: bytes) -> bytes:
    stream = coded_stream.without_padding(stream)
    return stream if stream.endswith(b"\xff\xd9") else stream + b"\xff\xd9"


def _has_transform(stream: bytes) -> bool:
    """Return whether JPEG 2000 components were transformed from red, green and blue (ITU-T T.800, A.6.1)."""
    style = stream.find(b"\xff\x52")
    return style >= 0 and stream[style + 8 : style + 9] == b"\1"


def _is_lossy(header: Header, stream: bytes) -> bool:
    found = coded_stream.frame_header(stream)
    if stream_kind(stream) is StreamKind.JPEG:
        return found is None or found.marker not in coded_stream.LOSSLESS_MARKERS
    return transfer_syntax(header.dataset) not in _LOSSLESS


def _coding_name(header: Header, kind: StreamKind) -> str:
    from pydicom.uid import UID

    meta = getattr(header.dataset, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    # A damaged header may have anything in its place.
    if not re.fullmatch(r"[0-9.]{1,64}", syntax):
        return f"the pixels are coded as {'something unknown' if kind is StreamKind.UNKNOWN else kind}"
    return f"the pixels are coded as {UID(syntax).name} (TransferSyntaxUID {syntax})"


def _note_contradictions(header: Header, decoded: DecodedFrame, notes: list[Notice]) -> None:
    """Report where transfer syntax and number of samples contradict the bytes, which were believed."""
    kind = decoded.coding or StreamKind.UNKNOWN
    meta = getattr(header.dataset, "file_meta", None)
    stated = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    if stated and not _SYNTAXES[kind].match(stated):
        text = f"TransferSyntaxUID says otherwise, but the pixels are coded as {kind}; they were read as that."
        notes.append(Notice(NoticeCode.PIXEL_CODING_CONTRADICTORY, text))
    samples = 1 if decoded.pixels.ndim == 2 else decoded.pixels.shape[2]
    said = header.integer("SamplesPerPixel") or 1
    colour = not (header.words("PhotometricInterpretation") or "MONOCHROME2").startswith(("MONOCHROME", "PALETTE"))
    if samples != said or (samples == 1 and colour):
        text = (
            f"The header says {said} sample{'' if said == 1 else 's'} a pixel in "
            f"{'colour' if colour else 'grey'}, and the coded picture has {samples}; it was read as coded."
        )
        notes.append(Notice(NoticeCode.PIXEL_CODING_CONTRADICTORY, text))
