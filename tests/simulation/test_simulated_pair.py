"""Pairs: each fate of a deposit is what the truth says it is."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.simulation import ChangePlan, FilmFormat, draw_plan, simulate_pair
from calcimeasure.simulation.deposit_kinds import make_deposit
from calcimeasure.simulation.geometry import outline_gap
from calcimeasure.simulation.simulated_pair import draw_visits

COARSE = FilmFormat(shape=(640, 520), spacing_mm=(0.45, 0.45))


def test_every_fate_is_linked_once():
    rng = np.random.default_rng(31)
    plan = ChangePlan(area_ratio=1.3, new=1, gone=1, split=1, merged=1)
    pair = simulate_pair(rng, plan=plan, deposits=5, film_format=COARSE)
    links = pair.truth.links
    assert {"matched", "resolved", "new"} <= {link.status for link in links}
    for side, film in (("baseline_labels", pair.baseline), ("followup_labels", pair.followup)):
        linked = sorted(label for link in links for label in getattr(link, side))
        assert linked == list(range(1, len(film.truth.deposits) + 1))
    for link in links:
        if link.status == "matched":
            assert link.area_ratio == pytest.approx(1.3, rel=1e-6)


def test_unchanged_pair_keeps_areas_at_the_common_pose_and_moves_the_hand():
    pair = simulate_pair(np.random.default_rng(5), deposits=5, film_format=COARSE)
    assert pair.truth.total_area_ratio == pytest.approx(1.0, rel=1e-9)
    assert all(link.status == "matched" for link in pair.truth.links)
    for before, after in zip(pair.baseline.truth.deposits, pair.followup.truth.deposits, strict=True):
        assert before.area_common_mm2 == pytest.approx(after.area_common_mm2)
        assert np.hypot(before.centroid_row - after.centroid_row, before.centroid_col - after.centroid_col) > 1
    assert not np.array_equal(pair.baseline.stored, pair.followup.stored)


def test_thinner_at_the_same_outline():
    rng = np.random.default_rng(6)
    _, _, visits = draw_visits(rng, plan=ChangePlan(thickness_factor=0.5), deposits=4, film_format=COARSE)
    for before, after in zip(visits.baseline, visits.followup, strict=True):
        assert after.shape.area_mm2 == pytest.approx(before.shape.area_mm2)
        assert after.shape.volume_mm3 == pytest.approx(before.shape.volume_mm3 / 2)


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_a_split_lie_further_apart_than_pieces_of_one(seed):
    rng = np.random.default_rng(seed)
    _, _, visits = draw_visits(rng, plan=ChangePlan(split=1), deposits=2, film_format=COARSE)
    splits = [link for link in visits.links if link[0] == "split"]
    held = {deposit.identity: deposit for deposit in visits.followup}
    for _, _, halves in splits:
        first, second = (held[identity].shape.points_mm for identity in halves)
        assert outline_gap(first, second) > 2.0


def test_growth_that_would_join_two_deposits_does_not_happen():
    rng = np.random.default_rng(9)
    pair = simulate_pair(rng, plan=ChangePlan(area_ratio=4.0), deposits=8, film_format=COARSE)
    shapes = pair.followup.truth.deposits
    for index, first in enumerate(shapes):
        for second in shapes[:index]:
            a, b = (np.concatenate([np.array(o)[::2] for o in one.outlines_px]) * 0.45 for one in (first, second))
            assert outline_gap(a, b) > 2.0


def test_drawn_plans_hold_every_fate():
    plans = [draw_plan(np.random.default_rng(seed)) for seed in range(60)]
    unchanged = sum(plan == ChangePlan() for plan in plans)
    assert 10 <= unchanged <= 32
    for fate in ("new", "gone", "split", "merged"):
        assert any(getattr(plan, fate) for plan in plans)


def test_impossible_changes_are_refused():
    with pytest.raises(UsageError, match="positive ratio"):
        ChangePlan(area_ratio=0.0)
    with pytest.raises(UsageError, match="fewer than no deposits"):
        ChangePlan(new=-1)
    with pytest.raises(UsageError, match="cannot change"):
        make_deposit("nodule", diameter_mm=2, thickness_mm=1, rng=np.random.default_rng(0)).grown(0.0)
