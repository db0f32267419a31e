"""Where deposits sit in a limb, and how a pose shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.calcium_deposits import CalciumDeposit
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from calcimeasure.simulation.deposit_styles import make_grey_deposit
from calcimeasure.simulation.geometry import outline_gap
from calcimeasure.simulation.limb import Limb, LimbPose, Placement, place_limb
from calcimeasure.simulation.limb_parts import part_named
from calcimeasure.simulation.rays import trace_limb
from calcimeasure.simulation.smoothing import signed_distance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from calcimeasure.simulation.geometry import Points
    from calcimeasure.simulation.rays import Grid

REFERENCE_SPACING_MM = 0.5
SITE_MARGIN_MM = 10.0
REFERENCE_DISTANCE_MM = 1_000_000.0  # a parallel beam: the common pose has no magnification
APART_MM = 2.6  # beyond the 2 mm within which pieces are one deposit
SOFT_GAP_MM = 0.6
BACKGROUNDS = ("soft_tissue", "touching_bone", "over_bone")
# How often deposits choose a bone, per mm² of its surroundings: fingertips first, as in systemic sclerosis.
PREFERENCE = {"distal": 5.0, "middle": 2.0, "proximal": 1.6, "metacarpal": 0.8, "radius": 0.25, "ulna": 0.4}
KIND_WEIGHTS = {
    DepositKind.NODULE: 0.18, DepositKind.SLAB: 0.06, DepositKind.BEVEL: 0.1, DepositKind.LOBULATED: 0.2,
    DepositKind.CLUSTER: 0.2, DepositKind.SHEET: 0.08, DepositKind.STIPPLE: 0.08, DepositKind.SHELL: 0.03,
    DepositKind.ULCERATED: 0.07,
}  # fmt: skip
THICKEST_MM = {DepositKind.SLAB: 1.3, DepositKind.SHEET: 2.0}
SMALLEST_OF_A_KIND_MM = 1.5  # below it all look alike
TRIES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldDeposit:
    """A deposit in a limb.

    Attributes
    ----------
    identity
        The same at every visit; the parts of a split deposit carry their own.
    bone
        Whose frame it moves with.
    shape
        In that frame, mm, at the common pose.
    z_mm
        Above the bone's middle plane, towards the tube.
    background
        What it was placed for: ``soft_tissue``, ``touching_bone`` or ``over_bone``.
    """

    identity: int
    bone: str
    shape: CalciumDeposit
    z_mm: float = 0.0
    background: str = "soft_tissue"


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """The limb at its common pose on a coarse grid, for finding places in it.

    Attributes
    ----------
    to_skin, to_bone
        Signed distances in mm: positive inside the limb, positive outside the bones.
    owner
        Index of the nearest bone.
    placed
        Where every bone lies on the grid.
    """

    to_skin: NDArray[np.float32]
    to_bone: NDArray[np.float32]
    owner: NDArray[np.int32]
    placed: Mapping[str, Placement]


def site_of(limb: Limb, *, part: str = "hand") -> Site:
    """Return the limb at its common pose: at rest, flat, unmagnified."""
    chosen = part_named(part)
    size_mm = (chosen.film_mm[0] + 2 * SITE_MARGIN_MM, chosen.film_mm[1] + 2 * SITE_MARGIN_MM)
    pose = LimbPose(height_mm=0.0, translation_mm=chosen.origin_mm, groups=chosen.groups)
    placed = place_limb(limb, pose, film_mm=size_mm, source_distance_mm=REFERENCE_DISTANCE_MM)
    shape = (int(size_mm[0] / REFERENCE_SPACING_MM), int(size_mm[1] / REFERENCE_SPACING_MM))
    grid: Grid = (shape, (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM))
    rays = trace_limb(limb, placed, grid, np.random.default_rng(0))
    return Site(
        to_skin=signed_distance(rays.limb) * np.float32(REFERENCE_SPACING_MM),
        to_bone=-signed_distance(rays.bone_depth > 0) * np.float32(REFERENCE_SPACING_MM),
        owner=_owners(limb, placed, shape),
        placed=placed,
    )


def _owners(limb: Limb, placed: Mapping[str, Placement], shape: tuple[int, int]) -> NDArray[np.int32]:
    best = np.full(shape, np.inf, np.float32)
    owner = np.zeros(shape, np.int32)
    for index, (name, segment) in enumerate(limb.segments.items()):
        if name.startswith("sesamoid"):
            continue
        mask = np.ones(shape, np.uint8)
        points = placed[name].apply(segment.bone.outline_mm) / REFERENCE_SPACING_MM
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 0, shift=4)
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        nearer = distance < best
        best[nearer], owner[nearer] = distance[nearer], index
    return owner


def project_deposits(deposit: HeldDeposit, placement: Placement) -> CalciumDeposit:
    """Return a deposit as a pose shows it, in film mm.

    A flat plate is foreshortened by a tilt like the bone it lies on; the deeper a deposit, the less: its outline
    follows the shadow of an ellipsoid of the same depth. Its thickness along the beam keeps its volume.
    """
    flat = placement.matrix
    deep = deposit.shape.depth_ratio
    square = flat @ flat.T + deep**2 * np.outer(placement.towards_tube, placement.towards_tube)
    matrix = _root(square) @ np.linalg.inv(_root(flat @ flat.T)) @ flat
    centre = np.array(deposit.shape.centroid_mm)
    translation = flat @ centre + placement.translation_mm + deposit.z_mm * placement.towards_tube - matrix @ centre
    oblique = placement.magnification**2 / abs(float(np.linalg.det(matrix)))
    return deposit.shape.moved(matrix, translation, thickness_factor=oblique)


def _root(square: Points) -> Points:
    values, vectors = np.linalg.eigh(square)
    return np.asarray(vectors @ np.diag(np.sqrt(values)) @ vectors.T)


def draw_deposits(
    rng: np.random.Generator,
    limb: Limb,
    site: Site,
    count: int,
    *,
    diameters_mm: tuple[float, float] = (0.6, 14.0),
    first_identity: int = 1,
    others: Sequence[HeldDeposit] = (),
    thickness_scale: float = 1.0,
    style: str = STANDARD,
) -> list[HeldDeposit]:
    """Return deposits at random places, a third each in soft tissue, touching bone and over bone.

    Parameters
    ----------
    count
        How many are tried for; fewer come where there is no room.
    diameters_mm
        Range of the diameter of the circle of equal area, evenly on a logarithmic scale.
    others
        Deposits that are there already, to be kept apart from.
    thickness_scale
        How dense they are against what films of hands mostly show.
    style
        ``standard``, ``blobs`` or ``left_out``.
    """
    held: list[HeldDeposit] = []
    start = int(rng.integers(3))
    for number in range(count):
        background = BACKGROUNDS[(start + number) % 3]
        for _ in range(TRIES):
            diameter = float(np.exp(rng.uniform(*np.log(diameters_mm))))
            candidate = _draw_one(rng, limb, site, background, draw_shape(rng, diameter, thickness_scale, style=style))
            if candidate is None:
                continue
            candidate = replace(candidate, identity=first_identity + len(held))
            if all(apart(candidate, other, site.placed) for other in [*others, *held]):
                held.append(candidate)
                break
    return held


def apart(first: HeldDeposit, second: HeldDeposit, placed: Mapping[str, Placement], gap_mm: float = APART_MM) -> bool:
    """Return whether two deposits stay two: further apart than the pieces of one."""
    a = project_deposits(first, placed[first.bone]).points_mm
    b = project_deposits(second, placed[second.bone]).points_mm
    if np.any(a.min(axis=0) - gap_mm > b.max(axis=0)) or np.any(b.min(axis=0) - gap_mm > a.max(axis=0)):
        return True
    return outline_gap(a[::4], b[::4]) > gap_mm


def draw_shape(
    rng: np.random.Generator, diameter_mm: float, thickness_scale: float = 1.0, *, style: str = STANDARD
) -> tuple[CalciumDeposit, float]:
    """Return a deposit of a size about (0, 0), of a kind as films of hands mostly show, and the room it needs.

    Parameters
    ----------
    diameter_mm
        Of the circle of equal area.
    thickness_scale
        How dense it is against the usual.
    style
        ``standard``, ``blobs`` or ``left_out``.

    Returns
    -------
    tuple
        The deposit, and a radius between those of the circle around it and of its middle.
    """
    if style != STANDARD:
        return _with_reach(make_grey_deposit(style, diameter_mm=diameter_mm, rng=rng))
    kinds = list(KIND_WEIGHTS)
    weights = np.array(list(KIND_WEIGHTS.values()))
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    if diameter_mm < SMALLEST_OF_A_KIND_MM:
        kind = DepositKind.NODULE if rng.random() < 0.5 else DepositKind.LOBULATED
    thickness = 0.62 * diameter_mm**0.55 * float(np.exp(rng.normal(0, 0.5))) * thickness_scale
    thickest = THICKEST_MM.get(kind, min(0.6 * diameter_mm + 0.2, 4.0))
    shape = make_deposit(kind, diameter_mm=diameter_mm, thickness_mm=float(np.clip(thickness, 0.15, thickest)), rng=rng)
    return _with_reach(shape)


def _with_reach(shape: CalciumDeposit) -> tuple[CalciumDeposit, float]:
    # What matters for the room it needs is its reach, which for a stipple is far more than its area's diameter.
    reach = float(np.hypot(*shape.points_mm.T).max())
    narrow = 2 * shape.area_mm2 / (np.pi * reach)
    return shape, (reach + narrow) / 2


def room_for(
    to_skin: NDArray[np.float32], to_bone: NDArray[np.float32], background: str, reach: float
) -> NDArray[np.bool_]:
    """Return where the middle of a deposit may lie for it to be in soft tissue, touching bone or over bone.

    Parameters
    ----------
    to_skin, to_bone
        Distances in mm: positive inside the limb, positive outside the bones.
    reach
        Radius that the deposit needs.
    """
    room = to_skin > min(0.75 * reach + 0.5, 6.0)
    if background == "soft_tissue":
        return np.asarray(room & (to_bone > reach + SOFT_GAP_MM))
    if background == "touching_bone":
        return np.asarray(room & (to_bone > 0.1 * reach) & (to_bone < 0.85 * reach))
    return np.asarray(room & (to_bone < -min(0.35 * reach, 2.0)))


def _draw_one(
    rng: np.random.Generator, limb: Limb, site: Site, background: str, drawn: tuple[CalciumDeposit, float]
) -> HeldDeposit | None:
    shape, reach = drawn
    found = _find_place(rng, limb, site, background, reach)
    if found is None:
        return None
    bone, point = found
    placement = site.placed[bone]
    own = np.asarray(np.linalg.solve(placement.matrix, point - placement.translation_mm), np.float64)
    z = float(rng.uniform(-6, 8))
    return HeldDeposit(identity=0, bone=bone, shape=shape.moved(np.eye(2), own), z_mm=z, background=background)


def _find_place(
    rng: np.random.Generator, limb: Limb, site: Site, background: str, reach: float
) -> tuple[str, Points] | None:
    rows, cols = np.nonzero(room_for(site.to_skin, site.to_bone, background, reach))
    if not len(rows):
        return None
    names = list(limb.segments)
    weight = np.array([PREFERENCE.get(name.split("_")[0].split("@")[0], 0.4) for name in names])[site.owner[rows, cols]]
    # Far from any bone there are no deposits to speak of, only muscle.
    weight = weight / (1 + np.maximum(site.to_bone[rows, cols] - 4, 0) / 4)
    chosen = int(rng.choice(len(rows), p=weight / weight.sum()))
    point = (np.array([cols[chosen], rows[chosen]]) + rng.uniform(0, 1, 2)) * REFERENCE_SPACING_MM
    return names[int(site.owner[rows[chosen], cols[chosen]])], point
