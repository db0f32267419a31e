"""Every part of a limb that can be simulated, and what lies on and in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcimeasure.simulation import simulate_film
from calcimeasure.simulation.formats import format_at
from calcimeasure.simulation.hand import draw_hand_pose, make_hand, mirrored
from calcimeasure.simulation.hardware import Cast, Hardware, Ring, Wire, draw_hardware, hardware_later
from calcimeasure.simulation.limb import LimbPose, place_limb
from calcimeasure.simulation.limb_parts import PARTS
from calcimeasure.simulation.simulated_film import draw_sitting, render_film


@pytest.mark.parametrize("part", list(PARTS))
def test_every_part_makes_a_film_of_a_limb_with_deposits(part):
    film = simulate_film(np.random.default_rng(12), part=part, deposits=5, spacing_mm=0.6, bits=12)
    assert film.film.identity.body_part == {"hands": "HAND"}.get(part, part.upper())
    assert film.film.identity.view == PARTS[part].view
    assert len(film.truth.deposits) >= 2
    height, width = PARTS[part].film_mm
    assert film.stored.shape == (round(height / 0.6), round(width / 0.6))
    # Air, soft tissue and bone are apart: the middle half of the values spans a good part of the range.
    low, high = np.percentile(film.film.pixels, [10, 95])
    assert high - low > 0.15 * film.film.grey.highest


def test_both_hands_are_two_limbs_and_side_b():
    film = simulate_film(np.random.default_rng(3), part="hands", deposits=4, spacing_mm=0.5)
    assert film.film.identity.side == "B"
    assert film.truth.side == "B"
    bright = film.film.pixels > np.median(film.film.pixels) + 0.1 * film.film.grey.highest
    middle = film.stored.shape[1] // 2
    assert bright[:, : middle // 2].any()
    assert bright[:, -middle // 2 :].any()


def test_left_hand_is_the_mirror_image():
    right = make_hand(np.random.default_rng(1), side="R")
    left = mirrored(right)
    assert left.side == "L"
    size = (280.0, 240.0)
    pose = LimbPose(height_mm=0.0)
    one, two = (place_limb(limb, pose, film_mm=size, source_distance_mm=1e6) for limb in (right, left))
    for name, segment in right.segments.items():
        a, b = one[name].apply(segment.bone.outline_mm), two[name].apply(segment.bone.outline_mm)
        assert b[:, 0] == pytest.approx(240.0 - a[:, 0], abs=1e-2)
        assert b[:, 1] == pytest.approx(a[:, 1], abs=1e-2)


def test_tilt_shortens_and_height_magnifies():
    limb = make_hand(np.random.default_rng(1), side="R")

    def length(**changes):
        source = changes.pop("source_distance_mm", 1e6)
        pose = LimbPose(height_mm=changes.pop("height_mm", 0.0), **changes)
        placed = place_limb(limb, pose, film_mm=(280.0, 240.0), source_distance_mm=source)["metacarpal_3"]
        bone = limb.segments["metacarpal_3"].bone
        ends = placed.apply(np.array([[0.0, 0.0], [0.0, bone.length_mm]]))
        return float(np.hypot(*(ends[1] - ends[0])))

    flat = length()
    assert length(height_mm=50.0, source_distance_mm=1000.0) / flat == pytest.approx(1000 / 950, rel=1e-3)
    # The metacarpal lies almost along y; an axis across it foreshortens by the cosine.
    assert length(tilt_deg=15.0) / flat == pytest.approx(np.cos(np.deg2rad(15)), rel=0.01)
    assert length(rotation_deg=20.0) / flat == pytest.approx(1.0, rel=1e-3)


def test_poses_of_two_visits_keep_a_contracture():
    limb = make_hand(np.random.default_rng(1), side="R")
    bent = LimbPose(flexions_deg=dict.fromkeys(limb.segments, 35.0))
    for seed in range(5):
        pose = draw_hand_pose(np.random.default_rng(seed), limb, near=bent)
        assert all(25 < pose.flexions_deg[f"proximal_{finger}"] < 45 for finger in (2, 3, 4, 5))


def test_metal_and_plaster_stop_the_beam():
    rng = np.random.default_rng(5)
    sitting = draw_sitting(rng, deposits=0, film_format=format_at(0.5), side="R")
    state = rng.bit_generator.state
    shown = {}
    for name, hardware in {
        "none": Hardware(),
        "ring": Hardware(rings=(Ring(bone="proximal_4", y_mm=14, radius_mm=10, wall_mm=1.5, band_mm=4),)),
        "wire": Hardware(wires=(Wire(bone="metacarpal_3", start_mm=(0, 0), stop_mm=(0, 50), diameter_mm=1.5),)),
        "cast": Hardware(cast=Cast(bone="metacarpal_3", y_mm=20, wall_mm=4)),
    }.items():
        rng.bit_generator.state = state
        shown[name] = render_film(replace(sitting, hardware=hardware), rng).film.pixels
    for name in ("ring", "wire"):
        brighter = shown[name] - shown["none"]
        assert brighter.max() > 0.2 * shown["none"].max()
        assert (brighter > 0.1 * shown["none"].max()).mean() < 0.02
    assert (shown["cast"] - shown["none"] > 0.02 * shown["none"].max()).mean() > 0.05


def test_some_wear_hardware_and_the_cast_comes_off():
    limb = make_hand(np.random.default_rng(1), side="R")
    drawn = [draw_hardware(np.random.default_rng(seed), limb) for seed in range(300)]
    for kind in ("rings", "wires", "cast", "specks", "scratches"):
        share = np.mean([bool(getattr(one, kind)) for one in drawn])
        assert 0.005 < share < 0.4, kind
    later = [hardware_later(np.random.default_rng(seed), one) for seed, one in enumerate(drawn)]
    assert all(one.cast is None for one in later)
    assert all(after.wires == before.wires for before, after in zip(drawn, later, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_no_knee_is_white_over_the_limb(seed):
    # A beam of 62 kV through much flesh with little scatter is what made them so.
    rng = np.random.default_rng(seed)
    sitting = draw_sitting(rng, part="knee", deposits=2, film_format=format_at(1.5, part="knee"))
    hard = replace(sitting.exposure, voltage_kv=62.0, scatter_share=0.03)
    film = render_film(replace(sitting, exposure=hard, hardware=Hardware()), rng).film
    limb = film.pixels[60:-60, 50:-50]
    assert float((limb >= film.grey.highest).mean()) < 0.01
    assert float(np.percentile(limb, 90)) > 0.3 * film.grey.highest
