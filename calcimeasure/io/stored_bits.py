"""Which bits of a pixel hold its value, and with which sign: what the header says, checked against the picture.

A picture is smooth. Where the header's reading makes neighbours differ by the whole range (values that wrap round) and
another reading of the same bits makes them alike, the header is wrong, and the other reading is taken, with a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.dicom_header import Header
from calcimeasure.notices import Notice, NoticeCode

_SAMPLED_ROWS = 256
_LEAST_PAIRS = 50
_MOST_CONTRARY = 0.02
_LEAST_DISTINCT = 64
# A value that lossy coding pushes beyond the range does not lie far beyond it.
_LARGEST_OVERSHOOT = 0.25
_SMALLEST_SIGNED_BITS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class BitReading:
    """Where the value lies within a pixel: `stored` bits above the `shift` lowest, the topmost a sign or not."""

    stored: int
    shift: int = 0
    signed: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value."""
        if self.signed:
            return (-(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1)
        return (0, 2**self.stored - 1)

    def __call__(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Return the values of unsigned pixels."""
        allocated = 8 * raw.dtype.itemsize
        spare = allocated - self.stored - self.shift
        if self.signed:
            values = raw.view(np.dtype(f"i{raw.dtype.itemsize}"))
            return (values << spare) >> (spare + self.shift) if spare + self.shift else values
        values = raw >> self.shift if self.shift else raw
        return values & np.array(2**self.stored - 1, raw.dtype) if spare else values

    def __str__(self) -> str:
        sign = "signed" if self.signed else "unsigned"
        return f"{self.stored} bits{f' above the lowest {self.shift}' if self.shift else ''}, {sign}"


def header_reading(header: Header, where: str, *, shifted: bool) -> BitReading:
    """Return what the header says.

    Raises
    ------
    FilmError
        When it says that a value has more bits than its pixel, or none.
    """
    allocated = header.integer("BitsAllocated") or 16
    stored, high = header.integer("BitsStored"), header.integer("HighBit")
    stored = allocated if stored is None else stored
    if not 1 <= stored <= allocated:
        problem = f"BitsStored says {stored} bits a value, and BitsAllocated {allocated} bits a pixel"
        raise FilmError(problem, where=where, remedy="The header is damaged; export the film again.")
    shift = min(max((stored - 1 if high is None else high) + 1 - stored, 0), allocated - stored) if shifted else 0
    return BitReading(stored=stored, shift=shift, signed=header.integer("PixelRepresentation") == 1)


def read_native(raw: NDArray[Any], stated: BitReading, notes: list[Notice]) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return the values of unsigned pixels as they were stored, and the limits of their values.

    Bits outside those stored may hold overlays or rubbish, and are left out unless they continue the values.
    """
    reading = decoded_reading(raw, stated, notes, coded=False, lossy=False)
    return reading(raw), reading.limits


def read_decoded(
    pixels: NDArray[Any], stated: BitReading, notes: list[Notice], *, lossy: bool
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return the values of a decoded picture and the limits of their values.

    Lossy coding pushes values a little beyond their range: they are clipped, never masked, which would turn white
    into black.
    """
    reading = decoded_reading(pixels, stated, notes, coded=True, lossy=lossy)
    if not lossy:
        return reading(pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))), reading.limits
    if reading.signed and pixels.dtype.kind == "u":
        pixels = pixels.view(np.dtype(f"i{pixels.dtype.itemsize}"))
    return np.clip(pixels, *reading.limits), reading.limits


def decoded_reading(
    pixels: NDArray[Any], stated: BitReading, notes: list[Notice], *, coded: bool, lossy: bool
) -> BitReading:
    """Return how pixels are to be read: as stated, or as the picture shows, which is then noted."""
    if coded:
        stated = replace(stated, stored=min(stated.stored, 8 * pixels.dtype.itemsize), shift=0)
    if lossy:
        reading = _lossy_reading(pixels, stated)
    else:
        raw = pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))
        reading = _best(raw, _shift_seen(raw, stated))
    if reading != stated:
        notes.append(_contradiction(stated, reading))
    return reading


def _lossy_reading(pixels: NDArray[Any], stated: BitReading) -> BitReading:
    low, high = stated.limits
    if stated.signed and pixels.dtype.kind == "u":
        pixels = pixels.view(np.dtype(f"i{pixels.dtype.itemsize}"))
    beyond = max(int(pixels.max()) - high, low - int(pixels.min()))
    if beyond <= _LARGEST_OVERSHOOT * (high - low + 1):
        return stated
    return replace(stated, stored=8 * pixels.dtype.itemsize, signed=pixels.dtype.kind == "i")


def _contradiction(stated: BitReading, taken: BitReading) -> Notice:
    text = (
        f"The header says that values have {stated}; the picture shows {taken}, which was followed. "
        "Look at the overlay, and export the film again if grey runs wrong there."
    )
    return Notice(NoticeCode.STORED_BITS_CONTRADICTORY, text)


def _shift_seen(raw: NDArray[Any], stated: BitReading) -> BitReading:
    """Return the reading with the values at that end of the pixel where they are."""
    allocated = 8 * raw.dtype.itemsize
    used = int(np.bitwise_or.reduce(raw, axis=None))
    spare = allocated - stated.stored
    if stated.shift and used < 2**stated.stored and used & (2**stated.shift - 1):
        return replace(stated, shift=0)
    if spare and not stated.shift and used >= 2**stated.stored and not used & (2**spare - 1):
        return replace(stated, shift=spare)
    return stated


def _best(raw: NDArray[Any], stated: BitReading) -> BitReading:
    """Return the stated reading, or another that makes the picture smooth where the stated one does not."""
    allocated = 8 * raw.dtype.itemsize
    if stated.stored < _SMALLEST_SIGNED_BITS:
        return stated
    few = raw[:: max(raw.shape[0] // _SAMPLED_ROWS, 1)]
    wide = allocated - stated.shift
    others = [
        BitReading(stored=bits, shift=stated.shift, signed=signed)
        for signed in (stated.signed, not stated.signed)
        for bits in dict.fromkeys((stated.stored, wide))
    ]
    return next((other for other in others if other != stated and _is_smoother(few, stated, other)), stated)


def _is_smoother(raw: NDArray[Any], stated: BitReading, other: BitReading) -> bool:
    ours, theirs = stated(raw).astype(np.int64), other(raw).astype(np.int64)
    differing = ours != theirs
    if not differing.any() or differing.all():
        return False
    # Few values on one side of the jump are text or a border, at the ends of the range as they should be.
    if min(np.unique(ours[differing]).size, np.unique(ours[~differing]).size) < _LEAST_DISTINCT:
        return False
    step, other_step = np.abs(np.diff(ours, axis=1)), np.abs(np.diff(theirs, axis=1))
    pairs = step != other_step
    count = int(np.count_nonzero(pairs))
    return count >= _LEAST_PAIRS and float(np.mean(other_step[pairs] > step[pairs])) <= _MOST_CONTRARY
