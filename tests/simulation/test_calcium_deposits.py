"""The truth about deposits: areas against closed forms, rendering against the thickness integral."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.simulation.calcium_deposits import (
    CONTOUR_POINTS,
    CalciumDeposit,
    DepositPiece,
    ThicknessProfile,
    render_thickness,
)
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from calcimeasure.simulation.geometry import outline_gap

CIRCLE = np.ones(CONTOUR_POINTS)


def disc(radius_mm, *, centre=(0.0, 0.0), profile=ThicknessProfile.PLATEAU, thickness_mm=1.0, edge=0.2):
    return DepositPiece(
        radius=CIRCLE,
        matrix=np.eye(2) * radius_mm,
        centre_mm=np.array(centre, float),
        thickness_mm=thickness_mm,
        profile=profile,
        edge=edge,
    )


@pytest.mark.parametrize("radius_mm", [0.15, 1.0, 10.0])
def test_disc_has_the_area_of_a_circle(radius_mm):
    assert disc(radius_mm).area_mm2 == pytest.approx(np.pi * radius_mm**2, rel=1e-3)


def test_union_of_two_discs_matches_the_lens_formula():
    # Two unit circles one radius apart share the lens 2 acos(1/2) - sqrt(3)/2.
    lens = 2 * np.arccos(0.5) - np.sqrt(3) / 2
    both = CalciumDeposit(pieces=(disc(1.0), disc(1.0, centre=(1.0, 0.0))))
    assert both.area_mm2 == pytest.approx(2 * np.pi - lens, rel=1e-3)
    assert both.centroid_mm == pytest.approx((0.5, 0.0), abs=1e-3)


@pytest.mark.parametrize(
    ("profile", "edge", "mean_thickness"),
    [
        (ThicknessProfile.PLATEAU, 0.5, 1.0),
        (ThicknessProfile.ELLIPSOID, 0.5, 2 / 3),
        (ThicknessProfile.BEVEL, 1.0, 1 / 3),  # a cone
        (ThicknessProfile.SHELL, 0.4, (2 / 3) * (1 - 0.6**3) / np.sqrt(1 - 0.6**2)),
    ],
)
def test_thickness_integral_matches_the_closed_form(profile, edge, mean_thickness):
    piece = disc(2.0, profile=profile, edge=edge)
    assert piece.volume_mm3 == pytest.approx(piece.area_mm2 * mean_thickness, rel=1e-3)


@pytest.mark.parametrize("kind", list(DepositKind))
@pytest.mark.parametrize("diameter_mm", [1.0, 4.0, 15.0])
def test_kinds_have_the_area_asked_for_and_render_all_their_thickness(kind, diameter_mm):
    rng = np.random.default_rng(11)
    deposit = make_deposit(kind, diameter_mm=diameter_mm, thickness_mm=0.8, rng=rng)
    assert deposit.area_mm2 == pytest.approx(np.pi / 4 * diameter_mm**2, rel=1e-3)
    assert deposit.centroid_mm == pytest.approx((0.0, 0.0), abs=1e-3 * diameter_mm)
    spacing = (0.17, 0.13)
    placed = deposit.moved(np.eye(2), -deposit.points_mm.min(axis=0) + 1.0)
    width, height = placed.points_mm.max(axis=0) + 1.0
    shape = (int(height / spacing[0]) + 1, int(width / spacing[1]) + 1)
    patch, _ = render_thickness(placed, shape=shape, spacing_mm=spacing)
    assert patch.sum() * spacing[0] * spacing[1] == pytest.approx(placed.volume_mm3, rel=1e-3)


@pytest.mark.parametrize("kind", [DepositKind.CLUSTER, DepositKind.STIPPLE])
@pytest.mark.parametrize("seed", range(4))
def test_pieces_of_one_deposit_are_within_two_millimetres_of_another(kind, seed):
    deposit = make_deposit(kind, diameter_mm=5.0, thickness_mm=0.5, rng=np.random.default_rng(seed))
    outlines = [outline[::12] for outline in deposit.outlines]
    reached, waiting = [0], set(range(1, len(outlines)))
    for here in reached:
        near = [there for there in sorted(waiting) if outline_gap(outlines[here], outlines[there]) <= 1.9]
        reached += near
        waiting -= set(near)
    assert not waiting, "a piece lies apart from all others"


def test_growing_multiplies_the_area_exactly_and_keeps_the_place():
    deposit = make_deposit("cluster", diameter_mm=5.0, thickness_mm=0.5, rng=np.random.default_rng(2))
    grown = deposit.grown(1.5)
    assert grown.area_mm2 / deposit.area_mm2 == pytest.approx(1.5, rel=1e-4)
    assert grown.centroid_mm == pytest.approx(deposit.centroid_mm, abs=0.01)


def test_same_seed_gives_the_same_deposit():
    first, second = (
        make_deposit("sheet", diameter_mm=8.0, thickness_mm=0.5, rng=np.random.default_rng(3)) for _ in range(2)
    )
    assert np.array_equal(first.points_mm, second.points_mm)


def test_a_deposit_outside_the_grid_renders_nothing():
    patch, _ = render_thickness(CalciumDeposit(pieces=(disc(1.0, centre=(-9, -9)),)), shape=(5, 5), spacing_mm=(1, 1))
    assert patch.size == 0


def test_impossible_sizes_are_refused():
    with pytest.raises(UsageError, match="cannot be"):
        make_deposit("nodule", diameter_mm=0.0, thickness_mm=1.0, rng=np.random.default_rng(0))
