"""What the beam crosses on its way to each pixel: thickness of bone and of soft tissue of a limb in a pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.bones import GRID_MM
from calcimeasure.simulation.smoothing import blurred, signed_distance, smooth_noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from calcimeasure.simulation.geometry import Points
    from calcimeasure.simulation.limb import Limb, Placement

SOFT_GRID_MM = 0.3  # on films; on the coarse grids that only find places, half the pixel
KNOT_STEP_MM = 0.8
SILHOUETTE_SMOOTHING_MM = 0.9
WEB_CLOSING_MM = 3.0
DEPTH_SMOOTHING_MM = 3.0
DISTANCE_SMOOTHING = 2.2  # cells; takes the stairs out of the silhouette
SKIN_MM = 1.3
SKIN_DENSITY = 1.08
Grid = tuple[tuple[int, int], tuple[float, float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rays:
    """Thickness along the beam in every pixel, mm.

    Attributes
    ----------
    mineral
        Compact bone.
    muscle, fat
        Soft tissue, the bone's place taken out.
    bone_depth
        Whole bone with its marrow: above 0 is over bone.
    """

    mineral: NDArray[np.float32]
    muscle: NDArray[np.float32]
    fat: NDArray[np.float32]
    bone_depth: NDArray[np.float32]

    @property
    def limb(self) -> NDArray[np.bool_]:
        """Whether anything of the limb is in the beam."""
        return (self.muscle + self.fat + self.bone_depth) > 0


def trace_limb(limb: Limb, placed: Mapping[str, Placement], grid: Grid, rng: np.random.Generator) -> Rays:
    """Return the thickness of everything in a limb on a pixel grid.

    Parameters
    ----------
    grid
        ((rows, columns), (row spacing, column spacing) in mm).
    rng
        For what differs from one exposure to the next: folds of the skin.
    """
    mineral, depth = _trace_bones(limb, placed, grid)
    muscle, fat = _trace_soft(limb, placed, grid, rng)
    muscle -= depth
    fat += np.minimum(muscle, 0)
    # What of a bone is not mineral is marrow, and marrow is mostly fat.
    fat += np.maximum(depth - mineral, 0)
    np.maximum(muscle, 0, out=muscle)
    np.maximum(fat, 0, out=fat)
    return Rays(mineral=mineral, muscle=muscle, fat=fat, bone_depth=depth)


def film_transform(placement: Placement, spacing_mm: tuple[float, float]) -> tuple[Points, Points]:
    """Return (matrix, translation) from a bone's frame to (column, row) positions, pixel centres at whole numbers."""
    per_mm = np.diag([1 / spacing_mm[1], 1 / spacing_mm[0]])
    return per_mm @ placement.matrix, per_mm @ placement.translation_mm - 0.5


def _trace_bones(
    limb: Limb, placed: Mapping[str, Placement], grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape, spacing_mm = grid
    mineral, depth = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    blur = 0.4 * max(spacing_mm) / GRID_MM
    for name, segment in limb.segments.items():
        matrix, translation = film_transform(placed[name], spacing_mm)
        bone = segment.bone
        # A tilted bone is crossed obliquely: what its shadow loses in length, its thickness gains.
        stretch = placed[name].magnification ** 2 / abs(np.linalg.det(placed[name].matrix))
        to_film = np.column_stack([matrix * GRID_MM, matrix @ (bone.origin_mm + GRID_MM / 2) + translation])
        for source, target in ((bone.mineral_mm, mineral), (bone.depth_mm, depth)):
            soft = blurred(source, blur) if blur > 0.4 else source
            _add_warped(target, soft * np.float32(min(stretch, 1.6)), to_film)
    return mineral, depth


def _add_warped(target: NDArray[np.float32], source: NDArray[np.float32], to_film: Points) -> None:
    rows, cols = source.shape
    corners = np.array([[0, 0], [cols, 0], [0, rows], [cols, rows]], float) @ to_film[:, :2].T + to_film[:, 2]
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, [target.shape[1], target.shape[0]])
    if np.any(high <= low):
        return
    local = to_film.copy()
    local[:, 2] -= low
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    target[low[1] : high[1], low[0] : high[0]] += cv2.warpAffine(source, local, size, flags=cv2.INTER_LINEAR)


