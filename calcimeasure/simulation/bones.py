"""A bone as maps of cortical and spongy bone along the beam, drawn once a subject in the bone's own frame.

The section of every bone is taken as round: at distance d inside its outline the beam crosses
``2 D sqrt(1 - (1 - d / W)²)`` of it, W being half its local width and D half its depth. The cavity follows the same law
within the cortex. Spongy bone is a net of fine bright threads, denser towards the joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.bone_outlines import CARPAL_OUTLINES, FOREARM_OUTLINES, long_bone, smooth_closed
from calcimeasure.simulation.bone_shapes import styled_outline
from calcimeasure.simulation.smoothing import blurred, signed_distance, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.simulation.bone_styles import BoneStyle
    from calcimeasure.simulation.geometry import Points

GRID_MM = 0.1
MARGIN_MM = 1.0
SHORT_MM = 80.0
EDGE_SMOOTHING = 0.8  # grid cells; takes the stairs out of the distance map


@dataclass(frozen=True, kw_only=True)
class BoneBuild:
    """How a kind of bone is built.

    Attributes
    ----------
    short
        Carpal or sesamoid: no shaft.
    tuft
        Ends in a tuft instead of a joint.
    cut_below, cut_above
        That end lies beyond the film: all shaft.
    flanged
        Has ledges at both sides of its head.
    rim
        Brightness of the edge of a short bone.
    growth_plates_at
        Where along it a growing bone grows; empty for bones that show no plate.
    """

    short: bool = False
    tuft: bool = False
    cut_below: bool = False
    cut_above: bool = False
    flanged: bool = False
    rim: float = 1.6
    growth_plates_at: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Bone:
    """One bone in its own frame.

    Attributes
    ----------
    name
        E.g. ``proximal_3``.
    length_mm
        From its base (y = 0) to its head.
    outline_mm
        (n, 2) closed outline in the bone's frame: x across, y towards the fingertip.
    mineral_mm
        float32 map of equivalent compact bone along the beam, on the grid below.
    depth_mm
        float32 map of the whole bone along the beam: what soft tissue it displaces.
    origin_mm
        (x, y) of the corner of the map's first cell.
    """

    name: str
    length_mm: float
    outline_mm: Points
    mineral_mm: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    origin_mm: Points


def make_long_bone(
    name: str, kind: str, length_mm: float, rng: np.random.Generator, *, style: BoneStyle, width: float = 1.0
) -> Bone:
    """Return a metacarpal or phalanx.

    Parameters
    ----------
    kind
        A key of the outlines.
    width
        How stout it is against the average of its length.
    """
    control = long_bone(kind) * [length_mm * width, length_mm]
    control = control + rng.normal(0, 0.004, control.shape) * length_mm * [1.0, 0.6]
    bend = rng.normal(0, 0.012) * length_mm
    y = control[:, 1] / length_mm
    control[:, 0] += bend * (1 - (2 * y - 1) ** 2)
    # Fingers grow at the base of their phalanges and the head of their metacarpals, the thumb at both bases.
    build = BoneBuild(
        tuft=kind.endswith("distal"),
        flanged=kind.endswith("metacarpal"),
        growth_plates_at=(0.86 if kind == "metacarpal" else 0.11,),
    )
    outline = styled_outline(smooth_closed(control), rng, style, joints=(True, not build.tuft))
    return _render(name, length_mm, outline, rng, style=style, build=build)


def make_forearm_bone(name: str, length_mm: float, rng: np.random.Generator, *, style: BoneStyle) -> Bone:
    """Return the wrist end of the radius or ulna; `length_mm` of it is shown."""
    control = np.array(FOREARM_OUTLINES[name], float) * length_mm
    control = control + rng.normal(0, 0.5, control.shape)
    outline = styled_outline(smooth_closed(control), rng, style, joints=(False, True))
    build = BoneBuild(cut_below=True, growth_plates_at=(0.87,))
    return _render(name, length_mm, outline, rng, style=style, build=build)


def make_drawn_bone(
    name: str, control_mm: Points, rng: np.random.Generator, *, style: BoneStyle, joints: tuple[bool, bool]
) -> Bone:
    """Return a bone drawn in mm about a joint; its frame is the drawing's.

    Parameters
    ----------
    control_mm
        (n, 2) closed control points.
    joints
        Whether there is a joint at its lower and its upper end; an end without one lies beyond the film.
    """
    outline = smooth_closed(control_mm)
    short = all(joints) and float(np.ptp(outline[:, 1])) < SHORT_MM
    outline = styled_outline(outline, rng, style, joints=joints, short=short)
    low, high = float(outline[:, 1].min()), float(outline[:, 1].max())
    if short:
        build = BoneBuild(short=True, rim=1.2)
        bone = _render(name, high - low, outline, rng, style=style, build=build)
    else:
        # The rules for ends and shaft count from the lower end.
        moved = outline - np.array([0.0, low])
        plates = _large_growth_plates(outline, joints) if style.large_growth_plates else ()
        build = BoneBuild(cut_below=not joints[0], cut_above=not joints[1], growth_plates_at=plates)
        bone = _render(name, high - low, moved, rng, style=style, build=build)
        bone = replace(bone, outline_mm=outline, origin_mm=bone.origin_mm + np.array([0.0, low]))
    return replace(bone, length_mm=0.0)


def make_short_bone(name: str, kind: str, rng: np.random.Generator, *, style: BoneStyle, scale: float = 1.0) -> Bone:
    """Return a carpal or sesamoid bone."""
    control = np.array(CARPAL_OUTLINES[kind], float) * scale
    size = float(np.ptp(control[:, 1]))
    control = control + rng.normal(0, 0.018 * size, control.shape)
    build = BoneBuild(short=True, rim=0.8 if kind == "sesamoid" else 1.7)
    outline = styled_outline(smooth_closed(control), rng, style, joints=(True, True), short=True)
    return _render(name, size, outline, rng, style=style, build=build)


def _large_growth_plates(outline: Points, joints: tuple[bool, bool]) -> tuple[float, ...]:
    """Return where along a large bone it grows: a third of a joint's width from it."""
    low, high = float(outline[:, 1].min()), float(outline[:, 1].max())
    plates = []
    for is_joint, from_end, sign in ((joints[0], outline[:, 1] - low, 1.0), (joints[1], high - outline[:, 1], -1.0)):
        if is_joint:
            width = float(np.ptp(outline[from_end < 0.12 * (high - low), 0]))
            plates.append((0.0 if sign > 0 else 1.0) + sign * 0.34 * width / (high - low))
    return tuple(plates)


