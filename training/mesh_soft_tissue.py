"""The soft tissue about the bones of a posed hand, as a thickness along the beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from mesh_rays import Grid
from mesh_skeleton import BoneMesh, Placed, Points
from numpy.typing import NDArray

from calcimeasure.simulation.smoothing import blurred, resized, smooth_noise

COARSE_MM = 0.8
FINGERS = {
    "thumb": ("1mc", "thumbprox", "thumbdist"),
    "index": ("2mc", "2proxph", "2midph", "2distph"),
    "middle": ("3mc", "3proxph", "3midph", "3distph"),
    "ring": ("4mc", "4proxph", "4midph", "4distph"),
    "little": ("5mc", "5proxph", "5midph", "5distph"),
}
# Half widths in mm at the head of the metacarpal, at the joints between the phalanges and at the tip.
HALF_WIDTH_MM = {
    "thumb": (12.5, 10.6, 8.2), "index": (11.5, 9.6, 8.2, 6.8), "middle": (11.8, 9.9, 8.4, 7.0),
    "ring": (11.3, 9.3, 7.9, 6.6), "little": (10.5, 8.2, 6.9, 5.9),
}  # fmt: skip
BEYOND_TUFT_MM = 3.6
WEB_MM = 13.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftTissue:
    """What surrounds the bones.

    Attributes
    ----------
    thickness_mm
        From skin to skin along the beam, bones included.
    fat_mm
        Of it, fat under the skin.
    """

    thickness_mm: NDArray[np.float32]
    fat_mm: NDArray[np.float32]


def soft_tissue(
    bones: Mapping[str, BoneMesh], placed: Mapping[str, Placed], scale: float, grid: Grid, rng: np.random.Generator
) -> SoftTissue:
    """Return the soft tissue of a hand.

    Parameters
    ----------
    scale
        The subject's size.
    """
    flesh = scale * float(np.clip(rng.normal(1.0, 0.09), 0.82, 1.25))
    waves = [0.35 * smooth_noise(rng, grid[0], 6.0 / grid[1]) for _ in range(2)]
    lines = {name: placed[name].of(bone.ends) for name, bone in bones.items()}
    deepest, second = (np.zeros(grid[0], np.float32) for _ in range(2))
    for finger in FINGERS:
        depth = _finger(finger, lines, flesh, grid=grid, waves=waves, rng=rng)
        second = np.maximum(second, np.minimum(deepest, depth))
        deepest = np.maximum(deepest, depth)
    palm = _palm(lines, flesh, grid, rng)
    # Fingers that cross, and the webs between them, are thicker than one finger.
    fingers = deepest + np.float32(rng.uniform(0.1, 0.7)) * second
    joined = _smooth_maximum(palm, fingers, 2.0)
    inside = joined > 0
    rough = 1 + 0.02 * smooth_noise(rng, grid[0], 2.5 / grid[1]) + 0.03 * smooth_noise(rng, grid[0], 9.0 / grid[1])
    thickness = np.where(inside, joined * rough, 0).astype(np.float32)
    thickness += _folds(lines, flesh, grid, rng) * inside
    share, most = float(rng.uniform(0.05, 0.35)), float(rng.uniform(1.5, 4.5))
    fat = np.minimum(thickness * 0.8, most + share * thickness).astype(np.float32)
    return SoftTissue(thickness_mm=np.maximum(thickness, 0), fat_mm=fat)


def _smooth_maximum(first: NDArray[np.float32], second: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    apart = first - second
    joined = 0.5 * (first + second + np.sqrt(apart * apart + np.float32(width**2)) - np.float32(width))
    return np.asarray(np.maximum(np.maximum(first, second), joined), np.float32)


def _finger(
    finger: str,
    lines: Mapping[str, Points],
    flesh: float,
    *,
    grid: Grid,
    waves: Sequence[NDArray[np.float32]],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    names, widths = FINGERS[finger], np.array(HALF_WIDTH_MM[finger]) * flesh
    points = [lines[name][1] for name in names]
    tip = lines[names[-1]]
    axis = (tip[1] - tip[0]) / np.linalg.norm(tip[1] - tip[0])
    points[-1] = tip[1] + axis * (BEYOND_TUFT_MM * flesh - widths[-1])
    result = np.zeros(grid[0], np.float32)
    flat = float(rng.uniform(0.85, 1.05))
    for number in range(len(points) - 1):
        _add_taper(result, points[number : number + 2], widths[number : number + 2], flat, grid=grid, waves=waves)
    return result


def _add_taper(
    result: NDArray[np.float32],
    ends: Sequence[Points],
    widths: NDArray[np.float64],
    flat: float,
    *,
    grid: Grid,
    waves: Sequence[NDArray[np.float32]],
) -> None:
    """Raise the thickness to that of a tapered capsule between two places."""
    (rows, cols), spacing = grid
    reach = float(widths.max()) + 2.0
    low = np.minimum(ends[0], ends[1])[:2] - reach
    high = np.maximum(ends[0], ends[1])[:2] + reach
    left, top = (max(int(v / spacing), 0) for v in low)
    right, bottom = (min(int(v / spacing) + 1, most) for v, most in zip(high, (cols, rows), strict=True))
    if right <= left or bottom <= top:
        return
    where = (slice(top, bottom), slice(left, right))
    x = (np.arange(left, right, dtype=np.float32) + 0.5) * np.float32(spacing) + waves[0][where]
    y = ((np.arange(top, bottom, dtype=np.float32) + 0.5) * np.float32(spacing))[:, None] + waves[1][where]
    axis = (ends[1] - ends[0])[:2].astype(np.float32)
    x, y = x - np.float32(ends[0][0]), y - np.float32(ends[0][1])
    share = np.clip((x * axis[0] + y * axis[1]) / max(float(axis @ axis), 1e-3), 0, 1)
    squared = (x - share * axis[0]) ** 2 + (y - share * axis[1]) ** 2
    width = np.float32(widths[0]) + share * np.float32(widths[1] - widths[0])
    depth = np.float32(2 * flat) * np.sqrt(np.maximum(width * width - squared, 0))
    np.maximum(result[where], depth, out=result[where])


def _palm(lines: Mapping[str, Points], flesh: float, grid: Grid, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return palm, wrist and forearm: thick in the middle of a smooth outline, which closes the webs."""
    spacing = max(COARSE_MM, grid[1])
    shape = tuple(round(size * grid[1] / spacing) + 1 for size in grid[0])
    mask, deep = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)

    def stroke(first: Points, last: Points, half_mm: float, depth_mm: float) -> None:
        ends = [tuple(int(v) for v in np.rint(p[:2] / spacing * 16)) for p in (first, last)]
        thick = max(round(2 * half_mm / spacing), 1)
        cv2.line(mask, ends[0], ends[1], 1, thick, shift=4)
        layer = np.zeros(shape, np.uint8)
        cv2.line(layer, ends[0], ends[1], 1, thick + 8, shift=4)
        np.maximum(deep, layer * np.float32(depth_mm), out=deep)

    web = float(rng.uniform(0.2, 0.42))
    for name, phalanx in (("2mc", "2proxph"), ("3mc", "3proxph"), ("4mc", "4proxph"), ("5mc", "5proxph")):
        base, head = lines[name]
        stroke(base, head, 11.0 * flesh, 12.5 * flesh)
        stroke(head, head + web * (lines[phalanx][1] - head), 9.0 * flesh, 9.5 * flesh)
    stroke(*lines["1mc"], 13.0 * flesh, 13.5 * flesh)
    stroke(lines["1mc"][0], 0.5 * (lines["1mc"][1] + lines["2mc"][0]), 14.0 * flesh, 14.0 * flesh)
    stroke(lines["5mc"][0], lines["5mc"][1], 13.0 * flesh, 13.0 * flesh)
    wrist = 0.5 * (lines["radius"][1] + lines["ulna"][1])
    elbow = 0.5 * (lines["radius"][0] + lines["ulna"][0])
    stroke(wrist, 0.5 * (lines["3mc"][0] + lines["4mc"][0]), 23.0 * flesh, 15.5 * flesh)
    apart = float(np.linalg.norm((lines["radius"][1] - lines["ulna"][1])[:2]))
    width = 0.5 * apart + 13.5 * flesh
    for step in range(4):
        stroke(wrist + step / 4 * (elbow - wrist), wrist + (step + 1) / 4 * (elbow - wrist),
               width + 2.5 * step * flesh, (15.5 + 1.5 * step) * flesh)  # fmt: skip
    size = 2 * round(WEB_MM * flesh / spacing) + 1
    padded = np.pad(mask, size)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    mask = np.asarray(closed[size:-size, size:-size], np.uint8)
    # The film cuts the forearm off: it has no edge there.
    wide = np.pad(mask, 40, mode="edge")
    within = cv2.distanceTransform(wide, cv2.DIST_L2, 5)[40:-40, 40:-40] * np.float32(spacing)
    deep = np.where(deep > 0, deep, np.float32(12.0 * flesh))
    deep = blurred(deep, 7.0 / spacing)
    # The section's edge is round: its square is straight there, and can be resized.
    near = np.clip(within / np.float32(15.0 * flesh), 0, 1)
    squared = 4 * deep * deep * (1 - (1 - near) ** 2)
    squared = blurred(squared, 1.2 / spacing) - np.float32(2.0)
    fine = resized(squared, tuple(round(size * spacing / grid[1]) for size in shape), cv2.INTER_CUBIC)
    return np.sqrt(np.maximum(fine[: grid[0][0], : grid[0][1]], 0))


