"""Headers of JPEG, JPEG-LS and JPEG 2000 streams: kind, size, completeness; and decoding of 12-bit JPEG.

pydicom's decoders pad a truncated stream silently, and its plugin for GDCM skips 12-bit
"JPEG Extended" films, which GDCM itself decodes exactly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_START = b"\xff\xd8"
_CODESTREAM_START = b"\xff\x4f\xff\x51"
_BOX_START = b"\x00\x00\x00\x0cjP"
_END = b"\xff\xd9"
_TAIL_BYTES = 64
_SYNTAX_OF_FRAME = {
    0xC0: "1.2.840.10008.1.2.4.50",
    0xC1: JPEG_EXTENDED,
    0xC3: "1.2.840.10008.1.2.4.70",
    0xF7: "1.2.840.10008.1.2.4.80",
}
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The frame header of a JPEG stream (ITU-T T.81, B.2.2)."""

    marker: int
    precision: int
    rows: int
    columns: int
    components: int


def frame_header(stream: bytes) -> FrameHeader | None:
    """Return the frame header of a JPEG or JPEG-LS stream; None when there is none."""
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


def guess_syntax(stream: bytes) -> str:
    """Return the transfer syntax of a compressed frame, for a file that does not say."""
    if stream.startswith((_CODESTREAM_START, _BOX_START)):
        return "1.2.840.10008.1.2.4.91"
    if not stream.startswith(_START):
        return "1.2.840.10008.1.2.5"
    header = frame_header(stream)
    return _SYNTAX_OF_FRAME.get(header.marker if header else 0xC0, _SYNTAX_OF_FRAME[0xC0])


def is_cut_off(stream: bytes) -> bool:
    """Return whether a JPEG, JPEG-LS or JPEG 2000 stream lacks its end."""
    if not stream.startswith((_START, _CODESTREAM_START, _BOX_START)):
        return False
    return _END not in stream[-_TAIL_BYTES:]


def decode_extended(stream: bytes, rows: int, columns: int) -> NDArray[Any] | None:
    """Decode a 12-bit JPEG stream of one component with GDCM.

    Returns
    -------
    uint16 array of shape (rows, columns), or None when it is not one or GDCM is not there or fails.
    """
    header = frame_header(stream)
    if header is None or (header.precision, header.rows, header.columns, header.components) != (12, rows, columns, 1):
        return None
    try:
        import gdcm
    except ImportError:
        return None
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(JPEG_EXTENDED)))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    with silent_stderr():
        text = image.GetBuffer()
    # SWIG hands the bytes over as text.
    data = b"" if text is None else text.encode("utf-8", "surrogateescape")
    if len(data) != rows * columns * 2:
        return None
    pixels = np.frombuffer(data, "<u2").reshape(rows, columns)
    return pixels if int(pixels.max()) < 4096 else None


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep a decoder quiet that writes straight to the terminal.

    GDCM tries its 8-bit decoder on 12-bit streams first, and the RLE decoder prints its own crash.
    """
    try:
        saved = os.dup(2)
    except OSError:
        # A program without a terminal.
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
