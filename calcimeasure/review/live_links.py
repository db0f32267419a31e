"""Links of a pair while a reader works on it: after an edit only what it can have altered is linked again.

What `link_manually` needs of a deposit (the points that stand for it, which deposits of the other film they lie on,
whether the other film shows its place) depends on its own pixels and its neighbour's alone, and is kept by their
numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.change.change_records import Link
from calcimeasure.change.links import LinkEvidence, reasons_of_pixels
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.region_overlap import (
    RegionOverlaps,
    RegionPoints,
    no_overlaps,
    overlaps_of_points,
    region_points,
    tolerances,
)
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.review.live_measurement import LiveMeasurement
from calcimeasure.review.manual_links import Pair, link_manually

SIDES = (TimePoint.BASELINE, TimePoint.FOLLOWUP)
MARGIN_MM = 0.01


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Deposit:
    """What linking needs of one deposit: its points, the box they lie in (mm on the second film), its reach."""

    points: RegionPoints
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    reach: float
    reasons: tuple[str, str]


class LiveLinks:
    """The links of one pair, kept equal to those that `link_manually` would make of its measurements.

    Parameters
    ----------
    films, anatomies
        The films and their masks.
    alignment
        Baseline to follow-up.
    field
        What both films show.
    """

    def __init__(
        self,
        films: Mapping[TimePoint, Radiograph],
        anatomies: Mapping[TimePoint, Anatomy],
        alignment: Alignment,
        field: CommonField,
    ) -> None:
        self.films = films
        self.alignment = alignment
        self.field = field
        there = {TimePoint.BASELINE: alignment, TimePoint.FOLLOWUP: inverse(alignment, films[TimePoint.FOLLOWUP].shape)}
        self._alignments = there
        self._masks = {
            TimePoint.BASELINE: (field.baseline, field.baseline_step),
            TimePoint.FOLLOWUP: (field.followup, field.followup_step),
        }
        # As `find_overlaps`: an alignment that was made by turning another round gives way to that one.
        reversed_pair = alignment.reverse is not None
        self._order = SIDES[::-1] if reversed_pair else SIDES
        self._alignment = alignment if alignment.reverse is None else alignment.reverse
        self._sizes = {visit: np.asarray(nominal_spacing_mm(film, anatomies[visit])) for visit, film in films.items()}
        self._known: dict[TimePoint, dict[int, _Deposit]] = {visit: {} for visit in SIDES}
        self._pairs: dict[Pair, tuple[float, ...]] = {}
        self._reach = 0.0

    def update(self, films: Mapping[TimePoint, LiveMeasurement], changed: Mapping[TimePoint, Iterable[int]]) -> None:
        """Follow the films after an edit.

        Parameters
        ----------
        films
            As measured.
        changed
            The state's numbers of the deposits whose pixels changed, came or went, a film.
        """
        again = {visit: set(numbers) for visit, numbers in changed.items()}
        for visit in SIDES:
            for number in again.get(visit, ()):
                self._known[visit].pop(number, None)
                if films[visit].row(number) is not None:
                    self._known[visit][number] = self._prepare(visit, *films[visit].pixels(number))
        first, second = self._order
        reach = max((one.reach for one in self._known[first].values()), default=0.0)
        if reach != self._reach:  # it says how far every deposit looks
            self._reach = reach
            again = {visit: set(self._known[visit]) | again.get(visit, set()) for visit in SIDES}
        gone_1, gone_2 = again.get(first, set()), again.get(second, set())
        self._pairs = {
            (one, other): kept
            for (one, other), kept in self._pairs.items()
            if one not in gone_1 and other not in gone_2
        }
        self._find_pairs(gone_1, self._known[second].keys())
        self._find_pairs(self._known[first].keys() - gone_1, gone_2)

    def links(
        self,
        baseline: FilmMeasurement,
        followup: FilmMeasurement,
        numbers: Mapping[TimePoint, tuple[int, ...]],
        decided: Mapping[Pair, bool],
    ) -> tuple[Link, ...]:
        """Return the links of the measurements.

        Parameters
        ----------
        baseline, followup
            The films as they stand.
        numbers
            The state's number of each of their deposits, in order.
        decided
            As for `link_manually`.
        """
        return link_manually(baseline, followup, self.alignment, self.field, decided, known=self.evidence(numbers))

    def evidence(self, numbers: Mapping[TimePoint, tuple[int, ...]]) -> LinkEvidence:
        """Return what `gather_link_evidence` would give; `numbers` as for `links`."""
        reasons = tuple(
            {label: self._known[visit][number].reasons for label, number in enumerate(numbers[visit], start=1)}
            for visit in SIDES
        )
        return LinkEvidence(
            overlaps=self._overlaps(numbers), reasons=(reasons[0], reasons[1]), alignment=self.alignment
        )

    def _prepare(self, visit: TimePoint, row: NDArray[np.int64], col: NDArray[np.int64]) -> _Deposit:
        size = self._sizes[visit]
        corner = (int(row.min()), int(col.min()))
        mask = np.zeros((int(row.max()) - corner[0] + 1, int(col.max()) - corner[1] + 1), np.uint16)
        mask[row - corner[0], col - corner[1]] = 1
        points = region_points(mask, float(size.mean()), corner=corner)
        first, second = self._order
        placed = points.points * self._sizes[second]
        reach = 0.0
        if visit is first:
            placed = map_points(self._alignment, points.points) * self._sizes[second]
            reach = float(tolerances(self._alignment, points.points, self._sizes[second]).max())
        other = SIDES[1 - SIDES.index(visit)]
        why = reasons_of_pixels(
            row,
            col,
            np.ones(len(row), np.intp),
            count=1,
            films=(self.films[visit], self.films[other]),
            alignment=self._alignments[visit],
            mask=self._masks[visit],
        )
        return _Deposit(points=points, low=placed.min(axis=0), high=placed.max(axis=0), reach=reach, reasons=why[1])

    def _find_pairs(self, ones: Iterable[int], others: Iterable[int]) -> None:
        """Find which of these deposits of the first film lie on which of the second."""
        first, second = (self._known[visit] for visit in self._order)
        left, right = [n for n in sorted(ones) if n in first], [n for n in sorted(others) if n in second]
        if not left or not right:
            return
        near = _near([first[n] for n in left], [second[n] for n in right], self._reach)
        left = [left[k] for k in np.flatnonzero(near.any(axis=1))]
        right = [right[k] for k in np.flatnonzero(near.any(axis=0))]
        if not left:
            return
        found = overlaps_of_points(
            _concatenated(first, left),
            _concatenated(second, right),
            self._alignment,
            self._sizes[self._order[1]],
            reach=self._reach,
        )
        values = (found.cover_first, found.cover_second, found.gap_mm, found.apart_mm, found.tolerance_mm)
        for k, pair in enumerate(zip(found.first.tolist(), found.second.tolist(), strict=True)):
            self._pairs[pair] = tuple(float(value[k]) for value in values)

    def _overlaps(self, numbers: Mapping[TimePoint, tuple[int, ...]]) -> RegionOverlaps:
        """Return what `find_overlaps` would of the measurements."""
        if not self._pairs:
            return no_overlaps()
        label = [{number: k for k, number in enumerate(numbers[visit], start=1)} for visit in self._order]
        pairs = sorted((label[0][one], label[1][other], kept) for (one, other), kept in self._pairs.items())
        values = np.array([kept for _, _, kept in pairs])
        found = RegionOverlaps(
            first=np.array([one for one, _, _ in pairs], np.intp),
            second=np.array([other for _, other, _ in pairs], np.intp),
            cover_first=values[:, 0],
            cover_second=values[:, 1],
            gap_mm=values[:, 2],
            apart_mm=values[:, 3],
            tolerance_mm=values[:, 4],
        )
        return found if self._order == SIDES else found.swapped()


def _near(ones: list[_Deposit], others: list[_Deposit], reach: float) -> NDArray[np.bool_]:
    """Return whose boxes are in reach of whose: (ones, others)."""
    low_1, high_1 = np.array([one.low for one in ones]), np.array([one.high for one in ones])
    low_2, high_2 = np.array([one.low for one in others]), np.array([one.high for one in others])
    apart = np.maximum(low_1[:, None] - high_2, low_2 - high_1[:, None]).max(axis=2)
    return np.asarray(apart <= reach + MARGIN_MM, np.bool_)


def _concatenated(known: Mapping[int, _Deposit], numbers: list[int]) -> RegionPoints:
    points = [known[number].points for number in numbers]
    return RegionPoints(
        points=np.concatenate([one.points for one in points]),
        label=np.repeat(np.array(numbers, np.intp), [len(one.points) for one in points]),
        inner=np.concatenate([one.inner for one in points]),
    )
