"""Encapsulated pixel data: its fragments, and which of them make a frame (PS3.5 A.4).

Written to read what other programs write: offset tables that are wrong, delimiters that are missing, bytes after the
end.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from calcimeasure.io.coded_stream import StreamKind, stream_kind

_ITEM = b"\xfe\xff\x00\xe0"
_END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF


def begins_with_item(value: bytes) -> bool:
    """Return whether pixel data is encapsulated, whatever the transfer syntax says."""
    return value[:4] == _ITEM


def end_of_fragments(data: bytes, start: int) -> int:
    """Return where the last fragment ends that starts at `start` or after: at a delimiter, at the end, or at neither.

    A fragment that is longer than what is left reaches to the end of the data.
    """
    position = start
    while data[position : position + 4] == _ITEM and position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if length == _UNDEFINED:
            following = data.find(_ITEM, position + 8)
            length = (len(data) if following < 0 else following) - position - 8
        position += 8 + length
    return min(position, len(data))


def last_fragment_is_short(value: bytes) -> bool:
    """Return whether the last fragment says that it is longer than what is there."""
    position, length = 0, 0
    while value[position : position + 4] == _ITEM and position + 8 <= len(value):
        length = int.from_bytes(value[position + 4 : position + 8], "little")
        if length == _UNDEFINED:
            return False
        position += 8 + length
    return position > len(value)


def pixel_fragments(value: bytes) -> tuple[bytes, list[bytes]]:
    """Return the basic offset table and the fragments of encapsulated pixel data."""
    found: list[bytes] = []
    position, end = 0, end_of_fragments(value, 0)
    while position + 8 <= end:
        length = int.from_bytes(value[position + 4 : position + 8], "little")
        if length == _UNDEFINED:
            following = value.find(_ITEM, position + 8)
            length = (end if following < 0 else following) - position - 8
        found.append(value[position + 8 : min(position + 8 + length, end)])
        position += 8 + length
    return (found[0], found[1:]) if found else (b"", [])


def frame_stream(value: bytes, frame: int, frames: int) -> bytes:
    """Return the coded stream of one frame (counted from 0); empty where there is none.

    The offset table is followed only where it leads to fragments; else a frame begins where a picture begins.
    """
    if not begins_with_item(value):
        # A stream that was put there bare.
        return value if frame == 0 and frames == 1 else b""
    table, pieces = pixel_fragments(value)
    if stream_kind(table) is not StreamKind.UNKNOWN:
        # The offset table was left out.
        table, pieces = b"", [table, *pieces]
    if frames == 1:
        return b"".join(pieces)
    if len(pieces) == frames:
        return pieces[frame]
    starts = _starts_of_table(table, pieces, frames) or _starts_of_pictures(pieces)
    if len(starts) != frames:
        return b""
    last = starts[frame + 1] if frame + 1 < frames else len(pieces)
    return b"".join(pieces[starts[frame] : last])


def _starts_of_table(table: bytes, pieces: list[bytes], frames: int) -> list[int] | None:
    """Return the fragment with which each frame begins by the offset table; None where the table is wrong."""
    if len(table) != 4 * frames:
        return None
    positions, position = {}, 0
    for index, piece in enumerate(pieces):
        positions[position] = index
        position += 8 + len(piece)
    starts = [positions.get(offset, -1) for offset in struct.unpack(f"<{frames}I", table)]
    return starts if starts[0] == 0 and all(a < b for a, b in pairwise(starts)) else None


def _starts_of_pictures(pieces: list[bytes]) -> list[int]:
    return [index for index, piece in enumerate(pieces) if stream_kind(piece) is not StreamKind.UNKNOWN]
