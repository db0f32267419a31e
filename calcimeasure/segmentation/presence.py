"""Whether the shadow of a deposit of one film is on another film of the same limb, with the deposit as the template.

Around the deposit's place the two films are put on one grey scale by the ring of tissue about it,

    A_ring ~ g B_ring + o,

and what the deposit adds on its own film, over that ring, is compared with what the other film lacks of it inside:

    presence = 1 - mean(A - g B - o) / (mean(A) - median(A_ring))        both means over the deposit.

Unchanged deposits have a presence about 1, deposits that are not there one about 0; bone under them is on both films
and drops out. Nothing pulls towards "no change": a new deposit stays new because the other film lacks its shadow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, pi, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import blur, distance_to
from calcimeasure.boxes import Box, bounding_box, box_at, pad_box
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.network_input import NetworkInput, network_input
from calcimeasure.models.outline_network import outline_network_input
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import map_points
from calcimeasure.registration.registration_records import Alignment

PRESENT = 0.5
"""Presence from which a shadow is on both films. Development pairs: 0.5 to 1.1 for nine in ten unchanged deposits,
below 0.45 for each of the 20 found that were on one film only."""
PRESENCE_SD = 0.1
"""Over how much about `PRESENT` it stays open whether a shadow is there."""
_BLUR_CELLS = 1.0
_REACH_CELLS = 15
_RING_CELLS = (2.5, 12.0)
_GROWTH = 0.15
"""Share of a shadow's radius by which the ring keeps away: the other film's ring must not lie on growth."""
_SEARCH_CELLS = 3
"""How far, either way, a shadow is searched for."""
_MIN_CELLS = 6
_MIN_RING_CELLS = 30
_PRIOR_VARIANCE = 0.05**2
_GAIN = (0.4, 2.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class PresenceImage:
    """A film as it is compared with another one place by place.

    Attributes
    ----------
    film
        The film.
    seen
        The outline network's input, where there is a network.
    grey
        float32: the grey channel of the networks' input, a little blurred.
    factor
        (rows, columns) film pixels a cell.
    """

    film: Radiograph
    seen: NetworkInput | None
    grey: NDArray[np.float32]
    factor: tuple[float, float]

    def on_cells(self, labels: NDArray[np.uint16], window: Box | None = None) -> NDArray[np.uint16]:
        """Return a label image of the film on the cells, or on a window of them."""
        sides = tuple(slice(0, size) for size in self.grey.shape) if window is None else window
        resampled = np.zeros(tuple(side.stop - side.start for side in sides), dtype=labels.dtype)
        rows, cols = (
            _nearest_pixels(size, factor)[side]
            for size, factor, side in zip(labels.shape, self.factor, sides, strict=True)
        )
        resampled[: len(rows), : len(cols)] = labels[rows[:, None], cols]  # beyond the film is padding
        return resampled

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
        """Probability that the shadow is not on the other film."""
        return float(1.0 / (1.0 + np.exp(np.clip((self.share - PRESENT) / PRESENCE_SD, -30.0, 30.0))))


def presence_image(film: Radiograph, anatomy: Anatomy) -> PresenceImage:
    """Return a film ready to be compared place by place; what takes time is computed once a film."""
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
def _nearest_pixels(pixels: int, factor: float) -> NDArray[np.intp]:
    """Return which pixel of an axis each of its cells takes its label from, as OpenCV's nearest neighbour does."""
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
        None where the shadow is too small or has too little around it.
    """
    own_window, count = bounding_box(mask), int(mask.sum())
    if own_window is None or count < _MIN_CELLS:
        return None
    grown, reach = _growth_of(count), _reach_of(count)
    box = pad_box(own_window, (reach, reach), mask.shape)
    inside = mask[box]
    distance = distance_to(inside)
    ring = (distance > _RING_CELLS[0] + grown) & (distance <= _RING_CELLS[1] + grown) & ~others[box]
    on_film = box_at((box[0].start + corner[0], box[1].start + corner[1]), inside.shape)
    own = source.grey[on_film]
    added = float(own[inside].mean() - np.median(own[ring])) if ring.sum() >= _MIN_RING_CELLS else 0.0
    if added <= 0.0:
        return None
    other, translation = _best_match(
        own, inside | ring, on_film, source=source, target=target, alignment=alignment, search=search
    )
    ring_own, ring_other = own[ring].astype(np.float64), other[ring].astype(np.float64)
    covariance = float(((ring_own - ring_own.mean()) * (ring_other - ring_other.mean())).mean())
    gain = float(np.clip((covariance + _PRIOR_VARIANCE) / (ring_other.var() + _PRIOR_VARIANCE), *_GAIN))
    expected = gain * (other[inside] - ring_other.mean()) + ring_own.mean()
    return Presence(share=1.0 - float((own[inside] - expected).mean()) / added, translation=translation)


def _best_match(
    own: NDArray[np.float32],
    used: NDArray[np.bool_],
    box: Box,
    *,
    source: PresenceImage,
    target: PresenceImage,
    alignment: Alignment,
    search: int,
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Return the other film around the same place at the translation of the best correlation, and that translation."""
    row, col = np.mgrid[box]
    places = np.stack([(row + 0.5) * source.factor[0] - 0.5, (col + 0.5) * source.factor[1] - 0.5], axis=-1)
    mapped = map_points(alignment, places)
    at_row = ((mapped[..., 0] + 0.5) / target.factor[0] - 0.5).astype(np.float32)
    at_col = ((mapped[..., 1] + 0.5) / target.factor[1] - 0.5).astype(np.float32)
    places_used = np.flatnonzero(used)
    centred = own[used] - own[used].mean()
    spread = (centred**2).sum()
    across = {right: at_col + right for right in range(-search, search + 1)}
    best, image, translation = -np.inf, own, (0, 0)
    steps = sorted(range(-search, search + 1), key=abs)
    for down in steps:
        lower = at_row + down
        for right in steps:
            moved = cv2.remap(target.grey, across[right], lower, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            other = moved.ravel()[places_used]
            other -= other.mean()
            correlation = float((centred * other).sum() / np.sqrt(spread * (other**2).sum() + 1e-9))
            if correlation > best + 1e-6:
                best, image, translation = correlation, np.asarray(moved, dtype=np.float32), (down, right)
    return image, translation
