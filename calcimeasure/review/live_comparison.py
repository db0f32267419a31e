"""The comparison of a pair while a reader edits it: links, ratios and verdict follow the annotation state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from calcimeasure.change.change_records import Comparison
from calcimeasure.change.contour_propagation import AreaRatioEstimator
from calcimeasure.change.pair_comparison import assess_pair
from calcimeasure.change.unmatched import pair_limit_of_detection
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationState
from calcimeasure.review.live_links import LiveLinks
from calcimeasure.review.live_measurement import LiveMeasurement
from calcimeasure.review.live_unmatched import LiveUnmatched
from calcimeasure.review.manual_links import manual_decisions
from calcimeasure.review.ratio_cache import RatioCache
from calcimeasure.review.review_input import ReviewInput


class LiveComparison:
    """The comparison of one review; `comparison` stays None for one film.

    Parameters
    ----------
    review_input
        The films and their first comparison.
    films
        As measured.
    state
        The annotation state that the measurements follow.
    """

    def __init__(
        self, review_input: ReviewInput, films: Mapping[TimePoint, LiveMeasurement], state: AnnotationState
    ) -> None:
        self._input = review_input
        self._unmatched = LiveUnmatched(review_input.comparison)
        start = review_input.comparison
        self._ratio_of: RatioCache | None = None
        if start is not None and start.alignment is not None:
            self._ratio_of = RatioCache(AreaRatioEstimator(start.alignment), start)
        self._links = self.linked(films, state)
        self.comparison = self.assess(films, state, self._links)

    def linked(self, films: Mapping[TimePoint, LiveMeasurement], state: AnnotationState) -> LiveLinks | None:
        """Return links made anew of measured films; None where the films are not aligned."""
        start, common = self._input.comparison, self._input.common
        if start is None or common is None or start.alignment is None:
            return None
        links = LiveLinks(self._input.films, self._input.anatomies, start.alignment, common)
        links.update(films, state.deposits)
        return links

    def update(
        self,
        films: Mapping[TimePoint, LiveMeasurement],
        state: AnnotationState,
        changed: Mapping[TimePoint, Iterable[int]],
        links: LiveLinks | None = None,
    ) -> None:
        """Follow an edit that changed some deposits; `links` where they were made ahead."""
        if links is not None:
            self._links = links
        elif self._links is not None:
            self._links.update(films, changed)
        self.comparison = self.assess(films, state, self._links)

    def assess(
        self, films: Mapping[TimePoint, LiveMeasurement], state: AnnotationState, links: LiveLinks | None
    ) -> Comparison | None:
        """Return the comparison of a state; what two deposits' ratio is, is remembered."""
        start = self._input.comparison
        if start is None:
            return None
        first, second = films[TimePoint.BASELINE].measurement, films[TimePoint.FOLLOWUP].measurement
        if links is None or start.alignment is None:
            return replace(start, baseline=first, followup=second)
        numbers = {visit: live.numbers for visit, live in films.items()}
        decided = links.links(first, second, numbers, manual_decisions(state.links, numbers))
        return assess_pair(
            first,
            second,
            start.registration,
            start.alignment,
            self._unmatched.with_probabilities(decided, films, numbers),
            processing=self._input.processing,
            pair_warnings=self._input.pair_warnings,
            margin_ratio=self._input.margin_ratio,
            repositioning_sd=self._input.repositioning_sd,
            limit_of_detection_mm2=pair_limit_of_detection(
                (first, second), self._input.limit_of_detection_mm2, self._input.labels.values()
            ),
            ratio_of=self._ratio_of,
        )
