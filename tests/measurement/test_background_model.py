import numpy as np
import pytest

from calcimeasure.anatomy.image_filters import exact_distance
from calcimeasure.measurement.background_model import predict_background

ROWS, COLS = np.indices((81, 81)).astype(float) - 40
RADIUS = np.hypot(ROWS, COLS)
RING, TARGET = (RADIUS > 16) & (RADIUS < 34), RADIUS <= 16


def error(picture: np.ndarray, *, noise: float = 0.0) -> np.ndarray:
    """Return predicted less true background under the target."""
    seen = picture + np.random.default_rng(1).normal(0, max(noise, 1e-3), picture.shape)
    seen = np.where(TARGET, 1e4, seen)  # what lies under the deposit is not looked at
    found = predict_background(seen.astype(np.float32), RING, TARGET, 16.0)
    return (found.values - picture)[TARGET]


def test_a_plane_is_continued():
    assert np.abs(error(50 + 0.3 * ROWS - 0.1 * COLS)).max() < 0.1


def test_a_curved_background():
    assert np.abs(error(50 + 0.01 * ROWS**2)).mean() < 0.6


@pytest.mark.parametrize("rotation_deg", [0.0, 20.0, 67.0, 90.0, 135.0])
def test_a_bone_edge_is_continued_under_the_deposit(rotation_deg):
    rotation = np.radians(rotation_deg)
    across = ROWS * np.cos(rotation) + COLS * np.sin(rotation)
    bone = 10 * np.sqrt(np.clip(1 - ((across - 28) / 30) ** 2, 0, None))
    plane = np.linalg.lstsq(np.column_stack([np.ones(RING.sum()), ROWS[RING], COLS[RING]]), bone[RING], rcond=None)[0]
    left_by_plane = (plane[0] + plane[1] * ROWS + plane[2] * COLS - bone)[TARGET]
    left = error(bone, noise=0.2)
    assert np.sqrt(np.mean(left**2)) < 0.45 * np.sqrt(np.mean(left_by_plane**2))


def test_an_unlabelled_deposit_in_the_ring_is_left_out():
    picture = 20 + 0.1 * ROWS
    speck = np.hypot(ROWS - 25, COLS) < 4
    seen = np.where(speck, picture + 30, picture) + np.random.default_rng(2).normal(0, 0.5, picture.shape)
    found = predict_background(seen.astype(np.float32), RING, TARGET, 16.0)
    assert np.abs((found.values - picture)[TARGET]).mean() < 1.0


def test_noise_is_told_from_slope_and_curve():
    noise = np.random.default_rng(3).normal(0, 2.0, ROWS.shape)
    found = predict_background((100 + 3 * ROWS + 0.02 * COLS**2 + noise).astype(np.float32), RING, TARGET, 16.0)
    assert found.noise_sd == pytest.approx(2.0, rel=0.05)
    assert 0 < found.prediction_se < 2.0


def test_hardly_any_ring():
    ring = np.zeros_like(RING)
    ring[0, :3] = True
    found = predict_background(np.full(RING.shape, 5.0, np.float32), ring, TARGET, 16.0)
    assert found.values == pytest.approx(5.0)
    none = predict_background(np.full(RING.shape, 5.0, np.float32), np.zeros_like(ring), TARGET, 16.0)
    assert none.values == pytest.approx(5.0)


def test_exact_distance():
    mask = np.ones((9, 9), bool)
    mask[4, 4] = False
    distance = exact_distance(mask)
    assert distance[4, 4] == 0
    assert distance[4, 7] == 3
    assert distance[0, 0] == np.float32(np.sqrt(32))
