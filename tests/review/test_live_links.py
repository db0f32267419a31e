"""Links followed edit by edit are those of a fresh look, whatever the alignment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from calcimeasure.change.links import gather_link_evidence
from calcimeasure.measurement.area_ratio import area_ratio
from calcimeasure.notices import TimePoint
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.common_field import common_field
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.review import editing_tools
from calcimeasure.review.live_links import LiveLinks
from calcimeasure.review.ratio_cache import RatioCache
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.review_session import ReviewSession, SessionChange

B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP


def bent(seed: int) -> Alignment:
    """A few pixels aside, turned a little, bent and of uneven certainty."""
    rng = np.random.default_rng(seed)
    matrix = np.array([[1.01, 0.02, 2.5], [-0.015, 0.99, -3.25]])
    return Alignment(
        matrix=matrix,
        residual=rng.normal(0, 1.0, (7, 6, 2)).astype(np.float32),
        step=25,
        uncertainty=rng.uniform(0.5, 6.0, (7, 6)).astype(np.float32),
    )


def turned(seed: int) -> Alignment:
    """The same way, but found from the follow-up's side."""
    return inverse(bent(seed), (150, 130))


@pytest.mark.parametrize("alignment", [bent(1), turned(2)], ids=["forth", "turned round"])
def test_links_followed_are_those_of_a_fresh_look(
    review_input_of: Callable[..., ReviewInput], alignment: Alignment
) -> None:
    review_input = review_input_of((6.0, 5.0, 7.0, 3.0), (6.0, 6.0, 7.0, 4.0))
    field = common_field(review_input.anatomies[B], review_input.anatomies[F], alignment)
    session = ReviewSession(review_input)
    live = LiveLinks(review_input.films, review_input.anatomies, alignment, field)
    live.update(session.live, session.state.deposits)
    seen = []

    def compare(_changed: object) -> None:
        first, second = session.measurement(B), session.measurement(F)
        fresh = gather_link_evidence(first, second, alignment, field)
        kept = live.evidence({visit: session.live[visit].numbers for visit in TimePoint})
        assert kept.reasons == fresh.reasons
        for column in fields(fresh.overlaps):
            np.testing.assert_allclose(getattr(kept.overlaps, column.name), getattr(fresh.overlaps, column.name))
        seen.append(len(fresh.overlaps))

    def follow(changed: SessionChange) -> None:
        live.update(session.live, {visit: film.touched(changed.edit) for visit, film in session.live.items()})
        compare(changed)

    compare(None)
    session.changed.connect(follow)
    rng = np.random.default_rng(7)
    for _ in range(12):
        visit = (B, F)[int(rng.integers(2))]
        number = int(rng.choice(sorted(session.state.deposits[visit])))
        row = session.live[visit].row(number)
        disc = np.hypot(
            *(np.ogrid[:150, :130][axis] - at for axis, at in enumerate((row.centroid_row, row.centroid_col)))
        )
        made = (
            lambda visit=visit, number=number: editing_tools.resize_deposit(session.state, visit, number, pixels=2),
            lambda visit=visit, disc=disc: editing_tools.erase(session.state, visit, disc < 3),
            lambda visit=visit, number=number, disc=disc: editing_tools.paint(session.state, visit, number, disc < 11),
        )
        session.do(made[int(rng.integers(3))]())
    session.do(editing_tools.delete(session.state, B, 1))
    for _ in range(5):
        session.undo()
    assert len(seen) > 12
    assert max(seen) > 3


def test_no_deposit_on_one_film_leaves_nothing_to_relate(review_input_of: Callable[..., ReviewInput]) -> None:
    session = ReviewSession(review_input_of((6.0,), (6.0,)))
    session.do(editing_tools.delete(session.state, B, 1))
    assert [link.status for link in session.links] == ["new"]
    session.do(editing_tools.delete(session.state, F, 1))
    assert session.links == ()
    session.undo()
    session.undo()
    assert [link.status for link in session.links] == ["matched"]


def test_a_ratio_is_remembered_of_the_very_edges_only(review_input: ReviewInput) -> None:
    session = ReviewSession(review_input)
    first, second = session.measurement(B), session.measurement(F)
    memory = RatioCache(area_ratio)
    assert memory(first, 1, second, 1) == area_ratio(first, 1, second, 1)
    assert memory(first, 1, second, 1) is memory(first, 1, second, 1)
    other = replace(second, edges={**second.edges, 1: second.edges[2]})
    assert memory(first, 1, other, 1) == area_ratio(first, 1, other, 1) != memory(first, 1, second, 1)


def test_what_compare_answered_is_not_asked_again(review_input: ReviewInput) -> None:
    start = review_input.comparison
    assert start is not None
    assert start.ratios

    def never(*_asked: object) -> None:
        raise AssertionError("asked again")

    memory = RatioCache(never, start)
    for (first, second), ratio in start.ratios.items():
        assert memory(start.baseline, first, start.followup, second) is ratio
