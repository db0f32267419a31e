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
of 100 under their mixture, and no less than the own ratio's: both rest on the same two areas. s_carried grows with how
far the two directions differ. Where nothing can be carried, as the outlines do not lie on one another, the own ratio
stands, with a larger standard error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.boxes import Box, bounding_boxes, box_at, pad_box, paste_masks
from calcimeasure.measurement.area_ratio import AreaRatio, area_ratio
from calcimeasure.measurement.coverage_area import context_radius_px, deposit_coverage
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.parallel import map_pair_kept_thread
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.recover_missed import PresenceImage, measure_presence, presence_image, propagated_mask
from calcimeasure.statistics.laws import normal_quantile

PULL = 0.75
AMISS, AMISS_SD = 0.1, 1.5
"""E and W: how often a ratio of two outlines is amiss, and by how much. As the others, set on development pairs."""
CARRIED_SD = 0.05
"""The least standard error of what is carried, before PULL; how far the two directions differ, and what the films'
noise brings, are added in squares."""
OWN_SHARE, LARGEST_OWN_SE = 0.5, 0.2
"""Of the standard error of the deposit's own ratio, what a carried one shares of it, and up to which: what makes an
outline uncertain by more is where it ends, and a carried outline does not ask that."""
APART_SD = 0.2
"""What is added, in squares, to the standard error of a ratio whose outlines do not lie on one another."""
LEAST_AGREEMENT, LEAST_SHARED = 0.3, 0.5
"""Dice of a carried outline with the one found there, and share of the smaller that lies on the larger: where neither
is reached they are not at one place."""
_LARGEST_EXPONENT = 700.0
_HALVINGS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class PropagatedAreas:
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


class AreaRatioEstimator:
    """The ratio of a deposit's areas by all that two films say of it.

    Parameters
    ----------
    alignment
        Baseline to follow-up.
    parallel
        Carry both ways at the same time, in two threads. Several threads may ask for ratios in any case.
    """

    def __init__(self, alignment: Alignment, *, parallel: bool = False) -> None:
        self._alignment = alignment
        self._at_once = parallel
        self._back: Alignment | None = None
        self._laid_out: dict[str, _LaidOut] = {}

    def __call__(
        self, baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
    ) -> AreaRatio | None:
        """Return the ratio of a deposit on two measured films; None as for `area_ratio`.

        Parameters
        ----------
        baseline, followup
            The films, measured.
        baseline_label, followup_label
            The deposit on each.
        """
        own = area_ratio(baseline, baseline_label, followup, followup_label)
        if own is None:
            return None
        carried = self.carried(baseline, baseline_label, followup, followup_label)
        if carried is not None:
            return combine_log_ratios(own, carried)
        both_covered = baseline_label in baseline.measured_by_network and followup_label in followup.measured_by_network
        return replace(own, se=round(math.hypot(own.se, APART_SD), 6)) if both_covered else own

    def carried(
        self, baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
    ) -> PropagatedAreas | None:
        """Return what a deposit's outlines say of the ratio where they are carried; None where they cannot be.

        That is where the outline network did not measure both, or the outlines do not lie on one another.
        """
        first = self._side("baseline", baseline, baseline_label)
        second = self._side("followup", followup, followup_label)
        if first is None or second is None:
            return None
        back = self._back = self._back or inverse(self._alignment, followup.film.shape)
        ahead_and_back = (first, second, self._alignment, back), (second, first, back, self._alignment)
        on_second, on_first = map_pair_kept_thread(
            lambda way: _carried_area(*way), *ahead_and_back, parallel=self._at_once
        )
        if on_first is None or on_second is None:
            return None
        ahead = math.log(on_second) - math.log(first.area_px)
        behind = math.log(second.area_px) - math.log(on_first)
        return PropagatedAreas(log_ratio=(ahead + behind) / 2.0, apart=abs(ahead - behind))

    def _side(self, which: str, film: FilmMeasurement, label: int) -> _Side | None:
        """Return one film's side of a deposit; the film is laid out once for all of its deposits."""
        if label not in film.measured_by_network or film.anatomy is None:
            return None
        known = self._laid_out.get(which)
        if known is None or known.image is not film.labels.image:
            known = self._laid_out[which] = _LaidOut.of(film, film.anatomy)
        return _Side(film=known, label=label, area_px=film.deposits[label - 1].area_px)


