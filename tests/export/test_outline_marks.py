"""Outlines lie on their deposits, and a link looks the same on both films."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calcimeasure.change.change_records import Comparison, Link, LinkStatus
from calcimeasure.deposits import Finding, from_label_image
from calcimeasure.export.outline_marks import (
    DASHES,
    OUTLINE_SMOOTHING_PX,
    PALETTE,
    UNLINKED,
    film_marks,
    pair_marks,
    spread_colours,
)
from calcimeasure.io.polygons import deposit_polygons


def test_a_link_has_one_number_and_colour(pair: Comparison) -> None:
    baseline, followup = pair_marks(pair)
    assert [mark.text for mark in baseline] == ["1", "2a", "2b", "3", "5"]
    assert [mark.text for mark in followup] == ["1", "2a", "2b", "4", "5"]
    colours = {mark.link: mark.colour for mark in baseline}
    assert all(colours.get(mark.link, mark.colour) == mark.colour for mark in followup)
    assert len({mark.colour for mark in (*baseline, *followup)}) == 5


def test_finding_is_told_by_the_line(pair: Comparison) -> None:
    baseline, _ = pair_marks(pair)
    assert [bool(mark.dashes) for mark in baseline] == [False, False, False, False, True]
    assert set(DASHES) == set(Finding)
    assert len(set(DASHES.values())) == len(DASHES)


def test_what_is_in_no_link_or_cannot_be_judged_is_grey(build_pair) -> None:
    links = (
        Link(status=LinkStatus.NOT_EVALUABLE, baseline_labels=(1,)),
        *build_pair(height=200).links[1:4],
        Link(status=LinkStatus.NEW, followup_labels=(1,)),
    )
    baseline, followup = pair_marks(build_pair(height=200, links=links))
    assert (baseline[0].colour, baseline[0].text) == (UNLINKED, "1")
    assert (baseline[4].colour, baseline[4].text, baseline[4].link) == (UNLINKED, "", None)
    assert followup[0].colour != UNLINKED


def test_a_film_of_its_own_keeps_its_numbers(pair: Comparison) -> None:
    marks = film_marks(pair.baseline)
    assert [mark.text for mark in marks] == ["1", "2", "3", "4", "5"]
    assert marks[0].colour == PALETTE[0]
    assert marks[4].colour == UNLINKED


@pytest.mark.parametrize("side", [1, 2, 7, 60, 600])
def test_an_outline_holds_its_deposit(side: int) -> None:
    image = np.zeros((side + 20, side + 30), np.int32)
    image[8 : 8 + side, 11 : 11 + side] = 1
    (outline,) = deposit_polygons(from_label_image(image), smoothing_px=OUTLINE_SMOOTHING_PX)[1]
    assert outline.min(axis=0) == pytest.approx([7.5, 10.5], abs=0.6)
    assert outline.max(axis=0) == pytest.approx([7.5 + side, 10.5 + side], abs=0.6)
    # Rounded corners and a line through the outermost fine pixels: a little inside, never by half a pixel.
    area = cv2.contourArea(outline.astype(np.float32))
    assert side - 0.55 < np.sqrt(area) <= side + 0.05


def test_a_ring_has_two_outlines() -> None:
    image = np.zeros((50, 50), np.int32)
    cv2.circle(image, (25, 25), 15, 1, 5)
    assert len(deposit_polygons(from_label_image(image), smoothing_px=OUTLINE_SMOOTHING_PX)[1]) == 2


def test_colours_can_be_told_apart_by_lightness_or_hue() -> None:
    """Neighbouring links never share a colour, and every colour stands out from a dark film and from black text."""
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert ((luminance + 0.05) / 0.05).min() > 7.0
    # Protanopia and deuteranopia after Vienot, Brettel and Mollon (1999), linear light.
    for blind in (
        [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
        [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    ):
        seen = np.clip(linear @ np.array(blind).T, 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(len(seen))
        assert apart.min() > 0.07


def test_a_colour_returns_far_away() -> None:
    places = [(0.0, float(10 * i)) for i in range(6)] + [(0.0, 52.0), (0.0, -5.0)]
    colours = spread_colours(places)
    assert colours[:6] == list(PALETTE)
    assert colours[6] == PALETTE[0]
    assert colours[7] == PALETTE[5]


def test_without_links_each_film_keeps_its_numbers(not_comparable: Comparison) -> None:
    for marks in pair_marks(not_comparable):
        assert [mark.text for mark in marks] == ["1", "2", "3", "4", "5"]
