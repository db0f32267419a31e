"""The network: what it sees, what it proposes, and that it finds what the simulator put in."""

from dataclasses import replace

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.io import read_film
from calcimeasure.models.network_input import DIVISOR, network_input
from calcimeasure.radiograph import GreyScale, Radiograph
from calcimeasure.segmentation import accept_proposals, get_segmenter, network_segmenter, segment
from calcimeasure.segmentation.probability_map_regions import Region
from calcimeasure.segmentation.region_classifier import (
    REGION_FEATURE_NAMES,
    RegionContext,
    load_region_classifier,
    region_features,
)
from calcimeasure.simulation import simulate_film


@pytest.fixture(scope="module")
def simulated():
    return [simulate_film(np.random.default_rng([47, seed]), deposits=14, spacing_mm=0.2) for seed in range(3)]


@pytest.fixture(scope="module")
def proposed(simulated):
    return [get_segmenter("network").propose(made.film, find_anatomy(made.film)) for made in simulated]


def test_it_ships_and_is_the_default():
    assert network_segmenter.network_installed()
    assert get_segmenter("auto").name == get_segmenter("network").name == network_segmenter.NETWORK_METHOD
    assert get_segmenter("auto").limit_of_detection_mm2 is not None


def test_most_deposits_are_found_and_little_else(simulated, proposed):
    sizes, hits, false = [], [], 0
    for made, proposals in zip(simulated, proposed, strict=True):
        labels, truth = accept_proposals(proposals), made.labels.image
        assert labels.film_sha256 == made.film.sha256
        for number in range(1, int(truth.max()) + 1):
            mask = truth == number
            sizes.append(mask.sum() * made.film.spacing.pixel_area_mm2)
            hits.append((labels.image[mask] > 0).mean() > 0.3)
        false += sum((truth[labels.mask(label)] > 0).mean() < 0.1 for label in range(1, len(labels) + 1))
    large = np.array(sizes) >= 2.0
    assert large.sum() >= 12
    assert np.array(hits)[large].mean() >= 0.6
    assert false <= 4


def test_weak_proposals_are_kept_for_the_other_film(proposed):
    probabilities = np.concatenate([p.probabilities for p in proposed])
    assert (probabilities < proposed[0].threshold).any()
    assert (probabilities >= proposed[0].threshold).any()


def test_the_same_film_gives_the_same_bytes(simulated, proposed):
    again = get_segmenter("network").propose(simulated[0].film, find_anatomy(simulated[0].film))
    np.testing.assert_array_equal(again.image, proposed[0].image)
    np.testing.assert_array_equal(again.probabilities, proposed[0].probabilities)


def test_windowing_does_not_change_what_is_seen(simulated):
    film = simulated[0].film
    anatomy = find_anatomy(film)
    changed = Radiograph(pixels=film.pixels * 0.37 + 120.0, spacing=film.spacing, grey=GreyScale(lowest=0, highest=9e4))
    seen, factor = network_input(film, anatomy).inputs, network_input(film, anatomy).factor
    np.testing.assert_allclose(network_input(changed, anatomy).inputs, seen, atol=2e-3)
    assert seen.dtype == np.float32
    assert seen.shape[0] == 2
    assert all(side % DIVISOR == 0 for side in seen.shape[1:])
    assert factor == pytest.approx((1.0, 1.0))


def test_nothing_is_found_outside_the_limb(simulated):
    film = simulated[0].film
    anatomy = find_anatomy(film)
    made = network_input(film, anatomy)
    inputs, limb, bone = made.inputs, made.limb, made.bone
    assert limb.shape == bone.shape == inputs.shape[1:]
    probability = network_segmenter.probability_map(inputs, limb)
    assert probability.shape == limb.shape
    assert not probability[~limb].any()
    assert 0.0 <= probability.min() <= probability.max() <= 1.0
    assert not network_segmenter.probability_map(inputs, np.zeros_like(limb)).any()


