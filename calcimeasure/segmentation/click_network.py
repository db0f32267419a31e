"""What a reader clicks on: the region that the search sees there, else what the outline network makes of the click.

The search looks at the whole limb and knows large deposits better; what it missed is what a click is for. Its parts are
one piece where a weak trace joins them: of a cluster over bone it is often sure of the lobes and not of what lies
between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.filters import components
from calcimeasure.learned.film_input import Prepared, prepared
from calcimeasure.learned.kept import kept_with_film
from calcimeasure.learned.outlines import answer_to, marks
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.network import CUT, WEAK_CUT, map_of_film, network_installed
from calcimeasure.segmentation.regions import Region
from calcimeasure.windows import window_at

_WINDOW = 192
_CUTS = (0.5, 0.2)
_MISS_CELLS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A click on the film: row and column in film pixels."""

    row: float
    col: float


def region_clicked(film: Radiograph, anatomy: Anatomy, click: Click, foreign: Iterable[Click]) -> Region | None:
    """Return the piece of a deposit under a click, or None where there is none.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    click
        Where the reader clicked.
    foreign
        Clicks on other pieces, which this one is not to take in.
    """
    seen = prepared(film, anatomy)
    at, others = _cell(click, seen.factor), [_cell(other, seen.factor) for other in foreign]
    return _searched(film, anatomy, at, others) or piece_at(seen, at, others)


def _searched(
    film: Radiograph, anatomy: Anatomy, at: tuple[int, int], others: Sequence[tuple[int, int]]
) -> Region | None:
    """Return the region of the search at a cell; None where there is none, or where it holds other clicks too."""
    if not (network_installed() and anatomy.limb_count):
        return None
    probability, joined, parts = _regions_of_search(film, anatomy)
    strong = parts[0]
    rows, cols = strong.shape
    if not (0 <= at[0] < rows and 0 <= at[1] < cols and strong[at]):
        return None
    inside = [place for place in others if 0 <= place[0] < rows and 0 <= place[1] < cols]
    for labels, boxes in (joined, parts):
        number = int(labels[at])
        if not any(labels[place] == number for place in inside):
            left, top, width, height = (int(value) for value in boxes[number - 1, :4])
            box = window_at((top, left), (height, width))
            mask = (labels[box] == number) & (strong[box] > 0)
            return _region(mask, probability[box], (top, left), strong.shape, prepared(film, anatomy).factor)
    return None


Numbered = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Cells by the number of what holds together, and a row a number from 1: left, top, width, height, cells."""


@kept_with_film
def _regions_of_search(film: Radiograph, anatomy: Anatomy) -> tuple[NDArray[np.float32], Numbered, Numbered]:
    """Return the search's map, and its regions as a weak trace joins them and as they hold together without."""
    probability = map_of_film(film, anatomy)
    return probability, components(probability >= WEAK_CUT), components(probability >= CUT)


def piece_at(seen: Prepared, at: tuple[int, int], others: Sequence[tuple[int, int]]) -> Region | None:
    """Return the piece at a cell, those at other cells left out; None where the network sees nothing.

    Its probability is the network's mean over it.
    """
    first = (at[0] - _WINDOW // 2, at[1] - _WINDOW // 2)
    own = (_WINDOW // 2, _WINDOW // 2)
    shown = marks((_WINDOW, _WINDOW), [own], [(row - first[0], col - first[1]) for row, col in others])
    probability, _ = answer_to(seen, shown, first)
    for cut in _CUTS:
        labels, _ = components(probability >= cut)
        near = labels[own[0] - _MISS_CELLS : own[0] + _MISS_CELLS + 1, own[1] - _MISS_CELLS : own[1] + _MISS_CELLS + 1]
        number = int(labels[own]) or int(near.max())
        if number:
            return _region(labels == number, probability, first, seen.limb.shape, seen.factor)
    return None


def _cell(click: Click, factor: tuple[float, float]) -> tuple[int, int]:
    return int((click.row + 0.5) / factor[0]), int((click.col + 0.5) / factor[1])


def _region(
    mask: NDArray[np.bool_],
    probability: NDArray[np.float32],
    first: tuple[int, int],
    shape: tuple[int, ...],
    factor: tuple[float, float],
) -> Region | None:
    """Return a part of the window as a region of the film, nothing of it beyond the film."""
    row, col = np.nonzero(mask)
    on_film = (row + first[0] >= 0) & (row + first[0] < shape[0]) & (col + first[1] >= 0) & (col + first[1] < shape[1])
    if not on_film.any():
        return None
    box = tuple(slice(int(at[on_film].min()), int(at[on_film].max()) + 1) for at in (row, col))
    return Region(
        mask=mask[box],
        corner=(first[0] + box[0].start, first[1] + box[1].start),
        probability=float(probability[mask].mean()),
        factor=factor,
    )
