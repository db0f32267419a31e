"""What the bones of a posed hand put in the beam: cortex, marrow, and what else may lie in or on a bone.

Each film has a look of its own, drawn from wide ranges: bones from hollow shells to solid, joint ends dense or faint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from mesh_rays import Grid, ray_length
from mesh_skeleton import BoneMesh, Placed, Points, bone_from
from numpy.typing import NDArray

from calcimeasure.simulation.smoothing import smooth_noise

TILE = 512
LONG = ("metacarpal", "phalanx", "distal", "forearm")


@dataclass(frozen=True, kw_only=True)
class BoneLook:
    """How bones look on one film.

    Attributes
    ----------
    shaft_cortex
        Thickness of the cortex in the shafts as a share of their radius.
    end_cortex_mm
        Of the ends and of the carpals.
    marrow
        Mineral in the spongy ends as a share of that of cortex: from 0, hollow, to 1, solid.
    shaft_marrow
        The same in the shafts, as a share of that of the ends.
    rim, rim_width
        Further mineral under the joint faces, as a share of the rest, and the share of the length it takes.
    threads, thread_mm
        Amplitude and width of the trabeculae on the film.
    mottled
        Amplitude of coarse unevenness.
    mineral
        Of all bone, from porotic to sclerotic.
    growth_plate
        Depth of a lucent line near an end; 0 for none.
    spurs
        Mean number of bumps at the edges of a bone.
    resorbed
        How many of the distal phalanges have lost their ends, as a share.
    """

    shaft_cortex: float
    end_cortex_mm: float
    marrow: float
    shaft_marrow: float
    rim: float
    rim_width: float
    threads: float
    thread_mm: float
    mottled: float
    mineral: float
    growth_plate: float
    spurs: float
    resorbed: float


def draw_look(rng: np.random.Generator) -> BoneLook:
    """Return a look: two in three are of ordinary bone, the others anything."""
    ordinary = rng.random() < 0.65
    return BoneLook(
        shaft_cortex=float(rng.uniform(0.3, 0.6) if ordinary else rng.uniform(0.12, 0.85)),
        end_cortex_mm=float(rng.uniform(0.25, 0.5) if ordinary else rng.uniform(0.15, 1.1)),
        marrow=float(rng.uniform(0.12, 0.3) if ordinary else np.exp(rng.uniform(*np.log((0.02, 0.9))))),
        shaft_marrow=float(rng.uniform(0.2, 0.5) if ordinary else rng.uniform(0.05, 1.2)),
        rim=float(rng.uniform(0.0, 0.3) if ordinary else rng.uniform(-0.45, 1.2)),
        rim_width=float(rng.uniform(0.03, 0.12)),
        threads=float(rng.uniform(0.0, 0.2) if ordinary else rng.uniform(0.0, 0.45)),
        thread_mm=float(rng.uniform(0.1, 0.3)),
        mottled=float(rng.uniform(0.02, 0.2)),
        mineral=float(np.clip(rng.normal(1.0, 0.18), 0.5, 1.5)),
        growth_plate=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.1 else 0.0,
        spurs=float(rng.uniform(0.3, 2.0)) if rng.random() < 0.35 else 0.0,
        resorbed=float(rng.uniform(0.2, 1.0)) if rng.random() < 0.08 else 0.0,
    )


def bone_thickness(
    bones: Sequence[BoneMesh], placed: Mapping[str, Placed], look: BoneLook, grid: Grid, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what lies along each ray: mm of bone as if it were all cortex, and mm within the bones' outer surface.

    Parameters
    ----------
    placed
        Where the bones lie on the film: mm along the columns, down the rows and along the beam.
    """
    mineral, volume = (np.zeros(grid[0], np.float32) for _ in range(2))
    tiles = _tiles(look, grid[1], rng)
    for bone in bones:
        outer = _with_spurs(bone, look, rng)
        place = placed[bone.name]
        length, where = ray_length(place.of(outer.vertices), bone.faces, grid)
        if not length.size:
            continue
        depth = _inner_depth(bone, look, rng)
        hollow = np.zeros_like(length)
        inner, inside = ray_length(place.of(outer.vertices - depth[:, None] * outer.normals), bone.faces, grid)
        shared = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(where, inside, strict=True))
        if inner.size and all(s.stop > s.start for s in shared):
            hollow[_within(shared, where)] = inner[_within(shared, inside)]
        hollow = np.minimum(hollow, length)
        cortex = (length - hollow) * np.float32(1 + rng.normal(0, 0.04))
        share = _marrow_share(bone, place, look, grid=grid, where=where, rng=rng, tiles=tiles)
        kept = _along_the_bone(bone, place, look, grid=grid, where=where, rng=rng)
        mineral[where] += (cortex + share * hollow) * kept * np.float32(look.mineral)
        volume[where] += length
    return mineral, volume


