"""Coded pictures (JPEG, JPEG-LS, JPEG 2000, RLE): kind, size, completeness, and decoding.

The kind is found by the first bytes, whatever a header says. The size is checked before anything is decoded, and the
decoders (imagecodecs) raise on damage: none of them ends the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_START = b"\xff\xd8"
_CODESTREAM_START = b"\xff\x4f\xff\x51"
_BOX_START = b"\x00\x00\x00\x0cjP"
_END = b"\xff\xd9"
_SCAN, _TILE_PART = b"\xff\xda", b"\xff\x90"
_SYNTAX_OF_FRAME = {
    0xC0: "1.2.840.10008.1.2.4.50",
    0xC1: JPEG_EXTENDED,
    0xC3: "1.2.840.10008.1.2.4.70",
    0xF7: "1.2.840.10008.1.2.4.80",
}
LOSSLESS_MARKERS = (0xC3, 0xC7, 0xCB, 0xCF)
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
# Progressive pictures have about ten scans; each of them costs a pass over all pixels.
_MOST_SCANS = 100
_MOST_SCANNED_PIXELS = 2_000_000_000
_MOST_RLE_SEGMENTS = 15
_RLE_HEADER_BYTES = 64
# Bytes taken off the end of a picture without an end marker, to see whether they held its last rows.
_TAIL_BYTES = 1024
_LAST_BLOCK_ROWS = 16


class StreamKind(StrEnum):
    """Ways of coding a picture."""

    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    RLE = "RLE"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The frame header of a coded picture: SOF of JPEG (ITU-T T.81, B.2.2), SIZ of JPEG 2000 (marker 0x51)."""

    marker: int
    precision: int
    rows: int
    columns: int
    components: int


def stream_kind(stream: bytes) -> StreamKind:
    """Return how a picture is coded, by its first bytes."""
    if stream.startswith((_CODESTREAM_START, _BOX_START)):
        return StreamKind.JPEG_2000
    if stream.startswith(_START):
        header = frame_header(stream)
        return StreamKind.JPEG_LS if header is not None and header.marker == 0xF7 else StreamKind.JPEG
    if len(stream) >= _RLE_HEADER_BYTES:
        segments, first = int.from_bytes(stream[:4], "little"), int.from_bytes(stream[4:8], "little")
        if 1 <= segments <= _MOST_RLE_SEGMENTS and first == _RLE_HEADER_BYTES:
            return StreamKind.RLE
    return StreamKind.UNKNOWN


