"""The ratio of one deposit's areas with its outline propagated from either film to the other: a third estimate.

Each film is outlined by itself, and an outline that takes in a bone's corner on one film only makes a change out of
nothing. So the outline of either film is propagated to the other, where the outline network gives the area covered.
With areas A and, of the propagated outlines, C,

    propagated = ((log C2 - log A1) + (log A2 - log C1)) / 2 / PULL

where PULL is the share of a true change that comes through, as a propagated outline is biased towards what it was.
Exchanging the films negates it. It is less precise than the deposit's own ratio but has fewer outliers: with d their
difference, the own ratio is an outlier with probability

    p = E N(d; 0, s_own^2 + s_prop^2 + W^2) / (E N(...) + (1 - E) N(d; 0, s_own^2 + s_prop^2)).

The combined ratio is the mean of the two cases; 1.96 of its standard errors hold the truth in 95 of 100 under their
mixture, and it is no less than the own ratio's: both rest on the same two areas. s_prop grows with the difference of
the two directions. Where nothing can be propagated, as the outlines do not lie on one another, the own ratio stands,
with a larger standard error.
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
from calcimeasure.parallel import parallel_map
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation.presence import PresenceImage, measure_presence, presence_image
from calcimeasure.segmentation.recover_missed import propagated_mask
from calcimeasure.statistics.laws import normal_quantile

PULL = 0.75
OUTLIER, OUTLIER_SD = 0.1, 1.5
"""E and W: how often a ratio of two outlines is an outlier, and by how much. Set on development pairs."""
PROPAGATED_SD = 0.05
"""The least standard error of a propagated ratio, before PULL; the difference of the two directions, and what the
films' noise brings, are added in squares."""
OWN_SHARE, LARGEST_OWN_SE = 0.5, 0.2
"""Share of the own ratio's standard error that a propagated one has too, and up to which: beyond it, it is the place
of the edge that makes an outline uncertain, and a propagated outline does not depend on that."""
APART_SD = 0.2
"""What is added, in squares, to the standard error of a ratio whose outlines do not lie on one another."""
LEAST_AGREEMENT, LEAST_SHARED = 0.3, 0.5
"""Dice of a propagated outline with the one found there, and share of the smaller that lies on the larger: where
neither is reached they are not at one place."""
_LARGEST_EXPONENT = 700.0
_HALVINGS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class PropagatedAreas:
    """The ratio of areas by propagated outlines.

    Attributes
    ----------
    log_ratio
        The mean of both directions, before `PULL`.
    difference
        Of the two directions.
    """

    log_ratio: float
    difference: float


class AreaRatioEstimator:
    """The ratio of a deposit's areas from everything that two films show of it; safe to call from several threads.

    Parameters
    ----------
    alignment
        Baseline to follow-up.
    """

    def __init__(self, alignment: Alignment) -> None:
        self._alignment = alignment
        self._back: Alignment | None = None
        self._films: dict[str, _FilmDeposits] = {}

    def __call__(
        self, baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
    ) -> AreaRatio | None:
        """Return the ratio of a deposit on two measured films; None as for `area_ratio`."""
        own = area_ratio(baseline, baseline_label, followup, followup_label)
        if own is None:
            return None
        propagated = self.propagate(baseline, baseline_label, followup, followup_label)
        if propagated is not None:
            return combine_log_ratios(own, propagated)
        by_network = baseline_label in baseline.measured_by_network and followup_label in followup.measured_by_network
        return replace(own, se=round(math.hypot(own.se, APART_SD), 6)) if by_network else own

    def propagate(
        self, baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
    ) -> PropagatedAreas | None:
        """Return the ratio by a deposit's propagated outlines.

        None where the outline network did not measure both, or the outlines do not lie on one another.
        """
        first = self._deposit("baseline", baseline, baseline_label)
        second = self._deposit("followup", followup, followup_label)
        if first is None or second is None:
            return None
        back = self._back = self._back or inverse(self._alignment, followup.film.shape)
        both_ways = ((first, second, self._alignment, back), (second, first, back, self._alignment))
        on_second, on_first = parallel_map(lambda way: _propagated_area(*way), both_ways, brief=True)
        if on_first is None or on_second is None:
            return None
        ahead = math.log(on_second) - math.log(first.area_px)
        behind = math.log(second.area_px) - math.log(on_first)
        return PropagatedAreas(log_ratio=(ahead + behind) / 2.0, difference=abs(ahead - behind))

    def _deposit(self, which: str, film: FilmMeasurement, label: int) -> _Deposit | None:
        """Return a deposit on one film; the film is prepared once for all of its deposits."""
        if label not in film.measured_by_network or film.anatomy is None:
            return None
        deposits = self._films.get(which)
        if deposits is None or deposits.image is not film.labels.image:
            deposits = self._films[which] = _FilmDeposits.of(film, film.anatomy)
        return _Deposit(film=deposits, label=label, area_px=film.deposits[label - 1].area_px)


