"""The structure that a click points at, where no network is installed.

Of all candidates under the click, the one that looks most like a deposit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.segmentation.candidate_classifier import Scorer
from calcimeasure.segmentation.candidate_features import describe_cuts
from calcimeasure.segmentation.candidates import LINE_LENGTHS_MM, Cut, find_cuts, place_on_film
from calcimeasure.segmentation.classical_input import COARSEST, ClassicalInput
from calcimeasure.segmentation.click_outline import Click
from calcimeasure.segmentation.map_regions import Region

# Clicks may point at what is too faint to be proposed, and deserve more outlines to choose from.
_LENGTHS_MM = LINE_LENGTHS_MM
_LEVELS = (0.025, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.28, 0.36, 0.46, 0.6, 0.8, 1.1)
_WINDOW_MM = 36.0
_MISS_CELLS = 2
_MOST_COMPARED = 40
_MOST_DRAWN = 80
_LEAST_SHARE = 0.1  # of the likeliest candidate's probability: less is not weighed
_LEAST_SCORE = 0.003  # below it, what lies under the click is background
_LEAST_SCORE_LARGE = 0.1
_LARGE_MM2 = 30.0
_EASE = 1.5  # a reader has seen something there


@dataclass(frozen=True, kw_only=True, eq=False)
class _Outline:
    """One outline that might be meant: its cells in the window, how likely it is, whether it holds foreign clicks."""

    mask: NDArray[np.bool_]
    score: float
    foreign: bool
    region: Region


def classical_click_region(
    working: ClassicalInput,
    click: Click,
    foreign: list[Click],
    scorer: Scorer,
) -> Region | None:
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
    every = find_cuts(window, lengths_mm=_LENGTHS_MM, levels=_LEVELS, everywhere=True, ease=_EASE)
    cuts = [_under(cut, at) for cut in every]
    cuts = [cut for cut in cuts if cut.count]
    ranked = [
        (float(score), cut, number)
        for cut, scores in zip(cuts, (scorer(rows) for rows in describe_cuts(window, cuts)), strict=True)
        for number, score in enumerate(scores, start=1)
        if score >= _least_score(cut, number, window.cell_spacing_mm)
    ]
    ranked.sort(key=lambda entry: -entry[0])
    outlines = [
        _classical_outline(window, cut, number, score, elsewhere) for score, cut, number in ranked[:_MOST_DRAWN]
    ]
    return _choose(outlines)


def _classical_outline(
    window: ClassicalInput, cut: Cut, number: int, score: float, elsewhere: list[tuple[int, int]]
) -> _Outline:
    box = cut.box(number)
    corner, factor = place_on_film(window, cut, box)
    return _Outline(
        mask=_on_window(cut, number),
        score=score,
        foreign=_holds_any(cut, number, elsewhere),
        region=Region(mask=cut.labels[box] == number, corner=corner, probability=1.0, factor=factor),
    )


def _choose(outlines: list[_Outline]) -> Region | None:
    """Return the outline that agrees best with all that are likely: the one of the largest expected overlap.

    The likeliest alone may be one of several nested outlines that hardly differ in probability; what they have in
    common is steadier from film to film.
    """
    own = [outline for outline in outlines if not outline.foreign] or outlines
    if not own:
        return None
    likely = sorted(own, key=lambda outline: -outline.score)[:_MOST_COMPARED]
    likely = [outline for outline in likely if outline.score >= _LEAST_SHARE * likely[0].score]
    masks = np.stack([outline.mask for outline in likely]).reshape(len(likely), -1)
    belief = np.array([outline.score for outline in likely])
    areas = masks.sum(axis=1)
    agreement = np.zeros(len(likely))
    for first, mask in enumerate(masks):
        shared = masks[:, mask].sum(axis=1)
        agreement[first] = float((belief * shared / (areas + areas[first] - shared)).sum())
    return likely[int(np.argmax(agreement))].region


def _least_score(cut: Cut, number: int, cell_spacing_mm: float) -> float:
    """Return the least probability for a candidate of this size: what is large and unlikely is a whole bone."""
    cells = int((cut.labels[cut.box(number)] == number).sum())
    return _LEAST_SCORE if cells * (cut.coarse * cell_spacing_mm) ** 2 < _LARGE_MM2 else _LEAST_SCORE_LARGE


def _on_window(cut: Cut, number: int) -> NDArray[np.bool_]:
    mask = cut.labels == number
    return mask if cut.coarse == 1 else np.repeat(np.repeat(mask, cut.coarse, axis=0), cut.coarse, axis=1)


def _cell(click: Click, working: ClassicalInput) -> tuple[int, int]:
    rows, cols = working.factor
    return int((click.row + 0.5) / rows) - working.origin[0], int((click.col + 0.5) / cols) - working.origin[1]


def _window(working: ClassicalInput, centre: tuple[int, int]) -> ClassicalInput:
    """Return the working film around a cell."""
    reach = int(_WINDOW_MM / working.cell_spacing_mm) // COARSEST * COARSEST
    first = [max(0, at - reach) // COARSEST * COARSEST for at in centre]
    rows, cols = (slice(start, start + 2 * reach) for start in first)
    return working.cropped((rows, cols))


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
