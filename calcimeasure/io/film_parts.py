"""Pixels and header values as read from a file, before they become a film."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.resolution_tag import Resolution
from calcimeasure.notices import Notice
from calcimeasure.radiograph import GreyRelationship, Identity, Spacing

MAX_FILE_BYTES = 512 * 1024**2
MAX_PIXELS = 150_000_000
# What reading a film may take: the decoded picture twice, and the film's own values.
_MOST_BYTES = 1_250_000_000
_BYTES_A_PIXEL = 6
# Beyond this many pixels a coded picture must show some bytes for them.
_LARGE_PIXELS = 50_000_000
_PIXELS_A_BYTE = 1000


@dataclass(kw_only=True)
class FilmParts:
    """One picture with the values of its header.

    Attributes
    ----------
    pixels
        After the modality transform, shape (rows, columns), any real type, in the file's own polarity.
    lowest, highest, window
        The range that the coding allows and the (low, high) display window, in the values of `pixels`.
    bone_is_low
        Whether the file declares that small values are shown white.
    direction_is_given
        Whether a person stated `bone_is_low`: then a picture that disagrees gives a warning only.
    shows_a_limb
        False where the file says that it shows something else: polarity is then not judged from the picture.
    frame
        Counted from 0; None for a single frame.
    """

    pixels: NDArray[Any]
    lowest: float
    highest: float
    spacing: Spacing = field(default_factory=Spacing)
    identity: Identity = field(default_factory=Identity)
    window: tuple[float, float] | None = None
    bone_is_low: bool = False
    relationship: GreyRelationship = GreyRelationship.UNKNOWN
    processing_intent: str | None = None
    padding: NDArray[np.bool_] | None = None
    direction_is_given: bool = False
    shows_a_limb: bool = True
    frame: int | None = None
    warnings: list[Notice] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded picture of a plain file, as deep as the file has it; `hidden` is True where it is transparent."""

    pixels: NDArray[Any]
    white_is_low: bool = False
    frame: int | None = None
    resolution: Resolution | None = None
    hidden: NDArray[np.bool_] | None = None


def damaged_film(problem: str, where: str) -> FilmError:
    """Return the error for a file that was damaged on its way."""
    return FilmError(problem, where=where, remedy="Copy or export the film again.")


def check_size(rows: int, columns: int, where: str, *, bytes_a_pixel: int = 2, coded_bytes: int | None = None) -> None:
    """Refuse a picture that cannot be a film, before anything is allocated for it.

    Parameters
    ----------
    rows, columns, bytes_a_pixel
        Size of the picture and of one pixel with all its channels, as the file states them.
    where
        The file, for the message.
    coded_bytes
        Bytes that the file has for a coded picture.
    """
    if rows < 2 or columns < 2:
        raise FilmError(f"the file claims {rows} x {columns} pixels", where=where, remedy="It holds no picture.")
    pixels = rows * columns
    if pixels > MAX_PIXELS or pixels * (2 * bytes_a_pixel + _BYTES_A_PIXEL) > _MOST_BYTES:
        raise FilmError(
            f"the file claims {rows} x {columns} pixels of {bytes_a_pixel} bytes, more than any film has",
            where=where,
            remedy="Films of up to 120 million grey pixels of 16 bits are read; export it smaller.",
        )
    if coded_bytes is not None and pixels > max(_LARGE_PIXELS, _PIXELS_A_BYTE * coded_bytes):
        raise damaged_film(f"the file claims {rows} x {columns} pixels and holds {coded_bytes} bytes for them", where)


def value_range(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the range that the type allows; for floating point, the finite range that is there."""
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        return float(limits.min), float(limits.max)
    finite = pixels[np.isfinite(pixels)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