def cells_of(probability: float, classical: float) -> tuple[Region, RegionContext]:
    """Return a region of 5 x 5 cells in a film of soft tissue, with what two methods say of it."""
    region = Region(mask=np.ones((5, 5), bool), corner=(10, 12), probability=probability, factor=(1.0, 1.0))
    maps = np.zeros((2, 40, 40), np.float32)
    maps[:, 10:15, 12:17] = [[[probability]], [[classical]]]
    inputs = np.zeros((2, 40, 40), np.float32)
    inputs[:, 10:15, 12:17] = [[[1.0]], [[3.0]]]
    everywhere = np.ones((40, 40), bool)
    return region, RegionContext(
        probability=maps[0], inputs=inputs, limb=everywhere, bone=~everywhere, classical=maps[1]
    )


def test_a_region_is_described_by_what_covers_it():
    figures = dict(zip(REGION_FEATURE_NAMES, region_features(*cells_of(0.9, 0.5)), strict=True))
    assert figures["logit"] == pytest.approx(np.log(9.0), rel=1e-5)
    assert figures["log_area"] == pytest.approx(np.log(25))
    assert (figures["grey"], figures["detail"], figures["bone"]) == (1.0, 3.0, 0.0)
    assert figures["classical_logit"] == pytest.approx(0.0, abs=1e-6)
    assert (figures["elongation"], figures["fill"], figures["depth"]) == (1.0, 1.0, 11.0)
    assert (figures["sure_share"], figures["near_mass"], figures["near_parts"]) == (1.0, 0.0, 0.0)
    assert (figures["ring_grey"], figures["contrast"], figures["peak_over_ring"]) == (0.0, 1.0, 1.0)
    assert figures["texture"] == 0.0


def test_a_region_is_described_by_what_lies_about_it():
    region, cells = cells_of(0.9, 0.5)
    probability, bone = cells.probability.copy(), cells.bone.copy()
    probability[10:15, 20:23] = 0.8
    bone[:, :10] = True
    about = dict(
        zip(
            REGION_FEATURE_NAMES,
            region_features(region, replace(cells, probability=probability, bone=bone)),
            strict=True,
        )
    )
    assert about["near_parts"] == pytest.approx(np.log(2))
    assert about["near_mass"] == pytest.approx(np.log1p(12.0), rel=1e-5)
    assert 0.1 < about["ring_bone"] < 0.5


def test_the_more_the_methods_say_the_surer_the_judge():
    judge = load_region_classifier()
    chances = [
        float(judge(region_features(*cells_of(p, c))[None])[0]) for p, c in ((0.35, 0.0), (0.97, 0.1), (0.99, 0.9))
    ]
    assert chances == sorted(chances)
    assert chances[0] < judge.threshold < chances[-1]


def test_a_limb_on_which_nothing_stands_out_has_no_deposits():
    across = np.abs(np.arange(300) - 150.0) / 75.0
    tissue = 2000.0 + 20000.0 * np.clip(1.2 - across, 0, 1) + 90000.0 * np.clip(0.5 - across, 0, 0.2)
    pixels = np.tile(tissue, (400, 1)) + np.random.default_rng(5).normal(0, 150, (400, 300))
    film = Radiograph(pixels=pixels.astype(np.float32), grey=GreyScale(lowest=0, highest=65535))
    assert find_anatomy(film).limb_count == 1
    assert len(segment(film, method="network")) == 0


@pytest.mark.parametrize("level", [0.0, 4095.0])
def test_a_constant_film_has_no_deposits_and_a_warning(level):
    film = Radiograph(pixels=np.full((300, 260), level, np.float32), grey=GreyScale(lowest=0, highest=4095))
    labels = segment(film, method="network")
    assert len(labels) == 0
    assert labels.warnings


def test_a_hand_without_calcinosis_shows_at_most_five(films_folder):
    film = read_film(films_folder / "dicom" / "hand_pa_adult_cr_j2k.dcm")
    assert len(segment(film, method="network")) <= 5
