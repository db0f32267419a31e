"""A seed on a coarse grid becomes a footprint on the film's own pixels."""

import numpy as np
import pytest

from calcimeasure.segmentation.footprint import footprint, seed_on_film
from calcimeasure.simulation.deposit_kinds import make_deposit
from tests.fixtures.isolated_films import isolated_film


def test_a_seed_keeps_its_place_and_area():
    region = np.zeros((12, 14), dtype=np.bool_)
    region[3:9, 4:10] = True
    mask, box = seed_on_film(region, (20, 30), (3.0, 2.0), (200, 200))
    rows, cols = np.nonzero(mask)
    assert mask.sum() == pytest.approx(36 * 6, rel=0.06)
    assert rows.mean() + box[0].start == pytest.approx((20 + 6) * 3 - 0.5, abs=0.3)
    assert cols.mean() + box[1].start == pytest.approx((30 + 7) * 2 - 0.5, abs=0.3)


def test_a_seed_at_the_films_corner_is_cut_off():
    region = np.pad(np.ones((4, 4), dtype=np.bool_), 1)
    mask, box = seed_on_film(region, (-3, -3), (2.0, 2.0), (50, 50))
    assert box == (slice(0, 6), slice(0, 6))
    assert mask[:3, :3].all()
    assert not mask[4:, :].any()


def test_the_smallest_seed_is_not_lost():
    region = np.zeros((3, 3), dtype=np.bool_)
    region[1, 1] = True
    mask, _ = seed_on_film(region, (5, 5), (0.6, 0.6), (50, 50))
    assert mask.any()


@pytest.mark.parametrize("kind", ["slab", "nodule", "lobulated"])
@pytest.mark.parametrize("translation", [-2, 0, 2])
def test_the_footprint_does_not_hang_on_the_seed(kind, translation):
    made = isolated_film(
        make_deposit(kind, diameter_mm=5.0, thickness_mm=1.0, rng=np.random.default_rng(3)),
        np.random.default_rng(4),
        cnr=12,
    )
    truth = made.coverage >= 0.5
    from calcimeasure.anatomy.image_filters import dilated, disc, eroded

    seed = (
        truth
        if translation == 0
        else dilated(truth, disc(translation))
        if translation > 0
        else eroded(truth, disc(-translation))
    )
    found, box = footprint(made.film, seed, (0, 0))
    drawn = np.zeros_like(truth)
    drawn[box] = found
    dice = 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum())
    assert dice > 0.9
    assert drawn.sum() / made.coverage.sum() == pytest.approx(1.0, abs=0.12)


def test_other_pieces_keep_their_pixels():
    made = isolated_film(
        make_deposit("slab", diameter_mm=4.0, thickness_mm=1.0, rng=np.random.default_rng(3)),
        np.random.default_rng(4),
        cnr=12,
    )
    truth = made.coverage >= 0.5
    others = np.zeros(truth.shape, dtype=np.uint16)
    middle = int(np.nonzero(truth)[1].mean())
    others[:, middle:] = np.where(truth[:, middle:], 1, 0)
    seed = truth & (others == 0)
    found, box = footprint(made.film, seed, (0, 0), others=others)
    drawn = np.zeros_like(truth)
    drawn[box] = found
    assert not (drawn & (others > 0)).any()
    assert not (drawn[:, middle:] & truth[:, middle:]).any()
