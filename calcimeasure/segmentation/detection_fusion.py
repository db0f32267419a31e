"""Proposals at one place on two films get the probability that both films together give them.

Evidence ``o`` is the log odds of a proposal above those, ``a``, of its method's threshold. Two proposals at one place
are either the same shadow on both films, or two things that happen to lie there (a deposit that came over a tiny one).
For one shadow the evidence of the two films adds up, less what two films of one thing have in common; two things keep
each its own. The two cases are weighted by how far the evidence differs: noise moves it a little, a new deposit much.
With ``d`` the difference,

    same     = R N(d; 0, S) / (R N(d; 0, S) + (1 - R) / W)
    together = C + G (o1 + o2)
    p        = same * logistic(a + together) + (1 - same) * logistic(a + o1)

Where the other film shows the place and nothing lies there, not even a weak proposal, that is evidence too: ``o2`` is
`NOTHING_THERE`, the least it can be. Only the certain are new or resolved: what one film shows faintly and the other
not at all is mostly no deposit, and what both show faintly mostly is one. Outside the common field a proposal keeps its
own probability. The rule treats the films alike: exchanging them exchanges the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.region_overlap import RegionOverlaps, find_overlaps, labelled_pixels
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.segmenter import Proposals

SAME_SHADOW = 0.92
"""R: prior share of overlapping proposals that are one shadow on both films."""
SD_OF_DIFFERENCE = 3.0
"""S: standard deviation of the difference in log odds between two films of one shadow."""
WIDTH_OF_LOG_ODDS = 8.0
"""W: range over which the difference is spread for two different things."""
GAIN, BIAS = 0.9, 0.3
"""G and C. They and `NOTHING_THERE` were set on development pairs, to keep most deposits at half a false detection a
film made from a real one (`docs/method.md`)."""
NOTHING_THERE = -2.0
"""Evidence of a place that the other film shows and that holds no proposal; no proposal is weaker evidence."""
LARGEST_LOG_ODDS = 4.0
MIN_COVER = 0.3
"""Share of the smaller proposal that has to lie on the other for them to be at one place."""
COMMON_SHARE = 0.5
"""Share of a proposal in the common field from which the other film shows its place."""


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


def fuse_detections(proposals: Sequence[Proposals], places: Mapping[int, Correspondence]) -> list[Proposals]:
    """Return the proposals of several films, each with the probability that all films together give it.

    The first film's proposals get the mean, over the other films, of the joint log odds with each; a further film's
    proposals the joint log odds with the first, whose own odds are then those that the *remaining* films gave it: no
    film decides on itself by way of the first.

    Parameters
    ----------
    proposals
        Of each film everything that might be a piece of a deposit, with the probability from that film alone.
    places
        By index of a further film: which proposals of the first film and of this one lie at one place. Films without
        an entry keep their own probabilities.
    """
    fused = list(proposals)
    if not places:
        return fused
    first = proposals[0]
    with_each = {
        index: fused_probabilities(first.probabilities, proposals[index].probabilities, place, first.threshold)
        for index, place in places.items()
    }
    fused[0] = first.with_probabilities(_mean_odds(list(with_each.values())))
    for index, place in places.items():
        others = [joint for other, joint in with_each.items() if other != index]
        of_first = _mean_odds(others) if others else first.probabilities
        own = proposals[index]
        joint = fused_probabilities(own.probabilities, of_first, place.swapped(), own.threshold)
        fused[index] = own.with_probabilities(joint)
    return fused


def _mean_odds(probabilities: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the logistic mean of probabilities; of one, itself to the last digit."""
    if len(probabilities) == 1:
        return probabilities[0]
    odds = np.mean([log_odds(one) for one in probabilities], axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float64)


def find_correspondence(
    baseline: Proposals, followup: Proposals, alignment: Alignment, field: CommonField | None = None
) -> Correspondence:
    """Return which proposals of two films lie at one place.

    Parameters
    ----------
    baseline, followup
        Of each film everything that might be a piece of a deposit.
    alignment
        Baseline to follow-up.
    field
        What both films show; proposals outside it are decided by their own film. None: both show everything.
    """
    overlaps = find_overlaps(
        baseline.image,
        followup.image,
        alignment,
        baseline_pixel_mm=baseline.pixel_mm,
        followup_pixel_mm=followup.pixel_mm,
    )
    first = _in_field(baseline, None if field is None else (field.baseline, field.baseline_step))
    second = _in_field(followup, None if field is None else (field.followup, field.followup_step))
    cover = np.maximum(overlaps.cover_first, overlaps.cover_second)
    shown = first[overlaps.first - 1] & second[overlaps.second - 1]
    return Correspondence(
        overlaps=overlaps.chosen((cover >= MIN_COVER) & shown), first_shown=first, second_shown=second
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
        Probability from which the method accepts a proposal.
    """
    required = float(log_odds(np.array([threshold]))[0])
    counterpart = np.full(len(own), -1.0)
    np.maximum.at(counterpart, places.overlaps.first - 1, other[places.overlaps.second - 1])
    on_both = counterpart >= 0
    odds = log_odds(own) - required
    odds_other = np.where(on_both, np.maximum(log_odds(counterpart) - required, NOTHING_THERE), NOTHING_THERE)
    density = np.exp(-0.5 * ((odds - odds_other) / SD_OF_DIFFERENCE) ** 2)
    density /= SD_OF_DIFFERENCE * np.sqrt(2.0 * np.pi)
    same = SAME_SHADOW * density / (SAME_SHADOW * density + (1.0 - SAME_SHADOW) / WIDTH_OF_LOG_ODDS)
    together = 1.0 / (1.0 + np.exp(-(required + BIAS + GAIN * (odds + odds_other))))
    joint = np.where(on_both, same * together + (1.0 - same) * own, together)
    return np.asarray(np.where(places.first_shown, joint, own), np.float64)


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log odds, clipped to what a probability from one film can mean."""
    least = 1.0 / (1.0 + np.exp(LARGEST_LOG_ODDS))
    clipped = np.clip(probability, least, 1.0 - least)
    return np.asarray(np.log(clipped / (1.0 - clipped)), np.float64)


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
    return np.asarray((shown >= COMMON_SHARE * np.maximum(pixels, 1))[1:], np.bool_)
