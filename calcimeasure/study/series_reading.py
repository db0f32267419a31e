"""One automatic reading a film, decided over all visits of its limb.

Two films are judged together by `calcimeasure.segmentation.detection_fusion`: what lies at one place on both is judged
once. Over
more visits the baseline is the hub that every other film is aligned to. Its pieces are judged by the mean, over the
other films, of the joint log odds with each; a later film's pieces by the joint log odds with the baseline, whose own
odds are then those that the *remaining* visits gave it. A later visit never has a deposit taken from it because of what
that same visit said. Then what was accepted on one film only is asked of the other (`comparison.seen_again`): of the
baseline and each later film in order, and of the earlier ones once more for what the later ones brought. With two films
all this is exactly what `compare` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.common_field import CommonField, common_field
from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation import accept_proposals, get_segmenter
from calcimeasure.segmentation.detection_fusion import (
    Correspondence,
    find_correspondence,
    fused_probabilities,
    log_odds,
)
from calcimeasure.segmentation.recover_missed import presence_image, recover_missed
from calcimeasure.segmentation.segmenter import Proposals

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
            known[film.sha256] if film.sha256 in known else accept_proposals(decided[index]),
            anatomy=anatomy,
            precision=precision,
        )
        for index, (film, anatomy) in enumerate(zip(films, anatomies, strict=True))
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Laid:
    """How a later film lies on the baseline, and which proposals of the two lie at one place."""

    alignment: Alignment
    field: CommonField
    places: Correspondence


def decide(seen: Mapping[int, _Seen]) -> dict[int, Proposals]:
    """Return each film's proposals as all films of the limb decide them."""
    decided = {index: film.proposals for index, film in seen.items()}
    if len(seen) < 2:
        return decided
    hub_index, *others = sorted(seen)
    hub = seen[hub_index]
    laid = {index: found for index in others if (found := _laid(hub, seen[index])) is not None}
    if not laid:
        return decided
    alone, asked = hub.proposals.probabilities, hub.proposals.threshold
    with_each = {
        index: fused_probabilities(alone, seen[index].proposals.probabilities, one.places, asked)
        for index, one in laid.items()
    }
    decided[hub_index] = hub.proposals.with_probabilities(_together(list(with_each.values())))
    for index, one in laid.items():
        rest = [joint for other, joint in with_each.items() if other != index]
        of_hub = _together(rest) if rest else alone
        own = seen[index].proposals
        joint = fused_probabilities(own.probabilities, of_hub, one.places.swapped(), own.threshold)
        decided[index] = own.with_probabilities(joint)
    return _looked_again(seen, laid, decided, hub_index)


def _looked_again(
    seen: Mapping[int, _Seen], laid: Mapping[int, _Laid], decided: Mapping[int, Proposals], hub: int
) -> dict[int, Proposals]:
    """Return the proposals with what one film lacks and shows all the same; see the head of this module."""
    found = dict(decided)
    sights = {index: presence_image(seen[index].film, seen[index].anatomy) for index in (hub, *laid)}
    for index in (*laid, *list(laid)[:-1]):
        one = laid[index]
        found[hub], found[index] = recover_missed(
            (sights[hub], found[hub]), (sights[index], found[index]), one.alignment, one.field
        )
    return found


def _laid(hub: _Seen, other: _Seen) -> _Laid | None:
    """Return how a film lies on the hub; None for films that cannot be laid over each other."""
    if hub.film.sha256 == other.film.sha256:
        return None
    registration, alignment = register(
        hub.film, other.film, baseline_anatomy=hub.anatomy, followup_anatomy=other.anatomy
    )
    if alignment is None or registration.status != "ok":
        return None
    field = common_field(hub.anatomy, other.anatomy, alignment)
    places = find_correspondence(hub.proposals, other.proposals, alignment, field)
    return _Laid(alignment=alignment, field=field, places=places)


def _together(joint: Sequence[Probabilities]) -> Probabilities:
    """Return the logistic mean of probabilities; of one, itself to the last digit."""
    if len(joint) == 1:
        return joint[0]
    odds = np.mean([log_odds(probabilities) for probabilities in joint], axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float64)
