"""Ratios of areas, computed once for the same two edges."""

from __future__ import annotations

from calcimeasure.change.change_records import Comparison
from calcimeasure.change.pair_comparison import RatioEstimator
from calcimeasure.deposits import AreaMethod, Origin
from calcimeasure.measurement.area_ratio import AreaRatio
from calcimeasure.measurement.edge_description import Edge
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.parallel import two_threads

LARGEST_CACHE = 5000

_Key = tuple[int, int, Origin, Origin]


class RatioCache:
    """How much a deposit's area changed, estimated once for the same edges of deposits of the same origin.

    Parameters
    ----------
    ratio_of
        The estimator; its answer may depend on the deposits and on what is measured anew with them.
    start
        A comparison made with it, whose ratios are taken over.
    """

    def __init__(self, ratio_of: RatioEstimator, start: Comparison | None = None) -> None:
        self._ratio_of = ratio_of
        self._known: dict[_Key, tuple[Edge, Edge, AreaRatio | None]] = {}
        for (first, second), ratio in ({} if start is None else start.ratios).items():
            if start is not None:
                self._keep(_edges(start.baseline, first, start.followup, second), ratio)

    def __call__(
        self, baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
    ) -> AreaRatio | None:
        """Return what `ratio_of` does. Two threads may call it."""
        deposits = (baseline, baseline_label, followup, followup_label)
        edges = _edges(*deposits)
        known = None if edges is None else self._known.get(edges[0])
        if edges is not None and known is not None and known[0] is edges[1] and known[1] is edges[2]:
            return known[2]
        with two_threads():
            ratio = self._ratio_of(*deposits)
        self._keep(edges, ratio)
        return ratio

    def _keep(self, edges: tuple[_Key, Edge, Edge] | None, ratio: AreaRatio | None) -> None:
        if edges is None:
            return
        if len(self._known) >= LARGEST_CACHE:
            self._known.clear()
        key, first, second = edges
        self._known[key] = (first, second, ratio)  # holding the edges keeps their ids theirs


def _edges(
    baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
) -> tuple[_Key, Edge, Edge] | None:
    """Return a key and a deposit's edges on both films; None where one has none, or a person painted it."""
    first, second = baseline.edges.get(baseline_label), followup.edges.get(followup_label)
    before, after = baseline.deposits[baseline_label - 1], followup.deposits[followup_label - 1]
    if first is None or second is None or AreaMethod.OUTLINE in {before.area_method, after.area_method}:
        return None
    return (id(first), id(second), before.origin, after.origin), first, second
