"""Pairs of films with known displacement, made once for the tests of aligning and linking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.simulation import ChangePlan, SimulatedPair, simulate_pair

SPACING_MM = 0.3


@dataclass(frozen=True)
class Moved:
    """A film and a later one of it, with where each point of the first lies on the second."""

    first: Radiograph
    second: Radiograph
    first_anatomy: Anatomy
    second_anatomy: Anatomy
    to_second: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def limb_points(self, margin_px: int = 20) -> NDArray[np.float64]:
        """Points over the first film's bones that both films show."""
        anatomy = self.first_anatomy
        points = np.argwhere(anatomy.on_film(anatomy.bone & (anatomy.limbs > 0)))[::97].astype(np.float64)
        places = self.to_second(points)
        rows, cols = self.second.shape
        inside = (places > margin_px).all(axis=1) & (places < [rows - margin_px, cols - margin_px]).all(axis=1)
        return points[inside]


def film_of(pixels: NDArray[np.floating], spacing_mm: float | None, **identity: object) -> Radiograph:
    spacing = Spacing()
    if spacing_mm is not None:
        spacing = Spacing(row_mm=spacing_mm, col_mm=spacing_mm, basis=SpacingBasis.DETECTOR)
    array = np.ascontiguousarray(pixels, np.float32)
    return Radiograph(pixels=array, spacing=spacing, grey=GreyScale(lowest=-1e6, highest=1e6), **identity)


def retoned(pixels: NDArray[np.floating], rng: np.random.Generator, gamma: float) -> NDArray[np.float64]:
    """Another exposure and curve of the same picture, with noise of its own."""
    span = pixels.max() - pixels.min()
    curve = ((pixels - pixels.min()) / span) ** gamma
    noise = cv2.GaussianBlur(rng.normal(0, 0.01, pixels.shape), (0, 0), 0.7)
    return 3000.0 * (curve + noise) + 100.0


def moved_film(
    film: Radiograph,
    rng: np.random.Generator,
    *,
    turn_deg: float = 0.0,
    shift_mm: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    quarters: int = 0,
    gamma: float = 1.0,
    mirrored: bool = False,
    spacing_mm: float | None = SPACING_MM,
) -> Moved:
    """The film laid down again: turned about its centre, shifted, enlarged, turned by quarters, mirrored, in order."""
    rows, cols = film.shape
    centre = np.array([rows - 1, cols - 1]) / 2
    angle = np.deg2rad(turn_deg)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = centre - linear @ centre + np.asarray(shift_mm) / SPACING_MM
    matrix = np.array([[linear[1, 1], linear[1, 0], shift[1]], [linear[0, 1], linear[0, 0], shift[0]]])
    later = cv2.warpAffine(
        film.pixels, matrix, (cols, rows), flags=cv2.INTER_CUBIC, borderValue=float(film.pixels.min())
    )
    later = np.rot90(retoned(later, rng, gamma), quarters)
    later = later[:, ::-1] if mirrored else later

    def to_second(points: NDArray[np.float64]) -> NDArray[np.float64]:
        places = points @ linear.T + shift
        height, width = rows, cols
        for _ in range(quarters):
            places = np.stack([width - 1 - places[:, 1], places[:, 0]], axis=1)
            height, width = width, height
        if mirrored:
            places = np.stack([places[:, 0], width - 1 - places[:, 1]], axis=1)
        return places

    first = film_of(retoned(film.pixels, rng, 1.0), spacing_mm)
    second = film_of(later, spacing_mm)
    return Moved(first, second, find_anatomy(first), find_anatomy(second), to_second)


@pytest.fixture(scope="session")
def simulated_pair() -> SimulatedPair:
    """A hand at two visits: spread, tilted and exposed anew; deposits unchanged, grown, new, gone and split."""
    plan = ChangePlan(area_ratio=1.3, touched=1.0, new=1, gone=1, split=1)
    return simulate_pair(np.random.default_rng(78), plan=plan, deposits=8, spacing_mm=SPACING_MM)


@pytest.fixture(scope="session")
def anatomies(simulated_pair: SimulatedPair) -> tuple[Anatomy, Anatomy]:
    return find_anatomy(simulated_pair.baseline.film), find_anatomy(simulated_pair.followup.film)


@pytest.fixture(scope="session")
def hand(simulated_pair: SimulatedPair) -> Radiograph:
    return simulated_pair.baseline.film


@pytest.fixture(scope="session", name="film_of")
def film_of_fixture() -> Callable[..., Radiograph]:
    return film_of


@pytest.fixture(scope="session")
def lay_down() -> Callable[..., Moved]:
    return moved_film
