"""What is found on one film is looked for at its place on the other, and both are judged by the evidence of both.

Evidence ``o`` is the log odds of a proposal above those, ``a``, that its method asks. Two proposals at one place are
either the same shadow seen twice, or two things that happen to lie there (a deposit that came over a speck). For one
shadow the evidence of the two films adds up, less what two looks at one thing have in common; two things stand each by
their own. Which of the two it is, is weighed by how far the evidence differs: noise moves it a little, a new deposit
much. With ``d`` the difference,

    same     = R N(d; 0, S) / (R N(d; 0, S) + (1 - R) / W)
    together = C + G (o1 + o2)
    p        = same * logistic(a + together) + (1 - same) * logistic(a + o1)

Where the other film shows the place and nothing lies there, not even a weak proposal, that is evidence too: ``o2`` is
`NOTHING_THERE`, the least it can be. Only the certain are new or resolved: what one film shows faintly and the other
not at all is mostly no deposit, and what both show faintly mostly is one. Outside the common field a proposal keeps its
own probability. The rule treats the films alike: exchanging them exchanges the answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.region_overlap import RegionOverlaps, find_overlaps, labelled_pixels
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.segmenter import Proposals

SAME_SHADOW = 0.92
"""R: prior share of overlapping proposals that are one shadow seen twice."""
SPREAD_OF_TWO_LOOKS = 3.0
"""S: standard deviation of the difference in log odds between two films of one shadow."""
WIDTH_OF_LOG_ODDS = 8.0
"""W: range over which the difference is spread for two different things."""
GAIN, BIAS = 0.9, 0.3
"""G and C. They and what nothing there is worth were set on development pairs, as what keeps most deposits for half a
false find a film made from a real one (`docs/method.md`)."""
NOTHING_THERE = -2.0
"""Evidence of a place that the other film shows and that holds no proposal; no proposal is weaker evidence."""
LARGEST_LOG_ODDS = 4.0
LEAST_COVER = 0.3
"""Share of the smaller proposal that has to lie on the other for them to be at one place."""
COMMON = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Correspondence:
    """Which proposals of two films lie at one place.

    Attributes
    ----------
    overlaps
        The pairs, the first film's proposals first.
    first_shown, second_shown
        For each proposal of either film, whether the other film shows its place.
    """

    overlaps: RegionOverlaps
    first_shown: NDArray[np.bool_]
    second_shown: NDArray[np.bool_]

    def swapped(self) -> Correspondence:
        """Return the same, the films exchanged."""
        return Correspondence(
            overlaps=self.overlaps.swapped(), first_shown=self.second_shown, second_shown=self.first_shown
        )


def fuse_detections(
    baseline: Proposals, followup: Proposals, alignment: Alignment, field: CommonField | None = None
) -> tuple[Proposals, Proposals]:
    """Return both films' proposals, each judged by what both films show.

    Parameters
    ----------
    baseline, followup
        Everything that might be a piece of a deposit, weak ones too, with the probability from its own film.
    alignment
        Baseline to follow-up.
    field
        What both films show; proposals outside it are judged by their own film. None: everything is shown by both.
    """
    places = find_correspondence(baseline, followup, alignment, field)
    first, second = baseline.probabilities, followup.probabilities
    before = fused_probabilities(first, second, places, baseline.threshold)
    after = fused_probabilities(second, first, places.swapped(), followup.threshold)
    return baseline.with_probabilities(before), followup.with_probabilities(after)


def find_correspondence(
    baseline: Proposals, followup: Proposals, alignment: Alignment, field: CommonField | None = None
) -> Correspondence:
    """Return which proposals of two films lie at one place; see `fuse_detections` for the parameters."""
    overlaps = find_overlaps(
        baseline.image,
        followup.image,
        alignment,
        baseline_pixel_mm=_pixel_mm(baseline),
        followup_pixel_mm=_pixel_mm(followup),
    )
    first = _in_field(baseline, None if field is None else (field.baseline, field.baseline_step))
    second = _in_field(followup, None if field is None else (field.followup, field.followup_step))
    cover = np.maximum(overlaps.cover_first, overlaps.cover_second)
    shown = first[overlaps.first - 1] & second[overlaps.second - 1]
    return Correspondence(
        overlaps=overlaps.chosen((cover >= LEAST_COVER) & shown), first_shown=first, second_shown=second
    )


def fused_probabilities(
    own: NDArray[np.float64], other: NDArray[np.float64], places: Correspondence, threshold: float
) -> NDArray[np.float64]:
    """Return the probability of each of one film's proposals, given what lies at its place on the other film.

    Parameters
    ----------
    own, other
        Probabilities by each film alone; proposal n is entry n - 1.
    places
        Proposals at one place, the own film's first. Of several at one place the most probable counts.
    threshold
        Probability that the method asks of a proposal.
    """
    asked = float(log_odds(np.array([threshold]))[0])
    counterpart = np.full(len(own), -1.0)
    np.maximum.at(counterpart, places.overlaps.first - 1, other[places.overlaps.second - 1])
    seen_twice = counterpart >= 0
    odds = log_odds(own) - asked
    odds_other = np.where(seen_twice, np.maximum(log_odds(counterpart) - asked, NOTHING_THERE), NOTHING_THERE)
    density = np.exp(-0.5 * ((odds - odds_other) / SPREAD_OF_TWO_LOOKS) ** 2)
    density /= SPREAD_OF_TWO_LOOKS * np.sqrt(2.0 * np.pi)
    same = SAME_SHADOW * density / (SAME_SHADOW * density + (1.0 - SAME_SHADOW) / WIDTH_OF_LOG_ODDS)
    together = 1.0 / (1.0 + np.exp(-(asked + BIAS + GAIN * (odds + odds_other))))
    joint = np.where(seen_twice, same * together + (1.0 - same) * own, together)
    return np.asarray(np.where(places.first_shown, joint, own), np.float64)


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log odds, held within what a probability from one film can mean."""
    least = 1.0 / (1.0 + np.exp(LARGEST_LOG_ODDS))
    held = np.clip(probability, least, 1.0 - least)
    return np.asarray(np.log(held / (1.0 - held)), np.float64)


def _pixel_mm(proposals: Proposals) -> tuple[float, float]:
    """Return (row, column) mm a pixel: 2.0 mm span `group_within_px` pixels, nominally where there is no spacing."""
    rows, cols = proposals.group_within_px
    return (2.0 / rows, 2.0 / cols)


def _in_field(proposals: Proposals, mask: tuple[NDArray[np.bool_], int] | None) -> NDArray[np.bool_]:
    """Return for each proposal whether most of it lies in the common field."""
    count = len(proposals)
    if mask is None:
        return np.ones(count, np.bool_)
    inside, step = mask
    row, col = labelled_pixels(proposals.image)
    label = proposals.image[row, col]
    pixels = np.bincount(label, minlength=count + 1)
    shown = np.bincount(label, inside[row // step, col // step], count + 1)
    return np.asarray((shown >= COMMON * np.maximum(pixels, 1))[1:], np.bool_)
