"""The structure that a click points at: of all candidates under it, the one that looks most like a deposit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from calcimeasure.segmentation.candidates import Cut, find_cuts, place_on_film
from calcimeasure.segmentation.features import describe_cuts
from calcimeasure.segmentation.regions import Region
from calcimeasure.segmentation.scoring import Scorer
from calcimeasure.segmentation.working import COARSEST, WorkingFilm

# Clicks may point at what is too faint to be proposed, and deserve more outlines to choose from.
_LENGTHS_MM = (2.4, 4.8, 9.6, 18.0, 30.0, 48.0)
_LEVELS = (0.025, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.28, 0.36, 0.46, 0.6, 0.8, 1.1)
_WINDOW_MM = 36.0
_MISS_CELLS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A click on the film: row and column in film pixels."""

    row: float
    col: float


def region_under(working: WorkingFilm, click: Click, foreign: list[Click], scorer: Scorer) -> Region | None:
    """Return the structure under a click, or None where there is none.

    Parameters
    ----------
    working
        The whole film on the working grid.
    click
        Where the reader clicked.
    foreign
        Clicks on other deposits: a structure that holds one of them is not taken where there is another choice.
    scorer
        Judges the candidates.
    """
    window = _window(working, _cell(click, working))
    at = _cell(click, window)
    elsewhere = [_cell(other, window) for other in foreign]
    best: tuple[tuple[bool, float], Cut, int] | None = None
    cuts = [_under(cut, at) for cut in find_cuts(window, lengths_mm=_LENGTHS_MM, levels=_LEVELS, everywhere=True)]
    cuts = [cut for cut in cuts if cut.count]
    for cut, rows in zip(cuts, describe_cuts(window, cuts), strict=True):
        for number, score in enumerate(scorer(rows), start=1):
            rank = (_holds_any(cut, number, elsewhere), -float(score))
            if best is None or rank < best[0]:
                best = (rank, cut, number)
    if best is None:
        return None
    _, cut, number = best
    corner, factor = place_on_film(window, cut, cut.box(number))
    return Region(mask=cut.labels[cut.box(number)] == number, corner=corner, probability=1.0, factor=factor)


def _cell(click: Click, working: WorkingFilm) -> tuple[int, int]:
    rows, cols = working.factor
    return int((click.row + 0.5) / rows) - working.origin[0], int((click.col + 0.5) / cols) - working.origin[1]


def _window(working: WorkingFilm, centre: tuple[int, int]) -> WorkingFilm:
    """Return the working film around a cell."""
    reach = int(_WINDOW_MM / working.pitch_mm) // COARSEST * COARSEST
    first = [max(0, at - reach) // COARSEST * COARSEST for at in centre]
    box = tuple(slice(start, start + 2 * reach) for start in first)
    names = ("grey", "limb", "bone", "skin_depth_mm", "bone_distance_mm", "noise", "clipped")
    cropped = {name: np.ascontiguousarray(getattr(working, name)[box]) for name in names}
    return replace(working, **cropped, origin=(working.origin[0] + first[0], working.origin[1] + first[1]))


def _under(cut: Cut, at: tuple[int, int]) -> Cut:
    """Return the candidates of a cut that a cell lies in, in the hollow of, or just beside."""
    row, col = at[0] // cut.coarse, at[1] // cut.coarse
    left, top, width, height = cut.boxes.T
    miss = _MISS_CELLS
    near = (top - miss <= row) & (row < top + height + miss) & (left - miss <= col) & (col < left + width + miss)
    under = []
    for number in (np.flatnonzero(near) + 1).tolist():
        rows, cols = cut.box(number)
        solid = ndimage.binary_fill_holes(np.pad(cut.labels[rows, cols] == number, miss + 1))
        solid = ndimage.binary_dilation(solid, iterations=miss)
        if solid[row - rows.start + miss + 1, col - cols.start + miss + 1]:
            under.append(number)
    return cut.only(under)


def _holds_any(cut: Cut, number: int, cells: list[tuple[int, int]]) -> bool:
    rows, cols = cut.labels.shape
    for row, col in cells:
        at = (row // cut.coarse, col // cut.coarse)
        if 0 <= at[0] < rows and 0 <= at[1] < cols and cut.labels[at] == number:
            return True
    return False
