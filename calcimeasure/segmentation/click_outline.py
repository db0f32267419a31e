"""The region under a reader's click: that of the detection map, else that of the outline network.

The detection network reads the entire limb and segments large deposits better; a click is for what it missed. Its
components are one piece where a weaker level joins them: of a cluster over bone the lobes are often certain and what
lies between is not. Where the map's region is uncertain or very small, the outline network is run as well: it segments
all of a deposit that the map nearly missed, and separates small ones side by side. Where neither is certain, it is
run on a grid twice as coarse too: of what is large and over bone it then segments more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import components
from calcimeasure.boxes import box_at
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.network_input import NetworkInput, network_input
from calcimeasure.models.outline_network import click_planes, predict_coverage
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.network_segmenter import CUT, WEAK_CUT, film_probability_map, network_installed
from calcimeasure.segmentation.probability_map_regions import Region

_WINDOW = 192
_CUTS = (0.5, 0.2)
_MISS_CELLS = 2
# Where the network finds nothing: a brighter spot of at most 3 mm about the click, else a disc of 0.6 mm.
_SPOT_CELLS, _LEAST_SPOT_CELLS = 15, 3
CERTAIN = 0.8
"""The map's mean probability over a region from which the outline network is not run."""
SMALL_CELLS = 75
"""3 mm²: of smaller regions the outline network finds the edge better."""
_LEAST_OF_SMALL = 0.5  # of the map's region: less is a part of it
PIECE_CERTAIN = 0.9
"""The outline network's mean probability over a piece from which its size is certain."""
COARSELY_LARGE_CELLS, _LEAST_COARSE_CELLS, _COARSELY_LARGER = 250, 50, 1.25
"""10 mm²: a piece so large on the coarse grid, and larger than on the fine one, is right (10 of 10 development clicks,
27 of 67 smaller ones); below 2 mm² the coarse grid is not used."""


_Cell = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A click on the film: row and column in film pixels."""

    row: float
    col: float


def region_clicked(
    film: Radiograph, anatomy: Anatomy, click: Click, foreign: Iterable[Click], beside: Iterable[Click] = ()
) -> Region | None:
    """Return the piece of a deposit under a click; None where nothing stands out outside the limb.

    Where nothing stands out it is a small disc. Its probability says how certain the piece is; 0 is a spot that the
    network does not take for a deposit.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    click
        Where the reader clicked.
    foreign
        Clicks on other deposits, which this piece is not to take in.
    beside
        Other clicks on the same deposit: on other pieces of it, or again on this one.
    """
    seen = network_input(film, anatomy)
    at = _cell(click, seen.factor)
    others = [_cell(other, seen.factor) for other in beside]
    elsewhere = [_cell(other, seen.factor) for other in foreign] + _not_with(film, anatomy, at, others)
    mapped = _region_of_map(film, anatomy, at, elsewhere)
    if mapped is not None and mapped.probability >= CERTAIN and mapped.cells >= SMALL_CELLS:
        return mapped
    piece = piece_at(seen, at, elsewhere)
    chosen = piece if mapped is None or _better(piece, mapped) else mapped
    # One of several pieces does not extend farther than it seems.
    if not others and (mapped is None or mapped.probability < CERTAIN):
        coarse = piece_at(_halved(seen), *_halves(at, elsewhere))
        if _larger(coarse, piece, chosen):
            return coarse
    return bright_spot(seen, at, elsewhere) if chosen is None else chosen


def _halved(seen: NetworkInput) -> NetworkInput:
    """Return a film on a grid twice as coarse."""
    rows, cols = (side // 2 for side in seen.limb.shape)
    inputs = np.stack([_shrunk(layer, (rows, cols)) for layer in seen.inputs])
    limb = _shrunk(seen.limb.astype(np.float32), (rows, cols)) > 0.5
    factor = (2.0 * seen.factor[0], 2.0 * seen.factor[1])
    return replace(seen, inputs=inputs, limb=limb, factor=factor)


def _shrunk(layer: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the mean over every two by two cells."""
    rows, cols = size
    return np.asarray(layer[: 2 * rows, : 2 * cols].reshape(rows, 2, cols, 2).mean(axis=(1, 3)), dtype=np.float32)


