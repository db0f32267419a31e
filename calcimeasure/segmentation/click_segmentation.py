"""`segment_points`: the reader clicks, the program draws the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.boxes import Box, union_box
from calcimeasure.deposits import LARGEST_LABEL, Deposit, DepositLabels, Origin
from calcimeasure.errors import UsageError
from calcimeasure.io.film_inputs import FilmLike, SpacingLike, as_film
from calcimeasure.label_arrays import GROUP_WITHIN_MM, group_pieces
from calcimeasure.models.working_grid import pixels_per_mm
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.click_outline import Click, region_clicked
from calcimeasure.segmentation.footprint import seed_on_film
from calcimeasure.segmentation.probability_map_regions import Region, draw_outlines

CLICK_METHOD = "points/1"
_EVEN = 0.5


def segment_points(
    film: FilmLike,
    points: ArrayLike,
    deposits: Sequence[int | None] | None = None,
    *,
    spacing_mm: SpacingLike | None = None,
    anatomy: Anatomy | None = None,
) -> DepositLabels:
    """Return the deposits that a reader clicked on, each with the boundary that the film shows.

    Parameters
    ----------
    film, spacing_mm
        As for `segment`.
    points
        (row, column) pixel indices of the clicks, one inside each piece.
    deposits
        The deposit that each click belongs to: pieces that share a number are one deposit, whatever lies between them.
        Clicks without a number (None) are grouped as everywhere: pieces within 2.0 mm are one deposit.
    anatomy
        The film's masks, where they exist already.

    Returns
    -------
    DepositLabels
        With origin ``clicked``, in the order of the given numbers, those without after them. A click inside a limb
        always gives an outline that holds it; where that is uncertain, a warning. A click on nothing outside a limb
        gives a warning only.

    Raises
    ------
    UsageError
        When a point lies outside the film, or there are not as many numbers as points.

    See Also
    --------
    read_points : The points from a CSV file.

    Examples
    --------
    >>> row, col = np.indices((200, 120))
    >>> film = cm.film_from_array(np.where((row - 80) ** 2 + (col - 60) ** 2 < 50, 2.0, 1.0), spacing_mm=0.2)
    >>> labels = cm.segment_points(film, [(80, 60)])
    >>> len(labels), labels.deposits[0].origin.value
    (1, 'clicked')
    """
    film = as_film(film, spacing_mm=spacing_mm)
    clicks = _checked_clicks(film, points)
    numbers: list[int | None] = list(deposits) if deposits is not None else [None for _ in clicks]
    if len(numbers) != len(clicks):
        raise UsageError(f"there are {len(clicks)} points and {len(numbers)} deposit numbers")
    masks = find_anatomy(film) if anatomy is None else anatomy
    pieces = _draw_pieces(film, masks, clicks, numbers)
    image, count = _deposit_image(film, masks, pieces)
    return DepositLabels(
        image=image,
        deposits=tuple(Deposit(label=label, origin=Origin.CLICKED) for label in range(1, count + 1)),
        method=CLICK_METHOD,
        film_sha256=film.sha256,
        warnings=(*masks.warnings, *pieces.warnings),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pieces:
    """The pieces drawn: a label image, where on it they lie, the deposit number of each, and warnings."""

    image: NDArray[np.uint16]
    window: Box
    numbers: tuple[int | None, ...]
    warnings: tuple[Notice, ...]


def _checked_clicks(film: Radiograph, points: ArrayLike) -> list[Click]:
    places = np.asarray(points, dtype=np.float64)
    if places.size == 0:
        return []
    if places.ndim != 2 or places.shape[1] != 2:
        raise UsageError(f"points must be rows of (row, column), not an array of shape {places.shape}")
    if len(places) > LARGEST_LABEL:
        raise UsageError(f"{len(places)} points on one film are more than the {LARGEST_LABEL} that a label image holds")
    for number, (row, col) in enumerate(places, start=1):
        inside = -0.5 <= row < film.shape[0] - 0.5 and -0.5 <= col < film.shape[1] - 0.5
        if not inside:
            raise UsageError(
                f"point {number} at row {row:g}, column {col:g} lies outside the film of {film.shape[0]} rows and "
                f"{film.shape[1]} columns",
                remedy="Points are pixel indices, counted from 0.",
            )
    return [Click(row=float(row), col=float(col)) for row, col in places]


def _draw_pieces(film: Radiograph, anatomy: Anatomy, clicks: list[Click], numbers: list[int | None]) -> _Pieces:
    image = np.zeros(film.shape, dtype=np.uint16)
    given: list[int | None] = []
    places: list[tuple[int, int]] = []
    warnings = []
    window: Box = (slice(0, 1), slice(0, 1))  # nothing lies there yet
    if not clicks:
        return _Pieces(image=image, window=window, numbers=(), warnings=())
    for click, number in zip(clicks, numbers, strict=True):
        at = (round(click.row), round(click.col))
        drawn_before = int(image[at])
        if drawn_before and (number is None or given[drawn_before - 1] == number):
            continue  # a second click in a piece that is drawn already
        foreign: list[Click] = []
        beside: list[Click] = []
        for other, other_number in zip(clicks, numbers, strict=True):
            if other is not click:
                (foreign if number is None or other_number != number else beside).append(other)
        region = region_clicked(film, anatomy, click, foreign, beside)
        drawn = None if region is None else _place(film, image, region, label=len(given) + 1)
        if region is None or drawn is None or region.probability < _EVEN:
            warnings.append(_click_notice(at, region, drawn=drawn is not None))
        if drawn is None:
            continue
        window = union_box(window, drawn) if given else drawn
        given.append(number)
        places.append(at)
    if given:
        window = draw_outlines(film, anatomy, image, len(given), within=window)
        for label, at in enumerate(places, start=1):
            _join_click(image, label, at)
            window = union_box(window, (slice(at[0], at[0] + 1), slice(at[1], at[1] + 1)))
    return _Pieces(image=image, window=window, numbers=tuple(given), warnings=tuple(warnings))


def _place(film: Radiograph, image: NDArray[np.uint16], region: Region, *, label: int) -> Box | None:
    """Paint a region into the image where it is free; return where it lies, None where nothing was painted."""
    (row, col), padded = region.corner, np.pad(region.mask, 1)
    mask, box = seed_on_film(padded, (row - 1, col - 1), region.factor, film.shape)
    mask &= image[box] == 0
    image[box][mask] = label
    return box if mask.any() else None


def _click_notice(at: tuple[int, int], region: Region | None, *, drawn: bool) -> Notice:
    """Return the warning of a click without an outline, or with an uncertain one."""
    where = f"row {at[0]}, column {at[1]}"
    if region is None:
        text = f"Nothing stands out at {where}, outside the limb: no deposit was drawn there. Outline it by hand."
        return Notice(NoticeCode.CLICK_WITHOUT_DEPOSIT, text)
    if not drawn:
        text = f"What lies at {where} is part of another deposit that was clicked: no second one was drawn."
        return Notice(NoticeCode.CLICK_ON_OTHER_DEPOSIT, text)
    text = (
        f"The outline at {where} is uncertain: the network takes what lies there for no deposit more likely than for "
        "one. Check it, or outline it by hand."
    )
    return Notice(NoticeCode.CLICK_UNCERTAIN, text)


def _join_click(image: NDArray[np.uint16], label: int, at: tuple[int, int]) -> None:
    """Join a piece with its click by a line of free pixels, where its outline does not hold it."""
    if image[at]:
        return
    from skimage.draw import line as line_pixels

    rows, cols = np.nonzero(image == label)
    if not rows.size:
        return
    nearest = int(np.hypot(rows - at[0], cols - at[1]).argmin())
    line = line_pixels(*at, int(rows[nearest]), int(cols[nearest]))
    free = image[line] == 0
    image[line[0][free], line[1][free]] = label


def _deposit_image(film: Radiograph, anatomy: Anatomy, pieces: _Pieces) -> tuple[NDArray[np.uint16], int]:
    """Return the label image of deposits, and how many there are."""
    here = pieces.image[pieces.window]  # the entire film takes 20 ms
    present = set(np.flatnonzero(np.bincount(here.ravel())).tolist()) - {0}
    named = sorted({number for number in pieces.numbers if number is not None})
    label_of = np.zeros(len(pieces.numbers) + 1, dtype=np.uint16)
    unnamed = [piece for piece, number in enumerate(pieces.numbers, start=1) if number is None and piece in present]
    for piece, number in enumerate(pieces.numbers, start=1):
        if number is not None:
            label_of[piece] = named.index(number) + 1
    rows, cols = pixels_per_mm(film, anatomy)
    within_px = (GROUP_WITHIN_MM * rows, GROUP_WITHIN_MM * cols)
    groups = group_pieces(here, np.array(unnamed, dtype=np.intp), within_px)
    for piece in unnamed:
        label_of[piece] = len(named) + int(groups[piece])
    image = np.zeros(pieces.image.shape, dtype=np.uint16)
    image[pieces.window] = label_of[here]
    return image, int(label_of.max(initial=0))
