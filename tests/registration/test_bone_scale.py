from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.bone_scale import applies, biweight_mean
from calcimeasure.registration.film_registration import register
from calcimeasure.simulation import SimulatedPair


@pytest.mark.parametrize("true_scale", [0.96, 1.0, 1.05])
def test_the_scale_of_an_enlarged_film_is_found_within_its_error(
    hand: Radiograph, lay_down: Callable[..., Any], true_scale: float
) -> None:
    rng = np.random.default_rng(int(1000 * true_scale))
    moved = lay_down(hand, rng, rotation_deg=-7.0, scale=true_scale, gamma=1.3)
    registration, _ = register(
        moved.first, moved.second, baseline_anatomy=moved.first_anatomy, followup_anatomy=moved.second_anatomy
    )
    assert registration.scale is not None
    assert registration.scale_se is not None
    assert 0.002 <= registration.scale_se / registration.scale < 0.006
    assert abs(np.log(registration.scale / true_scale)) < 2.5 * registration.scale_se / registration.scale
    assert registration.scale_applied


def test_the_scale_of_a_hand_in_another_pose_is_its_magnification(
    simulated_pair: SimulatedPair, anatomies: Any
) -> None:
    """Magnification by height, and the shortening by tilt that bone and flat deposits share."""

    def true_size(film: Any) -> float:
        distance = film.truth.exposure["source_distance_mm"]
        magnified = distance / (distance - film.truth.pose["height_mm"])
        return float(magnified * np.sqrt(np.cos(np.deg2rad(film.truth.pose["tilt_deg"]))))

    registration, _ = register(
        simulated_pair.baseline.film,
        simulated_pair.followup.film,
        baseline_anatomy=anatomies[0],
        followup_anatomy=anatomies[1],
    )
    assert registration.scale is not None
    assert registration.scale_se is not None
    expected = true_size(simulated_pair.followup) / true_size(simulated_pair.baseline)
    assert abs(registration.scale - expected) < 3.0 * registration.scale_se


@pytest.mark.parametrize(
    ("ages", "log_se", "expected"),
    [
        ((None, None), 0.003, True),
        ((44.0, 44.5), 0.003, True),
        ((44.0, 44.5), 0.02, False),
        ((12.0, 12.5), 0.003, False),
        ((None, 17.9), 0.003, False),
        ((17.9, 18.4), 0.003, False),
    ],
)
def test_the_scale_is_applied_to_adults_when_well_determined(
    hand: Radiograph, ages: tuple[float | None, float | None], log_se: float, expected: bool
) -> None:
    films = [replace(hand, identity=replace(hand.identity, age_years=age)) for age in ages]
    assert applies(films[0], films[1], log_se) is expected


def test_the_biweight_mean_ignores_mismatched_blocks() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.01, 0.005, 80), rng.normal(0.07, 0.002, 15)])
    assert biweight_mean(values, np.full(95, 0.002)) == pytest.approx(0.01, abs=0.002)
    assert biweight_mean(np.full(5, 0.3), np.full(5, 0.1)) == pytest.approx(0.3)
