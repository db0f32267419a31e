"""Damage to files, decided by a seed alone."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

_EXTREMES = (0, 1, 2, 7, 8, 15, 16, 17, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536)
_WIDE = (*_EXTREMES, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_WORDS = (
    b"1.2.840.10008.1.2.4.90\0", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.2\0",
    b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xfe\xff\x0d\xe0", b"\xe0\x7f\x10\x00", b"\xff\xd9", b"\xff\xda",
    b"YBR_FULL_422", b"YBR_ICT ", b"PALETTE COLOR ", b"MONOCHROME1 ", b"RGB ", b"nan", b"-1", b"1e400",
    b"\xff\xff\xff\xff",
)  # fmt: skip

Change = Callable[[bytearray, random.Random, list[bytes]], None]


def _flip(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    for _number in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _number(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    kind = chance.choice(("<H", ">H", "<I", ">I"))
    values = _EXTREMES[:-1] if kind[1] == "H" else _WIDE
    at = chance.randrange(max(min(len(data), 2000) - 4, 1))
    raw = struct.pack(kind, chance.choice(values))
    data[at : at + len(raw)] = raw


def _cut(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    del data[chance.randrange(1, len(data)) :]


def _drop(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 2, 4, 8, 100))]


def _repeat(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at, size = chance.randrange(len(data)), chance.choice((2, 8, 40, 500))
    data[at:at] = data[at : at + size] * chance.choice((1, 3, 50))


def _word(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    word, at = chance.choice(_WORDS), chance.randrange(min(len(data), 2000))
    data[at : at + (len(word) if chance.random() < 0.7 else 0)] = word


def _splice(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    other = chance.choice(others)
    at, start = chance.randrange(len(data)), chance.randrange(len(other))
    data[at:] = other[start:]


def _pad(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    data.extend(chance.choice((b"\0", b"\xff", b"\xff\xd9", b"padding")) * chance.choice((1, 70, 5000)))


_CHANGES: tuple[Change, ...] = (_flip, _number, _number, _cut, _drop, _repeat, _word, _word, _splice, _pad)


def damaged(data: bytes, seed: int, others: list[bytes]) -> bytes:
    """Return a file with one to four kinds of damage; never empty."""
    chance = random.Random(seed)  # noqa: S311 - repeatable chance is wanted
    changed = bytearray(data)
    for _number in range(chance.choice((1, 1, 2, 4))):
        chance.choice(_CHANGES)(changed, chance, others)
        if not changed:
            changed.extend(b"\0")
    return bytes(changed)
