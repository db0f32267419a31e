"""Links as a reader wants them: what was found across the films, overridden by what the reader decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from calcimeasure.comparison.alignment import inverse
from calcimeasure.comparison.common_field import CommonField
from calcimeasure.comparison.links import _areas_mm2, _Group, _link, _reasons, connected, joined_pairs
from calcimeasure.comparison.overlap import Overlaps, find_overlaps, nominal_mm
from calcimeasure.comparison.records import Alignment, Link
from calcimeasure.measurement.records import FilmMeasurement
from calcimeasure.readings.board import HandLink, Which

Pair = tuple[int, int]
Reasons = Mapping[int, tuple[str, str]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What linking finds out about two measured films, where somebody has kept it.

    Attributes
    ----------
    overlaps
        Of `find_overlaps`.
    reasons
        Of the baseline and of the follow-up, by label: why a deposit cannot be compared with a partner, and without.
    """

    overlaps: Overlaps
    reasons: tuple[Reasons, Reasons]


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
    reasons = known.reasons
    pairs = overridden(joined_pairs(known.overlaps, _areas_mm2(baseline), _areas_mm2(followup)), decided)
    links = []
    for of_baseline, of_followup in connected(pairs, len(baseline.labels), len(followup.labels)):
        alone = not (of_baseline and of_followup)
        why = [reasons[0][label][alone] for label in of_baseline] + [reasons[1][label][alone] for label in of_followup]
        reason = next(filter(None, sorted(why)), "")
        links.append(_link(_Group(baseline=of_baseline, followup=of_followup, reason=reason), baseline, followup))
    return tuple(links)


def find_out(baseline: FilmMeasurement, followup: FilmMeasurement, alignment: Alignment, field: CommonField) -> Known:
    """Look at both films for what linking needs."""
    overlaps = find_overlaps(
        baseline.labels.image,
        followup.labels.image,
        alignment,
        baseline_pixel_mm=nominal_mm(baseline.film),
        followup_pixel_mm=nominal_mm(followup.film),
    )
    reasons = (
        _reasons(baseline, followup, alignment, (field.baseline, field.baseline_step)),
        _reasons(followup, baseline, inverse(alignment, followup.film.shape), (field.followup, field.followup_step)),
    )
    return Known(overlaps=overlaps, reasons=reasons)


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