def frame_header(stream: bytes) -> FrameHeader | None:
    """Return the frame header of a JPEG, JPEG-LS or JPEG 2000 stream; None when there is none."""
    if stream.startswith((_CODESTREAM_START, _BOX_START)):
        return _size_header(stream)
    if not stream.startswith(_START):
        return None
    position = 2
    while position + 10 <= len(stream):
        if stream[position] != 0xFF:
            return None
        marker = stream[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _FRAME_MARKERS:
            precision, body = stream[position + 4], stream[position + 5 : position + 10]
            return FrameHeader(marker, precision, int.from_bytes(body[:2]), int.from_bytes(body[2:4]), body[4])
        position += 2 + int.from_bytes(stream[position + 2 : position + 4])
    return None


def _size_header(stream: bytes) -> FrameHeader | None:
    """Return the size that a JPEG 2000 codestream states (ITU-T T.800, A.5.1)."""
    start = stream.find(_CODESTREAM_START)
    body = stream[start + 4 : start + 46] if start >= 0 else b""
    if len(body) < 39:
        return None
    right, bottom, left, top = (int.from_bytes(body[at : at + 4]) for at in (4, 8, 12, 16))
    components = int.from_bytes(body[36:38])
    return FrameHeader(0x51, (body[38] & 0x7F) + 1, max(bottom - top, 0), max(right - left, 0), components)


def guess_syntax(stream: bytes) -> str:
    """Return the transfer syntax of a compressed frame, for a file that does not say."""
    if stream.startswith((_CODESTREAM_START, _BOX_START)):
        return "1.2.840.10008.1.2.4.91"
    if not stream.startswith(_START):
        return "1.2.840.10008.1.2.5"
    header = frame_header(stream)
    return _SYNTAX_OF_FRAME.get(header.marker if header else 0xC0, _SYNTAX_OF_FRAME[0xC0])


def without_padding(stream: bytes) -> bytes:
    """Return a JPEG, JPEG-LS or JPEG 2000 stream up to its end marker; as it is where it has none."""
    end = _end_of(stream)
    return stream if end is None else stream[:end]


def _end_of(stream: bytes) -> int | None:
    """Return where a stream ends: markers never stand within coded data, but thumbnails before it have their own."""
    if not stream.startswith((_START, _CODESTREAM_START, _BOX_START)):
        return None
    data = stream.rfind(_TILE_PART if stream_kind(stream) is StreamKind.JPEG_2000 else _SCAN)
    found = stream.rfind(_END, max(data, 0))
    return None if found < 0 or data < 0 else found + len(_END)


def is_cut_off(stream: bytes) -> bool:
    """Return whether a JPEG, JPEG-LS or JPEG 2000 stream ends before its picture does.

    A stream that lacks only its end marker is whole: without its last bytes, the picture lacks its last rows.
    """
    kind = stream_kind(stream)
    if kind not in (StreamKind.JPEG, StreamKind.JPEG_LS, StreamKind.JPEG_2000):
        return False
    if kind is StreamKind.JPEG_2000:
        return not _tile_parts_are_whole(stream)
    if _end_of(stream) is not None:
        return False
    header = frame_header(stream)
    if header is None or header.rows <= 4 * _LAST_BLOCK_ROWS or _SCAN not in stream:
        return True
    try:
        whole, short = decode(stream + _END), decode(stream[: -min(_TAIL_BYTES, len(stream) // 8)] + _END)
    except Exception:
        # The decoders' own kinds of error: what cannot be decoded has not been shown to be whole.
        return True
    changed = np.flatnonzero((whole != short).reshape(whole.shape[0], -1).any(axis=1))
    block = 1 if kind is StreamKind.JPEG_LS or header.marker in LOSSLESS_MARKERS else _LAST_BLOCK_ROWS
    return changed.size == 0 or int(changed[-1]) < header.rows - block


def _tile_parts_are_whole(stream: bytes) -> bool:
    """Return whether every tile-part of a JPEG 2000 codestream ends within it (ITU-T T.800, A.4.2)."""
    position = stream.find(_TILE_PART)
    if position < 0:
        return False
    while stream[position : position + 2] == _TILE_PART:
        length = int.from_bytes(stream[position + 6 : position + 10])
        if length == 0:
            return _END in stream[position:]
        position += length
    return position <= len(stream)


def check_cost(stream: bytes) -> str | None:
    """Return why a stream would take too long to decode, or None: each scan passes over all its pixels."""
    header, scans = frame_header(stream), stream.count(_SCAN)
    if header is None or stream_kind(stream) is not StreamKind.JPEG:
        return None
    if scans > _MOST_SCANS or scans * header.rows * header.columns > _MOST_SCANNED_PIXELS:
        return f"the picture is coded in {scans} scans, which no film needs"
    return None


def decode(stream: bytes, *, is_rgb: bool = False) -> NDArray[Any]:
    """Decode a JPEG, JPEG-LS or JPEG 2000 stream whose size was checked.

    Parameters
    ----------
    stream
        From its first to its last byte.
    is_rgb
        Whether three components of JPEG are red, green and blue, where the stream does not say.

    Returns
    -------
    Whole numbers as coded, shape (rows, columns) or (rows, columns, components).

    Raises
    ------
    Exception
        Of a kind that the decoder chooses, when the stream is damaged.
    """
    import imagecodecs

    kind = stream_kind(stream)
    if kind is StreamKind.JPEG_2000:
        return np.asarray(imagecodecs.jpeg2k_decode(stream, numthreads=1))
    if kind is StreamKind.JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(stream))
    said = b"Adobe" in stream[:4096] or b"JFIF" in stream[:64]
    space = "RGB" if is_rgb and not said else None
    return np.asarray(imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace=space))


def decode_rle(stream: bytes, shape: tuple[int, int, int], kind: np.dtype[Any]) -> NDArray[Any]:
    """Decode run lengths (PS3.5 Annex G) to shape (rows, columns, samples).

    Raises
    ------
    Exception
        Of a kind that the decoder chooses, when the stream is damaged or of another size.
    """
    import imagecodecs

    rows, columns, samples = shape
    plane = rows * columns * kind.itemsize
    buffer = bytearray(plane * samples)
    decoded = imagecodecs.dicomrle_decode(stream, dtype=kind.str, out=buffer)
    if len(decoded) != len(buffer):
        raise ValueError("the run lengths make another number of pixels")
    return np.moveaxis(np.frombuffer(bytes(decoded), kind).reshape(samples, rows, columns), 0, 2)


def encode_rle(pixels: NDArray[Any]) -> bytes:
    """Return one frame of shape (rows, columns) or (rows, columns, samples) as run lengths (PS3.5 Annex G)."""
    import imagecodecs

    planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
    segments = []
    for sample in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[:, :, sample])
        # The most significant byte of every pixel first.
        split = plane.astype(plane.dtype.newbyteorder(">")).view(np.uint8).reshape(*plane.shape, plane.dtype.itemsize)
        for byte in range(plane.dtype.itemsize):
            coded = bytes(imagecodecs.packbits_encode(np.ascontiguousarray(split[:, :, byte]), axis=-1))
            segments.append(coded + b"\0" * (len(coded) % 2))
    starts = np.cumsum([_RLE_HEADER_BYTES, *(len(segment) for segment in segments[:-1])])
    header = np.zeros(_RLE_HEADER_BYTES // 4, "<u4")
    header[0], header[1 : 1 + len(segments)] = len(segments), starts
    return header.tobytes() + b"".join(segments)
