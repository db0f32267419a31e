"""Forearm, elbow and knee of an adult, as seen from the front: bones drawn in mm about the joint, and their flesh.

The limb's origin is the joint (the middle of a forearm), y towards the trunk (in a forearm towards the hand); a left
limb is a right one's mirror image.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.simulation.bone_styles import STANDARD, BoneStyle
from calcimeasure.simulation.bones import make_drawn_bone, make_short_bone
from calcimeasure.simulation.hand import HandTraits, draw_traits, make_hand, mirrored
from calcimeasure.simulation.limb import Knot, Limb, LimbPose, Pad, Segment

if TYPE_CHECKING:
    from calcimeasure.simulation.bones import Bone

Outline = tuple[tuple[float, float], ...]
KNEE_GAP_MM = 3.0  # of the cartilage that arthritis takes
FABELLA = 0.6
WRIST_MM = 152.0  # from the middle of the forearm to the origin of the hand

HUMERUS: Outline = (
    (11, 190), (11, 120), (11.5, 70), (14, 45), (22, 28), (31, 16), (33, 9), (27, 4), (22, -2), (19, -6), (12, -4),
    (4, -2), (-2, -4), (-10, -7), (-19, -5), (-23, 2), (-27, 9), (-24, 17), (-17, 30), (-13, 45), (-11.5, 70),
    (-11, 120), (-11, 190),
)  # fmt: skip
ULNA_AT_ELBOW: Outline = (
    (-12, 20), (-3, 23), (6, 20), (10, 10), (11, 0), (9, -8), (6, -18), (3, -35), (1.5, -60), (1, -100), (1, -240),
    (-11, -240), (-11.5, -100), (-13, -60), (-13, -35), (-14, -18), (-15, -8), (-14, 0), (-14, 10),
)  # fmt: skip
RADIUS_AT_ELBOW: Outline = (
    (-11, -9.5), (0, -10.5), (11, -9.5), (12, -13), (11, -18), (7.5, -23), (7, -31), (10.5, -41), (9.5, -51), (7, -65),
    (7, -105), (7.5, -240), (-7.5, -240), (-7, -105), (-7.5, -65), (-7, -41), (-7, -25), (-11, -18), (-12, -13),
)  # fmt: skip
FEMUR: Outline = (
    (15, 190), (15.5, 120), (16, 90), (20, 60), (28, 40), (37, 25), (41, 12), (39, 2), (30, -6), (18, -6), (9, 0),
    (0, 6), (-9, 0), (-18, -5), (-30, -4), (-38, 3), (-40, 13), (-36, 26), (-27, 42), (-19, 62), (-16, 90),
    (-15.5, 120), (-15, 190),
)  # fmt: skip
TIBIA: Outline = (
    (-38, -11), (-25, -12), (-9, -11), (-4, -6), (0, -9), (4, -5), (9, -11), (25, -12), (38, -11), (40, -16), (38, -26),
    (29, -44), (20, -67), (16, -102), (14.5, -190), (14, -240), (-14, -240), (-14.5, -190), (-15.5, -102), (-19, -67),
    (-28, -44), (-37, -26), (-40, -16),
)  # fmt: skip
FIBULA: Outline = (
    (-7, -27), (0, -19), (7, -25), (9, -35), (6, -48), (5, -73), (5.5, -190), (5.5, -240), (-5.5, -240), (-5.5, -190),
    (-5, -73), (-6, -48), (-9, -36),
)  # fmt: skip
PATELLA: Outline = (
    (-20, 8), (-14, 19), (0, 22), (14, 19), (20, 8), (16, -8), (6, -19), (0, -22), (-6, -19), (-16, -8),
)  # fmt: skip
RADIUS_SHAFT: Outline = (
    (-13, 122), (-16, 118), (-15, 108), (-12, 95), (-9, 75), (-7.5, 50), (-7, 0), (-7, -50), (-7.5, -90), (-7, -105),
    (-11, -112), (-11.5, -118), (0, -120), (11.5, -118), (11, -112), (7, -104), (9.5, -92), (10, -84), (7.5, -70),
    (6.5, -50), (6, 0), (7, 50), (9, 75), (12, 95), (15, 110), (14, 116), (0, 116),
)  # fmt: skip
ULNA_SHAFT: Outline = (
    (8, 117), (9.5, 121), (6, 122), (2, 116), (-6, 118), (-9.5, 113), (-8, 104), (-5.5, 90), (-5, 50), (-5.5, 0),
    (-6.5, -50), (-8, -90), (-10, -110), (-11, -122), (-10, -140), (-2, -146), (8, -143), (12, -130), (12, -115),
    (9, -100), (7, -60), (6, 0), (5.5, 50), (6, 90), (7.5, 108),
)  # fmt: skip


def _adult(rng: np.random.Generator, style: str) -> HandTraits:
    """Return an adult, as the growing ends of these bones are drawn in some styles only."""
    traits = draw_traits(rng, style=style)
    if traits.style.large_growth_plates:
        return traits
    return replace(traits, age_years=max(traits.age_years, 25), size=max(traits.size, 0.86))


def _scaled(
    outline: Outline, traits: HandTraits, rng: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    points = np.array(outline, float) * [traits.size * traits.stoutness, traits.size]
    return np.asarray(points + rng.normal(0, 0.35, points.shape))


def _thick(style: BoneStyle) -> BoneStyle:
    """Return the style of the large bones: a thicker plate under the joints."""
    return replace(
        style, plate_mm=1.3 * style.plate_mm, spongy=0.75 * style.spongy, marrow_spongy=0.6 * style.marrow_spongy,
        growth_plate_mm=2 * style.growth_plate_mm if style.large_growth_plates else 0.0,
    )  # fmt: skip


def _bones(
    rng: np.random.Generator, traits: HandTraits, drawn: dict[str, tuple[Outline, tuple[bool, bool]]]
) -> dict[str, Bone]:
    style = _thick(traits.style)
    return {
        name: make_drawn_bone(name, _scaled(outline, traits, rng), rng, style=style, joints=joints)
        for name, (outline, joints) in drawn.items()
    }


def _stroke(bone: str, traits: HandTraits, line: tuple[tuple[float, float, float, float], ...]) -> tuple[Knot, ...]:
    """Return a soft part from (x, y, half width, half depth) in a bone's frame."""
    flesh = traits.size * traits.flesh
    return tuple(
        Knot(bone=bone, x_mm=x * traits.size, y_mm=y * traits.size, half_width_mm=w * flesh, half_depth_mm=d * flesh)
        for x, y, w, d in line
    )


