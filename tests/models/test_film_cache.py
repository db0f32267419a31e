"""What is derived from a film is derived once, for this very film and anatomy, and goes with it."""

import gc

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis


def blank_film():
    return Radiograph(pixels=np.full((60, 40), 5, np.float32), grey=GreyScale(lowest=0, highest=10))


def counted():
    calls = []

    @cache_per_film
    def derive(film, anatomy):
        calls.append(film.spacing)
        return [film.shape]

    return derive, calls


def test_it_is_worked_out_once_a_film():
    derive, calls = counted()
    film = blank_film()
    anatomy = find_anatomy(film)
    assert derive(film, anatomy) is derive(film, anatomy)
    assert len(calls) == 1


def test_the_same_pixels_with_another_spacing_are_another_film():
    derive, calls = counted()
    film = blank_film()
    anatomy = find_anatomy(film)
    derive(film, anatomy)
    spaced = film.with_spacing(Spacing(row_mm=0.1, col_mm=0.1, basis=SpacingBasis.USER))
    derive(spaced, find_anatomy(spaced))
    assert len(calls) == 2
    derive(film, find_anatomy(film))
    assert len(calls) == 3, "another anatomy is another question"


def test_it_goes_with_the_film():
    derive, _ = counted()
    film = blank_film()
    anatomy = find_anatomy(film)
    answer = derive(film, anatomy)
    held = len(gc.get_referrers(answer))
    del film
    gc.collect()
    assert len(gc.get_referrers(answer)) < held
