"""Deposits about, on and over the bones of a posed hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from mesh_rays import Grid
from mesh_skeleton import Points
from numpy.typing import NDArray

from calcimeasure.simulation.calcium_deposits import CalciumDeposit, render_thickness
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from calcimeasure.simulation.geometry import coverage_patch
from calcimeasure.simulation.smoothing import signed_distance

NONE_SHARE, MOST = 0.2, 14
DIAMETERS_MM = (0.6, 13.0)
THICKNESSES_MM = (0.18, 2.8)
THICKEST_SHARE = 0.55
APART_MM = 2.4
COARSE_MM = 0.5
TIP_REACH_MM = 9.0
TRIES = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where deposits may lie: distances on a coarse grid.

    Attributes
    ----------
    to_skin, to_bone
        mm, positive inside the limb, and outside the bones.
    liked
        How readily a deposit lies there.
    """

    to_skin: NDArray[np.float32]
    to_bone: NDArray[np.float32]
    liked: NDArray[np.float32]


def places(
    limb: NDArray[np.bool_], bone: NDArray[np.bool_], field: NDArray[np.bool_], tips: Sequence[Points], spacing: float
) -> Places:
    """Return where deposits may lie: in the exposed limb, and most readily at the tips of the fingers."""
    size = (round(limb.shape[1] * spacing / COARSE_MM), round(limb.shape[0] * spacing / COARSE_MM))
    small_limb, small_bone, small_field = (
        cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5 for mask in (limb, bone, field)
    )
    small_limb = small_limb & small_field
    y = (np.arange(size[1])[:, None] + 0.5) * COARSE_MM
    x = (np.arange(size[0])[None, :] + 0.5) * COARSE_MM
    liked = np.full(small_limb.shape, 1.0, np.float32)
    for tip in tips:
        liked += 9.0 * np.exp(-((x - tip[0]) ** 2 + (y - tip[1]) ** 2) / (2 * TIP_REACH_MM**2)).astype(np.float32)
    return Places(
        to_skin=signed_distance(small_limb) * np.float32(COARSE_MM),
        to_bone=-signed_distance(small_bone) * np.float32(COARSE_MM),
        liked=liked,
    )


def draw_deposits(rng: np.random.Generator, where: Places, *, none_share: float = NONE_SHARE) -> list[CalciumDeposit]:
    """Return 0 to 14 deposits in mm of the film: near, touching and over bone, and away; one hand in five has none."""
    placed: list[CalciumDeposit] = []
    if rng.random() < none_share:
        return placed
    wanted = int(rng.integers(1, MOST + 1))
    for _ in range(wanted * TRIES):
        if len(placed) == wanted:
            break
        diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS_MM))))
        place = _draw_place(rng, where, diameter)
        if place is None:
            continue
        deposit = _draw_deposit(rng, diameter).moved(_turn(rng), place)
        if all(_apart(deposit.points_mm, other.points_mm) for other in placed):
            placed.append(deposit)
    return placed


def _apart(first: Points, second: Points) -> bool:
    """Return whether two deposits are two: neither near the other nor within it."""
    from scipy.spatial import cKDTree

    middles = first.mean(axis=0), second.mean(axis=0)
    widest = max(float(np.linalg.norm(p - m, axis=1).max()) for p, m in zip((first, second), middles, strict=True))
    if float(np.linalg.norm(middles[0] - middles[1])) < widest:
        return False
    return float(cKDTree(first).query(second, distance_upper_bound=APART_MM)[0].min()) > APART_MM


def _draw_place(rng: np.random.Generator, where: Places, diameter: float) -> Points | None:
    to_bone = where.to_bone
    rooms = (
        (to_bone > diameter / 2 + 0.4) & (to_bone < diameter / 2 + 4.0),
        (to_bone < diameter / 2) & (to_bone > diameter / 5),
        to_bone < -min(diameter / 4, 1.5),
        to_bone > diameter / 2 + 1.0,
    )
    room = rooms[int(rng.choice(4, p=(0.3, 0.25, 0.3, 0.15)))] & (where.to_skin > 0.42 * diameter + 0.3)
    weight = np.where(room, where.liked, 0).ravel()
    total = float(weight.sum(dtype=np.float64))
    if total <= 0:
        return None
    chosen = int(np.searchsorted(np.cumsum(weight, dtype=np.float64), rng.random() * total))
    row, col = np.unravel_index(min(chosen, weight.size - 1), room.shape)
    return (np.array([col, row]) + rng.random(2)) * COARSE_MM


def _draw_deposit(rng: np.random.Generator, diameter: float) -> CalciumDeposit:
    thickness = float(np.exp(rng.uniform(*np.log(THICKNESSES_MM))))
    thickness = min(thickness, 0.15 + THICKEST_SHARE * diameter)
    kind = str(rng.choice(list(DepositKind)))
    return make_deposit(kind, diameter_mm=diameter, thickness_mm=thickness, rng=rng)


def _turn(rng: np.random.Generator) -> Points:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def deposit_thickness(deposits: Sequence[CalciumDeposit], grid: Grid) -> NDArray[np.float32]:
    """Return mm of hydroxyapatite along each ray."""
    total = np.zeros(grid[0], np.float32)
    for deposit in deposits:
        thickness, where = render_thickness(deposit, shape=grid[0], spacing_mm=(grid[1], grid[1]))
        total[where] += thickness
    return total


def deposit_labels(deposits: Sequence[CalciumDeposit], grid: Grid) -> NDArray[np.uint16]:
    """Return the label image: pixels at least half covered, numbered from 1; what covers none is left out."""
    labels = np.zeros(grid[0], np.uint16)
    for deposit in deposits:
        coverage, where = coverage_patch(deposit.outlines, shape=grid[0], spacing_mm=(grid[1], grid[1]))
        labels[where][coverage >= 0.5] = labels.max() + 1
    return labels