def _trace_soft(
    limb: Limb, placed: Mapping[str, Placement], grid: Grid, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape, spacing_mm = grid
    height_mm, width_mm = shape[0] * spacing_mm[0], shape[1] * spacing_mm[1]
    # A margin, so that the border of the film is no border of the limb.
    margin = 70
    rows, cols = (int(np.ceil(length / SOFT_GRID_MM)) + 2 * margin for length in (height_mm, width_mm))
    half_depth = _paint_strokes(limb, placed, (rows, cols), margin)
    distance, half_depth = _silhouette(half_depth)
    total = _chord(distance, half_depth)
    shape_soft = (rows, cols)
    core = _chord(distance - SKIN_MM, half_depth)
    lean_from = SKIN_MM + limb.fat_mm * (1 + 0.25 * smooth_noise(rng, shape_soft, 12.0 / SOFT_GRID_MM))
    muscle = _chord(distance - lean_from, half_depth)
    fat = np.maximum(core - muscle, 0)
    pads = _paint_pads(limb, placed, (rows, cols), margin) * np.clip(distance, 0, 1)
    bundles = (
        1
        + 0.02 * smooth_noise(rng, shape_soft, 6.0 / SOFT_GRID_MM)
        + 0.012 * smooth_noise(rng, shape_soft, 1.5 / SOFT_GRID_MM)
    )
    lean = muscle * bundles + SKIN_DENSITY * (total - core) + pads
    lean += np.clip(distance / 2, 0, 1) * _creases(limb, placed, (rows, cols), margin, rng)
    per_cell = np.array([spacing_mm[1], spacing_mm[0]]) / SOFT_GRID_MM
    # Inverse map: from the centre of a pixel of the film to the soft grid.
    to_soft = np.column_stack([np.diag(per_cell), margin - 0.5 + per_cell / 2])
    return _on_film(lean, to_soft, shape), _on_film(fat, to_soft, shape)


def _on_film(image: NDArray[np.float32], to_soft: Points, shape: tuple[int, int]) -> NDArray[np.float32]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image.astype(np.float32), to_soft, (shape[1], shape[0]), flags=flags)
    return np.asarray(warped, np.float32)


def _paint_strokes(
    limb: Limb, placed: Mapping[str, Placement], shape: tuple[int, int], margin: int
) -> NDArray[np.float32]:
    """Return half the depth of soft tissue where a stroke or web lies, 0 elsewhere."""
    depth = np.zeros(shape, np.float32)
    for web in limb.webs:
        points = np.stack([placed[name].apply(np.array([[x, y]]))[0] for name, x, y in web])
        fixed = np.round((points / SOFT_GRID_MM + margin) * 16).astype(np.int32)
        cv2.fillPoly(depth, [fixed], 8.0, shift=4)
    for stroke in limb.strokes:
        knots = np.array(
            [
                [*placed[k.bone].apply(np.array([[k.x_mm, k.y_mm]]))[0],
                 k.half_width_mm * placed[k.bone].magnification, k.half_depth_mm]
                for k in stroke
            ]
        )  # fmt: skip
        for x, y, width, deep in _along(knots):
            centre = (round((x / SOFT_GRID_MM + margin) * 16), round((y / SOFT_GRID_MM + margin) * 16))
            radius = round(width / SOFT_GRID_MM * 16)
            reach = radius // 16 + 2
            col, row = centre[0] // 16, centre[1] // 16
            top, left = max(row - reach, 0), max(col - reach, 0)
            patch = depth[top : row + reach + 1, left : col + reach + 1]
            if patch.size:
                disc = np.zeros(patch.shape, np.float32)
                cv2.circle(disc, (centre[0] - left * 16, centre[1] - top * 16), radius, float(deep), -1, shift=4)
                np.maximum(patch, disc, out=patch)
    return depth


