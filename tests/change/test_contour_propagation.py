"""A ratio of areas asked with one outline on both films: it speaks up where the outlines contradict one another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change.contour_propagation import (
    APART_SD,
    OUTLIER,
    OUTLIER_SD,
    OWN_SHARE,
    PROPAGATED_SD,
    PULL,
    AreaRatioEstimator,
    PropagatedAreas,
    combine_log_ratios,
)
from calcimeasure.deposits import DepositLabels, Origin, from_label_image
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.area_ratio import AreaRatio, area_ratio
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.parallel import two_threads
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.simulation import ChangePlan, SimulatedPair, simulate_pair

GROWTH = 1.3


@dataclass(frozen=True)
class Grown:
    """A pair whose deposits grew, measured from their true outlines."""

    pair: SimulatedPair
    measured: tuple[FilmMeasurement, FilmMeasurement]
    alignment: Alignment

    @property
    def links(self) -> list[tuple[int, int]]:
        """Labels of deposits of 3 mm² and more that both films show whole."""
        truth = self.pair.truth
        return [
            (link.baseline_labels[0], link.followup_labels[0])
            for link in truth.links
            if link.status == "matched"
            and truth.baseline.deposits[link.baseline_labels[0] - 1].area_mm2 >= 3.0
            and truth.baseline.deposits[link.baseline_labels[0] - 1].in_field > 0.99
            and truth.followup.deposits[link.followup_labels[0] - 1].in_field > 0.99
        ]

    def followup_of(self, image: NDArray[np.uint16]) -> FilmMeasurement:
        """The follow-up measured from other outlines."""
        film, anatomy = self.measured[1].film, self.measured[1].anatomy
        return measure_film(film, outlines(image, film.sha256), anatomy=anatomy)


def outlines(image: NDArray[np.uint16], sha256: str) -> DepositLabels:
    return from_label_image(image, film_sha256=sha256, method="test", confidence=0.9)


@pytest.fixture(scope="module")
def grown() -> Grown:
    plan = ChangePlan(area_ratio=GROWTH)
    pair = simulate_pair(np.random.default_rng(8801), plan=plan, deposits=7, spacing_mm=0.25)
    films = (pair.baseline, pair.followup)
    anatomies = [find_anatomy(side.film) for side in films]
    _, alignment = register(films[0].film, films[1].film, baseline_anatomy=anatomies[0], followup_anatomy=anatomies[1])
    assert alignment is not None
    measured = [
        measure_film(side.film, outlines(side.labels.image, side.film.sha256), anatomy=anatomy)
        for side, anatomy in zip(films, anatomies, strict=True)
    ]
    return Grown(pair=pair, measured=(measured[0], measured[1]), alignment=alignment)


def test_what_is_carried_knows_of_a_true_change(grown: Grown) -> None:
    found = [
        AreaRatioEstimator(grown.alignment).propagate(grown.measured[0], first, grown.measured[1], second)
        for first, second in grown.links
    ]
    told = [one.log_ratio / PULL for one in found if one is not None]
    assert len(told) >= 3
    assert np.median(told) == pytest.approx(math.log(GROWTH), abs=0.15)


def test_where_the_outlines_agree_the_deposits_own_ratio_stays(grown: Grown) -> None:
    for first, second in grown.links:
        own = area_ratio(grown.measured[0], first, grown.measured[1], second)
        both = AreaRatioEstimator(grown.alignment)(grown.measured[0], first, grown.measured[1], second)
        assert own is not None
        assert both is not None
        assert abs(both.log_ratio - own.log_ratio) < max(0.02, 0.5 * own.se)


def test_an_outline_that_took_in_too_much_is_not_believed(grown: Grown) -> None:
    spoilt = 0
    for first, second in grown.links:
        image = grown.measured[1].labels.image.copy()
        mask = image == second
        aside = round(math.sqrt(mask.sum() / math.pi))
        wide = cv2.dilate((mask | np.roll(mask, (aside, aside), (0, 1))).astype(np.uint8), np.ones((5, 5), np.uint8))
        image[(wide > 0) & (image == 0)] = second
        followup = grown.followup_of(image)
        own = area_ratio(grown.measured[0], first, followup, second)
        both = AreaRatioEstimator(grown.alignment)(grown.measured[0], first, followup, second)
        assert own is not None
        assert both is not None
        if own.log_ratio > math.log(GROWTH) + 0.3 and both != own:
            spoilt += 1
            off, off_alone = abs(both.log_ratio - math.log(GROWTH)), abs(own.log_ratio - math.log(GROWTH))
            assert off < off_alone
            assert off / both.se < min(1.96, off_alone / own.se)
    assert spoilt >= 2


def test_exchanging_the_films_negates_it(grown: Grown) -> None:
    back = inverse(grown.alignment, grown.measured[1].film.shape)
    for first, second in grown.links:
        ahead = AreaRatioEstimator(grown.alignment)(grown.measured[0], first, grown.measured[1], second)
        behind = AreaRatioEstimator(back)(grown.measured[1], second, grown.measured[0], first)
        assert ahead is not None
        assert behind == AreaRatio(log_ratio=-ahead.log_ratio, se=ahead.se)


def test_a_film_against_itself_has_not_changed(grown: Grown) -> None:
    same = Alignment(matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    first = grown.measured[0]
    label = grown.links[0][0]
    both = AreaRatioEstimator(same)(first, label, first, label)
    assert both is not None
    assert both.log_ratio == 0.0


def test_what_a_person_painted_is_compared_as_painted(grown: Grown) -> None:
    first, second = grown.links[0]
    baseline = grown.measured[0]
    painted = replace(
        baseline.labels,
        deposits=tuple(replace(deposit, origin=Origin.DRAWN) for deposit in baseline.labels.deposits),
    )
    baseline = measure_film(baseline.film, painted, anatomy=baseline.anatomy)
    assert AreaRatioEstimator(grown.alignment)(baseline, first, grown.measured[1], second) is None


def test_outlines_at_two_places_say_nothing(grown: Grown) -> None:
    first, second = grown.links[0]
    elsewhere = Alignment(matrix=grown.alignment.matrix + np.array([[0.0, 0.0, 60.0], [0.0, 0.0, 0.0]]))
    assert AreaRatioEstimator(elsewhere).propagate(grown.measured[0], first, grown.measured[1], second) is None
    own = area_ratio(grown.measured[0], first, grown.measured[1], second)
    both = AreaRatioEstimator(elsewhere)(grown.measured[0], first, grown.measured[1], second)
    assert own is not None
    assert both is not None
    assert both.log_ratio == own.log_ratio
    assert both.se == pytest.approx(math.hypot(own.se, APART_SD), abs=1e-6)


def test_a_contradiction_goes_to_what_is_carried_and_widens_the_interval() -> None:
    own = AreaRatio(log_ratio=1.3, se=0.04)
    both = combine_log_ratios(own, PropagatedAreas(log_ratio=0.0, difference=0.05))
    assert abs(both.log_ratio) < 0.05
    assert 2.0 * own.se < both.se < OUTLIER_SD
    assert both.se >= PROPAGATED_SD


def test_agreement_costs_little() -> None:
    own = AreaRatio(log_ratio=0.2, se=0.03)
    both = combine_log_ratios(own, PropagatedAreas(log_ratio=0.2 * PULL, difference=0.03))
    assert both.log_ratio == pytest.approx(0.2)
    assert own.se <= both.se < 1.15 * own.se


def test_the_standard_error_holds_the_truth_in_95_of_100_under_the_mixture() -> None:
    own, carried = AreaRatio(log_ratio=0.6, se=0.1), PropagatedAreas(log_ratio=0.1, difference=0.1)
    both = combine_log_ratios(own, carried)
    spread = math.hypot(PROPAGATED_SD, carried.difference, OWN_SHARE * own.se) / PULL
    grid = np.linspace(-4, 4, 160_001)
    amiss = math.hypot(own.se, OUTLIER_SD)
    prior = (1 - OUTLIER) * _normal(grid - own.log_ratio, own.se) + OUTLIER * _normal(grid - own.log_ratio, amiss)
    density = prior * _normal(grid - carried.log_ratio / PULL, spread)
    density /= density.sum()
    assert both.log_ratio == pytest.approx(float((grid * density).sum()), abs=1e-4)
    held = density[np.abs(grid - both.log_ratio) <= 1.959964 * both.se].sum()
    assert held == pytest.approx(0.95, abs=0.001)


def _normal(away: NDArray[np.float64], sd: float) -> NDArray[np.float64]:
    return np.exp(-0.5 * (away / sd) ** 2) / sd


def test_carrying_both_ways_at_once_says_the_same(grown: Grown) -> None:
    alone, together = AreaRatioEstimator(grown.alignment), AreaRatioEstimator(grown.alignment)
    unnoted = [replace(film, boxes={}) for film in grown.measured]
    for first, second in grown.links:
        ratio = alone(grown.measured[0], first, grown.measured[1], second)
        with two_threads():
            assert together(grown.measured[0], first, grown.measured[1], second) == ratio
        assert AreaRatioEstimator(grown.alignment)(unnoted[0], first, unnoted[1], second) == ratio