def _folds(lines: Mapping[str, Points], flesh: float, grid: Grid, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return nails, creases at the joints and lines of the palm, as mm of tissue more or less."""
    spacing = grid[1]
    result = np.zeros(grid[0], np.float32)

    def pixel(point: Points) -> tuple[int, int]:
        return int(np.rint(point[0] / spacing * 16)), int(np.rint(point[1] / spacing * 16))

    layer = np.zeros(grid[0], np.float32)
    for names in FINGERS.values():
        base, head = (end[:2] for end in lines[names[-1]])
        axis = (head - base) / max(float(np.linalg.norm(head - base)), 1e-3)
        angle = float(np.degrees(np.arctan2(axis[1], axis[0])))
        axes = (int(6.5 * flesh / spacing * 16), int(4.8 * flesh / spacing * 16))
        cv2.ellipse(layer, pixel(head - axis * 1.5), axes, angle, 0, 360, float(rng.uniform(0.2, 0.7)), -1, shift=4)
        for name in names[1:]:
            joint = lines[name][0][:2]
            across = np.array([-axis[1], axis[0]]) * 8.0 * flesh
            offset = axis * rng.uniform(-2, 2)
            fold = float(rng.uniform(-0.7, 0.5))
            cv2.line(layer, pixel(joint + offset - across), pixel(joint + offset + across), fold,
                     max(round(0.9 / spacing), 1), shift=4)  # fmt: skip
    result += blurred(layer, 0.5 / spacing)
    crease = np.zeros(grid[0], np.float32)
    for _ in range(int(rng.integers(2, 6))):
        name, other = rng.choice(["1mc", "2mc", "3mc", "4mc", "5mc"], 2, replace=False)
        ends = [lines[n][0] + rng.uniform(0.1, 1.0) * (lines[n][1] - lines[n][0]) for n in (name, other)]
        bend = 0.5 * (ends[0] + ends[1])[:2] + rng.normal(0, 6, 2)
        share = np.linspace(0, 1, 24)[:, None]
        path = (1 - share) ** 2 * ends[0][:2] + 2 * share * (1 - share) * bend + share**2 * ends[1][:2]
        path = np.rint(path / spacing * 16).astype(np.int32)
        cv2.polylines(crease, [path], False, float(rng.uniform(-1.2, 1.0)), max(round(0.8 / spacing), 1), shift=4)
    return np.asarray(result + blurred(crease, 0.7 / spacing), np.float32)