def make_elbow(rng: np.random.Generator, *, side: str = "R", style: str = STANDARD) -> Limb:
    """Return an elbow, straight, from the front."""
    traits = _adult(rng, style)
    bones = _bones(rng, traits, {"humerus": (HUMERUS, (True, False)), "ulna": (ULNA_AT_ELBOW, (False, True)),
                                 "radius": (RADIUS_AT_ELBOW, (False, True))})  # fmt: skip
    segments = {
        "humerus": Segment(bone=bones["humerus"]),
        "ulna": Segment(bone=bones["ulna"], joint_mm=(9.0 * traits.size, 0.0, -3.0)),
        "radius": Segment(bone=bones["radius"], parent="ulna", joint_mm=(-24.0 * traits.size, 0.0, 3.0)),
    }
    strokes = (
        _stroke("humerus", traits, ((-1, 190, 46, 40), (-1, 90, 44, 36), (0, 30, 42, 31), (2, 0, 41, 29))),
        _stroke("ulna", traits, ((-8, 10, 40, 28), (-10, -40, 43, 31), (-10, -110, 39, 29), (-9, -240, 30, 22))),
    )
    limb = Limb(part="ELBOW", side="R", segments=segments, strokes=strokes, fat_mm=float(rng.uniform(3, 8)),
                age_years=traits.age_years, implants=traits.style.implants)  # fmt: skip
    return limb if side == "R" else mirrored(limb)


