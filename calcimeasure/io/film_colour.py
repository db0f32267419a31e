"""Grey films that come in colour: with a few coloured marks, on a tinted base, or a photograph, which is refused.

A film's colour is a function of its brightness: none, or the tint of its base. What differs from that is a mark that
somebody drew (an arrow, a logo, a scale), and belongs to no film.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.notices import Notice, NoticeCode

# Shares of the range of values. Lossy coding of grey makes smaller differences between channels than the first.
_GREY_WITHIN = 0.02
_MARK_BEYOND = 0.05
# Share of the pixels that marks may take, with the blur of lossy coding around them.
_MOST_MARKED = 0.03
_LEAST_TINTED = 0.005
# A base that is blue or yellowed still shows every grey.
_STRONGEST_TINT = 0.25
# Share of the pixels of a tinted film that lossy coding makes differ from its tint.
_MOST_UNEVEN = 0.3
_LEVELS = 64
_RIM_PX = 2
# Rows are taken together so that a large picture needs no second copy of itself.
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, kw_only=True)
class GreyPicture:
    """The grey of a picture in colour: pixels (rows, columns), where marks hide them, and what was done."""

    pixels: NDArray[Any]
    marks: NDArray[np.bool_] | None = None
    notices: tuple[Notice, ...] = ()


def grey_from_colour(pixels: NDArray[Any], where: str) -> GreyPicture:
    """Return the grey of a picture of shape (rows, columns, 3).

    Raises
    ------
    FilmError
        When its colours are those of a photograph. `where` names the file.
    """
    scale = _scale(pixels)
    differing = _share(pixels, None, _GREY_WITHIN * scale)
    if differing == 0 or scale == 0:
        return GreyPicture(pixels=np.ascontiguousarray(pixels[:, :, 1]))
    tint = _tint(pixels, scale)
    plain = float(np.abs(tint).max()) <= _GREY_WITHIN * scale or differing <= _LEAST_TINTED
    tint = np.zeros_like(tint) if plain else tint
    marks = _differences(pixels, tint, scale) > _MARK_BEYOND * scale
    share = float(marks.mean())
    if share > _MOST_MARKED or not (plain or _is_tint(pixels, tint, scale)):
        raise FilmError(
            "this is a colour picture, not a radiograph",
            where=where,
            remedy="Export the radiograph itself in grey; a photograph of a film or a screen cannot be measured.",
        )
    notices = []
    if not plain:
        text = "The film is tinted: its grey is the mean of its colours, without the tint."
        notices.append(Notice(NoticeCode.FILM_TINTED, text))
    grey = np.ascontiguousarray(pixels[:, :, 1]) if plain else _mean_of_channels(pixels)
    if not marks.any():
        return GreyPicture(pixels=grey, notices=tuple(notices))
    text = (
        f"Coloured marks lie on the picture ({100 * max(share, 0.0001):.2g} % of it); they count as not recorded. "
        "Look at the overlay: a deposit under a mark is not measured."
    )
    notices.append(Notice(NoticeCode.COLOURED_MARKS, text))
    rim = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
    return GreyPicture(pixels=grey, marks=cv2.dilate(marks.astype(np.uint8), rim).astype(bool), notices=tuple(notices))


def _scale(pixels: NDArray[Any]) -> float:
    """Return the largest value that is there: 12 bits in a 16-bit file are small beside what the type allows."""
    if pixels.dtype.kind != "f":
        return float(pixels.max())
    finite = pixels[np.isfinite(pixels)]
    return float(finite.max()) if finite.size else 0.0


def _tint(pixels: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Return by brightness, shape (levels, 3), how each channel usually differs from the mean of the three."""
    step = max(int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 1_000_000)), 1)
    few = pixels[::step, ::step].reshape(-1, 3).astype(np.float32)
    mean = few.mean(axis=1)
    level = _levels(mean, scale)
    tint = np.zeros((_LEVELS, 3), np.float32)
    found = np.zeros(_LEVELS, bool)
    for number in range(_LEVELS):
        inside = level == number
        if np.count_nonzero(inside) >= _LEVELS:
            tint[number], found[number] = np.median(few[inside] - mean[inside, None], axis=0), True
    known = np.flatnonzero(found)
    for channel in range(3):
        if known.size:
            tint[:, channel] = np.interp(np.arange(_LEVELS), known, tint[known, channel])
    return tint


def _is_tint(pixels: NDArray[Any], tint: NDArray[np.float32], scale: float) -> bool:
    """Return whether colours follow brightness, weakly, as a film's tint does."""
    weak = float(np.abs(tint).max()) <= _STRONGEST_TINT * scale
    return weak and _share(pixels, tint, _GREY_WITHIN * scale) <= _MOST_UNEVEN


def _levels(mean: NDArray[np.float32], scale: float) -> NDArray[np.intp]:
    share = np.nan_to_num(mean / scale * (_LEVELS - 1), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(np.clip(share, 0, _LEVELS - 1), np.intp)


def _differences(pixels: NDArray[Any], tint: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Return by how much the colour of each pixel differs from the film's at that brightness."""
    found = np.zeros(pixels.shape[:2], np.float32)
    for start in range(0, pixels.shape[0], _ROWS_AT_ONCE):
        rows = pixels[start : start + _ROWS_AT_ONCE].astype(np.float32)
        mean = rows.mean(axis=2)
        own = rows - mean[:, :, None] - tint[_levels(mean, scale)]
        found[start : start + _ROWS_AT_ONCE] = np.nan_to_num(own.max(axis=2) - own.min(axis=2))
    return found


def _share(pixels: NDArray[Any], tint: NDArray[np.float32] | None, limit: float) -> float:
    scale = max(_scale(pixels), 1e-30)
    tint = np.zeros((_LEVELS, 3), np.float32) if tint is None else tint
    return float(np.mean(_differences(pixels, tint, scale) > limit))


def _mean_of_channels(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype.kind == "f":
        return np.asarray(pixels.mean(axis=2), pixels.dtype)
    grey = np.empty(pixels.shape[:2], pixels.dtype)
    for start in range(0, pixels.shape[0], _ROWS_AT_ONCE):
        grey[start : start + _ROWS_AT_ONCE] = np.rint(pixels[start : start + _ROWS_AT_ONCE].mean(axis=2))
    return grey
