"""Deposits that were accepted on one film only and are on the other film too: `recover_missed`.

The error of a change comes seldom from the outline and mostly from a deposit that was found on one film and missed on
the other. So the other film is searched with the deposit found as the template (`presence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import disc, opened
from calcimeasure.boxes import Box, bounding_boxes, box_at, paste_masks, union_box
from calcimeasure.label_arrays import group_pieces
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.footprint import footprint
from calcimeasure.segmentation.presence import PRESENT, Presence, PresenceImage, measure_presence
from calcimeasure.segmentation.segmenter import Proposals

_SEARCH_CELLS = 5
"""How far, either way, a shadow is searched for: what lies high above the detector moves with the pose."""
_SHOWN = 0.9
_FOUND = 0.25
"""Share of a piece's place that is accepted on the other film, from which it counts as found there. Of what is found
in part, the rest is searched for."""
_REST, _MIN_REST_CELLS = 0.3, 50
"""Share of a piece, and cells, from which what the other film has not found of it is searched for by itself."""
_RIM_CELLS = 3

Piece = tuple[NDArray[np.bool_], tuple[int, int]]
"""A mask on film pixels, and its first row and column."""


def recover_missed(
    baseline: tuple[PresenceImage, Proposals],
    followup: tuple[PresenceImage, Proposals],
    alignment: Alignment,
    field: CommonField,
) -> tuple[Proposals, Proposals]:
    """Return both films' proposals, those added that were accepted on the other film only and are on this one too."""
    back = inverse(alignment, followup[0].film.shape)
    on_followup = _missed(baseline, followup, there=alignment, back=back, shown=(field.baseline, field.baseline_step))
    on_baseline = _missed(followup, baseline, there=back, back=alignment, shown=(field.followup, field.followup_step))
    return _with_pieces(baseline[1], on_baseline), _with_pieces(followup[1], on_followup)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Unmatched:
    """An accepted piece, or the rest of one, that the other film does not hold at its place.

    Attributes
    ----------
    number
        Its number among the proposals.
    own, corner
        The piece on its film's pixels, and their first row and column.
    mapped
        Where those pixels lie on the other film, (pixels of the entire piece, 2).
    cells, window
        What is searched for, on a window of its film's cells.
    """

    number: int
    own: NDArray[np.bool_]
    corner: tuple[int, int]
    mapped: NDArray[np.intp]
    cells: NDArray[np.bool_]
    window: Box


def _missed(
    source: tuple[PresenceImage, Proposals],
    target: tuple[PresenceImage, Proposals],
    *,
    there: Alignment,
    back: Alignment,
    shown: tuple[NDArray[np.bool_], int],
) -> list[tuple[Piece, float]]:
    """Return the source's accepted pieces that are on the target too; of what that found in part, the rest.

    Pieces near one another are searched for together first: the small ones of a stippled deposit have moved together,
    and each by itself is too small a template to tell its own place from its neighbour's.
    """
    image, proposals = source
    wanted = np.flatnonzero(proposals.probabilities >= proposals.threshold) + 1
    if not wanted.size:
        return []
    cells = image.on_cells(proposals.image)
    unmatched = _unmatched(source, target[1], wanted, cells, there=there, shown=shown)
    deposits = np.isin(cells, wanted)
    numbers = np.array([one.number for one in unmatched], dtype=np.intp)
    group_of = group_pieces(proposals.image, numbers, proposals.group_within_px)

    def presence_at(some: list[_Unmatched]) -> Presence | None:
        window = reduce(union_box, (one.window for one in some))
        mask = paste_masks(window, *((one.window, one.cells) for one in some))
        at = (window[0].start, window[1].start)
        others = deposits[window] & ~mask
        return measure_presence(mask, others, image, target[0], there, corner=at, search=_SEARCH_CELLS)

    pieces: list[tuple[Piece, float]] = []
    for group in range(1, int(group_of.max(initial=0)) + 1):
        together = [one for one in unmatched if group_of[one.number] == group]
        of_all = presence_at(together)
        as_one = len(together) == 1 or (of_all is not None and of_all.share >= PRESENT)
        for one in together:
            presence = of_all if as_one else presence_at([one])
            if presence is None or presence.share < PRESENT:
                continue
            piece = _outlined_on(target[0], one, presence.translation, back)
            if piece is not None:
                pieces.append((piece, float(proposals.probabilities[one.number - 1])))
    return pieces


