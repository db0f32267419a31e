"""The structure that a click points at: of all candidates under it, the one that looks most like a deposit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.segmentation.candidates import Cut, find_cuts
from calcimeasure.segmentation.features import describe_cuts
from calcimeasure.segmentation.regions import Region
from calcimeasure.segmentation.scoring import Scorer
from calcimeasure.segmentation.working import WorkingFilm

# Clicks may point at what is too faint to be proposed, and deserve more outlines to choose from.
_LENGTHS_MM = (2.4, 4.8, 9.6, 18.0, 30.0, 48.0)
_LEVELS = (0.025, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.28, 0.36, 0.46, 0.6, 0.8, 1.1)
_WINDOW_MM = 36.0
_MISS_MM = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A click on the film: row and column in film pixels."""

    row: float
    col: float


def region_under(
    working: WorkingFilm, click: Click, foreign: list[Click], scorer: Scorer, film_shape: tuple[int, int]
) -> Region | None:
    """Return the structure under a click, or None where there is none.

    Parameters
    ----------
    working
        The film on the working grid.
    click
        Where the reader clicked.
    foreign
        Clicks on other deposits: a structure that holds one of them is not taken where there is another choice.
    scorer
        Judges the candidates.
    film_shape
        Shape of the film.
    """
    centre = _cell(click, working.factor)
    window, corner = _window(working, centre)
    cuts = find_cuts(window, lengths_mm=_LENGTHS_MM, levels=_LEVELS, everywhere=True)
    scores = [scorer(rows) for rows in describe_cuts(window, cuts)]
    at = (centre[0] - corner[0], centre[1] - corner[1])
    others = [_cell(other, working.factor) for other in foreign]
    elsewhere = [(row - corner[0], col - corner[1]) for row, col in others]
    found = [
        (*_preference(mask, box, cut, elsewhere), -float(values[number - 1]), which, number, mask, box)
        for which, (cut, values) in enumerate(zip(cuts, scores, strict=True))
        for number, mask, box in _under(cut, at, _MISS_MM / (window.pitch_mm * cut.coarse))
    ]
    if not found:
        return None
    _, _, which, _, mask, box = min(found, key=lambda entry: entry[:4])
    coarse = cuts[which].coarse
    rows, cols = working.grey.shape
    factor = (film_shape[0] / rows * coarse, film_shape[1] / cols * coarse)
    first = (box[0].start + corner[0] // coarse, box[1].start + corner[1] // coarse)
    return Region(mask=mask, corner=first, probability=1.0, factor=factor)


def _cell(click: Click, factor: tuple[float, float]) -> tuple[int, int]:
    return (int((click.row + 0.5) / factor[0]), int((click.col + 0.5) / factor[1]))


def _window(working: WorkingFilm, centre: tuple[int, int]) -> tuple[WorkingFilm, tuple[int, int]]:
    """Return the working film around a cell, and the window's first cell: a multiple of every coarse step."""
    reach = int(_WINDOW_MM / working.pitch_mm)
    starts = [max(0, (at - reach) // 4 * 4) for at in centre]
    box = tuple(slice(first, first + 2 * reach) for first in starts)
    names = ("grey", "limb", "bone", "skin_depth_mm", "bone_distance_mm", "noise", "clipped")
    return replace(working, **{name: getattr(working, name)[box] for name in names}), (starts[0], starts[1])


def _under(cut: Cut, at: tuple[int, int], miss: float) -> list[tuple[int, NDArray[np.bool_], tuple[slice, slice]]]:
    """Return the candidate of a cut that a cell lies in, in the hollow of, or just beside."""
    row, col = at[0] // cut.coarse, at[1] // cut.coarse
    under = []
    for number, box in enumerate(ndimage.find_objects(cut.labels), start=1):
        rows, cols = box
        near = rows.start - miss <= row < rows.stop + miss and cols.start - miss <= col < cols.stop + miss
        if not near:
            continue
        mask = cut.labels[box] == number
        pad = int(miss) + 1
        solid = ndimage.binary_fill_holes(np.pad(mask, pad))
        distance = ndimage.distance_transform_edt(~solid)
        if float(distance[row - rows.start + pad, col - cols.start + pad]) <= miss:
            under.append((number, mask, (rows, cols)))
    return under


def _preference(
    mask: NDArray[np.bool_], box: tuple[slice, slice], cut: Cut, elsewhere: list[tuple[int, int]]
) -> tuple[bool]:
    """Return whether a candidate holds a click on another deposit: those come last."""
    for row, col in elsewhere:
        at = (row // cut.coarse - box[0].start, col // cut.coarse - box[1].start)
        if 0 <= at[0] < mask.shape[0] and 0 <= at[1] < mask.shape[1] and mask[at]:
            return (True,)
    return (False,)
