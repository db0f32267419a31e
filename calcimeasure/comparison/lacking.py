"""What one film holds and the other clearly lacks stands by its own film's evidence.

Judged together, a shadow that was found on one film only loses to the empty place on the other (`joint`): mostly it is
anatomy that one film shows a little better. But anatomy is on both films, found or not. Where the other film shows that
place and lacks the shadow itself, it is no anatomy: it came or went between the visits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.comparison.alignment import inverse
from calcimeasure.comparison.common_field import CommonField
from calcimeasure.comparison.joint import pixel_mm
from calcimeasure.comparison.records import Alignment
from calcimeasure.comparison.seen_again import SHOWN, Sight, presence_of
from calcimeasure.segmentation.protocol import Proposals
from calcimeasure.windows import windows_of

LACKING = 0.3
"""Share of a shadow that the other film shows, at most, where it lacks it. 108 development pairs held 23 shadows of
2 mm² and more on one film alone: the 18 false ones showed 0.5 or more of themselves on the other film (one could not be
asked), the new and resolved ones less than nothing."""
LEAST_MM2 = 2.0


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
        _raised(baseline, followup.sight, alignment, field.baseline, field.baseline_step),
        _raised(followup, baseline.sight, back, field.followup, field.followup_step),
    )


def _raised(own: Judged, other: Sight, there: Alignment, shown: NDArray[np.bool_], step: int) -> Proposals:
    asked, image = own.alone.threshold, own.together.image
    accepted = own.alone.probabilities >= asked
    lost = np.flatnonzero(accepted & (own.together.probabilities < asked)) + 1
    if not lost.size:
        return own.together
    probabilities = own.together.probabilities.copy()
    likely = np.concatenate([[False], accepted])
    row_mm, col_mm = pixel_mm(own.alone)
    boxes = windows_of(image)
    for number in (label for label in lost.tolist() if label in boxes):
        box = boxes[number]
        row, col = np.nonzero(image[box] == number)
        in_field = shown[(row + box[0].start) // step, (col + box[1].start) // step].mean()
        if row.size * (row_mm * col_mm) < LEAST_MM2 or in_field < SHOWN:
            continue
        window = own.sight.around(box)
        cells = own.sight.on_cells(image, window)
        mask = cells == number
        at = (window[0].start, window[1].start)
        presence = presence_of(mask, likely[cells] & ~mask, own.sight, other, there, corner=at)
        if presence is not None and presence.share <= LACKING:
            probabilities[number - 1] = own.alone.probabilities[number - 1]
    return own.together.with_probabilities(probabilities)
