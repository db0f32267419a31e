"""Bones: round in section, denser in the cortex, thinner when they are, and growing where they grow."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.simulation.bone_styles import BoneStyle
from calcimeasure.simulation.bones import GRID_MM, make_drawn_bone, make_long_bone, make_short_bone
from calcimeasure.simulation.geometry import polygon_area


def metacarpal(seed=1, **style):
    return make_long_bone("metacarpal_3", "metacarpal", 64.0, np.random.default_rng(seed), style=BoneStyle(**style))


def row_at(bone, y_mm):
    return int((y_mm - bone.origin_mm[1]) / GRID_MM)


def test_shaft_is_as_deep_as_it_is_wide():
    bone = metacarpal()
    section = bone.depth_mm[row_at(bone, 32.0)]
    width = (section > 0).sum() * GRID_MM
    assert section.max() == pytest.approx(width, rel=0.06)
    # A disc: its area is that of the circle of its width.
    assert section.sum() * GRID_MM == pytest.approx(np.pi / 4 * width**2, rel=0.08)


def test_map_covers_the_outline():
    bone = metacarpal()
    assert (bone.depth_mm > 0).sum() * GRID_MM**2 == pytest.approx(abs(polygon_area(bone.outline_mm)), rel=0.02)


def test_cortex_is_brighter_than_the_cavity():
    bone = metacarpal()
    section = bone.mineral_mm[row_at(bone, 32.0) - 20 : row_at(bone, 32.0) + 20].mean(axis=0)
    inside = np.nonzero(section > 0)[0]
    quarter = len(inside) // 6
    middle = section[inside[len(inside) // 2 - 3 : len(inside) // 2 + 4]].mean()
    assert section[inside[quarter]] > middle
    assert section[inside[-quarter]] > middle


def test_osteopenia_takes_mineral_but_no_shape():
    dense, thin = metacarpal(), metacarpal(cortex=0.3, spongy=0.2, marrow_spongy=0.05)
    assert np.array_equal(dense.depth_mm, thin.depth_mm)
    assert thin.mineral_mm.sum() < 0.8 * dense.mineral_mm.sum()


def test_growth_plate_is_a_dark_line_near_the_head():
    grown, growing = metacarpal(), metacarpal(growth_plate_mm=1.2)
    ratio = growing.mineral_mm.sum(axis=1) / np.maximum(grown.mineral_mm.sum(axis=1), 1e-6)
    head = row_at(grown, 0.86 * 64)
    assert ratio[head - 15 : head + 16].min() < 0.75
    assert ratio[row_at(grown, 25.0)] == pytest.approx(1.0, abs=0.1)


def test_same_generator_same_bone():
    assert np.array_equal(metacarpal(3).mineral_mm, metacarpal(3).mineral_mm)
    assert not np.array_equal(metacarpal(3).mineral_mm, metacarpal(4).mineral_mm)


def test_short_and_drawn_bones_lie_about_their_own_origin():
    capitate = make_short_bone("capitate", "capitate", np.random.default_rng(0), style=BoneStyle())
    assert np.abs(capitate.outline_mm.mean(axis=0)).max() < 3
    box = np.array([(15.0, 190.0), (14.0, 60.0), (30.0, 5.0), (0.0, -6.0), (-30.0, 5.0), (-14.0, 60.0), (-15.0, 190.0)])
    femur = make_drawn_bone("femur", box, np.random.default_rng(0), style=BoneStyle(), joints=(True, False))
    assert femur.outline_mm[:, 1].min() == pytest.approx(-6.0, abs=1.0)
    assert femur.origin_mm[1] < femur.outline_mm[:, 1].min()
