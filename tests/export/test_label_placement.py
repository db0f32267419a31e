"""Numbers stand beside their deposits, apart from one another, inside the picture."""

from __future__ import annotations

import itertools

import numpy as np

from calcimeasure.export.label_placement import Tag, place_tags


def overlap(a: Tag, b: Tag) -> float:
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(width, 0.0) * max(height, 0.0)


def test_one_number_stands_beside_its_deposit() -> None:
    (tag,) = place_tags([(50, 50, 60, 60)], [(16, 20)], width=200, height=200)
    assert tag.leader is None
    assert np.hypot(tag.x + 8 - 55, tag.y + 10 - 55) < 30


def test_at_the_edge_it_stays_inside() -> None:
    for box in [(0, 0, 4, 4), (196, 0, 200, 4), (0, 196, 4, 200), (196, 196, 200, 200)]:
        (tag,) = place_tags([box], [(16, 20)], width=200, height=200)
        assert 0 <= tag.x <= 200 - 16
        assert 0 <= tag.y <= 200 - 20


def test_a_crowd_does_not_overlap() -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(150, 200, (14, 2))
    boxes = [(float(x), float(y), float(x + 8), float(y + 8)) for x, y in corners]
    tags = place_tags(boxes, [(16.0, 20.0)] * len(boxes), width=500, height=500)
    assert sum(overlap(a, b) for a, b in itertools.combinations(tags, 2)) < 0.02 * 14 * 16 * 20
    assert any(tag.leader for tag in tags)


def test_no_deposits() -> None:
    assert place_tags([], [], width=10, height=10) == []


def test_same_input_same_places() -> None:
    boxes = [(10.0, 10.0, 20.0, 20.0), (22.0, 10.0, 30.0, 20.0)]
    assert place_tags(boxes, [(9, 9)] * 2, width=90, height=90) == place_tags(boxes, [(9, 9)] * 2, width=90, height=90)
