"""Options for reading one film, checked once and used by every reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from calcimeasure.errors import SpacingError, UsageError

_SIDES = {"L": "L", "LEFT": "L", "R": "R", "RIGHT": "R", "B": "B", "BOTH": "B"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmOptions:
    """Options for reading a film, as in `read_film`, checked; they override the file."""

    spacing_mm: tuple[float, float] | None = None
    frame: int | None = None
    side: str | None = None
    view: str | None = None
    body_part: str | None = None
    study_date: str | None = None
    invert: bool | None = None
    magnification_corrected: bool = False


def film_options(
    *,
    spacing_mm: float | Sequence[float] | None = None,
    frame: int | None = None,
    side: str | None = None,
    view: str | None = None,
    body_part: str | None = None,
    study_date: str | None = None,
    invert: bool | None = None,
    magnification_corrected: bool = False,
) -> FilmOptions:
    """Return checked options in one form.

    Raises
    ------
    SpacingError
        If the spacing is not one or two positive lengths.
    UsageError
        If the frame, the side or the date is none that a film can have.
    """
    if frame is not None and frame < 1:
        raise UsageError(f"frame {frame} does not exist", where="frame", remedy="Frames are counted from 1.")
    if side is not None and side.strip().upper() not in _SIDES:
        raise UsageError(f"'{side}' is not a side", where="side", remedy="Give L, R, or B for both on one film.")
    return FilmOptions(
        spacing_mm=_lengths(spacing_mm),
        frame=frame,
        side=None if side is None else _SIDES[side.strip().upper()],
        view=upper_words(view),
        body_part=upper_words(body_part),
        study_date=None if study_date is None else _day(study_date),
        invert=invert,
        magnification_corrected=magnification_corrected,
    )


def upper_words(text: str | None) -> str | None:
    """Return words in upper case, one blank between them; None when there are none."""
    words = " ".join((text or "").replace("\0", " ").upper().split())
    return words or None


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError as error:
        raise UsageError(f"'{text}' is not a date", where="date", remedy="Write it as 2026-01-31.") from error


def _lengths(spacing_mm: float | Sequence[float] | None) -> tuple[float, float] | None:
    if spacing_mm is None:
        return None
    remedy = "Give the distance between pixels in mm: one positive number, or one for rows and one for columns."
    try:
        numbers = (
            [float(spacing_mm)] if isinstance(spacing_mm, int | float | np.number) else [float(n) for n in spacing_mm]
        )
    except (TypeError, ValueError) as error:
        raise SpacingError("the spacing is not a number", where="spacing", remedy=remedy) from error
    if len(numbers) not in (1, 2):
        raise SpacingError(f"a spacing of {len(numbers)} numbers", where="spacing", remedy=remedy)
    for number in numbers:
        if not (math.isfinite(number) and number > 0):
            raise SpacingError(f"{number:g} is not a length", where="spacing", remedy=remedy)
    return (numbers[0], numbers[-1])
