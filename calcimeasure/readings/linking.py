"""Links as a reader wants them: what was found across the films, overridden by what the reader decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from calcimeasure.comparison.common_field import CommonField
from calcimeasure.comparison.links import Known, find_out, joined_in, links_of
from calcimeasure.comparison.records import Alignment, Link
from calcimeasure.measurement.records import FilmMeasurement
from calcimeasure.readings.board import HandLink, Which

Pair = tuple[int, int]


def link_by_hand(
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    alignment: Alignment,
    field: CommonField,
    decided: Mapping[Pair, bool],
    *,
    known: Known | None = None,
) -> tuple[Link, ...]:
    """Return every deposit of both films in exactly one link, as `link_deposits` does, but as the reader decided.

    Parameters
    ----------
    baseline, followup, alignment, field
        As for `calcimeasure.comparison.links.link_deposits`.
    decided
        For (baseline label, follow-up label) of the measurements: whether they are the same deposit.
    known
        What `find_out` would say of these films.
    """
    known = known or find_out(baseline, followup, alignment, field)
    return links_of(overridden(joined_in(known, baseline, followup), decided), known, baseline, followup)


def overridden(pairs: Iterable[Pair], decided: Mapping[Pair, bool]) -> list[Pair]:
    """Return the edges of the graph of deposits as a reader wants them: some joined, some parted."""
    joined = {pair for pair, same in decided.items() if same}
    parted = {pair for pair, same in decided.items() if not same}
    return sorted((set(pairs) - parted) | joined)


def decisions(links: Iterable[HandLink], numbers: Mapping[Which, Sequence[int]]) -> dict[Pair, bool]:
    """Return a board's hand links in the numbers of the measurements; links of deposits that are gone are left out.

    Parameters
    ----------
    links
        The board's.
    numbers
        The board's number of each measured deposit, in order, a film.
    """
    position = {which: {number: k for k, number in enumerate(known, start=1)} for which, known in numbers.items()}
    before, after = position[Which.BASELINE], position[Which.FOLLOWUP]
    return {
        (before[link.baseline_label], after[link.followup_label]): link.joined
        for link in sorted(links, key=lambda one: (one.baseline_label, one.followup_label, one.joined))
        if link.baseline_label in before and link.followup_label in after
    }
