"""The ratio of one deposit's areas with its outline carried from either film to the other: a third witness.

Each film is outlined by itself, and an outline that takes in a bone's corner on one film only makes a change out of
nothing. The cure is to ask both films the same question: the outline of either is laid on the other, and the outline
network says what is covered there. With areas A and, of the carried outlines, C,

    carried = ((log C2 - log A1) + (log A2 - log C1)) / 2 / PULL

where PULL is how much of a true change comes through, as a carried outline leans towards what it was. Exchanging the
films negates it. It is blunter than the deposit's own ratio, but seldom far off, and that ratio now and then is: with d
their difference, the ratio is amiss with probability

    p = E N(d; 0, s_own^2 + s_carried^2 + W^2) / (E N(...) + (1 - E) N(d; 0, s_own^2 + s_carried^2)).

What both say together is the mean of the two cases; its standard error is what makes 1.96 of them hold the truth in 95
of 100 under their mixture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.comparison.alignment import inverse, map_points
from calcimeasure.comparison.records import Alignment
from calcimeasure.comparison.seen_again import Sight, carried_mask, presence_of, sight_of
from calcimeasure.measurement.coverage import coverage_of, known_px
from calcimeasure.measurement.pair import AreaRatio, area_ratio
from calcimeasure.measurement.records import FilmMeasurement
from calcimeasure.windows import part_of, widened, window_at, window_of

PULL = 0.67
AMISS, AMISS_SD = 0.1, 0.8
"""E and W: how often a ratio of two outlines is amiss, and by how much. As the others, set on development pairs."""
CARRIED_SD = 0.07
"""The least standard error of what is carried, before PULL; how far the two directions differ, and that of the
deposit's own ratio, are added in squares."""
NORMAL_95 = 1.959964
LEAST_AGREEMENT = 0.3
"""Dice of a carried outline with the one found there, below which they are not at one place."""
_LARGEST_EXPONENT = 700.0
_HALVINGS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """What carried outlines say of a ratio of areas.

    Attributes
    ----------
    log_ratio
        The mean of both directions, before `PULL`.
    apart
        How far the directions differ.
    """

    log_ratio: float
    apart: float


def ratio_of_both(
    baseline: FilmMeasurement,
    baseline_label: int,
    followup: FilmMeasurement,
    followup_label: int,
    *,
    alignment: Alignment,
) -> AreaRatio | None:
    """Return the ratio of a deposit's areas by all that two films say of it; None as for `area_ratio`.

    Parameters
    ----------
    baseline, followup
        The films, measured.
    baseline_label, followup_label
        The deposit on each.
    alignment
        Baseline to follow-up.
    """
    own = area_ratio(baseline, baseline_label, followup, followup_label)
    if own is None:
        return None
    carried = carried_ratio(baseline, baseline_label, followup, followup_label, alignment=alignment)
    return own if carried is None else weighed(own, carried)


def carried_ratio(
    baseline: FilmMeasurement,
    baseline_label: int,
    followup: FilmMeasurement,
    followup_label: int,
    *,
    alignment: Alignment,
) -> Carried | None:
    """Return what a deposit's outlines say of the ratio where they are carried; None where they cannot be.

    That is where the outline network did not measure both, or the outlines do not lie on one another.
    """
    first, second = _side(baseline, baseline_label), _side(followup, followup_label)
    if first is None or second is None:
        return None
    back = inverse(alignment, followup.film.shape)
    on_second = _carried_area(first, second, alignment, back)
    on_first = _carried_area(second, first, back, alignment)
    if on_first is None or on_second is None:
        return None
    ahead = math.log(on_second) - math.log(first.area_px)
    behind = math.log(second.area_px) - math.log(on_first)
    return Carried(log_ratio=(ahead + behind) / 2.0, apart=abs(ahead - behind))


