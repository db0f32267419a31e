"""Links as a reader wants them: what was found across the films, overridden by what the reader decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from calcimeasure.change.change_records import Link
from calcimeasure.change.links import LinkEvidence, gather_link_evidence, joined_components, links_from_components
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import TimePoint
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.review.annotation_state import ManualLink

Pair = tuple[int, int]


def link_manually(
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    alignment: Alignment,
    field: CommonField,
    decided: Mapping[Pair, bool],
    *,
    known: LinkEvidence | None = None,
) -> tuple[Link, ...]:
    """Return every deposit of both films in exactly one link, as `link_deposits` does, but as the reader decided.

    Parameters
    ----------
    baseline, followup, alignment, field
        As for `calcimeasure.change.links.link_deposits`.
    decided
        For (baseline label, follow-up label) of the measurements: whether they are the same deposit.
    known
        What `gather_link_evidence` would say of these films.
    """
    known = known or gather_link_evidence(baseline, followup, alignment, field)
    return links_from_components(
        apply_manual_links(joined_components(known, baseline, followup), decided), known, baseline, followup
    )


def apply_manual_links(pairs: Iterable[Pair], decided: Mapping[Pair, bool]) -> list[Pair]:
    """Return the edges of the graph of deposits as a reader wants them: some joined, some parted."""
    joined = {pair for pair, same in decided.items() if same}
    parted = {pair for pair, same in decided.items() if not same}
    return sorted((set(pairs) - parted) | joined)


def manual_decisions(links: Iterable[ManualLink], numbers: Mapping[TimePoint, Sequence[int]]) -> dict[Pair, bool]:
    """Return a state's hand links in the numbers of the measurements; links of deposits that are gone are left out.

    Parameters
    ----------
    links
        The state's.
    numbers
        The state's number of each measured deposit, in order, a film.
    """
    position = {visit: {number: k for k, number in enumerate(known, start=1)} for visit, known in numbers.items()}
    before, after = position[TimePoint.BASELINE], position[TimePoint.FOLLOWUP]
    return {
        (before[link.baseline_label], after[link.followup_label]): link.joined
        for link in sorted(links, key=lambda one: (one.baseline_label, one.followup_label, one.joined))
        if link.baseline_label in before and link.followup_label in after
    }
