"""Both hands on one film: two hands in one limb, each bone's name marked with its side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.hand import draw_hand_pose, draw_traits, make_hand
from calcimeasure.simulation.limb import Limb, LimbPose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calcimeasure.simulation.limb import Segment

SIDES = ("L", "R")
HALF_GAP_MM = 92.0
REST_GROUPS = {"@L": (0.0, -HALF_GAP_MM, 0.0), "@R": (0.0, HALF_GAP_MM, 0.0)}
NARROW = 0.4  # of the spread of a hand that has a film to itself


def make_both_hands(rng: np.random.Generator, *, side: str = "B", style: str = STANDARD) -> Limb:  # noqa: ARG001 - there is but one
    """Return both hands of one subject, thumbs towards the middle."""
    traits = draw_traits(rng, style=style)
    hands = {side: make_hand(rng, side=side, traits=traits) for side in SIDES}
    segments: dict[str, Segment] = {}
    for side_, hand in hands.items():
        for name, segment in hand.segments.items():
            parent = None if segment.parent is None else f"{segment.parent}@{side_}"
            segments[f"{name}@{side_}"] = replace(segment, parent=parent)
    return Limb(
        part="HAND",
        side="B",
        segments=segments,
        strokes=tuple(
            tuple(replace(knot, bone=f"{knot.bone}@{side_}") for knot in stroke)
            for side_, hand in hands.items()
            for stroke in hand.strokes
        ),
        webs=tuple(
            tuple((f"{bone}@{side_}", x, y) for bone, x, y in web) for side_, hand in hands.items() for web in hand.webs
        ),
        pads=tuple(replace(pad, bone=f"{pad.bone}@{side_}") for side_, hand in hands.items() for pad in hand.pads),
        fat_mm=hands["R"].fat_mm,
        age_years=traits.age_years,
        implants=traits.style.implants,
    )


def draw_both_hands_pose(rng: np.random.Generator, limb: Limb, *, near: LimbPose | None = None) -> LimbPose:
    """Return a pose of two hands side by side."""
    rotations: dict[str, float] = {}
    flexions: dict[str, float] = {}
    groups: dict[str, tuple[float, float, float]] = {}
    poses = {}
    for side in SIDES:
        mark = f"@{side}"
        hand = Limb(part="HAND", side=side, segments=_of_side(limb, mark), strokes=())
        old = None if near is None else LimbPose(flexions_deg=_unmarked(near.flexions_deg, mark))
        pose = draw_hand_pose(rng, hand, near=old)
        poses[side] = pose
        rotations |= {f"{name}{mark}": (NARROW if name.startswith("proximal") else 1.0) * rotation
                  for name, rotation in pose.rotations_deg.items()}  # fmt: skip
        flexions |= {f"{name}{mark}": rotation for name, rotation in pose.flexions_deg.items()}
        _, x, y = REST_GROUPS[mark]
        groups[mark] = (float(rng.normal(0, 4)), x + float(rng.normal(0, 3)), y + float(rng.normal(0, 5)))
    first = poses["R"]
    return replace(
        first,
        rotations_deg=rotations,
        flexions_deg=flexions,
        groups=groups,
        rotation_deg=float(np.clip(rng.normal(0, 2), -6, 6)),
        translation_mm=(float(rng.normal(0, 3)), first.translation_mm[1]),
    )


def _of_side(limb: Limb, mark: str) -> dict[str, Segment]:
    return {
        name.removesuffix(mark): replace(
            segment, parent=None if segment.parent is None else segment.parent.removesuffix(mark)
        )
        for name, segment in limb.segments.items()
        if name.endswith(mark)
    }


def _unmarked(angles: Mapping[str, float], mark: str) -> dict[str, float]:
    return {name.removesuffix(mark): angle for name, angle in angles.items() if name.endswith(mark)}
