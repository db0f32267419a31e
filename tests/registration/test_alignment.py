from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.registration.alignment import (
    dense_map,
    inverse,
    map_points,
    uncertainty_at,
    warp_to_baseline,
)
from calcimeasure.registration.registration_records import Alignment, grid_nodes

SHAPE = (80, 100)


def bent(step: int = 10, amplitude: float = 1.5) -> Alignment:
    nodes = grid_nodes(SHAPE, step)
    residual = amplitude * np.sin(nodes / 25.0)[..., ::-1]
    rotation = np.deg2rad(12.0)
    linear = 1.1 * np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    return Alignment(
        matrix=np.column_stack([linear, [7.0, -3.0]]),
        residual=residual.astype(np.float32),
        step=step,
        uncertainty=np.full(nodes.shape[:2], 1.5, np.float32),
    )


def test_a_point_moves_by_matrix_and_residual() -> None:
    alignment = Alignment(
        matrix=np.array([[2.0, 0.0, 1.0], [0.0, 2.0, -1.0]]),
        residual=np.full((9, 11, 2), 0.25, np.float32),
        step=10,
    )
    assert map_points(alignment, np.array([[3.0, 4.0]])).tolist() == [[7.25, 7.25]]


def test_points_keep_their_shape() -> None:
    assert map_points(bent(), np.zeros((3, 4, 2))).shape == (3, 4, 2)


def test_the_inverse_undoes_the_mapping() -> None:
    alignment = bent()
    back = inverse(alignment, (110, 130))
    points = np.random.default_rng(0).uniform(5, 70, (200, 2))
    there_and_back = map_points(back, map_points(alignment, points))
    assert np.abs(there_and_back - points).max() < 0.1


def test_the_inverse_of_the_inverse_is_the_very_alignment() -> None:
    alignment = bent()
    assert inverse(inverse(alignment, (110, 130)), SHAPE) is alignment


def test_the_inverse_of_a_rigid_alignment_is_rigid() -> None:
    back = inverse(Alignment(matrix=np.array([[0.0, -1.0, 5.0], [1.0, 0.0, 2.0]])), SHAPE)
    assert back.residual is None
    assert map_points(back, np.array([[5.0, 2.0]])) == pytest.approx(np.zeros((1, 2)))


def test_dense_map_agrees_with_map_points() -> None:
    alignment = bent()
    rows, cols = np.indices(SHAPE)
    points = np.stack([rows, cols], axis=-1).astype(float)
    assert np.abs(dense_map(alignment, SHAPE) - map_points(alignment, points)).max() < 0.06


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.bool_])
def test_labels_are_warped_by_nearest_neighbour(dtype: type) -> None:
    labels = np.zeros(SHAPE, dtype)
    labels[20:30, 40:55] = 1
    shifted = warp_to_baseline(labels, Alignment(matrix=np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -8.0]])), SHAPE, order=0)
    assert shifted.dtype == dtype
    expected = np.zeros(SHAPE, dtype)
    expected[15:25, 48:63] = 1
    assert np.array_equal(shifted, expected)


def test_what_the_followup_does_not_show_gets_the_outside_value() -> None:
    image = np.ones(SHAPE, np.float32)
    warped = warp_to_baseline(image, Alignment(matrix=np.array([[1.0, 0, 60], [0, 1.0, 0]])), SHAPE, outside=-7.0)
    assert warped[0, 0] == 1.0
    assert warped[-1, 0] == -7.0


def test_uncertainty_is_read_from_the_grid_and_scaled_by_the_inverse() -> None:
    alignment = bent()
    points = np.array([[0.0, 0.0], [79.0, 99.0]])
    assert uncertainty_at(alignment, points) == pytest.approx([1.5, 1.5])
    assert uncertainty_at(inverse(alignment, (110, 130)), points) == pytest.approx([1.65, 1.65], rel=1e-3)
    assert uncertainty_at(Alignment(matrix=alignment.matrix), points).tolist() == [0.0, 0.0]
