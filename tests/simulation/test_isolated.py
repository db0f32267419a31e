"""A lone deposit on an even background: what is asked for is what the film shows."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.simulation.deposit_kinds import make_deposit
from calcimeasure.simulation.isolated import isolated_film
from calcimeasure.simulation.smoothing import correlated_noise


def film(**settings):
    rng = np.random.default_rng(4)
    deposit = make_deposit("slab", diameter_mm=5.0, thickness_mm=0.5, rng=rng)
    return isolated_film(deposit, rng, **settings)


def test_coverage_adds_up_to_the_area():
    made = film(spacing_mm=(0.2, 0.1))
    assert made.coverage.sum() * 0.02 == pytest.approx(made.area_mm2, rel=1e-3)


def test_contrast_over_noise_is_as_asked():
    made = film(cnr=20.0, ramp=0.0)
    core, ring = made.coverage == 1, made.coverage == 0
    contrast = np.median(made.film.pixels[core]) - np.median(made.film.pixels[ring])
    assert contrast / np.std(made.film.pixels[:20, :20]) == pytest.approx(20.0, rel=0.15)


def test_same_seed_same_film():
    assert film().film.sha256 == film().film.sha256


@pytest.mark.parametrize("correlation_mm", [0.0, 0.1, 0.3])
def test_noise_has_unit_deviation(correlation_mm):
    noise = correlated_noise((400, 400), np.random.default_rng(1), correlation_mm, (0.15, 0.15))
    assert noise.std() == pytest.approx(1.0, rel=0.05)
