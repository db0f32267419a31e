"""The adult hand and wrist: bones, their joints, and the soft tissue around them.

Lengths are averages of adults (metacarpals and phalanges of hand radiographs), scaled and varied a subject. A right
hand seen from the back has its thumb at the left of the film; a left hand is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.simulation.bone_styles import STANDARD, BoneStyle, draw_style
from calcimeasure.simulation.bones import Bone, make_forearm_bone, make_long_bone, make_short_bone
from calcimeasure.simulation.limb import Knot, Limb, LimbPose, Pad, Segment, centred

if TYPE_CHECKING:
    from collections.abc import Callable

FINGERS = (1, 2, 3, 4, 5)
METACARPAL_MM = {1: 44.0, 2: 66.0, 3: 63.5, 4: 57.0, 5: 53.0}
PROXIMAL_MM = {1: 30.0, 2: 39.0, 3: 43.0, 4: 40.5, 5: 32.0}
MIDDLE_MM = {2: 23.0, 3: 27.5, 4: 26.0, 5: 18.5}
DISTAL_MM = {1: 21.5, 2: 16.8, 3: 17.8, 4: 18.0, 5: 16.0}
STOUTNESS = {1: 1.0, 2: 1.0, 3: 0.98, 4: 0.93, 5: 0.97}
METACARPAL_BASE_MM = {1: (-26.0, -11.0, 6.0), 2: (-12.0, 0.0, 0.0), 3: (0.5, 0.5, 0.0), 4: (11.5, -0.5, 0.0),
                      5: (20.5, -4.0, 0.0)}  # fmt: skip
METACARPAL_DEG = {1: -27.0, 2: -6.0, 3: 2.0, 4: 9.0, 5: 18.0}
SPREAD_DEG = {1: -14.0, 2: -4.0, 3: -2.0, 4: 5.0, 5: 17.0}
CHILDREN = 1 / 12
REST_SPREAD = 0.85  # of the widest spread: how the hand lies at the common pose
CARPALS = {
    "trapezium": (-18.0, -8.5, 5.0, -15.0),
    "trapezoid": (-10.0, -7.0, 0.0, -5.0),
    "capitate": (1.0, -11.8, 0.0, 3.0),
    "hamate": (14.3, -10.5, 1.0, 3.0),
    "scaphoid": (-10.0, -22.0, 2.0, 0.0),
    "lunate": (7.2, -28.0, -1.0, 5.0),
    "triquetrum": (21.0, -21.5, 0.0, 5.0),
    "pisiform": (25.0, -23.5, 9.0, 0.0),
}
FOREARM_MM = 105.0
JOINT_GAP_MM = {"proximal": 0.6, "middle": 1.0, "distal": 0.9}
HALF_WIDTH_MM = {1: (10.5, 10.5, 9.6, 8.6), 2: (10.3, 9.6, 8.2, 7.4), 3: (10.6, 10.0, 8.5, 7.7),
                 4: (9.8, 9.4, 8.0, 7.3), 5: (8.6, 8.1, 7.0, 6.4)}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HandTraits:
    """What sets one subject's hand apart.

    Attributes
    ----------
    size
        Against the average adult.
    stoutness
        Width of the bones against their length.
    flesh
        Width of the soft tissue against the average.
    style
        Density of the bones.
    age_years
        Adults, and one in twelve a child of 9 to 14 whose bones still grow (calcinosis comes with juvenile
        dermatomyositis too).
    missing_tufts
        Fingers whose distal phalanx has lost its end (acro-osteolysis).
    """

    size: float = 1.0
    stoutness: float = 1.0
    flesh: float = 1.0
    style: BoneStyle = field(default_factory=BoneStyle)
    age_years: int = 52
    missing_tufts: tuple[int, ...] = ()


def draw_traits(rng: np.random.Generator, *, style: str = STANDARD) -> HandTraits:
    """Return a random subject: a quarter with thin bones, one in eight with missing tufts, one in twelve a child.

    Parameters
    ----------
    style
        Of the bones, one of `calcimeasure.simulation.bone_styles.BONE_STYLES`.
    """
    osteopenia = rng.uniform(0.5, 1.0) if rng.random() < 0.25 else 0.0
    child = rng.random() < CHILDREN
    usual = BoneStyle(
        cortex=float(np.clip(rng.normal(0.47, 0.05), 0.32, 0.62) * (1 - 0.35 * osteopenia)),
        plate_mm=float(rng.uniform(0.4, 0.6) * (1 - 0.3 * osteopenia)),
        spongy=float(rng.uniform(0.26, 0.38) * (1 - 0.35 * osteopenia)),
        marrow_spongy=float(rng.uniform(0.05, 0.12) * (1 - 0.4 * osteopenia)),
        growth_plate_mm=float(rng.uniform(0.7, 1.4)) if child else 0.0,
    )
    drawn = draw_style(rng, style, usual=usual)
    child = child or drawn.large_growth_plates
    missing = tuple(f for f in FINGERS if rng.random() < 0.6) if rng.random() < 0.125 else ()
    size = float(np.clip(rng.normal(1.0, 0.06), 0.86, 1.16))
    return HandTraits(
        size=size * float(rng.uniform(0.72, 0.92)) if child else size,
        stoutness=float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.12)),
        flesh=float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.2)),
        style=drawn,
        age_years=int(rng.integers(9, 15)) if child else int(rng.integers(25, 80)),
        missing_tufts=missing,
    )


def make_hand(
    rng: np.random.Generator, *, side: str = "R", traits: HandTraits | None = None, style: str = STANDARD
) -> Limb:
    """Return a hand with its wrist.

    Parameters
    ----------
    side
        ``L`` or ``R``.
    traits
        Drawn when None.
    style
        Of the bones, for traits that are drawn.
    """
    traits = draw_traits(rng, style=style) if traits is None else traits
    segments: dict[str, Segment] = {}
    _add_forearm(segments, rng, traits)
    _add_carpals(segments, rng, traits)
    for finger in FINGERS:
        _add_ray(segments, finger, rng, traits)
    _add_sesamoids(segments, rng, traits)
    limb = Limb(
        part="HAND",
        side="R",
        segments=segments,
        strokes=_strokes(segments, traits),
        webs=_webs(traits.size),
        pads=_pads(segments, rng, traits),
        fat_mm=float(rng.uniform(1.5, 3.0)),
        age_years=traits.age_years,
        implants=traits.style.implants,
    )
    return limb if side == "R" else mirrored(limb)


def _vary(rng: np.random.Generator, share: float = 0.025) -> float:
    return float(1 + np.clip(rng.normal(0, share), -2.5 * share, 2.5 * share))


def _add_forearm(segments: dict[str, Segment], rng: np.random.Generator, traits: HandTraits) -> None:
    length = FOREARM_MM * traits.size
    radius = make_forearm_bone("radius", length, rng, style=traits.style)
    ulna = make_forearm_bone("ulna", length, rng, style=traits.style)
    variance = float(rng.normal(0, 1.2))
    # It hangs on the wrist: its rotation is the wrist's deviation.
    segments["radius"] = Segment(
        bone=radius, joint_mm=(0.0, -30.5 * traits.size, 0.0), pivot_mm=(0.0, length), rest_deg=-4.0
    )
    segments["ulna"] = Segment(bone=ulna, parent="radius", joint_mm=(25.5 * traits.size, variance, -2.0))


def _add_carpals(segments: dict[str, Segment], rng: np.random.Generator, traits: HandTraits) -> None:
    for name, (x, y, z, rotation) in CARPALS.items():
        bone = make_short_bone(name, name, rng, style=traits.style, scale=0.95 * traits.size)
        middle = replace(bone, length_mm=0.0)  # its frame is about its middle
        joint = (x * traits.size, y * traits.size, z)
        segments[name] = Segment(bone=middle, joint_mm=joint, rest_deg=rotation + float(rng.normal(0, 3)))


def _add_ray(segments: dict[str, Segment], finger: int, rng: np.random.Generator, traits: HandTraits) -> None:
    thumb = finger == 1
    width = traits.stoutness * STOUTNESS[finger]

    def bone(part: str, kind: str, length: float) -> Bone:
        length *= traits.size * _vary(rng)
        made: Callable[..., Bone] = make_long_bone
        return made(f"{part}_{finger}", kind, length, rng, style=traits.style, width=width)

    metacarpal = bone("metacarpal", "first_metacarpal" if thumb else "metacarpal", METACARPAL_MM[finger])
    x, y, z = METACARPAL_BASE_MM[finger]
    rest = METACARPAL_DEG[finger] + float(rng.normal(0, 1.0))
    joint = (x * traits.size, y * traits.size, z)
    segments[metacarpal.name] = Segment(bone=metacarpal, joint_mm=joint, rest_deg=rest)
    chain = [("proximal", "proximal", PROXIMAL_MM[finger])]
    if not thumb:
        chain.append(("middle", "middle", MIDDLE_MM[finger]))
    chain.append(("distal", "thumb_distal" if thumb else "distal", DISTAL_MM[finger]))
    parent = metacarpal
    for part, kind, length in chain:
        made = bone(part, kind, length)
        if part == "distal" and finger in traits.missing_tufts:
            made = _without_tuft(made, float(rng.uniform(0.25, 0.6)))
        joint = (0.0, parent.length_mm + JOINT_GAP_MM[part] * traits.size * traits.style.joint_gap, 0.0)
        rest = float(rng.normal(0, 1.5)) + (REST_SPREAD * SPREAD_DEG[finger] if part == "proximal" else 0.0)
        segments[made.name] = Segment(bone=made, parent=parent.name, joint_mm=joint, rest_deg=rest)
        parent = made


def _without_tuft(bone: Bone, lost: float) -> Bone:
    """Return a distal phalanx whose end has melted away: it tapers off from where it is lost."""
    rows = bone.mineral_mm.shape[0]
    grid = (bone.outline_mm[:, 1].max() - bone.origin_mm[1]) / rows
    y = bone.origin_mm[1] + (np.arange(rows) + 0.5) * grid
    kept = np.clip(((1 - lost) * bone.length_mm - y) / (0.15 * bone.length_mm) + 0.5, 0, 1).astype(np.float32)[:, None]
    outline = bone.outline_mm.copy()
    outline[:, 1] = np.minimum(outline[:, 1], (1 - lost) * bone.length_mm)
    return replace(bone, mineral_mm=bone.mineral_mm * kept, depth_mm=bone.depth_mm * kept, outline_mm=outline)


def _add_sesamoids(segments: dict[str, Segment], rng: np.random.Generator, traits: HandTraits) -> None:
    thumb = segments["metacarpal_1"].bone.length_mm
    places = [("metacarpal_1", 8.0, thumb * 0.94, 1.0), ("metacarpal_1", -1.5, thumb * 0.93, 0.9)]
    frequent = traits.style.sesamoids
    if rng.random() < 0.6 * frequent:
        places.append(("metacarpal_5", 3.8, segments["metacarpal_5"].bone.length_mm * 0.93, 0.7))
    if rng.random() < 0.35 * frequent:
        places.append(("metacarpal_2", -4.5, segments["metacarpal_2"].bone.length_mm * 0.94, 0.7))
    if rng.random() < 0.4 * frequent:
        places.append(("proximal_1", 1.0, segments["proximal_1"].bone.length_mm * 0.97, 0.6))
    if frequent != 1:
        places = _sesamoids_of_style(places, segments, rng, frequent)
    for number, (parent, x, y, scale) in enumerate(places):
        size = scale * traits.size * float(rng.uniform(0.8, 1.15))
        bone = make_short_bone(f"sesamoid_{number}", "sesamoid", rng, style=traits.style, scale=size)
        joint = (x * traits.size + float(rng.normal(0, 0.6)), y, 7.0)
        rotation = float(rng.uniform(-90, 90))
        segments[bone.name] = Segment(
            bone=replace(bone, length_mm=0.0), parent=parent, joint_mm=joint, rest_deg=rotation
        )


def _sesamoids_of_style(
    places: list[tuple[str, float, float, float]],
    segments: dict[str, Segment],
    rng: np.random.Generator,
    frequent: float,
) -> list[tuple[str, float, float, float]]:
    """Return fewer sesamoids than usual, or more of them, at joints that seldom have any."""
    kept = [place for place in places if rng.random() < 2 * frequent]
    for finger in FINGERS:
        for part, share in (("metacarpal", 0.94), ("proximal", 0.97)):
            bone = f"{part}_{finger}"
            if rng.random() < 0.12 * (frequent - 1):
                place = float(rng.normal(0, 3)), share * segments[bone].bone.length_mm
                kept.append((bone, *place, float(rng.uniform(0.4, 0.9))))
    return kept


def _strokes(segments: dict[str, Segment], traits: HandTraits) -> tuple[tuple[Knot, ...], ...]:
    strokes = []
    for finger in FINGERS:
        strokes.append(_finger_stroke(segments, finger, traits))
        palm = f"metacarpal_{finger}"
        length = segments[palm].bone.length_mm
        wide = (11.5 if finger == 1 else 12.5) * traits.flesh * traits.size
        deep = (10.0 if finger == 1 else 11.5) * traits.flesh * traits.size
        strokes.append(tuple(Knot(bone=palm, x_mm=0, y_mm=y * length, half_width_mm=wide, half_depth_mm=deep)
                             for y in ((0.12 if finger == 1 else -0.1), 0.4, 0.95)))  # fmt: skip
    length = segments["radius"].bone.length_mm
    flesh = traits.flesh * traits.size
    arm = ((-0.25, 14.0, 37.0, 26.0), (0.3, 14.0, 34.0, 24.0), (0.75, 13.0, 29.5, 20.0), (1.0, 11.5, 27.0, 17.0),
           (1.25, 7.0, 28.0, 15.0))  # fmt: skip
    strokes.append(tuple(Knot(bone="radius", x_mm=x * traits.size, y_mm=y * length, half_width_mm=w * flesh,
                              half_depth_mm=d * flesh) for y, x, w, d in arm))  # fmt: skip
    return tuple(strokes)


def _finger_stroke(segments: dict[str, Segment], finger: int, traits: HandTraits) -> tuple[Knot, ...]:
    base, joint, last, pulp = (width * traits.flesh * traits.size for width in HALF_WIDTH_MM[finger])
    first = f"proximal_{finger}"
    distal = f"distal_{finger}"
    distal_mm = DISTAL_MM[finger] * traits.size
    knots = [(f"metacarpal_{finger}", 0.9, base * 1.12), (first, 0.25, base), (first, 0.6, base * 0.95)]
    if finger == 1:
        knots += [(first, 0.97, joint)]
    else:
        middle = f"middle_{finger}"
        knots += [(first, 0.95, joint), (middle, 0.5, (joint + last) / 2 * 0.96), (middle, 0.97, last)]
    lines = [Knot(bone=name, x_mm=0, y_mm=y * segments[name].bone.length_mm, half_width_mm=w, half_depth_mm=0.95 * w)
             for name, y, w in knots]  # fmt: skip
    # The pulp ends 4 mm beyond the tuft, whether or not there is a tuft.
    for share, width in ((0.45, pulp), (1.0, pulp * 0.9)):
        y = share * (distal_mm + 4.0 - pulp)
        lines.append(Knot(bone=distal, x_mm=0, y_mm=y, half_width_mm=width, half_depth_mm=0.85 * width))
    return tuple(lines)


def _webs(size: float) -> tuple[tuple[tuple[str, float, float], ...], ...]:
    thumb = (("metacarpal_1", 0.0, 2.0), ("metacarpal_1", 2.0, 38.0), ("metacarpal_2", -4.0, 40.0),
             ("metacarpal_2", 0.0, 0.0))  # fmt: skip
    palm = (("metacarpal_2", 0.0, 0.0), ("metacarpal_2", 0.0, 66.0), ("metacarpal_3", 0.0, 68.0),
            ("metacarpal_4", 0.0, 62.0), ("metacarpal_5", 0.0, 54.0), ("metacarpal_5", 0.0, 0.0),
            ("metacarpal_5", 6.0, -8.0), ("radius", 38.0, 85.0), ("radius", -14.0, 85.0),
            ("metacarpal_1", -10.0, 12.0))  # fmt: skip
    return tuple(tuple((name, x * size, y * size) for name, x, y in web) for web in (thumb, palm))


def _pads(segments: dict[str, Segment], rng: np.random.Generator, traits: HandTraits) -> tuple[Pad, ...]:
    size = traits.size
    pads = [
        Pad(bone="metacarpal_1", x_mm=9.0 * size, y_mm=18.0 * size, half_width_mm=15.0 * size,
            half_length_mm=27.0 * size, rotation_deg=-8.0, thickness_mm=float(rng.uniform(5, 9)), sharpness=0.5),
        Pad(bone="metacarpal_2", x_mm=-9.0 * size, y_mm=26.0 * size, half_width_mm=11.0 * size,
            half_length_mm=25.0 * size, rotation_deg=6.0, thickness_mm=float(rng.uniform(3, 7)), sharpness=0.4),
        Pad(bone="metacarpal_5", x_mm=5.0 * size, y_mm=20.0 * size, half_width_mm=12.0 * size,
            half_length_mm=30.0 * size, rotation_deg=0.0, thickness_mm=float(rng.uniform(4, 8))),
    ]  # fmt: skip
    # Folds of skin between the fingers.
    pads.extend(
            Pad(bone=f"metacarpal_{finger}", x_mm=float(rng.normal(11, 1)) * size,
                y_mm=segments[f"metacarpal_{finger}"].bone.length_mm + float(rng.normal(11, 2)),
                half_width_mm=float(rng.uniform(3, 6)), half_length_mm=float(rng.uniform(4, 8)),
                rotation_deg=float(rng.normal(0, 25)), thickness_mm=float(rng.uniform(0.5, 3.0)), sharpness=0.35)
            for finger in (2, 3, 4)
    )  # fmt: skip
    for finger in FINGERS:
        distal = segments[f"distal_{finger}"].bone
        wide = 0.72 * HALF_WIDTH_MM[finger][3] * size
        end = DISTAL_MM[finger] * size
        pads.append(
            Pad(bone=distal.name, x_mm=float(rng.normal(0, 0.5)), y_mm=end * 0.82, half_width_mm=wide,
                half_length_mm=0.42 * end, rotation_deg=0.0, thickness_mm=float(rng.uniform(0.5, 0.9)), sharpness=0.0)
        )  # fmt: skip
    return tuple(pads)


def mirrored(limb: Limb) -> Limb:
    """Return the limb of the other side: every place, angle and map mirrored left to right."""
    segments = {
        name: replace(
            segment,
            joint_mm=(-segment.joint_mm[0], *segment.joint_mm[1:]),
            rest_deg=-segment.rest_deg,
            pivot_mm=(-segment.pivot_mm[0], segment.pivot_mm[1]),
            mirrored=not segment.mirrored,
        )
        for name, segment in limb.segments.items()
    }
    return replace(limb, side="L" if limb.side == "R" else "R", segments=segments)


def draw_hand_pose(rng: np.random.Generator, limb: Limb, *, near: LimbPose | None = None) -> LimbPose:
    """Return a pose as radiographers get it: spread, rotated, tilted and not always flat.

    Parameters
    ----------
    near
        The pose at the other visit: whether the fingers are stretched or contracted stays like it.
    """
    sign = 1.0 if limb.side == "R" else -1.0
    spread = float(rng.uniform(0.5, 1.25)) - REST_SPREAD
    rotations, flexions = {}, {}
    for finger in FINGERS:
        rotations[f"proximal_{finger}"] = sign * (spread * SPREAD_DEG[finger] + float(rng.normal(0, 1.3)))
        for part in ("middle", "distal"):
            rotations[f"{part}_{finger}"] = float(rng.normal(0, 1.5))
        bend = near.flexions_deg.get(f"proximal_{finger}", 0.0) if near else abs(float(rng.normal(0, 6)))
        for part, share in (("proximal", 1.0), ("middle", 1.2), ("distal", 0.6)):
            flexions[f"{part}_{finger}"] = max(0.0, bend * share + float(rng.normal(0, 2.5)))
    rotations["metacarpal_1"] = sign * float(rng.normal(0, 5))
    rotations["metacarpal_5"] = sign * float(rng.normal(0, 1.5))
    rotations["radius"] = sign * float(rng.normal(-3, 6))
    pose = LimbPose(
        rotations_deg={name: rotation for name, rotation in rotations.items() if name in limb.segments},
        flexions_deg={name: flexion for name, flexion in flexions.items() if name in limb.segments},
        rotation_deg=float(np.clip(rng.normal(0, 8), -20, 20)),
        tilt_deg=float(abs(np.clip(rng.normal(0, 5), -15, 15))),
        tilt_axis_deg=float(rng.uniform(0, 360)),
        translation_mm=(0.0, float(rng.normal(-42, 6))),
        height_mm=float(rng.uniform(12, 24)),
    )
    pose = centred(limb, pose, without=("radius", "ulna"))
    return replace(pose, translation_mm=(pose.translation_mm[0] + float(rng.normal(0, 6)), pose.translation_mm[1]))
