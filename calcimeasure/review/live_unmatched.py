"""What `compare` found out about deposits of one film only, for as long as they are as it found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcimeasure.change.change_records import UNMATCHED, Comparison, Link, LinkStatus
from calcimeasure.change.unmatched import outlined_automatically
from calcimeasure.notices import TimePoint
from calcimeasure.review.live_measurement import LiveMeasurement


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _UnmatchedDeposit:
    """The pixels of one such deposit, and the probability that the other film lacks it."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    absent_probability: float


class LiveUnmatched:
    """The deposits that `compare` found on one film only.

    Parameters
    ----------
    start
        The comparison that the review starts from, its deposits numbered as in the first state; None for one film.
    """

    def __init__(self, start: Comparison | None) -> None:
        self._known: dict[tuple[TimePoint, int], _UnmatchedDeposit] = {}
        for link in () if start is None else start.links:
            key = _unmatched_label(link)
            if start is None or key is None or link.absent_probability is None:
                continue
            visit, label = key
            film = start.baseline if visit is TimePoint.BASELINE else start.followup
            box = film.boxes.get(label, (slice(0, None), slice(0, None)))
            rows, cols = np.nonzero(film.labels.image[box] == label)
            self._known[key] = _UnmatchedDeposit(
                rows=rows + box[0].start, cols=cols + box[1].start, absent_probability=link.absent_probability
            )

    def with_probabilities(
        self,
        links: tuple[Link, ...],
        films: Mapping[TimePoint, LiveMeasurement],
        numbers: Mapping[TimePoint, tuple[int, ...]],
    ) -> tuple[Link, ...]:
        """Return the links with the probabilities of deposits that are still unmatched and untouched.

        Parameters
        ----------
        links
            In the numbers of the measurements.
        films
            As measured.
        numbers
            The state's number of each of their deposits, in order.
        """
        if not self._known or not outlined_automatically([films[visit].measurement for visit in TimePoint]):
            return links
        return tuple(replace(link, absent_probability=self._probability(link, films, numbers)) for link in links)

    def _probability(
        self, link: Link, films: Mapping[TimePoint, LiveMeasurement], numbers: Mapping[TimePoint, tuple[int, ...]]
    ) -> float | None:
        key = _unmatched_label(link)
        if key is None:
            return None
        visit, number = key[0], numbers[key[0]][key[1] - 1]
        known = self._known.get((visit, number))
        if known is None:
            return None
        rows, cols = films[visit].pixels(number)
        untouched = np.array_equal(rows, known.rows) and np.array_equal(cols, known.cols)
        return known.absent_probability if untouched else None


def _unmatched_label(link: Link) -> tuple[TimePoint, int] | None:
    """Return film and label of a deposit that is alone in its link and on its film; None for any other link."""
    labels = (*link.baseline_labels, *link.followup_labels)
    if link.status not in UNMATCHED or len(labels) != 1:
        return None
    return (TimePoint.FOLLOWUP if link.status is LinkStatus.NEW else TimePoint.BASELINE), labels[0]
