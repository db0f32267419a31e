"""Films from arrays."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure import film_from_array
from calcimeasure.errors import FilmError, SpacingError, UsageError


@pytest.mark.parametrize(
    ("dtype", "limits"),
    [(np.uint8, (0, 255)), (np.uint16, (0, 65535)), (np.int16, (-32768, 32767)), (np.float64, (0, 11))],
)
def test_values_and_their_range(dtype, limits):
    array = np.arange(12, dtype=dtype).reshape(3, 4)
    film = film_from_array(array, spacing_mm=(0.1, 0.2), side="R", view="pa", body_part="hand")
    np.testing.assert_array_equal(film.pixels, array)
    assert (film.grey.lowest, film.grey.highest) == limits
    assert film.spacing.mm == (0.1, 0.2)
    assert (film.identity.side, film.identity.view, film.identity.body_part) == ("R", "PA", "HAND")


def test_the_film_is_a_copy_and_leaves_the_array_alone():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    film = film_from_array(array, invert=True)
    np.testing.assert_array_equal(film.pixels, 11 - array)
    array[0, 0] = 99
    assert film.pixels.max() == 11
    assert array.flags.writeable


def test_a_date_is_checked_and_kept():
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert film_from_array(array, study_date="2026-01-31").identity.study_date == "2026-01-31"
    with pytest.raises(UsageError, match=r"'31\.1\.2026' is not a date"):
        film_from_array(array, study_date="31.1.2026")


def test_equal_pixels_are_the_same_film():
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert film_from_array(array).film_id == film_from_array(array.copy()).film_id
    assert film_from_array(array).film_id != film_from_array(array + 1).film_id


def test_values_that_are_no_numbers_become_padding():
    array = np.arange(12, dtype=float).reshape(3, 4)
    array[1, 1] = np.nan
    film = film_from_array(array)
    assert film.padding[1, 1]
    assert film.padding.sum() == 1
    assert film.pixels[1, 1] == 0


def test_grey_in_channels():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(film_from_array(np.repeat(grey[:, :, None], 3, 2)).pixels, grey)
    np.testing.assert_array_equal(film_from_array(grey[:, :, None]).pixels, grey)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5),
        np.zeros((2, 3, 4, 5)),
        np.zeros((5, 6, 2)),
        np.zeros((1, 5)),
        np.zeros((0, 0)),
        np.zeros((5, 5), bool),
        np.zeros((5, 5), complex),
        np.full((5, 5), "x"),
        np.full((5, 5), np.nan),
        np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8),
    ],
)
def test_what_is_no_film(array):
    with pytest.raises(FilmError):
        film_from_array(array)


def test_a_spacing_that_is_none():
    with pytest.raises(SpacingError):
        film_from_array(np.eye(5), spacing_mm=-1)
