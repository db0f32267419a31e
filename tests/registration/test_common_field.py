from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.anatomy import Anatomy
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.common_field import common_field
from calcimeasure.registration.registration_records import Alignment

SHAPE = (80, 160)


def film_field(shown: slice, step: int = 4) -> Anatomy:
    grid = np.zeros((SHAPE[0] // step, SHAPE[1] // step), bool)
    grid[:, shown] = True
    return Anatomy(step=step, field=grid, limbs=grid.astype(np.uint8), bone=grid, shape=SHAPE)


def translated(cols: float, se_px: float) -> Alignment:
    return Alignment(
        matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, cols]]),
        residual=np.zeros((3, 5, 2), np.float32),
        step=40,
        uncertainty=np.full((3, 5), se_px, np.float32),
    )


def columns(mask: np.ndarray) -> tuple[int, int]:
    present = np.flatnonzero(mask[10])
    return int(present[0]), int(present[-1])


def test_only_what_both_show_counts_on_either_film() -> None:
    field = common_field(film_field(slice(5, 40)), film_field(slice(0, 30)), translated(20.0, 0.0))
    assert columns(field.baseline) == (5, 24)
    assert columns(field.followup) == (10, 29)


def test_the_border_is_moved_in_by_twice_the_alignments_error() -> None:
    sharp = common_field(film_field(slice(0, 40)), film_field(slice(0, 30)), translated(0.0, 0.0))
    unsure = common_field(film_field(slice(0, 40)), film_field(slice(0, 30)), translated(0.0, 4.0))
    assert columns(sharp.baseline)[1] - columns(unsure.baseline)[1] == 2


def test_a_place_without_a_counterpart_is_in_no_common_field() -> None:
    field = common_field(film_field(slice(0, 40)), film_field(slice(0, 40)), translated(0.0, np.inf))
    assert not field.baseline.any()


def test_swapping_the_films_swaps_the_masks() -> None:
    first, second = film_field(slice(3, 37)), film_field(slice(0, 30))
    alignment = translated(14.0, 1.5)
    there = common_field(first, second, alignment)
    back = common_field(second, first, inverse(alignment, SHAPE)).swapped()
    assert np.array_equal(there.baseline, back.baseline)
    assert np.array_equal(there.followup, back.followup)


def test_pixels_are_looked_up_on_each_films_own_grid() -> None:
    field = common_field(film_field(slice(0, 20)), film_field(slice(0, 20)), translated(0.0, 0.0))
    rows, cols = np.array([0, 40, 40]), np.array([3, 70, 90])
    assert field.baseline[rows // field.baseline_step, cols // field.baseline_step].tolist() == [True, True, False]
    assert field.followup[rows // field.followup_step, cols // field.followup_step].tolist() == [True, True, False]


def test_shapes_of_the_grids_are_the_anatomies_own() -> None:
    field = common_field(film_field(slice(0, 40)), film_field(slice(0, 80), step=2), translated(0.0, 0.0))
    assert (field.baseline.shape, field.followup.shape) == ((20, 40), (40, 80))
    assert (field.baseline_step, field.followup_step) == (4, 2)
    assert field.baseline.mean() == pytest.approx(1.0)