def make_knee(rng: np.random.Generator, *, side: str = "R", style: str = STANDARD) -> Limb:
    """Return a knee, straight, from the front."""
    traits = _adult(rng, style)
    bones = _bones(rng, traits, {"femur": (FEMUR, (True, False)), "tibia": (TIBIA, (False, True)),
                                 "fibula": (FIBULA, (False, True)), "patella": (PATELLA, (True, True))})  # fmt: skip
    narrowed = KNEE_GAP_MM * (1 - traits.style.joint_gap)
    segments = {
        "femur": Segment(bone=bones["femur"]),
        "tibia": Segment(bone=bones["tibia"], joint_mm=(0.0, float(rng.uniform(-1.5, 1.0)) + narrowed, 0.0)),
        "fibula": Segment(bone=bones["fibula"], parent="tibia", joint_mm=(-33.0 * traits.size, 0.0, -14.0)),
        "patella": Segment(bone=bones["patella"], parent="femur", joint_mm=(-2.0, 26.0 * traits.size, 32.0)),
    }
    if traits.style.sesamoids > 1 and rng.random() < FABELLA:
        fabella = make_short_bone("sesamoid_0", "sesamoid", rng, style=traits.style, scale=float(rng.uniform(1.3, 2.2)))
        joint = (float(rng.uniform(18, 25)) * traits.size, float(rng.uniform(10, 22)) * traits.size, -25.0)
        segments["sesamoid_0"] = Segment(bone=replace(fabella, length_mm=0.0), parent="femur", joint_mm=joint)
    strokes = (
        _stroke("femur", traits, ((0, 190, 80, 66), (0, 90, 69, 58), (0, 40, 60, 52), (0, 0, 55, 48))),
        _stroke("tibia", traits, ((0, 10, 55, 48), (-2, -40, 54, 46), (-4, -110, 56, 50), (-4, -240, 44, 42))),
    )
    pads = tuple(
        Pad(bone="tibia", x_mm=x * traits.size, y_mm=-115 * traits.size, half_width_mm=30 * traits.size,
            half_length_mm=75 * traits.size, rotation_deg=0, thickness_mm=float(rng.uniform(6, 16)), sharpness=0.7)
        for x in (-24, 22)
    )  # fmt: skip
    limb = Limb(part="KNEE", side="R", segments=segments, strokes=strokes, pads=pads,
                fat_mm=float(rng.uniform(4, 12)), age_years=traits.age_years,
                implants=traits.style.implants)  # fmt: skip
    return limb if side == "R" else mirrored(limb)


def make_forearm(rng: np.random.Generator, *, side: str = "R", style: str = STANDARD) -> Limb:
    """Return a forearm from the front: radius and ulna whole, with the wrist and the end of the upper arm."""
    traits = _adult(rng, style)
    bones = _bones(rng, traits, {"radius": (RADIUS_SHAFT, (True, True)), "ulna": (ULNA_SHAFT, (True, True)),
                                 "humerus": (HUMERUS, (True, False))})  # fmt: skip
    size = traits.size
    segments = {
        "radius": Segment(bone=bones["radius"], joint_mm=(-14.0 * size, 0.0, 2.0), rest_deg=1.5),
        "ulna": Segment(bone=bones["ulna"], joint_mm=(13.0 * size, -4.0, -2.0), rest_deg=-1.5),
        "humerus": Segment(bone=bones["humerus"], joint_mm=(-2.0, -121.0 * size, 0.0), rest_deg=180.0, mirrored=True),
    }
    hand = make_hand(rng, side="R", traits=traits)
    for name, segment in hand.segments.items():
        if name in segments:
            continue
        x, y, z = segment.joint_mm
        joint = segment.joint_mm if segment.parent else (x, y + WRIST_MM * size, z)
        segments[name] = replace(segment, joint_mm=joint)
    arm = ((13, 210, 30, 17), (13, 120, 27, 18), (13, 60, 32, 22), (13, -20, 40, 29), (13, -90, 45, 33),
           (14, -150, 45, 35), (14, -210, 46, 38))  # fmt: skip
    strokes = (*hand.strokes[:-1], _stroke("radius", traits, arm))
    limb = Limb(
        part="FOREARM",
        side="R",
        segments=segments,
        strokes=strokes,
        pads=hand.pads,
        fat_mm=float(rng.uniform(2.5, 6)),
        age_years=traits.age_years,
        implants=traits.style.implants,
    )
    return limb if side == "R" else mirrored(limb)


def draw_straight_pose(rng: np.random.Generator, limb: Limb, *, near: LimbPose | None = None) -> LimbPose:  # noqa: ARG001
    """Return a pose of a straight limb: rotated and tilted a little, its joint a little bent sideways."""
    sign = 1.0 if limb.side == "R" else -1.0
    bending = {"ELBOW": ("ulna",), "KNEE": ("tibia",)}.get(limb.part, ())
    rotations = {name: sign * float(rng.normal(0, 2.5)) for name in bending}
    rotations |= {name: float(rng.normal(0, 0.8)) for name in limb.segments if name not in rotations}
    flexions = {name: abs(float(rng.normal(0, 4))) for name in bending}
    return LimbPose(
        rotations_deg=rotations,
        flexions_deg=flexions,
        rotation_deg=float(np.clip(rng.normal(0, 5), -20, 20)),
        tilt_deg=float(abs(np.clip(rng.normal(0, 5), -15, 15))),
        tilt_axis_deg=float(rng.uniform(0, 360)),
        translation_mm=(float(rng.normal(0, 6)), float(rng.normal(0, 8))),
        height_mm=float(rng.uniform(55, 75) if limb.part == "KNEE" else rng.uniform(35, 55)),
    )
