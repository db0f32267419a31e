"""Candidates stand out from every straight path; what runs on along a line does not."""

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.radiograph import GreyScale, Radiograph
from calcimeasure.segmentation.candidate_features import FEATURE_NAMES, describe_cuts
from calcimeasure.segmentation.candidates import find_cuts, line_background, place_on_film
from calcimeasure.segmentation.classical_input import classical_input
from calcimeasure.simulation import simulate_film


@pytest.fixture(scope="module")
def simulated():
    return simulate_film(np.random.default_rng(11), deposits=8, spacing_mm=0.2)


@pytest.mark.parametrize("angle_deg", [0, 20, 45, 77, 90, 130])
def test_a_long_ridge_is_background_and_a_blob_on_it_is_not(angle_deg):
    rows, cols = np.indices((200, 200), dtype=np.float32)
    rotation = np.deg2rad(angle_deg)
    across = (cols - 100) * np.sin(rotation) - (rows - 100) * np.cos(rotation)
    ridge = (np.abs(across) < 8).astype(np.float32)
    blob = 0.5 * (np.hypot(rows - 100, cols - 100) < 9)
    rise = ridge + blob - line_background((ridge + blob).astype(np.float32), 61)
    assert rise[100, 100] > 0.4
    inner = np.hypot(rows - 100, cols - 100) < 70
    assert rise[(blob == 0) & inner].max() < 0.25


def test_every_deposit_of_two_square_millimetres_has_a_candidate_that_fits(simulated):
    film, truth = simulated.film, simulated.labels.image
    working = classical_input(film, find_anatomy(film))
    cuts = find_cuts(working)
    fits = []
    for number in range(1, truth.max() + 1):
        mask = truth == number
        if mask.sum() * 0.04 < 2.0:
            continue
        best = 0.0
        for cut in cuts:
            for candidate in np.unique(cut.labels)[1:]:
                (row, col), factor = place_on_film(working, cut, cut.box(candidate))
                own = cut.labels[cut.box(candidate)] == candidate
                rows, cols = np.nonzero(own)
                at = (((rows + row + 0.5) * factor[0]).astype(int), ((cols + col + 0.5) * factor[1]).astype(int))
                inside = (at[0] < mask.shape[0]) & (at[1] < mask.shape[1])
                shared = mask[at[0][inside], at[1][inside]].sum() * factor[0] * factor[1]
                if shared:
                    best = max(best, shared / (own.sum() * factor[0] * factor[1] + mask.sum() - shared))
        fits.append(best)
    assert len(fits) >= 3
    assert np.median(fits) > 0.5


def test_features_are_finite_and_free_of_the_windowing(simulated):
    film = simulated.film
    other = Radiograph(
        pixels=(film.pixels * 2 + 700).astype(np.float32),
        spacing=film.spacing,
        grey=GreyScale(lowest=film.grey.lowest * 2 + 700, highest=film.grey.highest * 2 + 700),
    )
    tables = []
    for each in (film, other):
        working = classical_input(each, find_anatomy(each))
        cuts = find_cuts(working)
        tables.append(np.concatenate(describe_cuts(working, cuts)))
    assert tables[0].shape[1] == len(FEATURE_NAMES)
    assert all(np.isfinite(table).all() for table in tables)
    assert abs(len(tables[0]) - len(tables[1])) < 0.02 * len(tables[0])
    medians = [np.median(table, axis=0) for table in tables]
    assert medians[0] == pytest.approx(medians[1], rel=0.03, abs=0.01)