def combine_log_ratios(own: AreaRatio, carried: PropagatedAreas) -> AreaRatio:
    """Return what a deposit's own ratio and the carried one say together."""
    value = carried.log_ratio / PULL
    spread = math.hypot(CARRIED_SD, carried.apart, OWN_SHARE * min(own.se, LARGEST_OWN_SE)) / PULL
    fine = _Case.of(own, value, spread, wider=0.0, share=1.0 - AMISS)
    amiss = _Case.of(own, value, spread, wider=AMISS_SD, share=AMISS)
    share = 1.0 / (1.0 + math.exp(min(fine.log_weight - amiss.log_weight, _LARGEST_EXPONENT)))
    mean = (1.0 - share) * fine.mean + share * amiss.mean
    reach = _half_width(((1.0 - share, fine), (share, amiss)), mean)
    return AreaRatio(log_ratio=round(mean, 6), se=round(max(reach / normal_quantile(0.975), own.se), 6))


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
class _LaidOut:
    """A measured film's deposits, and where each of them lies."""

    sight: PresenceImage
    image: NDArray[np.uint16]
    windows: Mapping[int, Box]

    @classmethod
    def of(cls, film: FilmMeasurement, anatomy: Anatomy) -> _LaidOut:
        image = film.labels.image
        windows = film.boxes
        if not windows and film.deposits:
            windows = bounding_boxes(image, len(film.deposits))
        return cls(sight=presence_image(film.film, anatomy), image=image, windows=windows)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Side:
    """One film's side of a deposit."""

    film: _LaidOut
    label: int
    area_px: float

    @property
    def window(self) -> Box | None:
        """Where the deposit lies."""
        return self.film.windows.get(self.label)

    def within(self, window: Box) -> NDArray[np.bool_]:
        """Return its pixels in a window of the film."""
        return np.asarray(self.film.image[window] == self.label)

    def beside(self, window: Box) -> NDArray[np.bool_]:
        """Return the pixels of other deposits in a window of the film."""
        here = self.film.image[window]
        return np.asarray((here != 0) & (here != self.label))


def _carried_area(source: _Side, target: _Side, there: Alignment, back: Alignment) -> float | None:
    """Return the area in the target's pixels that the source's outline covers there."""
    seen, from_window, to_window = target.film.sight.seen, source.window, target.window
    if seen is None or from_window is None or to_window is None:
        return None
    near = source.film.sight.around(from_window)
    cells = source.film.sight.on_cells(source.film.image, near)
    own = cells == source.label
    at = (near[0].start, near[1].start)
    found = measure_presence(own, (cells > 0) & ~own, source.film.sight, target.film.sight, there, corner=at)
    mask = source.within(from_window)
    corner = (from_window[0].start, from_window[1].start)
    mapped = np.rint(map_points(there, (np.argwhere(mask) + corner).astype(np.float64))).astype(np.intp)
    translation = found.translation if found is not None else (0, 0)
    carried = propagated_mask(mask, mapped, translation, target.film.sight, back, corner=corner)
    if carried is None:
        return None
    piece, first = carried
    box = box_at(first, piece.shape)
    shared = int((piece & target.within(box)).sum())
    sizes = int(piece.sum()), int(target.within(to_window).sum())
    if 2 * shared < LEAST_AGREEMENT * sum(sizes) and shared < LEAST_SHARED * min(sizes):
        return None
    window = pad_box(box, context_radius_px(seen), target.film.image.shape)
    others = target.beside(window)
    # What else is known counts as far as it does for the target's own outline: an edit farther away changes neither.
    known = pad_box(to_window, context_radius_px(seen), target.film.image.shape)
    rows, cols = (np.arange(side.start, side.stop) for side in window)
    others &= ((rows >= known[0].start) & (rows < known[0].stop))[:, None]
    others &= (cols >= known[1].start) & (cols < known[1].stop)
    meant = paste_masks(window, (box, piece)) & ~others
    covered = deposit_coverage(seen, meant, others, (window[0].start, window[1].start))
    return covered.area_px if covered is not None and covered.area_px > 0.0 else None
