"""Whether the shadow of a deposit found on one film only is on the other film too.

What makes the error of a change is seldom the outline and mostly a deposit that was found on one film and missed on the
other. So the other film is asked directly, with the deposit found as the template. Around the deposit's place the two
films are put on one grey scale by the ring of tissue about it,

    A_ring ~ g B_ring + o,

and what the deposit adds on its own film, over that ring, is compared with what the other film lacks of it inside:

    presence = 1 - mean(A - g B - o) / (mean(A) - median(A_ring))        both means over the deposit.

Unchanged deposits have a presence about 1, deposits that are not there one about 0; bone under them is on both films
and drops out. Nothing pulls towards "no change": a new deposit stays new because the other film lacks its shadow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce
from math import ceil, floor, pi, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import blur, disc, distance_to, opened
from calcimeasure.boxes import Box, bounding_box, bounding_boxes, box_at, pad_box, paste_masks, union_box
from calcimeasure.label_arrays import group_pieces
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.network_input import NetworkInput, network_input
from calcimeasure.models.outline_network import outline_network_input
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.footprint import footprint
from calcimeasure.segmentation.segmenter import Proposals

SEEN = 0.5
"""Presence from which a shadow is on both films. Development pairs: 0.5 to 1.1 for nine in ten unchanged deposits,
below 0.45 for each of the 20 found that were on one film only."""
HALF_PRESENT, PRESENCE_SD = 0.5, 0.1
"""Where presence leaves it open whether a shadow is there, and over how much it does."""
_BLUR_CELLS = 1.0
_REACH_CELLS = 15
_RING_CELLS = (2.5, 12.0)
_GROWTH = 0.15
"""Of a shadow's radius: by so much the ring keeps away, or the other film's ring would lie on what has grown."""
_SEARCH_CELLS = 3
"""How far, either way, a shadow is looked for."""
_LOOK_CELLS = 5
"""The same for `recover_missed`, of finds on one film only: what lies high over the film moves with the pose."""
_LEAST_CELLS = 6
_LEAST_RING = 30
_PRIOR_VARIANCE = 0.05**2
_GAIN = (0.4, 2.5)
_SHOWN = 0.9
_FOUND = 0.25
"""Share of a piece's place that is accepted on the other film, from which it counts as found there: a speck of it is
not. Of what is found in part, the rest is looked for."""

_REST, _LEAST_REST_CELLS = 0.3, 50
"""Share of a piece, and cells, from which what the other film has not found of it is looked for by itself."""
_RIM_CELLS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PresenceImage:
    """A film as another one is compared with it place by place.

    Attributes
    ----------
    film
        The film.
    grey
        float32: soft tissue 0, bone 1, on cells of 0.2 mm, a little blurred.
    factor
        (rows, columns) film pixels a cell.
    seen
        The film as the outline network sees it, where there is one.
    """

    film: Radiograph
    seen: NetworkInput | None
    grey: NDArray[np.float32]
    factor: tuple[float, float]

    def on_cells(self, labels: NDArray[np.uint16], window: Box | None = None) -> NDArray[np.uint16]:
        """Return a label image of the film on the cells, or on a window of them."""
        sides = tuple(slice(0, size) for size in self.grey.shape) if window is None else window
        shown = np.zeros(tuple(side.stop - side.start for side in sides), dtype=labels.dtype)
        down, across = (
            _asked(size, factor)[side] for size, factor, side in zip(labels.shape, self.factor, sides, strict=True)
        )
        shown[: len(down), : len(across)] = labels[down[:, None], across]  # beyond the film is padding
        return shown

    def around(self, box: Box) -> Box:
        """Return a window of the cells with all that `measure_presence` reads for a shadow in a box of the film."""
        own = tuple(
            slice(max(floor(side.start / factor) - 1, 0), min(ceil(side.stop / factor) + 1, cells))
            for side, factor, cells in zip(box, self.factor, self.grey.shape, strict=True)
        )
        reach = _reach_of((own[0].stop - own[0].start) * (own[1].stop - own[1].start))
        return pad_box(own, (reach, reach), self.grey.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """How much of a shadow the other film shows, and how many (rows, columns) of its cells from where expected."""

    share: float
    translation: tuple[int, int]

    @property
    def absent(self) -> float:
        """Probability that the other film does not hold the shadow."""
        return float(1.0 / (1.0 + np.exp(np.clip((self.share - HALF_PRESENT) / PRESENCE_SD, -30.0, 30.0))))


def presence_image(film: Radiograph, anatomy: Anatomy) -> PresenceImage:
    """Return a film made ready to be compared place by place; what takes time is worked out once a film."""
    return PresenceImage(
        film=film,
        seen=outline_network_input(film, anatomy),
        grey=_blurred_grey(film, anatomy),
        factor=network_input(film, anatomy).factor,
    )


@cache_per_film
def _blurred_grey(film: Radiograph, anatomy: Anatomy) -> NDArray[np.float32]:
    return blur(network_input(film, anatomy).inputs[0], _BLUR_CELLS)


@lru_cache(maxsize=16)
def _asked(pixels: int, factor: float) -> NDArray[np.intp]:
    """Return which pixel of an axis each of its cells asks for its label, as OpenCV chooses it."""
    every = np.arange(pixels, dtype=np.float32)[np.newaxis]
    small = cv2.resize(every, (round(pixels / factor), 1), interpolation=cv2.INTER_NEAREST)
    chosen: NDArray[np.intp] = small[0].astype(np.intp)
    chosen.flags.writeable = False
    return chosen


def _reach_of(cells: int) -> int:
    """Return how far around a shadow of so many cells the films are compared."""
    return _REACH_CELLS + round(_growth_of(cells))


def _growth_of(cells: int) -> float:
    return _GROWTH * sqrt(cells / pi)


def measure_presence(
    mask: NDArray[np.bool_],
    others: NDArray[np.bool_],
    source: PresenceImage,
    target: PresenceImage,
    alignment: Alignment,
    *,
    corner: tuple[int, int] = (0, 0),
    search: int = _SEARCH_CELLS,
) -> Presence | None:
    """Return how much of a shadow of one film the other film shows.

    Parameters
    ----------
    mask, others, corner
        The shadow, and other deposits beside it, on the cells of its own film; or on a window of them such as
        `PresenceImage.around` gives, and the row and column of the window's first cell.
    source, target
        Its film and the other.
    alignment
        Source to target.
    search
        By how many of the other film's cells, either way, the shadow may lie from where the alignment puts it.

    Returns
    -------
    Presence
        None where the shadow is too small or has too little around it to tell.
    """
    own_window, count = bounding_box(mask), int(mask.sum())
    if own_window is None or count < _LEAST_CELLS:
        return None
    grown, reach = _growth_of(count), _reach_of(count)
    box = pad_box(own_window, (reach, reach), mask.shape)
    inside = mask[box]
    apart = distance_to(inside)
    ring = (apart > _RING_CELLS[0] + grown) & (apart <= _RING_CELLS[1] + grown) & ~others[box]
    on_film = box_at((box[0].start + corner[0], box[1].start + corner[1]), inside.shape)
    own = source.grey[on_film]
    added = float(own[inside].mean() - np.median(own[ring])) if ring.sum() >= _LEAST_RING else 0.0
    if added <= 0.0:
        return None
    other, translation = _best_view(
        own, inside | ring, on_film, source=source, target=target, alignment=alignment, search=search
    )
    ring_own, ring_other = own[ring].astype(np.float64), other[ring].astype(np.float64)
    covariance = float(((ring_own - ring_own.mean()) * (ring_other - ring_other.mean())).mean())
    gain = float(np.clip((covariance + _PRIOR_VARIANCE) / (ring_other.var() + _PRIOR_VARIANCE), *_GAIN))
    expected = gain * (other[inside] - ring_other.mean()) + ring_own.mean()
    return Presence(share=1.0 - float((own[inside] - expected).mean()) / added, translation=translation)


def _best_view(
    own: NDArray[np.float32],
    used: NDArray[np.bool_],
    box: tuple[slice, slice],
    *,
    source: PresenceImage,
    target: PresenceImage,
    alignment: Alignment,
    search: int,
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Return the other film around the same place, moved by what makes it fit best, and by how many cells."""
    row, col = np.mgrid[box]
    places = np.stack([(row + 0.5) * source.factor[0] - 0.5, (col + 0.5) * source.factor[1] - 0.5], axis=-1)
    mapped = map_points(alignment, places)
    at_row = ((mapped[..., 0] + 0.5) / target.factor[0] - 0.5).astype(np.float32)
    at_col = ((mapped[..., 1] + 0.5) / target.factor[1] - 0.5).astype(np.float32)
    places_used = np.flatnonzero(used)
    centred = own[used] - own[used].mean()
    spread = (centred**2).sum()
    across = {right: at_col + right for right in range(-search, search + 1)}
    best, view, translation = -np.inf, own, (0, 0)
    steps = sorted(range(-search, search + 1), key=abs)
    for down in steps:
        lower = at_row + down
        for right in steps:
            seen = cv2.remap(target.grey, across[right], lower, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            other = seen.ravel()[places_used]
            other -= other.mean()
            fit = float((centred * other).sum() / np.sqrt(spread * (other**2).sum() + 1e-9))
            if fit > best + 1e-6:
                best, view, translation = fit, np.asarray(seen, dtype=np.float32), (down, right)
    return view, translation


def recover_missed(
    baseline: tuple[PresenceImage, Proposals],
    followup: tuple[PresenceImage, Proposals],
    alignment: Alignment,
    field: CommonField,
) -> tuple[Proposals, Proposals]:
    """Return both films' proposals, those added that were accepted on the other film only and are seen on this one too.

    Parameters
    ----------
    baseline, followup
        Each film, and its proposals judged by both.
    alignment
        Baseline to follow-up.
    field
        What both films show.
    """
    back = inverse(alignment, followup[0].film.shape)
    on_followup = _missing(
        baseline, followup, there=alignment, back=back, shown=field.baseline, step=field.baseline_step
    )
    on_baseline = _missing(
        followup, baseline, there=back, back=alignment, shown=field.followup, step=field.followup_step
    )
    return _with_pieces(baseline, on_baseline), _with_pieces(followup, on_followup)


TemplatePiece = tuple[NDArray[np.bool_], tuple[int, int], float]
"""A mask on film pixels, its first row and column, and its probability."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Lone:
    """An accepted piece, or the rest of one, that the other film does not hold where it should lie.

    Attributes
    ----------
    number
        Its number among the proposals.
    own, corner
        The piece on its film's pixels, and their first row and column.
    mapped
        Where those pixels lie on the other film, (pixels of the whole piece, 2).
    cells, window
        What is looked for, on a window of its film's cells.
    """

    number: int
    own: NDArray[np.bool_]
    corner: tuple[int, int]
    mapped: NDArray[np.intp]
    cells: NDArray[np.bool_]
    window: Box


def _missing(
    source: tuple[PresenceImage, Proposals],
    target: tuple[PresenceImage, Proposals],
    *,
    there: Alignment,
    back: Alignment,
    shown: NDArray[np.bool_],
    step: int,
) -> list[TemplatePiece]:
    """Return the source's accepted pieces that are seen on the target; of what that found in part, the rest.

    Pieces near one another are looked for as one thing first: the specks of a stippled deposit have moved together, and
    each by itself is too small a template to tell its own place from its neighbour's.
    """
    sight, proposals = source
    wanted = np.flatnonzero(proposals.probabilities >= proposals.threshold) + 1
    if not wanted.size:
        return []
    cells = sight.on_cells(proposals.image)
    lone = _lone(source, target[1], wanted, cells, there=there, shown=shown, step=step)
    deposits = np.isin(cells, wanted)
    group_of = group_pieces(
        proposals.image, np.array([one.number for one in lone], dtype=np.intp), proposals.group_within_px
    )
    pieces: list[TemplatePiece] = []

    def seen(some: list[_Lone]) -> Presence | None:
        window = reduce(union_box, (one.window for one in some))
        mask = paste_masks(window, *((one.window, one.cells) for one in some))
        at = (window[0].start, window[1].start)
        others = deposits[window] & ~mask
        return measure_presence(mask, others, sight, target[0], there, corner=at, search=_LOOK_CELLS)

    for group in range(1, int(group_of.max(initial=0)) + 1):
        together = [one for one in lone if group_of[one.number] == group]
        of_all = seen(together)
        as_one = len(together) == 1 or (of_all is not None and of_all.share >= SEEN)
        for one in together:
            presence = of_all if as_one else seen([one])
            if presence is None or presence.share < SEEN:
                continue
            piece = _outlined_there(one.own, one.corner, one.mapped, presence.translation, target=target[0], back=back)
            if piece is not None:
                pieces.append((*piece, float(proposals.probabilities[one.number - 1])))
    return pieces


def _lone(
    source: tuple[PresenceImage, Proposals],
    other: Proposals,
    wanted: NDArray[np.intp],
    cells: NDArray[np.uint16],
    *,
    there: Alignment,
    shown: NDArray[np.bool_],
    step: int,
) -> list[_Lone]:
    """Return what of the source's wanted pieces the other film should show and was not found on it."""
    sight, proposals = source
    accepted = np.concatenate([[False], other.probabilities >= other.threshold])[other.image]
    boxes = bounding_boxes(proposals.image)
    lone: list[_Lone] = []
    for number in (label for label in wanted.tolist() if label in boxes):
        box = boxes[number]
        own = proposals.image[box] == number
        corner = (box[0].start, box[1].start)
        row, col = (within + first for within, first in zip(np.nonzero(own), corner, strict=True))
        if shown[row // step, col // step].mean() < _SHOWN:
            continue
        mapped = np.rint(map_points(there, np.stack([row, col], axis=-1))).astype(np.intp)
        on_film = ((mapped >= 0) & (mapped < np.array(other.image.shape))).all(axis=1)
        found = np.zeros(len(row), dtype=np.bool_)
        found[on_film] = accepted[tuple(mapped[on_film].T)]
        too_little_left = found.mean() > 1.0 - _REST / 2.0  # rims or not
        if on_film.mean() < _SHOWN or too_little_left:
            continue
        window = sight.around(box)
        mask = cells[window] == number
        if found.mean() > _FOUND:
            least = max(_REST * mask.sum(), _LEAST_REST_CELLS)
            own[own] = ~found
            left = np.zeros(proposals.image.shape, dtype=np.uint16)
            left[box] = own
            # An alignment a little off leaves a rim.
            mask = opened(sight.on_cells(left, window) > 0, disc(_RIM_CELLS))
            if mask.sum() < least:
                continue
        lone.append(_Lone(number=number, own=own, corner=corner, mapped=mapped, cells=mask, window=window))
    return lone


def propagated_mask(
    mask: NDArray[np.bool_],
    mapped: NDArray[np.intp],
    translation: tuple[int, int],
    target: PresenceImage,
    back: Alignment,
    *,
    corner: tuple[int, int] = (0, 0),
) -> tuple[NDArray[np.bool_], tuple[int, int]] | None:
    """Return a piece of one film where it lies on the other, on that film's pixels.

    Parameters
    ----------
    mask, corner
        The piece on its own film's pixels, and the row and column there of the mask's first one.
    mapped
        Where its pixels lie on the other film, (pixels, 2).
    translation
        (rows, columns) of the other film's cells by which it lies elsewhere than expected, as `Presence` tells.
    target, back
        The other film, and the alignment from it to the piece's own.

    Returns
    -------
    tuple or None
        A window of the other film and its first row and column; None where nothing is left.
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


def _outlined_there(
    mask: NDArray[np.bool_],
    corner: tuple[int, int],
    mapped: NDArray[np.intp],
    translation: tuple[int, int],
    *,
    target: PresenceImage,
    back: Alignment,
) -> tuple[NDArray[np.bool_], tuple[int, int]] | None:
    """Return a piece of one film on the other's pixels, its outline found there anew; None where nothing is left."""
    carried = propagated_mask(mask, mapped, translation, target, back, corner=corner)
    if carried is None:
        return None
    found, box = footprint(target.film, *carried, seen=target.seen)
    return (found, (box[0].start, box[1].start)) if found.any() else None


def _with_pieces(side: tuple[PresenceImage, Proposals], pieces: list[TemplatePiece]) -> Proposals:
    """Return the proposals with further pieces; they take the pixels of what was not accepted."""
    proposals = side[1]
    if not pieces:
        return proposals
    image = proposals.image.copy()
    probabilities = list(proposals.probabilities)
    accepted = np.concatenate([[False], proposals.probabilities >= proposals.threshold])
    for mask, corner, probability in pieces:
        view = image[box_at(corner, mask.shape)]
        numbers = np.concatenate([accepted, np.ones(len(probabilities) - len(proposals), dtype=np.bool_)])
        view[mask & ~numbers[view]] = len(probabilities) + 1
        probabilities.append(probability)
    return proposals.repainted(image, np.array(probabilities))