def _within(shared: tuple[slice, ...], where: tuple[slice, slice]) -> tuple[slice, ...]:
    return tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(shared, where, strict=True))


def _step(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.float64]:
    x = np.clip((np.asarray(values, float) - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def _inner_depth(bone: BoneMesh, look: BoneLook, rng: np.random.Generator) -> Points:
    """Return how thick the cortex is at each vertex."""
    uneven = 1 + 0.15 * np.sin(bone.along * rng.uniform(4, 14) + bone.vertices @ rng.normal(0, 0.3, 3))
    end = look.end_cortex_mm * float(np.exp(rng.normal(0, 0.15)))
    if bone.kind not in LONG:
        return np.minimum(end * uneven, 0.7 * bone.from_axis + 0.05)
    shaft = (bone.along > 0.4) & (bone.along < 0.6)
    radius = float(np.median(bone.from_axis[shaft])) if shaft.any() else 3.0
    share = look.shaft_cortex * float(np.exp(rng.normal(0, 0.1))) * (0.75 if bone.kind == "distal" else 1.0)
    grown = _step(bone.along, 0.08, 0.42) * _step(1 - bone.along, 0.1, 0.45)
    if bone.kind == "forearm":
        grown = _step(1 - bone.along, 0.1, 0.45)
    depth = end + (max(share * radius, end) - end) * grown
    return np.minimum(depth * uneven, 0.85 * bone.from_axis + 0.05)


def _with_spurs(bone: BoneMesh, look: BoneLook, rng: np.random.Generator) -> BoneMesh:
    """Return the bone with osteophytes at the edges of its ends and, rarely, an exostosis on its shaft."""
    number = int(rng.poisson(look.spurs)) if look.spurs else 0
    if not number or bone.kind == "forearm":
        return bone
    vertices = bone.vertices.copy()
    for _ in range(number):
        at_end = np.minimum(bone.along, 1 - bone.along) < (0.14 if rng.random() < 0.8 else 0.5)
        edge = np.flatnonzero(at_end & (bone.from_axis > np.percentile(bone.from_axis[at_end], 60)))
        chosen = int(rng.choice(edge))
        away = np.linalg.norm(bone.vertices - bone.vertices[chosen], axis=1)
        bump = rng.uniform(0.8, 3.5) * np.exp(-((away / rng.uniform(0.8, 2.2)) ** 2))
        vertices += bump[:, None] * (bone.normals[chosen] + rng.normal(0, 0.3, 3))
    return replace(bone, vertices=vertices)


def _tiles(look: BoneLook, spacing: float, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return patterns of threads: drawn out along the first axis, and alike in all directions."""
    tiles = []
    for drawn_out in (3.5, 1.2):
        noise = rng.standard_normal((TILE, TILE), dtype=np.float32)
        width = max(look.thread_mm / spacing, 0.4)
        smooth = cv2.GaussianBlur(
            np.tile(noise, (2, 2)), (0, 0), sigmaX=width, sigmaY=width * drawn_out, borderType=cv2.BORDER_REFLECT
        )[TILE // 2 : TILE // 2 + TILE, TILE // 2 : TILE // 2 + TILE]
        threads = 1 - np.abs(smooth) / max(float(np.abs(smooth).mean()), 1e-6)
        # Holes are no deeper than threads are high: a net, no pepper pot.
        tiles.append(np.asarray(np.maximum(threads / max(float(threads.std()), 1e-6), -1.3), np.float32))
    return tiles[0], tiles[1]


def _marrow_share(
    bone: BoneMesh,
    place: Placed,
    look: BoneLook,
    *,
    grid: Grid,
    where: tuple[slice, slice],
    rng: np.random.Generator,
    tiles: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the marrow's mineral as a share of the cortex's, over the bone's patch of the film."""
    shape = (where[0].stop - where[0].start, where[1].stop - where[1].start)
    own = look.marrow * float(np.exp(rng.normal(0, 0.12)))
    share = np.full(shape, own, np.float32)
    ends = place.of(bone.ends)
    direction = (ends[1] - ends[0])[:2]
    if bone.kind in LONG:
        along = _along(ends, grid, where)
        shaft = _step(along, 0.1, 0.4) * _step(1 - along, 0.1, 0.4)
        share *= (1 + (look.shaft_marrow - 1) * shaft).astype(np.float32)
    angle = float(np.degrees(np.arctan2(direction[0], direction[1])))
    turn = cv2.getRotationMatrix2D((TILE / 2, TILE / 2), angle, 1.0)
    turn[:, 2] += rng.uniform(0, TILE, 2)
    tile = tiles[0 if bone.kind in LONG else 1]
    threads = cv2.warpAffine(tile, turn, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    mottle = smooth_noise(rng, shape, max(1.5 / grid[1], 1.0))
    return np.maximum(share * (1 + look.threads * threads + np.float32(look.mottled) * mottle), 0)


def _along(ends: Points, grid: Grid, where: tuple[slice, slice]) -> NDArray[np.float64]:
    """Return where each pixel lies along the bone: 0 at its proximal end and 1 at its distal one."""
    x = (np.arange(where[1].start, where[1].stop) + 0.5) * grid[1]
    y = (np.arange(where[0].start, where[0].stop) + 0.5) * grid[1]
    axis = (ends[1] - ends[0])[:2]
    squared = max(float(axis @ axis), 1.0)
    return ((x[None, :] - ends[0, 0]) * axis[0] + (y[:, None] - ends[0, 1]) * axis[1]) / squared


def _along_the_bone(
    bone: BoneMesh,
    place: Placed,
    look: BoneLook,
    *,
    grid: Grid,
    where: tuple[slice, slice],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return what all mineral is multiplied by: dense or faint ends, growth plates, ends that are resorbed."""
    along = _along(place.of(bone.ends), grid, where)
    shape = along.shape
    kept = np.ones(shape)
    if bone.kind not in LONG:
        return kept.astype(np.float32)
    uneven = 0.012 * smooth_noise(rng, shape, max(2.0 / grid[1], 1.0))
    along = along + uneven
    width = look.rim_width
    ends = np.exp(-((along / width) ** 2)) * (bone.kind != "forearm") + np.exp(-(((along - 1) / width) ** 2))
    kept *= 1 + look.rim * ends
    if look.growth_plate:
        at = 0.88 if bone.kind in ("metacarpal", "forearm") and bone.name != "1mc" else 0.14
        line = np.exp(-(((along - at - rng.normal(0, 0.01)) * bone.length_mm / 0.8) ** 2))
        beside = np.exp(-(((along - at) * bone.length_mm / 1.8) ** 2))
        kept *= (1 + 0.35 * look.growth_plate * beside) * (1 - look.growth_plate * line)
    if bone.kind == "distal" and rng.random() < look.resorbed:
        lost = rng.uniform(0.2, 0.65)
        kept *= 1 - _step(along + 2 * uneven, 1 - lost - 0.06, 1 - lost + 0.06)
    return np.maximum(kept, 0).astype(np.float32)


def sesamoids(bones: Mapping[str, BoneMesh], rng: np.random.Generator) -> list[BoneMesh]:
    """Return sesamoids at the heads of metacarpals, in front of them: two at the thumb, others by chance."""
    places = [("1mc", 0.8), ("1mc", -0.8)]
    places += [(name, side) for name, side, often in (("5mc", -0.5, 0.5), ("2mc", 0.5, 0.45), ("5mc", 0.5, 0.2),
               ("3mc", 0.3, 0.06), ("4mc", 0.2, 0.04), ("thumbprox", 0.0, 0.4)) if rng.random() < often]  # fmt: skip
    made = []
    for number, (name, side) in enumerate(places):
        bone = bones[name]
        axis = (bone.ends[1] - bone.ends[0]) / bone.length_mm
        front = np.array([-0.75, 0.1, 0.65]) if name in ("1mc", "thumbprox") else np.array([0.0, 0.0, 1.0])
        front = front - (front @ axis) * axis
        front /= np.linalg.norm(front)
        across = np.cross(axis, front)
        at_head = np.abs(bone.along - 0.9) < 0.06
        radius = float(np.percentile(bone.from_axis[at_head], 75))
        middle = bone.ends[1] - (0.06 * bone.length_mm + rng.uniform(0, 2.5)) * axis
        middle = middle + front * (radius + rng.uniform(1.0, 2.5)) + across * side * radius * rng.uniform(0.7, 1.1)
        size = rng.uniform(1.5, 3.0) * (1.0 if name == "1mc" else 0.7) * np.exp(rng.normal(0, 0.15, 3))
        vertices, faces = _ball()
        waves = 1 + 0.1 * np.sin(vertices @ rng.normal(0, 2.0, 3) + rng.uniform(0, 6))
        vertices = middle + (vertices * size * waves[:, None])
        made.append(bone_from(f"sesamoid_{number}", bone.name, "sesamoid", vertices, faces))
    return made


def _ball() -> tuple[Points, NDArray[np.int64]]:
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2)
    return np.asarray(ball.vertices, float), np.asarray(ball.faces, np.int64)
