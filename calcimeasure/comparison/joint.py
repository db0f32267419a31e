"""What is found on one film is looked for at its place on the other, and both are judged by the same evidence.

Two proposals at one place are either the same shadow seen twice, or two things that happen to lie there (a deposit
that came over a speck). Seen twice, it is judged once, by the mean of the two log odds, so that a doubtful deposit is
kept on both films or on neither; two things stand each by their own evidence. Which of the two it is, is weighed by
how far the log odds differ: noise moves them a little, a new deposit much. With ``d`` the difference,

    same = R N(d; 0, S) / (R N(d; 0, S) + (1 - R) / W)
    p    = same * logistic(mean log odds) + (1 - same) * p(own film)

A proposal with nothing at its place on the other film, or outside the common field, keeps its own probability. The
rule treats the films alike, asks no film for less evidence because of what the other shows, and leaves the certain
cases (new, resolved) as they are, so that it does not pull towards "no change".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimeasure.comparison.common_field import CommonField
from calcimeasure.comparison.overlap import Overlaps, find_overlaps
from calcimeasure.comparison.records import Alignment
from calcimeasure.segmentation.protocol import Proposals

SAME_SHADOW = 0.8
"""R: prior share of overlapping proposals that are one shadow seen twice."""
SPREAD_OF_TWO_LOOKS = 1.5
"""S: standard deviation of the difference in log odds between two films of one shadow."""
WIDTH_OF_LOG_ODDS = 8.0
"""W: range over which the difference is spread for two different things."""
LARGEST_LOG_ODDS = 4.0
LEAST_COVER = 0.3
"""Share of the smaller proposal that has to lie on the other for them to be at one place."""
COMMON = 0.5


def judge_together(
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
    overlaps = overlaps_in_field(baseline, followup, alignment, field)
    before = joint_probabilities(baseline.probabilities, followup.probabilities, overlaps)
    after = joint_probabilities(followup.probabilities, baseline.probabilities, overlaps.swapped())
    return baseline.with_probabilities(before), followup.with_probabilities(after)


def overlaps_in_field(
    baseline: Proposals, followup: Proposals, alignment: Alignment, field: CommonField | None = None
) -> Overlaps:
    """Return which proposals of two films lie at one place; see `judge_together` for the parameters."""
    overlaps = find_overlaps(
        baseline.image,
        followup.image,
        alignment,
        baseline_pixel_mm=_pixel_mm(baseline),
        followup_pixel_mm=_pixel_mm(followup),
    )
    shown = (
        _in_field(baseline.image, None if field is None else (field.baseline, field.baseline_step)),
        _in_field(followup.image, None if field is None else (field.followup, field.followup_step)),
    )
    return _at_one_place(overlaps, *shown)


def joint_probabilities(
    own: NDArray[np.float64], other: NDArray[np.float64], overlaps: Overlaps
) -> NDArray[np.float64]:
    """Return the probability of each of one film's proposals, given what lies at its place on the other film.

    Parameters
    ----------
    own, other
        Probabilities by each film alone; proposal n is entry n - 1.
    overlaps
        Proposals at one place, the own film's first. Of several at one place the most probable counts.
    """
    counterpart = np.full(len(own), -1.0)
    np.maximum.at(counterpart, overlaps.first - 1, other[overlaps.second - 1])
    seen_twice = counterpart >= 0
    odds_own, odds_other = log_odds(own), log_odds(np.where(seen_twice, counterpart, own))
    density = np.exp(-0.5 * ((odds_own - odds_other) / SPREAD_OF_TWO_LOOKS) ** 2)
    density /= SPREAD_OF_TWO_LOOKS * np.sqrt(2.0 * np.pi)
    same = SAME_SHADOW * density / (SAME_SHADOW * density + (1.0 - SAME_SHADOW) / WIDTH_OF_LOG_ODDS)
    together = 1.0 / (1.0 + np.exp(-0.5 * (odds_own + odds_other)))
    joint: NDArray[np.float64] = np.where(seen_twice, same * together + (1.0 - same) * own, own)
    return joint


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log odds, held within what a probability from one film can mean."""
    least = 1.0 / (1.0 + np.exp(LARGEST_LOG_ODDS))
    held = np.clip(probability, least, 1.0 - least)
    return np.asarray(np.log(held / (1.0 - held)), np.float64)


def _pixel_mm(proposals: Proposals) -> tuple[float, float]:
    """Return (row, column) mm a pixel: 2.0 mm span `group_within_px` pixels, nominally where there is no spacing."""
    rows, cols = proposals.group_within_px
    return (2.0 / rows, 2.0 / cols)


def _in_field(image: NDArray[np.uint16], mask: tuple[NDArray[np.bool_], int] | None) -> NDArray[np.bool_]:
    """Return for each label (0 first) whether most of it lies in the common field."""
    count = int(image.max(initial=0)) + 1
    if mask is None:
        return np.ones(count, bool)
    inside, step = mask
    row, col = np.nonzero(image)
    label = image[row, col]
    pixels = np.bincount(label, minlength=count)
    shown = np.bincount(label, inside[row // step, col // step], count)
    return np.asarray(shown >= COMMON * np.maximum(pixels, 1), np.bool_)


def _at_one_place(overlaps: Overlaps, baseline_shown: NDArray[np.bool_], followup_shown: NDArray[np.bool_]) -> Overlaps:
    cover = np.maximum(overlaps.cover_first, overlaps.cover_second)
    return overlaps.chosen((cover >= LEAST_COVER) & baseline_shown[overlaps.first] & followup_shown[overlaps.second])
