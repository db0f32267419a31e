from dataclasses import replace

import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.measurement import FilmMeasurement, measure_film
from calcimeasure.measurement.area_ratio import area_ratio, edge_ratio
from calcimeasure.radiograph import Spacing, SpacingBasis
from calcimeasure.simulation.deposit_kinds import make_deposit
from training.deposit_patches import PatchSettings, render_patch

# Deposits on patches of background: the outline network wants a limb around them.
pytestmark = pytest.mark.usefixtures("edge_model")


def visits(
    kind: str, diameter_mm: float, seed: int, *, ratio: float = 1.0, settings: PatchSettings | None = None
) -> tuple[FilmMeasurement, FilmMeasurement]:
    """Return two films of one deposit, its area at the second `ratio` times as large."""
    settings = PatchSettings(cnr=12.0) if settings is None else settings
    rng = np.random.default_rng(seed)
    deposit = make_deposit(kind, diameter_mm=diameter_mm, thickness_mm=1.0, rng=rng)
    return tuple(
        measured(render_patch(shown, settings, rng, backdrop_rng=np.random.default_rng(seed)))
        for shown in (deposit, deposit.grown(ratio))
    )


def measured(patch, *, origin: Origin = Origin.AUTO) -> FilmMeasurement:
    shape = patch.pixels.shape
    anatomy = Anatomy(
        step=1, field=np.ones(shape, bool), limbs=np.ones(shape, np.uint8), bone=np.zeros(shape, bool), shape=shape
    )
    return measure_film(patch.film(), from_label_image(patch.mask, origin=origin), anatomy=anatomy)


def test_a_film_with_itself_has_not_changed():
    first, _ = visits("nodule", 3.0, 1)
    assert area_ratio(first, 1, first, 1).log_ratio == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_swapping_the_films_negates_the_ratio_exactly(seed):
    first, second = visits("lobulated", 3.0, seed, ratio=1.2)
    there, back = area_ratio(first, 1, second, 1), area_ratio(second, 1, first, 1)
    assert there.log_ratio == -back.log_ratio
    assert there.se == back.se


def test_it_repeats_better_than_two_areas_apart():
    together, apart = [], []
    for seed in range(100, 124):
        first, second = visits("nodule", 2.5, seed)
        together.append(area_ratio(first, 1, second, 1).log_ratio)
        apart.append(np.log(second.deposits[0].area_px / first.deposits[0].area_px))
    assert np.sqrt(np.mean(np.square(together))) < 0.75 * np.sqrt(np.mean(np.square(apart)))


@pytest.mark.parametrize("kind", ["nodule", "slab"])
def test_a_true_change_is_not_pulled_towards_none(kind):
    for ratio in (0.7, 1.4):
        found = []
        for seed in range(200, 212):
            first, second = visits(kind, 4.0, seed, ratio=ratio)
            found.append(area_ratio(first, 1, second, 1).log_ratio)
        assert np.mean(found) == pytest.approx(np.log(ratio), abs=0.04)


def test_painted_areas_are_compared_as_painted():
    first, second = visits("slab", 4.0, 5)
    rng = np.random.default_rng(5)
    deposit = make_deposit("slab", diameter_mm=4.0, thickness_mm=1.0, rng=rng)
    drawn = measured(render_patch(deposit, PatchSettings(), rng), origin=Origin.DRAWN)
    assert area_ratio(drawn, 1, second, 1) is None
    assert area_ratio(first, 1, drawn, 1) is None


def test_films_of_other_pixels_are_compared_as_measured():
    first, second = visits("slab", 4.0, 6)
    wider = Spacing(row_mm=0.16, col_mm=0.16, basis=SpacingBasis.DETECTOR)
    assert area_ratio(first, 1, replace(second, film=second.film.with_spacing(wider)), 1) is None
    unknown = replace(first, film=first.film.with_spacing(Spacing()))
    assert area_ratio(unknown, 1, second, 1) is None
    assert area_ratio(unknown, 1, unknown, 1).log_ratio == 0.0


def test_edges_alone_are_enough():
    first, second = visits("slab", 4.0, 7)
    assert edge_ratio(first.edges[1], second.edges[1]) == area_ratio(first, 1, second, 1)
