"""The axis of change: halving is as far from none as doubling, and nothing runs off unmarked."""

from __future__ import annotations

from itertools import pairwise

import pytest

from calcimeasure.change.change_records import Comparison
from calcimeasure.export.report.change_bars import ROW_WIDTH, make_axis, make_bar
from tests.fixtures.drawn_pairs import with_change


def test_halving_and_doubling_are_as_far(pair: Comparison) -> None:
    axis = make_axis(pair)
    assert axis.x(0) == ROW_WIDTH / 2
    assert axis.x(100) - axis.x(0) == pytest.approx(axis.x(0) - axis.x(-50), abs=0.02)
    assert axis.band == (axis.x(-20), axis.x(25))


def test_everything_is_on_the_axis(pair: Comparison) -> None:
    axis = make_axis(pair)
    for link in pair.links:
        bar = make_bar(axis, link.area_change_percent, link.ci95_percent)
        if bar is not None:
            assert 0 < bar.low <= bar.point <= bar.high < ROW_WIDTH
            assert not bar.off_low
            assert not bar.off_high


def test_what_runs_off_is_marked(pair: Comparison) -> None:
    wild = with_change(pair, ci95_percent=(-99.9, 5000.0))
    bar = make_bar(make_axis(wild), 10.0, wild.ci95_percent, (-99.0, 4000.0))
    assert bar is not None
    assert bar.off_low
    assert bar.off_high
    assert bar.inner is not None
    assert bar.low == pytest.approx(bar.inner[0])


def test_total_loss_has_a_place(pair: Comparison) -> None:
    axis = make_axis(with_change(pair, ci95_percent=(-100.0, -100.0)))
    assert axis.x(-100.0) < axis.x(-80.0)


def test_no_percentage_no_bar(pair: Comparison) -> None:
    assert make_bar(make_axis(pair), None, None) is None


def test_ticks_name_the_margin_and_do_not_touch(pair: Comparison) -> None:
    axis = make_axis(with_change(pair, margin_ratio=(0.7, 1.4)))
    placed = {word: x for x, word in axis.ticks}
    assert {"0", "\u221230", "+40"} <= set(placed)
    places = sorted(placed.values())
    assert min(b - a for a, b in pairwise(places)) >= 34