def _render(
    name: str, length_mm: float, outline: Points, rng: np.random.Generator, *, style: BoneStyle, build: BoneBuild
) -> Bone:
    origin = np.floor((outline.min(axis=0) - MARGIN_MM) / GRID_MM) * GRID_MM
    cols, rows = (int(n) for n in np.ceil((outline.max(axis=0) + MARGIN_MM - origin) / GRID_MM))
    inside = np.zeros((rows, cols), np.uint8)
    fixed = np.round((outline - origin) / GRID_MM * 256 - 128).astype(np.int32)
    cv2.fillPoly(inside, [fixed], 1, shift=8)
    distance = blurred(signed_distance(inside > 0), EDGE_SMOOTHING) * np.float32(GRID_MM)
    half_width, along = _half_width(distance, origin, length_mm, short=build.short)
    if build.cut_below:
        along = np.maximum(along, 0.45)
    if build.cut_above:
        along = np.minimum(along, 0.55)
    outer = _chord(distance, half_width)
    cortex = _cortex(along, half_width, style, short=build.short)
    cortex *= 1 + 0.08 * smooth_noise(rng, inside.shape, 4.0 / GRID_MM)
    cortex *= 1 + 0.05 * smooth_noise(rng, inside.shape, 1.2 / GRID_MM)
    inner = _chord(distance - cortex, np.maximum(half_width - cortex, 0.2))
    inner = np.minimum(inner, outer)
    density = _spongy_density(along, style, build)
    if style.cap > 0:
        density += style.cap * (1 - density) * _caps(along, distance / half_width, build)
    net = _trabecular_net(rng, inside.shape, style, short=build.short)
    streaks = 1 if build.short else 1 + 0.1 * style.trabecular_amplitude * _streaks(rng, inside.shape)
    mineral = (outer - inner) * streaks + inner * density * net
    if build.flanged:
        mineral *= _flange(distance, along)
    for plate_at in build.growth_plates_at if style.growth_plate_mm > 0 else ():
        y = origin[1] + (np.arange(rows) + 0.5) * GRID_MM - plate_at * length_mm
        mineral *= _growth_plate(rng, y, cols, style.growth_plate_mm)
    mineral += _joint_lines(distance, along, rng, build) * (style.plate_mm * style.end_density)
    mineral[distance <= -GRID_MM] = 0
    return Bone(
        name=name,
        length_mm=length_mm,
        outline_mm=outline,
        mineral_mm=mineral.astype(np.float32),
        depth_mm=outer.astype(np.float32),
        origin_mm=origin,
    )


