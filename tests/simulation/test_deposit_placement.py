"""Where deposits sit, and how a pose shows them: shadows against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.simulation.calcium_deposits import CONTOUR_POINTS, CalciumDeposit, DepositPiece
from calcimeasure.simulation.deposit_placement import (
    HeldDeposit,
    apart,
    draw_deposits,
    draw_shape,
    project_deposits,
    room_for,
    site_of,
)
from calcimeasure.simulation.hand import HandTraits, make_hand
from calcimeasure.simulation.limb import LimbPose, place_limb

FILM_MM = (280.0, 240.0)


@pytest.fixture(scope="module")
def limb():
    return make_hand(np.random.default_rng(2), side="R", traits=HandTraits())


@pytest.fixture(scope="module")
def site(limb):
    return site_of(limb)


def round_deposit(depth_ratio):
    piece = DepositPiece(
        radius=np.ones(CONTOUR_POINTS), matrix=np.eye(2) * 2.0, centre_mm=np.array([0.0, 30.0]), thickness_mm=1.0
    )
    return HeldDeposit(identity=1, bone="metacarpal_3", shape=CalciumDeposit(pieces=(piece,), depth_ratio=depth_ratio))


def shown_in(limb, deposit, *, source_mm=1e7, **pose):
    placed = place_limb(limb, LimbPose(**{"height_mm": 0.0, **pose}), film_mm=FILM_MM, source_distance_mm=source_mm)
    return project_deposits(deposit, placed[deposit.bone])


@pytest.mark.parametrize("tilt_deg", [5.0, 15.0])
def test_a_tilt_shortens_a_plate_by_its_cosine_and_a_ball_not_at_all(limb, tilt_deg):
    flat = shown_in(limb, round_deposit(0.0)).area_mm2
    plate = shown_in(limb, round_deposit(0.0), tilt_deg=tilt_deg).area_mm2
    ball = shown_in(limb, round_deposit(1.0), tilt_deg=tilt_deg).area_mm2
    assert plate / flat == pytest.approx(np.cos(np.deg2rad(tilt_deg)), rel=1e-4)
    assert ball / flat == pytest.approx(1.0, rel=1e-4)


def test_a_half_deep_deposit_casts_the_shadow_of_an_ellipsoid(limb):
    # Semi-axes 2, 2 and 1: tilted by t, one axis of the shadow becomes sqrt(4 cos²t + sin²t).
    tilt = np.deg2rad(15.0)
    flat = shown_in(limb, round_deposit(0.5)).area_mm2
    tilted = shown_in(limb, round_deposit(0.5), tilt_deg=15.0).area_mm2
    assert tilted / flat == pytest.approx(np.sqrt(4 * np.cos(tilt) ** 2 + np.sin(tilt) ** 2) / 2, rel=1e-4)


def test_volume_is_kept_by_every_pose(limb):
    own = round_deposit(0.3).shape.volume_mm3
    tilted = shown_in(limb, round_deposit(0.3), tilt_deg=12.0)
    assert tilted.volume_mm3 == pytest.approx(own, rel=1e-3)
    # Magnification spreads the same thickness over a larger shadow.
    higher = shown_in(limb, round_deposit(0.3), source_mm=1000.0, height_mm=40.0)
    assert higher.volume_mm3 == pytest.approx(own * (1000 / 960) ** 2, rel=1e-3)


def test_height_above_the_bone_shows_as_parallax(limb):
    held = round_deposit(1.0)
    raised = HeldDeposit(identity=1, bone=held.bone, shape=held.shape, z_mm=10.0)
    at_rest = np.subtract(shown_in(limb, raised).centroid_mm, shown_in(limb, held).centroid_mm)
    tilted = np.subtract(
        shown_in(limb, raised, tilt_deg=15.0).centroid_mm, shown_in(limb, held, tilt_deg=15.0).centroid_mm
    )
    assert np.hypot(*at_rest) == pytest.approx(0.0, abs=1e-3)
    assert np.hypot(*tilted) == pytest.approx(10 * np.sin(np.deg2rad(15)), rel=1e-3)


def test_deposits_lie_against_the_background_they_were_drawn_for(limb, site):
    held = draw_deposits(np.random.default_rng(3), limb, site, 12, diameters_mm=(1.0, 6.0))
    assert len(held) >= 9
    counts = {
        name: sum(one.background == name for one in held) for name in ("soft_tissue", "touching_bone", "over_bone")
    }
    assert min(counts.values()) >= 2
    for one in held:
        points = project_deposits(one, site.placed[one.bone]).points_mm
        row, col = (points.mean(axis=0)[::-1] / 0.5).astype(int)
        assert site.to_skin[row, col] > 0
        to_bone = site.to_bone[row, col]
        assert to_bone > 0 if one.background == "soft_tissue" else to_bone < 6
    for index, first in enumerate(held):
        assert all(apart(first, second, site.placed) for second in held[:index])


def test_room_is_where_a_deposit_fits():
    to_skin = np.full((3, 3), 5.0, np.float32)
    to_bone = np.array([[4.0, 1.0, -2.0]] * 3, np.float32)
    assert room_for(to_skin, to_bone, "soft_tissue", 2.0)[0].tolist() == [True, False, False]
    assert room_for(to_skin, to_bone, "touching_bone", 2.0)[0].tolist() == [False, True, False]
    assert room_for(to_skin, to_bone, "over_bone", 2.0)[0].tolist() == [False, False, True]


def test_small_deposits_are_simple_and_no_deposit_is_thicker_than_wide():
    rng = np.random.default_rng(4)
    for _ in range(40):
        shape, reach = draw_shape(rng, 1.0)
        assert shape.kind in ("nodule", "lobulated")
        assert reach > 0.4
    for diameter in (2.0, 8.0):
        assert all(piece.thickness_mm <= diameter for piece in draw_shape(rng, diameter)[0].pieces)
