"""One automatic reading a film, decided over all visits of its limb.

Two films are judged together by `calcimeasure.comparison.joint`: what lies at one place on both is judged once. Over
more visits the baseline is the hub that every other film is aligned to. Its pieces are judged by the mean, over the
other films, of the joint log odds with each; a later film's pieces by the joint log odds with the baseline, whose own
odds are then those that the *remaining* visits gave it. With two films this is exactly what `compare` does, and a
later visit never has a deposit taken from it because of what that same visit said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.comparison.common_field import common_field
from calcimeasure.comparison.joint import joint_probabilities, log_odds, overlaps_in_field
from calcimeasure.comparison.overlap import Overlaps
from calcimeasure.comparison.registration import register
from calcimeasure.deposits import DepositLabels
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.records import FilmMeasurement
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation import accept, get_segmenter
from calcimeasure.segmentation.protocol import Proposals

Probabilities = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """A film with its masks and everything on it that might be a deposit."""

    film: Radiograph
    anatomy: Anatomy
    proposals: Proposals


def read_series(
    films: Sequence[Radiograph],
    *,
    readings: Mapping[str, DepositLabels] | None = None,
    method: str = "auto",
    precision: float | None = None,
) -> list[FilmMeasurement]:
    """Return every film of a limb measured, its deposits decided over all of them.

    Parameters
    ----------
    films
        Baseline first; all of one limb in one view.
    readings
        Deposits that a person made, by the film's hash: used as they are, and left out of the decision on the others.
    method
        Name of the segmenter.
    precision
        A reader's relative SD of a painted area.
    """
    known = dict(readings or {})
    segmenter = get_segmenter(method)
    anatomies = [find_anatomy(film) for film in films]
    seen: dict[int, _Seen] = {}
    for index, (film, anatomy) in enumerate(zip(films, anatomies, strict=True)):
        if film.sha256 not in known:
            seen[index] = _Seen(film=film, anatomy=anatomy, proposals=segmenter.propose(film, anatomy))
    decided = decide(seen)
    return [
        measure_film(
            film,
            known[film.sha256] if film.sha256 in known else accept(decided[index]),
            anatomy=anatomy,
            precision=precision,
        )
        for index, (film, anatomy) in enumerate(zip(films, anatomies, strict=True))
    ]


def decide(seen: Mapping[int, _Seen]) -> dict[int, Proposals]:
    """Return each film's proposals with the probabilities that all films of the limb give them."""
    decided = {index: film.proposals for index, film in seen.items()}
    if len(seen) < 2:
        return decided
    hub_index, *others = sorted(seen)
    hub = seen[hub_index]
    overlaps = {index: found for index in others if (found := _overlaps(hub, seen[index])) is not None}
    if not overlaps:
        return decided
    alone = hub.proposals.probabilities
    with_each = {
        index: joint_probabilities(alone, seen[index].proposals.probabilities, overlap)
        for index, overlap in overlaps.items()
    }
    decided[hub_index] = hub.proposals.with_probabilities(_together(list(with_each.values())))
    for index, overlap in overlaps.items():
        rest = [joint for other, joint in with_each.items() if other != index]
        of_hub = _together(rest) if rest else alone
        own = seen[index].proposals
        decided[index] = own.with_probabilities(joint_probabilities(own.probabilities, of_hub, overlap.swapped()))
    return decided


def _overlaps(hub: _Seen, other: _Seen) -> Overlaps | None:
    """Return which proposals lie at one place; None for films that cannot be laid over each other."""
    if hub.film.sha256 == other.film.sha256:
        return None
    registration, alignment = register(hub.film, other.film, hub.anatomy, other.anatomy)
    if alignment is None or registration.status != "ok":
        return None
    field = common_field(hub.anatomy, other.anatomy, alignment)
    return overlaps_in_field(hub.proposals, other.proposals, alignment, field)


def _together(joint: Sequence[Probabilities]) -> Probabilities:
    """Return the logistic mean of probabilities; of one, itself to the last digit."""
    if len(joint) == 1:
        return joint[0]
    odds = np.mean([log_odds(probabilities) for probabilities in joint], axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float64)
