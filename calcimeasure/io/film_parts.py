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

MAX_PIXELS = 150_000_000
_RGB_TOLERANCE = 0.02
_GREY_FRACTION = 0.995


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


def check_size(rows: int, columns: int, where: str) -> None:
    """Refuse a picture that cannot be a film, before anything is allocated for it."""
    if rows < 2 or columns < 2:
        raise FilmError(f"the file claims {rows} x {columns} pixels", where=where, remedy="It holds no picture.")
    if rows * columns > MAX_PIXELS:
        raise FilmError(
            f"the file claims {rows} x {columns} pixels, more than any film has",
            where=where,
            remedy=f"Films of up to {MAX_PIXELS // 1_000_000} million pixels are read; export it smaller.",
        )


def value_range(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the range that the type allows; for floating point, the finite range that is there."""
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        return float(limits.min), float(limits.max)
    finite = pixels[np.isfinite(pixels)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def grey_from_colour(pixels: NDArray[Any], where: str) -> NDArray[Any]:
    """Return one channel of a picture whose channels agree; refuse a colour photograph.

    Parameters
    ----------
    pixels
        Shape (rows, columns, 3). Channels may differ by what lossy coding does to grey.
    where
        The file, for the message.
    """
    spread = pixels.max(axis=2).astype(np.float32) - pixels.min(axis=2)
    # Against the values that are there: 12 bits in a 16-bit file are small beside what the type allows.
    scale = float(np.nanmax(pixels)) if pixels.dtype.kind == "f" else float(pixels.max())
    if float(np.mean(~(spread > _RGB_TOLERANCE * scale))) < _GREY_FRACTION:
        raise FilmError(
            "this is a colour picture, not a radiograph",
            where=where,
            remedy="Export the radiograph itself in grey; a photograph of a film or a screen cannot be measured.",
        )
    return np.ascontiguousarray(pixels[:, :, 1])