def combine_log_ratios(own: AreaRatio, propagated: PropagatedAreas) -> AreaRatio:
    """Return a deposit's own ratio and the propagated one combined."""
    value = propagated.log_ratio / PULL
    spread = math.hypot(PROPAGATED_SD, propagated.difference, OWN_SHARE * min(own.se, LARGEST_OWN_SE)) / PULL
    regular = _Case.of(own, value, spread, extra_sd=0.0, share=1.0 - OUTLIER)
    outlier = _Case.of(own, value, spread, extra_sd=OUTLIER_SD, share=OUTLIER)
    share = 1.0 / (1.0 + math.exp(min(regular.log_weight - outlier.log_weight, _LARGEST_EXPONENT)))
    mean = (1.0 - share) * regular.mean + share * outlier.mean
    reach = _half_width(((1.0 - share, regular), (share, outlier)), mean)
    return AreaRatio(log_ratio=round(mean, 6), se=round(max(reach / normal_quantile(0.975), own.se), 6))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """The ratio where the deposit's own is regular, or where it is an outlier: a normal density."""

    mean: float
    sd: float
    log_weight: float

    @classmethod
    def of(cls, own: AreaRatio, propagated: float, spread: float, *, extra_sd: float, share: float) -> _Case:
        variance = own.se**2 + extra_sd**2
        total = variance + spread**2
        return cls(
            mean=(own.log_ratio * spread**2 + propagated * variance) / total,
            sd=math.sqrt(variance / total) * spread,
            log_weight=math.log(share) - (own.log_ratio - propagated) ** 2 / (2.0 * total) - 0.5 * math.log(total),
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
class _FilmDeposits:
    """A measured film's deposits, and where each of them lies."""

    presence: PresenceImage
    image: NDArray[np.uint16]
    windows: Mapping[int, Box]

    @classmethod
    def of(cls, film: FilmMeasurement, anatomy: Anatomy) -> _FilmDeposits:
        image = film.labels.image
        windows = film.boxes
        if not windows and film.deposits:
            windows = bounding_boxes(image, len(film.deposits))
        return cls(presence=presence_image(film.film, anatomy), image=image, windows=windows)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Deposit:
    """A deposit on one film."""

    film: _FilmDeposits
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


def _propagated_area(source: _Deposit, target: _Deposit, there: Alignment, back: Alignment) -> float | None:
    """Return the area in the target's pixels that the source's outline covers there."""
    seen, from_window, to_window = target.film.presence.seen, source.window, target.window
    if seen is None or from_window is None or to_window is None:
        return None
    near = source.film.presence.around(from_window)
    cells = source.film.presence.on_cells(source.film.image, near)
    own = cells == source.label
    at = (near[0].start, near[1].start)
    found = measure_presence(own, (cells > 0) & ~own, source.film.presence, target.film.presence, there, corner=at)
    mask = source.within(from_window)
    corner = (from_window[0].start, from_window[1].start)
    mapped = np.rint(map_points(there, (np.argwhere(mask) + corner).astype(np.float64))).astype(np.intp)
    translation = found.translation if found is not None else (0, 0)
    propagated = propagated_mask(mask, mapped, translation, target.film.presence, back, corner=corner)
    if propagated is None:
        return None
    piece, first = propagated
    box = box_at(first, piece.shape)
    shared = int((piece & target.within(box)).sum())
    sizes = int(piece.sum()), int(target.within(to_window).sum())
    if 2 * shared < LEAST_AGREEMENT * sum(sizes) and shared < LEAST_SHARED * min(sizes):
        return None
    window = pad_box(box, context_radius_px(seen), target.film.image.shape)
    others = target.beside(window)
    # Other deposits count as far as they do for the target's own outline: an edit farther away changes neither.
    near_target = pad_box(to_window, context_radius_px(seen), target.film.image.shape)
    rows, cols = (np.arange(side.start, side.stop) for side in window)
    others &= ((rows >= near_target[0].start) & (rows < near_target[0].stop))[:, None]
    others &= (cols >= near_target[1].start) & (cols < near_target[1].stop)
    meant = paste_masks(window, (box, piece)) & ~others
    coverage = deposit_coverage(seen, meant, others, (window[0].start, window[1].start))
    return coverage.area_px if coverage is not None and coverage.area_px > 0.0 else None
