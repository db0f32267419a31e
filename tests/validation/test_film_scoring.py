"""Scoring a film whose truth can be read off a drawing."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.deposits import DepositLabels, Origin, from_label_image
from calcimeasure.measurement import measure_film
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.simulation.truth import DepositTruth, FilmTruth, LinkTruth, PairTruth
from calcimeasure.validation.film_scoring import film_overlap, outline_agreement, score_film, truth_overlaps
from calcimeasure.validation.link_scoring import common_ratio

SHAPE = (60, 80)


def box(image: np.ndarray, number: int, rows: slice, cols: slice) -> None:
    image[rows, cols] = number


def truth_of(image: np.ndarray) -> FilmTruth:
    deposits = tuple(
        DepositTruth(
            label=label, identity=label, kind="slab", background="soft_tissue", area_mm2=float((image == label).sum()),
            area_px=float((image == label).sum()), area_common_mm2=float((image == label).sum()), centroid_row=0.0,
            centroid_col=0.0, outlines_px=(), bone_overlap=0.0, volume_mm3=1.0, thickness_mm=1.0,
        )
        for label in range(1, int(image.max()) + 1)
    )  # fmt: skip
    return FilmTruth(
        body_part="HAND", side="L", shape=SHAPE, pixel_spacing_mm=(1.0, 1.0), total_area_mm2=0.0, total_area_px=0.0,
        total_area_common_mm2=0.0, deposits=deposits,
    )  # fmt: skip


def painted(image: np.ndarray) -> DepositLabels:
    return from_label_image(image, origin=Origin.DRAWN)


@pytest.fixture
def scored() -> tuple[list[dict], list[dict]]:
    true = np.zeros(SHAPE, np.uint16)
    box(true, 1, slice(5, 15), slice(5, 15))
    box(true, 2, slice(30, 40), slice(5, 15))
    box(true, 3, slice(5, 15), slice(40, 50))
    found = np.zeros(SHAPE, np.uint16)
    box(found, 1, slice(5, 15), slice(7, 15))
    box(found, 2, slice(45, 50), slice(60, 66))
    box(found, 3, slice(5, 15), slice(49, 59))
    film = Radiograph(
        pixels=np.random.default_rng(1).normal(100, 1, SHAPE).astype(np.float32),
        grey=GreyScale(lowest=0, highest=255),
        spacing=Spacing(row_mm=1.0, col_mm=1.0, basis=SpacingBasis.USER),
    )
    anatomy = Anatomy(
        step=1, field=np.ones(SHAPE, bool), limbs=np.ones(SHAPE, np.uint8), bone=np.zeros(SHAPE, bool), shape=SHAPE
    )
    measured = measure_film(film, painted(found), anatomy=anatomy)
    return score_film(truth_of(true), true, measured)


def test_what_is_found_missed_and_barely_touched(scored) -> None:
    rows, _ = scored
    assert [row["found"] for row in rows] == [True, False, False]


def test_dice_and_area_of_the_found_one(scored) -> None:
    rows, _ = scored
    assert rows[0]["dice"] == pytest.approx(2 * 80 / (100 + 80))
    assert rows[0]["area_ratio"] == pytest.approx(0.8)
    assert rows[1]["dice"] is rows[1]["hausdorff_mm"] is None
    assert rows[1]["area_ratio"] is None


def test_distances_of_outlines_are_in_mm_and_symmetric() -> None:
    """A square of 10 x 10 pixels and its right half but one column, 1 mm high and 0.5 mm wide a pixel."""
    true, found = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    true[:], found[:, 2:] = True, True
    there = outline_agreement(true, found, (1.0, 0.5))
    assert there["dice"] == pytest.approx(160 / 180)
    assert there["jaccard"] == pytest.approx(0.8)
    assert there["hausdorff_mm"] == pytest.approx(1.0), "two columns"
    # 36 outermost pixels of the whole, 32 of the part. Apart: a column of 10 by 1 mm and two pixels by 0.5 mm of the
    # whole; 8 pixels of the part's left column, by 1 mm or less: the nearer of left and top or bottom.
    far = [1.0] * 10 + [0.5] * 2 + [1.0] * 8
    assert there["surface_distance_mm"] == pytest.approx(sum(far) / (36 + 32))
    assert outline_agreement(found, true, (1.0, 0.5)) == pytest.approx(there)


def test_overlap_of_a_whole_film() -> None:
    true, found = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    assert film_overlap(true, found) == {"dice": None, "jaccard": None}
    box(true, 1, slice(0, 10), slice(0, 10))
    assert film_overlap(true, found) == {"dice": 0.0, "jaccard": 0.0}
    box(found, 4, slice(0, 10), slice(5, 10))
    box(found, 7, slice(20, 30), slice(5, 10))
    assert film_overlap(true, found) == {"dice": pytest.approx(0.5), "jaccard": pytest.approx(50 / 150)}


def test_only_what_lies_on_nothing_is_false(scored) -> None:
    _, false = scored
    assert [row["area_mm2"] for row in false] == [30.0]


def test_one_find_over_two_deposits_answers_to_both_and_gives_no_area() -> None:
    true = np.zeros(SHAPE, np.uint16)
    box(true, 1, slice(5, 15), slice(5, 15))
    box(true, 2, slice(5, 15), slice(20, 30))
    found = (true > 0).astype(np.uint16)
    assert truth_overlaps(true, found, 2).answers() == {1: {1, 2}}


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ((frozenset(), frozenset()), 2.0),
        ((frozenset(), frozenset({2})), 1.5),
        ((frozenset({1}), frozenset()), None),
    ],
)
def test_the_truth_is_of_what_both_films_show(out, expected) -> None:
    first, second = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    box(first, 1, slice(5, 15), slice(5, 15))
    box(second, 1, slice(5, 15), slice(5, 20))
    box(second, 2, slice(50, 55), slice(60, 70))
    pair = PairTruth(
        total_area_ratio=2.0, baseline_total_area_mm2=100.0, followup_total_area_mm2=200.0,
        links=(
            LinkTruth(status="matched", baseline_labels=(1,), followup_labels=(1,), area_ratio=1.5),
            LinkTruth(status="new", baseline_labels=(), followup_labels=(2,), area_ratio=None),
        ),
        baseline=truth_of(first), followup=truth_of(second),
    )  # fmt: skip
    assert common_ratio(pair, out) == (pytest.approx(expected) if expected else None)
