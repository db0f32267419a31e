"""From a probability map or regions to proposals on the film."""

import numpy as np
import pytest

from calcimeasure.anatomy import Anatomy
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.segmentation import accept_proposals
from calcimeasure.segmentation.probability_map_regions import (
    MAX_PROPOSALS,
    Region,
    proposals_from_regions,
    regions_of_map,
)


@pytest.fixture
def film():
    rows, cols = np.indices((240, 200), dtype=np.float32)
    pixels = 100 + 60 * (np.hypot(rows - 80, cols - 60) < 12) + 60 * (np.hypot(rows - 160, cols - 140) < 9)
    pixels = pixels + np.random.default_rng(0).normal(0, 2, pixels.shape)
    return Radiograph(
        pixels=pixels.astype(np.float32),
        spacing=Spacing(row_mm=0.2, col_mm=0.2, basis=SpacingBasis.USER),
        grey=GreyScale(lowest=0, highest=255),
    )


@pytest.fixture
def anatomy():
    ones = np.ones((240, 200), dtype=np.bool_)
    return Anatomy(step=1, field=ones, limbs=ones.astype(np.uint8), bone=~ones, shape=(240, 200))


def blob(shape, centre, radius, height):
    rows, cols = np.indices(shape, dtype=np.float32)
    return np.where(np.hypot(rows - centre[0], cols - centre[1]) < radius, height, 0).astype(np.float32)


def test_strong_parts_are_outlined_at_the_cut_and_weak_ones_below_it():
    shape = (60, 50)
    probability = np.maximum(blob(shape, (20, 15), 6, 0.3), blob(shape, (20, 15), 3, 0.9))
    probability = np.maximum(probability, blob(shape, (40, 35), 2.3, 0.2))
    regions = regions_of_map(probability, (4.0, 4.0), cut=0.5, weak_cut=0.1)
    assert sorted(round(region.probability, 2) for region in regions) == [0.2, 0.9]
    strong = max(regions, key=lambda region: region.probability)
    assert strong.mask.sum() == (probability > 0.5).sum()


def test_a_map_of_nothing_has_no_regions():
    assert regions_of_map(np.zeros((20, 20), np.float32), (4.0, 4.0), cut=0.5, weak_cut=0.1) == []


def test_regions_become_footprints(film, anatomy):
    probability = np.maximum(blob((60, 50), (19.6, 14.6), 2.6, 0.9), blob((60, 50), (39.6, 34.6), 2, 0.7))
    regions = regions_of_map(probability, (4.0, 4.0), cut=0.5, weak_cut=0.1)
    proposals = proposals_from_regions(film, anatomy, regions, method="test/1", threshold=0.5)
    assert len(proposals) == 2
    assert proposals.group_within_px == pytest.approx((10.0, 10.0))
    areas = np.bincount(proposals.image.ravel())[1:]
    assert areas == pytest.approx([np.pi * 12**2, np.pi * 9**2], rel=0.15)
    assert len(accept_proposals(proposals)) == 2


def test_the_likelier_region_keeps_the_pixels(film, anatomy):
    square = np.ones((6, 6), dtype=np.bool_)
    regions = [
        Region(mask=square, corner=(10, 10), probability=0.05, factor=(4.0, 4.0)),
        Region(mask=square, corner=(12, 12), probability=0.08, factor=(4.0, 4.0)),
    ]
    proposals = proposals_from_regions(film, anatomy, regions, method="test/1", threshold=0.5)
    assert proposals.probabilities.tolist() == [0.08, 0.05]
    areas = np.bincount(proposals.image.ravel())[1:]
    assert areas == pytest.approx([24 * 24, 24 * 24 - 16 * 16], rel=0.02)


def test_there_is_an_end_to_proposals(film, anatomy):
    one = np.ones((1, 1), dtype=np.bool_)
    regions = [
        Region(mask=one, corner=(row, col), probability=0.02, factor=(4.0, 4.0))
        for row in range(1, 60, 2)
        for col in range(1, 50, 2)
    ]
    assert len(proposals_from_regions(film, anatomy, regions, method="test/1", threshold=0.5)) == MAX_PROPOSALS