def _unmatched(
    source: tuple[PresenceImage, Proposals],
    other: Proposals,
    wanted: NDArray[np.intp],
    cells: NDArray[np.uint16],
    *,
    there: Alignment,
    shown: tuple[NDArray[np.bool_], int],
) -> list[_Unmatched]:
    """Return what of the source's wanted pieces the other film should show and was not found on it."""
    image, proposals = source
    in_field, step = shown
    accepted = np.concatenate([[False], other.probabilities >= other.threshold])[other.image]
    boxes = bounding_boxes(proposals.image)
    unmatched: list[_Unmatched] = []
    for number in (label for label in wanted.tolist() if label in boxes):
        box = boxes[number]
        own = proposals.image[box] == number
        corner = (box[0].start, box[1].start)
        row, col = (within + first for within, first in zip(np.nonzero(own), corner, strict=True))
        if in_field[row // step, col // step].mean() < _SHOWN:
            continue
        mapped = np.rint(map_points(there, np.stack([row, col], axis=-1))).astype(np.intp)
        on_film = ((mapped >= 0) & (mapped < np.array(other.image.shape))).all(axis=1)
        found = np.zeros(len(row), dtype=np.bool_)
        found[on_film] = accepted[tuple(mapped[on_film].T)]
        too_little_left = found.mean() > 1.0 - _REST / 2.0  # rims or not
        if on_film.mean() < _SHOWN or too_little_left:
            continue
        window = image.around(box)
        mask = cells[window] == number
        if found.mean() > _FOUND:
            least = max(_REST * mask.sum(), _MIN_REST_CELLS)
            own[own] = ~found
            rest = np.zeros(proposals.image.shape, dtype=np.uint16)
            rest[box] = own
            # An alignment a little off leaves a rim.
            mask = opened(image.on_cells(rest, window) > 0, disc(_RIM_CELLS))
            if mask.sum() < least:
                continue
        unmatched.append(_Unmatched(number=number, own=own, corner=corner, mapped=mapped, cells=mask, window=window))
    return unmatched


def propagated_mask(
    mask: NDArray[np.bool_],
    mapped: NDArray[np.intp],
    translation: tuple[int, int],
    target: PresenceImage,
    back: Alignment,
    *,
    corner: tuple[int, int] = (0, 0),
) -> Piece | None:
    """Return a piece of one film where it lies on the other, on that film's pixels; None where nothing is left.

    Parameters
    ----------
    mask, corner
        The piece on its own film's pixels, and the row and column there of the mask's first one.
    mapped
        Where its pixels lie on the other film, (pixels, 2).
    translation
        (rows, columns) of the other film's cells by which it lies elsewhere than expected, as `Presence` gives it.
    target, back
        The other film, and the alignment from it to the piece's own.
    """
    moved = (round(translation[0] * target.factor[0]), round(translation[1] * target.factor[1]))
    first = np.maximum(mapped.min(axis=0) + moved - 3, 0)
    last = np.minimum(mapped.max(axis=0) + moved + 4, target.film.shape)
    if (last <= first).any():
        return None
    row, col = np.mgrid[first[0] : last[0], first[1] : last[1]]
    places = np.stack([row - moved[0], col - moved[1]], axis=-1).astype(np.float64)
    origin = np.rint(map_points(back, places)).astype(np.intp) - np.array(corner)
    inside = ((origin >= 0) & (origin < np.array(mask.shape))).all(axis=-1)
    piece = np.zeros(row.shape, dtype=np.bool_)
    piece[inside] = mask[tuple(origin[inside].T)]
    return (piece, (int(first[0]), int(first[1]))) if piece.any() else None


def _outlined_on(
    target: PresenceImage, piece: _Unmatched, translation: tuple[int, int], back: Alignment
) -> Piece | None:
    """Return a piece on the other film's pixels, its outline determined there; None where nothing is left."""
    propagated = propagated_mask(piece.own, piece.mapped, translation, target, back, corner=piece.corner)
    if propagated is None:
        return None
    outlined, box = footprint(target.film, *propagated, seen=target.seen)
    return (outlined, (box[0].start, box[1].start)) if outlined.any() else None


def _with_pieces(proposals: Proposals, pieces: list[tuple[Piece, float]]) -> Proposals:
    """Return the proposals with further pieces; they take the pixels of what was not accepted."""
    if not pieces:
        return proposals
    image = proposals.image.copy()
    probabilities = list(proposals.probabilities)
    accepted = np.concatenate([[False], proposals.probabilities >= proposals.threshold])
    for (mask, corner), probability in pieces:
        view = image[box_at(corner, mask.shape)]
        numbers = np.concatenate([accepted, np.ones(len(probabilities) - len(proposals), dtype=np.bool_)])
        view[mask & ~numbers[view]] = len(probabilities) + 1
        probabilities.append(probability)
    return proposals.repainted(image, np.array(probabilities))
