"""What one film holds and the other clearly lacks stands by its own film's evidence.

Judged together, a shadow that was found on one film only loses to the empty place on the other (`joint`): mostly it is
anatomy that one film shows a little better. But anatomy is on both films, found or not. Where the other film shows that
place and lacks the shadow itself, it is no anatomy: it came or went between the visits. A sesamoid or a carpal bone may
lie a few millimetres elsewhere on the other film, though, and its old place is empty then. So nothing is taken for
lacking where the other film holds a shadow of like size near by that has no counterpart either.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, prod

import numpy as np
from numpy.typing import NDArray

from calcimeasure.comparison.alignment import inverse, map_points
from calcimeasure.comparison.common_field import CommonField
from calcimeasure.comparison.joint import pixel_mm
from calcimeasure.comparison.links import STRAYED_MM, STRAYED_SIZE
from calcimeasure.comparison.overlap import places_of
from calcimeasure.comparison.records import Alignment
from calcimeasure.comparison.seen_again import SHOWN, Sight, presence_of
from calcimeasure.segmentation.protocol import Proposals
from calcimeasure.windows import windows_of

LACKING = 0.3
"""Share of a shadow that the other film shows, at most, where it lacks it. 108 development pairs held 23 shadows of
2 mm² and more on one film alone: the 18 false ones showed 0.5 or more of themselves on the other film (one could not be
asked), the new and resolved ones less than nothing."""
LEAST_MM2 = 2.0
LEAST_LIKELY = 0.02
"""Of a shadow near by, by its own film."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A film's proposals, by its own evidence and as the films together decide them; and the film to compare with."""

    sight: Sight
    alone: Proposals
    together: Proposals


def with_lacking(
    baseline: Judged, followup: Judged, alignment: Alignment, field: CommonField
) -> tuple[Proposals, Proposals]:
    """Return both films' proposals, those that the other film lacks with the probability from their own.

    Parameters
    ----------
    baseline, followup
        Both films.
    alignment
        Baseline to follow-up.
    field
        What both films show.
    """
    back = inverse(alignment, followup.sight.film.shape)
    return (
        _raised(baseline, followup, (alignment, back), field.baseline, field.baseline_step),
        _raised(followup, baseline, (back, alignment), field.followup, field.followup_step),
    )


def _raised(
    own: Judged, other: Judged, ways: tuple[Alignment, Alignment], shown: NDArray[np.bool_], step: int
) -> Proposals:
    asked, image = own.alone.threshold, own.together.image
    accepted = own.alone.probabilities >= asked
    lost = np.flatnonzero(accepted & (own.together.probabilities < asked)) + 1
    if not lost.size:
        return own.together
    probabilities = own.together.probabilities.copy()
    likely = np.concatenate([[False], accepted])
    pixel_mm2 = prod(pixel_mm(own.alone))
    boxes = windows_of(image)
    for number in (label for label in lost.tolist() if label in boxes):
        box = boxes[number]
        row, col = np.nonzero(image[box] == number)
        in_field = shown[(row + box[0].start) // step, (col + box[1].start) // step].mean()
        if row.size * pixel_mm2 < LEAST_MM2 or in_field < SHOWN:
            continue
        centre = np.array([row.mean() + box[0].start, col.mean() + box[1].start])
        if _strays(centre, row.size * pixel_mm2, own, other, ways):
            continue
        window = own.sight.around(box)
        cells = own.sight.on_cells(image, window)
        mask = cells == number
        at = (window[0].start, window[1].start)
        presence = presence_of(mask, likely[cells] & ~mask, own.sight, other.sight, ways[0], corner=at)
        if presence is not None and presence.share <= LACKING:
            probabilities[number - 1] = own.alone.probabilities[number - 1]
    return own.together.with_probabilities(probabilities)


def _strays(
    centre: NDArray[np.float64], size_mm2: float, own: Judged, other: Judged, ways: tuple[Alignment, Alignment]
) -> bool:
    """Return whether the other film proposes something of like size near by that lies on nothing accepted here.

    Parameters
    ----------
    centre, size_mm2
        Of the shadow, the centre in its own film's pixels.
    own, other
        Its film and the other.
    ways
        The alignment to the other film, and back.
    """
    places, sizes = _centres(other.alone)
    here = np.hypot(*((places - map_points(ways[0], centre[np.newaxis])) * pixel_mm(other.alone)).T)
    alike = np.abs(np.log(np.maximum(sizes, 1e-9) / size_mm2)) <= log(STRAYED_SIZE)
    near = places[(here <= STRAYED_MM) & alike & (other.alone.probabilities >= LEAST_LIKELY)]
    back = np.rint(map_points(ways[1], near)).astype(np.intp)
    rows, cols = own.alone.image.shape
    numbers = own.alone.image[back[:, 0].clip(0, rows - 1), back[:, 1].clip(0, cols - 1)]
    taken = np.concatenate([[False], own.together.probabilities >= own.alone.threshold])
    return bool((~taken[numbers]).any())


def _centres(proposals: Proposals) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each proposal's centre in pixels, and its size in mm²."""
    row, col = places_of(proposals.image)
    label = proposals.image[row, col]
    count = np.bincount(label, minlength=len(proposals) + 1)
    sums = [np.bincount(label, axis, len(proposals) + 1) for axis in (row, col)]
    centres = np.stack(sums, axis=-1) / np.maximum(count, 1)[:, np.newaxis]
    return centres[1:], np.asarray(count[1:] * prod(pixel_mm(proposals)), np.float64)
