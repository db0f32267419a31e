"""Small films with deposits of known place, aligned one on the other, for sessions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.change.pair_comparison import assess_pair
from calcimeasure.deposits import from_label_image
from calcimeasure.io import film_from_array
from calcimeasure.measurement import measure_film
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.common_field import common_field
from calcimeasure.registration.registration_records import Alignment, Registration
from calcimeasure.review.manual_links import link_manually
from calcimeasure.review.review_input import ReviewInput

SHAPE = (150, 130)
CENTRES = ((40, 35), (42, 70), (100, 50), (105, 95))


def draw_film(radii: tuple[float, ...], seed: int) -> tuple[Radiograph, np.ndarray]:
    """A dim field with blurred discs, and the label image of the discs."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]]
    pixels = 400.0 + 0.5 * row + rng.normal(0, 4, SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    for number, ((at_row, at_col), radius) in enumerate(zip(CENTRES, radii, strict=False), start=1):
        away = np.hypot(row - at_row, col - at_col)
        pixels += 220.0 / (1.0 + np.exp((away - radius) / 0.8))
        labels[away <= radius] = number
    film = film_from_array(pixels.astype(np.float32), spacing_mm=0.2)
    return film, labels


def whole_anatomy() -> Anatomy:
    shape = (-(-SHAPE[0] // 5), -(-SHAPE[1] // 5))
    ones = np.ones(shape, bool)
    return Anatomy(step=5, field=ones, limbs=ones.astype(np.uint8), bone=np.zeros(shape, bool), shape=SHAPE)


def build_review_input(
    baseline: tuple[float, ...] = (6.0, 5.0, 7.0), followup: tuple[float, ...] = (6.0, 6.0, 7.0, 4.0)
) -> ReviewInput:
    films, labels = {}, {}
    for visit, radii, seed in ((TimePoint.BASELINE, baseline, 1), (TimePoint.FOLLOWUP, followup, 2)):
        film, image = draw_film(radii, seed)
        films[visit] = film
        labels[visit] = from_label_image(image, film_sha256=film.sha256, method="test", confidence=0.9)
    anatomy = whole_anatomy()
    alignment = Alignment(matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    common = common_field(anatomy, anatomy, alignment)
    measured = [measure_film(films[visit], labels[visit], anatomy=anatomy) for visit in TimePoint]
    registration = Registration(status="ok", scale=1.0, scale_se=0.002, scale_applied=True)
    links = link_manually(measured[0], measured[1], alignment, common, {})
    return ReviewInput(
        films=films,
        anatomies=dict.fromkeys(TimePoint, anatomy),
        labels=labels,
        comparison=assess_pair(measured[0], measured[1], registration, alignment, links),
        common=common,
    )


@pytest.fixture(scope="session")
def review_input() -> ReviewInput:
    """Three deposits on the baseline, the same and a fourth on the follow-up."""
    return build_review_input()


@pytest.fixture(scope="session")
def review_input_of() -> Callable[..., ReviewInput]:
    """The function that makes such pairs from radii in pixels."""
    return build_review_input