def weighed(own: AreaRatio, carried: Carried) -> AreaRatio:
    """Return what a deposit's own ratio and the carried one say together."""
    value = carried.log_ratio / PULL
    spread = math.hypot(CARRIED_SD, carried.apart, own.se) / PULL
    fine = _Case.of(own, value, spread, wider=0.0, share=1.0 - AMISS)
    amiss = _Case.of(own, value, spread, wider=AMISS_SD, share=AMISS)
    share = 1.0 / (1.0 + math.exp(min(fine.log_weight - amiss.log_weight, _LARGEST_EXPONENT)))
    mean = (1.0 - share) * fine.mean + share * amiss.mean
    reach = _half_width(((1.0 - share, fine), (share, amiss)), mean)
    return AreaRatio(log_ratio=round(mean, 6), se=round(reach / NORMAL_95, 6))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """The ratio where the deposit's own is as certain as it says, or where it is amiss: a normal density."""

    mean: float
    sd: float
    log_weight: float

    @classmethod
    def of(cls, own: AreaRatio, carried: float, spread: float, *, wider: float, share: float) -> _Case:
        variance = own.se**2 + wider**2
        total = variance + spread**2
        return cls(
            mean=(own.log_ratio * spread**2 + carried * variance) / total,
            sd=math.sqrt(variance / total) * spread,
            log_weight=math.log(share) - (own.log_ratio - carried) ** 2 / (2.0 * total) - 0.5 * math.log(total),
        )

    def within(self, middle: float, reach: float) -> float:
        """Return the probability of lying within a reach of a value."""
        ends = (middle + reach - self.mean, middle - reach - self.mean)
        above, below = (math.erf(end / (self.sd * math.sqrt(2.0))) for end in ends)
        return (above - below) / 2.0


def _half_width(cases: tuple[tuple[float, _Case], ...], middle: float) -> float:
    """Return how far about a value the mixture holds 95 of 100."""
    low, high = 0.0, max(abs(case.mean - middle) + 4.0 * case.sd for _, case in cases)
    for _ in range(_HALVINGS):
        reach = (low + high) / 2.0
        held = sum(share * case.within(middle, reach) for share, case in cases)
        low, high = (reach, high) if held < 0.95 else (low, reach)
    return high


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Side:
    """One film's side of a deposit."""

    sight: Sight
    image: NDArray[np.uint16]
    label: int
    mask: NDArray[np.bool_]
    area_px: float


def _side(film: FilmMeasurement, label: int) -> _Side | None:
    if label not in film.covered or film.anatomy is None:
        return None
    image = film.labels.image
    return _Side(
        sight=sight_of(film.film, film.anatomy),
        image=image,
        label=label,
        mask=image == label,
        area_px=film.deposits[label - 1].area_px,
    )


def _carried_area(source: _Side, target: _Side, there: Alignment, back: Alignment) -> float | None:
    """Return the area in the target's pixels that the source's outline covers there."""
    seen, own_window = target.sight.seen, window_of(target.mask)
    if seen is None or own_window is None or not source.mask.any():
        return None
    cells = source.sight.on_cells(source.image)
    own = cells == source.label
    found = presence_of(own, (cells > 0) & ~own, source.sight, target.sight, there)
    mapped = np.rint(map_points(there, np.argwhere(source.mask).astype(np.float64))).astype(np.intp)
    carried = carried_mask(source.mask, mapped, found.shift if found else (0, 0), target.sight, back)
    if carried is None:
        return None
    piece, corner = carried
    box = window_at(corner, piece.shape)
    shared = int((piece & target.mask[box]).sum())
    if 2 * shared < LEAST_AGREEMENT * (int(piece.sum()) + int(target.mask[own_window].sum())):
        return None
    # What else is known counts as far as it does for the target's own outline: an edit farther away changes neither.
    known = widened(own_window, known_px(seen), target.image.shape)
    window = widened(box, known_px(seen), target.image.shape)
    meant = np.zeros_like(target.mask[window])
    meant[part_of(window, box)] = piece
    others = np.zeros_like(target.mask)
    others[known] = (target.image[known] != 0) & ~target.mask[known]
    meant &= ~others[window]
    covered = coverage_of(seen, meant, others[window], (window[0].start, window[1].start))
    return covered.area_px if covered is not None and covered.area_px > 0.0 else None