def _halves(at: _Cell, others: Sequence[_Cell]) -> tuple[_Cell, list[_Cell]]:
    """Return cells on a grid twice as coarse."""
    return (at[0] // 2, at[1] // 2), [(row // 2, col // 2) for row, col in others]


def _larger(coarse: Region | None, piece: Region | None, chosen: Region | None) -> bool:
    """Return whether the coarse grid's piece is taken: it is larger, and large, or the other is uncertain."""
    if coarse is None:
        return False
    cells = 4 * coarse.cells
    if chosen is not None and cells <= _COARSELY_LARGER * chosen.cells:
        return False
    uncertain = piece is None or piece.probability < PIECE_CERTAIN
    return cells >= COARSELY_LARGE_CELLS or (uncertain and cells >= _LEAST_COARSE_CELLS)


def _not_with(film: Radiograph, anatomy: Anatomy, at: _Cell, others: Sequence[_Cell]) -> list[_Cell]:
    """Return the cells that are not in the map's component of a cell: a second click in that means the same."""
    number = _component_at(film, anatomy, at)
    return [place for place in others if not number or _component_at(film, anatomy, place) != number]


def _component_at(film: Radiograph, anatomy: Anatomy, at: _Cell) -> int:
    """Return the number of the map's component at a cell; 0 where there is none."""
    if not (network_installed() and anatomy.limb_count):
        return 0
    labels, _ = _components_of_map(film, anatomy)[2]
    return int(labels[at]) if _lies_on(labels, at) else 0


def _lies_on(cells: NDArray[np.generic], at: _Cell) -> bool:
    rows, cols = cells.shape
    return bool(0 <= at[0] < rows and 0 <= at[1] < cols)


def _better(piece: Region | None, mapped: Region) -> bool:
    """Return whether the outline network's piece is preferred to the map's region, which is uncertain."""
    if piece is None:
        return False
    least = _LEAST_OF_SMALL if mapped.cells < SMALL_CELLS else 1.0
    return piece.cells > least * mapped.cells


def _region_of_map(film: Radiograph, anatomy: Anatomy, at: _Cell, others: Sequence[_Cell]) -> Region | None:
    """Return the map's region at a cell; None where there is none, or where it holds other clicks too."""
    if not _component_at(film, anatomy, at):
        return None
    probability, joined, parts = _components_of_map(film, anatomy)
    strong = parts[0]
    inside = [place for place in others if _lies_on(strong, place)]
    for labels, boxes in (joined, parts):
        number = int(labels[at])
        if not any(labels[place] == number for place in inside):
            left, top, width, height = (int(value) for value in boxes[number - 1, :4])
            box = box_at((top, left), (height, width))
            mask = (labels[box] == number) & (strong[box] > 0)
            return _region(mask, probability[box], (top, left), strong.shape, network_input(film, anatomy).factor)
    return None


Components = tuple[NDArray[np.int32], NDArray[np.int32]]
"""A label image, and a row a label from 1: left, top, width, height, cells."""


@cache_per_film
def _components_of_map(film: Radiograph, anatomy: Anatomy) -> tuple[NDArray[np.float32], Components, Components]:
    """Return the detection map, and its connected components at the weaker level and at its own."""
    probability = film_probability_map(film, anatomy)
    return probability, components(probability >= WEAK_CUT), components(probability >= CUT)


def piece_at(seen: NetworkInput, at: _Cell, others: Sequence[_Cell]) -> Region | None:
    """Return the piece at a cell, those at other cells left out; None where the outline network finds nothing.

    Its probability is the network's mean over it.
    """
    first = (at[0] - _WINDOW // 2, at[1] - _WINDOW // 2)
    own = (_WINDOW // 2, _WINDOW // 2)
    clicks = click_planes((_WINDOW, _WINDOW), [own], [(row - first[0], col - first[1]) for row, col in others])
    probability, _ = predict_coverage(seen, clicks, first)
    for cut in _CUTS:
        labels, _ = components(probability >= cut)
        near = labels[own[0] - _MISS_CELLS : own[0] + _MISS_CELLS + 1, own[1] - _MISS_CELLS : own[1] + _MISS_CELLS + 1]
        number = int(labels[own]) or int(near.max())
        if number:
            return _region(labels == number, probability, first, seen.limb.shape, seen.factor)
    return None


def bright_spot(seen: NetworkInput, at: _Cell, others: Sequence[_Cell]) -> Region | None:
    """Return the brighter spot at a cell; its probability is 0.

    Where nothing is brighter there it is a small disc inside the limb, and None outside.

    The spot is what reaches half of the rise from the median of its surroundings to its brightest cell next to the
    click, is connected with the click, lies within 3 mm of it and nearer to it than to other clicks.
    """
    reach = _SPOT_CELLS
    top, left = max(at[0] - reach, 0), max(at[1] - reach, 0)
    grey = seen.inputs[0][top : at[0] + reach + 1, left : at[1] + reach + 1]
    rows, cols = np.indices(grey.shape)
    distance = np.hypot(rows + top - at[0], cols + left - at[1])
    own = np.ones(grey.shape, np.bool_)
    for row, col in others:
        own &= distance <= np.hypot(rows + top - row, cols + left - col)
    disc = own & (distance <= _LEAST_SPOT_CELLS)
    level = (float(grey[disc].max()) + float(np.median(grey[distance > reach / 2]))) / 2.0
    labels, _ = components(own & (distance <= reach) & ((grey >= level) | (distance <= 1.0)))
    spot = labels == labels[at[0] - top, at[1] - left]
    # What runs on to the border of the search is no spot: bone, or the slope of the limb.
    if (spot & (distance > reach - 2)).any() or spot.sum() < disc.sum() / 3:
        if not (_lies_on(seen.limb, at) and seen.limb[at]):
            return None
        spot = disc
    box = tuple(slice(int(cells.min()), int(cells.max()) + 1) for cells in np.nonzero(spot))
    corner = (top + box[0].start, left + box[1].start)
    return Region(mask=spot[box], corner=corner, probability=0.0, factor=seen.factor)


def _cell(click: Click, factor: tuple[float, float]) -> _Cell:
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