def _chord(distance: NDArray[np.float32], half_width: NDArray[np.float32]) -> NDArray[np.float32]:
    short_of = np.clip(1 - distance / half_width, 0, 1)
    chord = 2 * half_width * np.sqrt(1 - short_of * short_of)
    return np.asarray(np.where(distance > 0, chord, 0), np.float32)


def _half_width(
    distance: NDArray[np.float32], origin: Points, length_mm: float, *, short: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return half the local width everywhere and the place along the bone, 0 to 1."""
    rows, cols = distance.shape
    along = ((origin[1] + (np.arange(rows) + 0.5) * GRID_MM) / length_mm).astype(np.float32)
    along_map = np.repeat(along[:, None], cols, axis=1)
    if short:
        return np.full_like(distance, max(float(distance.max()), 0.5)), np.full_like(distance, 0.5)
    widest = np.maximum(distance.max(axis=1), 0.5)
    # Near the ends the distance to the end, not the side, is the shortest: carry the width of the bone on.
    first, last = np.searchsorted(along, 0.12), np.searchsorted(along, 0.9)
    widest[:first] = widest[min(first, rows - 1)]
    widest[last:] = widest[min(last, rows) - 1]
    widest = _smooth_line(widest, 10)
    return np.repeat(widest[:, None], cols, axis=1).astype(np.float32), along_map


def _smooth_line(values: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    kernel = np.hanning(2 * cells + 1)
    padded = np.pad(values, cells, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def _cortex(
    along: NDArray[np.float32], half_width: NDArray[np.float32], style: BoneStyle, *, short: bool
) -> NDArray[np.float32]:
    if short:
        return np.full_like(half_width, style.plate_mm * 0.8)
    shaft = np.clip((along - 0.08) / 0.38, 0, 1) * np.clip((0.92 - along) / 0.34, 0, 1)
    shaft = shaft * shaft * (3 - 2 * shaft)
    # The shaft's cortex is a share of its waist; at the ends it thins to a plate.
    waist = float(np.percentile(half_width[:, 0], 25))
    return np.asarray(style.plate_mm * 0.7 * (1 - shaft) + style.cortex * waist * shaft, np.float32)


def _spongy_density(along: NDArray[np.float32], style: BoneStyle, build: BoneBuild) -> NDArray[np.float32]:
    if build.short:
        return np.full_like(along, 1.25 * style.spongy)
    head = (along - (0.62 if build.tuft else 0.7)) / 0.25
    end = np.clip((0.35 - along) / 0.3, 0, 1) + np.clip(head, 0, 1)
    return np.asarray(style.marrow_spongy + (style.spongy - style.marrow_spongy) * np.clip(end, 0, 1), np.float32)


def _caps(along: NDArray[np.float32], depth: NDArray[np.float32], build: BoneBuild) -> NDArray[np.float32]:
    """Return where the dense ends are, rounded towards the shaft: 1 at a joint, 0 elsewhere."""
    if build.short:
        return np.full_like(along, 0.5)
    round_off = 0.05 * np.clip(1 - depth, 0, 1) ** 2
    base = np.clip((0.14 - round_off - along) / 0.05, 0, 1)
    head = np.clip((along - 0.86 - round_off) / 0.05, 0, 1)
    return np.asarray(base if build.tuft else base + head, np.float32)


def _growth_plate(
    rng: np.random.Generator, beyond_mm: NDArray[np.float64], cols: int, width_mm: float
) -> NDArray[np.float32]:
    """Return what an open growth plate does: a dark wavy line of cartilage between two bright ones."""
    across = np.arange(cols) * GRID_MM
    wave = 0.5 * np.sin(across * rng.uniform(0.3, 0.9) + rng.uniform(0, 6)) + rng.normal(0, 0.03) * across
    away = np.abs(beyond_mm[:, None] - wave[None])
    gap = np.exp(-((away / (0.6 * width_mm)) ** 2))
    margin = np.exp(-(((away - 1.1 * width_mm) / 0.35) ** 2))
    return np.asarray(1 - 0.75 * gap + 0.35 * margin, np.float32)


def _trabecular_net(
    rng: np.random.Generator, shape: tuple[int, int], style: BoneStyle, *, short: bool
) -> NDArray[np.float32]:
    """Return a net of bright threads about 1: the ridges of band-passed noise, drawn out along the bone."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    stretch = 1.4 if short else 3.0
    net = np.zeros(shape, np.float32)
    for size_mm, share in ((0.11, 0.6), (0.22, 0.4)):
        sigma = size_mm * style.trabecular_scale / GRID_MM
        band = blurred(noise, sigma, sigma * stretch)
        band = band - blurred(noise, 2 * sigma, 2 * sigma * stretch)
        ridge = np.exp(-((band / (0.55 * float(band.std()))) ** 2))
        net += np.float32(share) * (ridge / np.float32(ridge.mean()) - 1)
    patches = smooth_noise(rng, shape, 2.0 / GRID_MM)
    amplitude = style.trabecular_amplitude
    # In this order of sums the standard style's films keep their bytes.
    threads = 1 + (0.26 if short else 0.34) * amplitude * net + 0.1 * amplitude * patches
    return np.asarray(np.clip(threads, 0.1, None), np.float32)


def _joint_lines(
    distance: NDArray[np.float32], along: NDArray[np.float32], rng: np.random.Generator, build: BoneBuild
) -> NDArray[np.float32]:
    """Return the extra brightness, in plates of bone, of the surfaces that the beam grazes at the joints."""
    depth = distance / 0.5
    line = np.where(distance > 0, depth * np.exp(1 - depth), 0)
    patchy = 1 + 0.35 * smooth_noise(rng, distance.shape, 2.5 / GRID_MM)
    if build.short:
        return np.asarray(build.rim * line * np.maximum(patchy, 0.1), np.float32)
    # The base is a shallow cup: the beam grazes its floor, a second line its rim.
    cup = np.clip((0.16 - along) / 0.05, 0, 1)
    ledge = np.exp(-(((distance - 1.5) / 0.3) ** 2)) * cup
    head_line = 5.0 if build.cut_below else 1.2
    head = np.zeros_like(along) if build.tuft else np.clip((along - (0.84 if build.cut_below else 0.9)) / 0.05, 0, 1)
    return np.asarray((line * (4.2 * cup + head_line * head) + 0.8 * ledge) * np.maximum(patchy, 0.1), np.float32)


def _flange(distance: NDArray[np.float32], along: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the ledges at both sides of a metacarpal's head do: thin outside, a bright line at their root."""
    at_head = np.exp(-(((along - 0.87) / 0.05) ** 2))
    outside = np.clip((2.2 - distance) / 0.5, 0, 1)
    root = np.exp(-(((distance - 2.5) / 0.4) ** 2))
    return np.asarray(1 + at_head * (0.45 * root - 0.35 * outside), np.float32)


def _streaks(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return noise of unit deviation, drawn out along the bone: the channels in its cortex."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = blurred(noise, 2.2, 14.0)
    return np.asarray(noise / float(noise.std()))
