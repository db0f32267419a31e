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
class _Lone:
    """One such deposit: its pixels and the probability that the other film lacks it."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    probability: float


class LiveUnmatched:
    """The deposits that `compare` found on one film only.

    Parameters
    ----------
    start
        The pair as `compare` judged it, its deposits' numbers the first board's; None for one film.
    """

    def __init__(self, start: Comparison | None) -> None:
        self._known: dict[tuple[TimePoint, int], _Lone] = {}
        if start is None:
            return
        for link in start.links:
            place = _place(link)
            if place is None or link.absent_probability is None:
                continue
            film = start.baseline if place[0] is TimePoint.BASELINE else start.followup
            box = film.boxes.get(place[1], (slice(0, None), slice(0, None)))
            rows, cols = np.nonzero(film.labels.image[box] == place[1])
            rows, cols = rows + box[0].start, cols + box[1].start
            self._known[place] = _Lone(rows=rows, cols=cols, probability=link.absent_probability)

    def told(
        self,
        links: tuple[Link, ...],
        films: Mapping[TimePoint, LiveMeasurement],
        numbers: Mapping[TimePoint, tuple[int, ...]],
    ) -> tuple[Link, ...]:
        """Return the links with what is known of the deposits that are still alone and untouched.

        Parameters
        ----------
        links
            In the numbers of the measurements.
        films
            As measured.
        numbers
            The board's number of each of their deposits, in order.
        """
        if not self._known or not outlined_automatically([films[which].measurement for which in TimePoint]):
            return links
        return tuple(replace(link, absent_probability=self._of(link, films, numbers)) for link in links)

    def _of(
        self, link: Link, films: Mapping[TimePoint, LiveMeasurement], numbers: Mapping[TimePoint, tuple[int, ...]]
    ) -> float | None:
        place = _place(link)
        if place is None:
            return None
        which, number = place[0], numbers[place[0]][place[1] - 1]
        known = self._known.get((which, number))
        if known is None:
            return None
        rows, cols = films[which].places(number)
        untouched = np.array_equal(rows, known.rows) and np.array_equal(cols, known.cols)
        return known.probability if untouched else None


def _place(link: Link) -> tuple[TimePoint, int] | None:
    """Return film and label of a deposit that is alone in its link and on its film; None for any other link."""
    labels = (*link.baseline_labels, *link.followup_labels)
    if link.status not in UNMATCHED or len(labels) != 1:
        return None
    return (TimePoint.FOLLOWUP if link.status is LinkStatus.NEW else TimePoint.BASELINE), labels[0]
