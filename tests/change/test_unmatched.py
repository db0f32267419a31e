"""A deposit on one film only: what the other film shows there counts, unless a person drew what is on it."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change.change_records import Link, LinkStatus
from calcimeasure.change.links import link_deposits
from calcimeasure.change.unmatched import with_absent_probabilities
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.measurement import FilmMeasurement, measure_film
from calcimeasure.registration.common_field import common_field
from calcimeasure.registration.film_registration import register
from calcimeasure.simulation import ChangePlan, simulate_pair


@pytest.fixture(scope="module")
def links_by() -> dict[Origin, tuple[Link, ...]]:
    """Return what is told of a pair, one large deposit left out of its follow-up, by who drew the deposits."""
    plan = ChangePlan(area_ratio=1.0, gone=2)
    pair = simulate_pair(np.random.default_rng(8811), plan=plan, deposits=7, spacing_mm=0.25)
    sides = (pair.baseline, pair.followup)
    anatomies = [find_anatomy(side.film) for side in sides]
    _, alignment = register(sides[0].film, sides[1].film, baseline_anatomy=anatomies[0], followup_anatomy=anatomies[1])
    assert alignment is not None
    field = common_field(*anatomies, alignment)
    matched = [link for link in pair.truth.links if link.status == "matched"]
    areas = [pair.truth.followup.deposits[link.followup_labels[0] - 1].area_mm2 for link in matched]
    left_out = matched[int(np.argmax(areas))].followup_labels[0]

    def measured(which: int, origin: Origin) -> FilmMeasurement:
        side = sides[which]
        image = np.where(side.labels.image == left_out, 0, side.labels.image) if which else side.labels.image
        given = from_label_image(image, origin=origin, film_sha256=side.film.sha256)
        return measure_film(side.film, given, anatomy=anatomies[which])

    told = {}
    for origin in (Origin.AUTO, Origin.CLICKED, Origin.DRAWN):
        films = (measured(0, origin), measured(1, origin))
        told[origin] = with_absent_probabilities(link_deposits(*films, alignment, field), films, alignment)
    return told


@pytest.mark.parametrize("origin", [Origin.AUTO, Origin.CLICKED])
def test_what_a_program_drew_is_asked_of_the_other_film(links_by, origin: Origin) -> None:
    absent = [link.absent_probability for link in links_by[origin] if link.status is LinkStatus.RESOLVED]
    assert len(absent) >= 2
    assert min(absent) < 0.25, "the deposit that was left out is there"
    assert sorted(absent)[1] > 0.75, "a deposit that is gone is not"


def test_what_a_person_drew_stands(links_by) -> None:
    resolved = [link for link in links_by[Origin.DRAWN] if link.status is LinkStatus.RESOLVED]
    assert len(resolved) >= 2
    assert all(link.absent_probability is None for link in resolved)