def _along(knots: Points) -> Points:
    """Return a smooth line of discs through the knots."""
    gaps = np.hypot(*np.diff(knots[:, :2], axis=0).T)
    place = np.concatenate([[0.0], np.cumsum(gaps)])
    fine = np.linspace(0, place[-1], max(int(place[-1] / KNOT_STEP_MM), 2))
    tangent = np.gradient(knots, place, axis=0)
    span = np.clip(np.searchsorted(place, fine, side="right") - 1, 0, len(gaps) - 1)
    width = gaps[span][:, None]
    t = ((fine - place[span]) / gaps[span])[:, None]
    start, stop = knots[span], knots[span + 1]
    # Cubic Hermite: smooth through every knot.
    return np.asarray(
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * width * tangent[span]
        + (3 * t**2 - 2 * t**3) * stop
        + (t**3 - t**2) * width * tangent[span + 1]
    )


def _silhouette(half_depth: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the signed distance to the skin and half the depth everywhere, both smooth."""
    size = 2 * int(WEB_CLOSING_MM / SOFT_GRID_MM / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = np.asarray(cv2.morphologyEx((half_depth > 0).astype(np.float32), cv2.MORPH_CLOSE, disc), np.float32)
    inside = blurred(closed, SILHOUETTE_SMOOTHING_MM / SOFT_GRID_MM) > 0.5
    distance = blurred(signed_distance(inside) * np.float32(SOFT_GRID_MM), DISTANCE_SMOOTHING)
    sigma = DEPTH_SMOOTHING_MM / SOFT_GRID_MM
    known = (half_depth > 0).astype(np.float32)
    depth = blurred(half_depth, sigma) / np.maximum(blurred(known, sigma), np.float32(1e-3))
    return distance, np.maximum(depth, np.float32(3.0))


def _chord(distance: NDArray[np.float32], half_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    reach = np.clip(distance, 0, half_depth)
    return np.asarray(2 * np.sqrt(reach * (2 * half_depth - reach)), np.float32)


def _paint_pads(
    limb: Limb, placed: Mapping[str, Placement], shape: tuple[int, int], margin: int
) -> NDArray[np.float32]:
    result = np.zeros(shape, np.float32)
    for pad in limb.pads:
        placement = placed[pad.bone]
        c, s = np.cos(np.deg2rad(pad.rotation_deg)), np.sin(np.deg2rad(pad.rotation_deg))
        own = np.array([[c, s], [-s, c]]) @ np.diag([pad.half_width_mm, pad.half_length_mm])
        matrix = placement.matrix @ own / SOFT_GRID_MM
        centre = placement.apply(np.array([[pad.x_mm, pad.y_mm]]))[0] / SOFT_GRID_MM + margin
        reach = np.abs(matrix).sum(axis=1) + 2
        low = np.maximum((centre - reach).astype(int), 0)
        high = np.minimum((centre + reach).astype(int) + 1, [shape[1], shape[0]])
        if np.any(high <= low):
            continue
        col, row = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        unit = np.stack([col - centre[0], row - centre[1]], axis=-1) @ np.linalg.inv(matrix).T
        squared = (unit**2).sum(axis=-1)
        mound = np.maximum(1 - squared, 0)
        shadow = np.clip(6 * mound, 0, 1) * mound**pad.sharpness
        result[low[1] : high[1], low[0] : high[0]] += pad.thickness_mm * shadow
    return result


def _creases(
    limb: Limb, placed: Mapping[str, Placement], shape: tuple[int, int], margin: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the folds of the skin over joints: fine lines, a little more or less of it in the beam."""
    result = np.zeros(shape, np.float32)
    for name, segment in limb.segments.items():
        if segment.parent is None or name.startswith("sesamoid"):
            continue
        for _ in range(int(rng.integers(0, 4))):
            x = np.linspace(-9, 9, 13) * rng.uniform(0.5, 1.1) + rng.normal(0, 2)
            y = rng.normal(0, 3) + rng.normal(0, 0.02) * x**2 + np.cumsum(rng.normal(0, 0.25, 13))
            line = placed[name].apply(np.stack([x, y], axis=1)) / SOFT_GRID_MM + margin
            depth = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.1, 0.5))
            cv2.polylines(result, [np.round(line * 16).astype(np.int32)], False, depth, 1, cv2.LINE_AA, 4)
    return blurred(result, 1.2) * np.float32(3)
