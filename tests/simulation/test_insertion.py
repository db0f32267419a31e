"""Deposits put into films that were there before: known area, the film's own look, nothing else touched."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from calcimeasure.anatomy import find_anatomy
from calcimeasure.cli.simulate_command import simulate
from calcimeasure.errors import FilmError
from calcimeasure.io import film_from_array, read_film
from calcimeasure.simulation import (
    ChangePlan,
    FilmFormat,
    insert_deposits,
    insert_pair,
    simulate_film,
    simulate_followup_of,
    write_dicom,
)
from calcimeasure.simulation.film_appearance import look_of
from calcimeasure.simulation.simulated_followup import draw_move


@pytest.fixture(scope="module")
def hand():
    grid = FilmFormat(shape=(900, 740), spacing_mm=(0.32, 0.32))
    return simulate_film(np.random.default_rng(17), side="R", deposits=0, film_format=grid, bits=12)


@pytest.fixture(scope="module")
def inserted(hand):
    return insert_deposits(hand.film, np.random.default_rng(1), count=6)


def test_inserting_changes_the_film_where_the_deposits_are_alone(hand, inserted):
    changed = inserted.film.pixels != hand.film.pixels
    near = cv2.dilate((inserted.labels.image > 0).astype(np.uint8), np.ones((25, 25))) > 0
    assert changed.any()
    assert not changed[~near].any()
    for one in inserted.truth.deposits:
        mask = inserted.labels.mask(one.label)
        assert inserted.film.pixels[mask].mean() > hand.film.pixels[mask].mean()


def test_inserted_areas_add_up(inserted):
    truth = inserted.truth
    assert len(truth.deposits) >= 4
    assert truth.total_area_mm2 == pytest.approx(sum(one.area_mm2 for one in truth.deposits), rel=1e-3)
    assert {one.background for one in truth.deposits} == {"soft_tissue", "touching_bone", "over_bone"}
    assert truth.total_area_px * 0.32**2 == pytest.approx(truth.total_area_mm2)


def test_same_seed_same_film(hand, inserted):
    assert insert_deposits(hand.film, np.random.default_rng(1), count=6).film.sha256 == inserted.film.sha256


def test_values_stay_whole_and_within_the_coding(hand, inserted):
    assert not np.any(np.mod(inserted.film.pixels, 1))
    assert inserted.film.pixels.max() <= hand.film.grey.highest


def test_look_finds_the_noise_and_sharpness_of_a_film(hand):
    anatomy = find_anatomy(hand.film)
    look = look_of(hand.film, anatomy)
    blurred = np.asarray(cv2.GaussianBlur(hand.film.pixels, (0, 0), 1.5), np.float32)
    soft = look_of(film_from_array(blurred, spacing_mm=(0.32, 0.32)), anatomy)
    assert soft.noise_sd < 0.6 * look.noise_sd
    assert soft.blur_px > look.blur_px + 0.4
    assert look.floor < look.ceiling
    assert look.grey_per_mm > 0


@pytest.mark.parametrize("correlation_px", [0.0, 0.7, 1.2])
def test_noise_estimate_is_right_on_pure_noise(correlation_px):
    from calcimeasure.simulation.film_appearance import _noise
    from calcimeasure.simulation.smoothing import correlated_noise

    noise = 20 * correlated_noise((500, 500), np.random.default_rng(5), correlation_px, (1.0, 1.0))
    sd, width = _noise(noise, np.ones(noise.shape, bool))
    assert sd == pytest.approx(20, rel=0.12)
    assert width == pytest.approx(correlation_px, abs=0.2)


def test_a_film_without_a_limb_is_refused():
    empty = film_from_array(np.full((300, 300), 100, np.uint16), spacing_mm=(0.2, 0.2))
    with pytest.raises(FilmError, match="no limb"):
        insert_deposits(empty, np.random.default_rng(0))


def test_move_there_and_back_again():
    move = draw_move(np.random.default_rng(8), (900, 740), (0.3, 0.3))
    points = np.random.default_rng(1).uniform(30, 180, (50, 2))
    assert move.backward(move.forward(points)) == pytest.approx(points, abs=1e-3)


def test_followup_shows_the_same_hand_elsewhere(hand):
    second, move = simulate_followup_of(hand.film, np.random.default_rng(4), same_processing=True)
    assert second.shape == hand.film.shape
    # A patch of the palm is found where the motion says.
    row, col = 450, 370
    here = np.array([[(col + 0.5) * 0.32, (row + 0.5) * 0.32]])
    there_col, there_row = move.forward(here)[0] / 0.32 - 0.5
    rotation = np.rad2deg(np.arctan2(move.matrix[1, 0], move.matrix[0, 0]))
    affine = cv2.getRotationMatrix2D((col, row), -rotation, 1.0)
    patch = cv2.warpAffine(hand.film.pixels, affine, hand.film.shape[::-1])[row - 40 : row + 41, col - 40 : col + 41]
    found = cv2.minMaxLoc(cv2.matchTemplate(second.pixels, patch, cv2.TM_CCOEFF_NORMED))
    assert found[1] > 0.8
    assert found[3] == pytest.approx((there_col - 40, there_row - 40), abs=3)


def test_pair_links_every_deposit_and_keeps_the_ratio(hand):
    pair = insert_pair(hand.film, np.random.default_rng(2), plan=ChangePlan(area_ratio=1.3, new=1, gone=1), count=6)
    statuses = [link.status for link in pair.truth.links]
    assert statuses.count("new") == 1
    assert statuses.count("resolved") == 1
    for side, film in (("baseline_labels", pair.baseline), ("followup_labels", pair.followup)):
        linked = sorted(label for link in pair.truth.links for label in getattr(link, side))
        assert linked == list(range(1, len(film.truth.deposits) + 1))
    ratios = [link.area_ratio for link in pair.truth.links if link.status == "matched"]
    assert sum(ratio == pytest.approx(1.3, rel=1e-4) for ratio in ratios) >= len(ratios) - 1


def test_unchanged_pair_is_unchanged_at_the_common_pose(hand):
    pair = insert_pair(hand.film, np.random.default_rng(3), count=4)
    assert pair.truth.total_area_ratio == pytest.approx(1.0)


def test_command_writes_a_pair_without_the_header(hand, tmp_path):
    source = tmp_path / "film.dcm"
    write_dicom(hand, source)
    out = tmp_path / "out"
    arguments = ["insert", str(source), "--out", str(out), "--count", "3", "--followup", "--area-ratio", "1.2"]
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "baseline.tif", "baseline_labels.tif", "followup.tif", "followup_labels.tif", "truth.json"]  # fmt: skip
    truth = json.loads((out / "truth.json").read_text())
    labels = cv2.imread(str(out / "baseline_labels.tif"), cv2.IMREAD_UNCHANGED)
    assert labels.max() == len(truth["baseline"]["deposits"])


def test_real_hand_takes_deposits(films_folder):
    film = read_film(films_folder / "dicom" / "hand_pa_adult_cr_j2k.dcm")
    made = insert_deposits(film, np.random.default_rng(6), count=5)
    assert len(made.truth.deposits) >= 4
    assert made.truth.pixel_spacing_mm == (0.115, 0.115)
    brightest = np.percentile(film.pixels, 99)
    for one in made.truth.deposits:
        assert made.film.pixels[made.labels.mask(one.label)].mean() < 2 * brightest
