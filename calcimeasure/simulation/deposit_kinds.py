"""The kinds of deposit that films show, drawn at random: size and kind are chosen, the rest is chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.simulation.calcium_deposits import CONTOUR_POINTS, CalciumDeposit, DepositPiece, ThicknessProfile

if TYPE_CHECKING:
    from collections.abc import Callable

    from calcimeasure.simulation.geometry import Points

ANGLES = np.arange(CONTOUR_POINTS) * (2 * np.pi / CONTOUR_POINTS)
MOST_GRAINS = 120
SEATING_TRIES = 6
THICKEST_SHARE = 0.6  # pure mineral in a grain, of its width
WIDEST_PIECE_GAP_MM = 1.2  # well below the 2 mm that part one deposit from the next


class DepositKind(StrEnum):
    """What a deposit looks like."""

    NODULE = "nodule"
    SLAB = "slab"
    BEVEL = "bevel"
    LOBULATED = "lobulated"
    CLUSTER = "cluster"
    SHEET = "sheet"
    STIPPLE = "stipple"
    SHELL = "shell"
    ULCERATED = "ulcerated"


def make_deposit(
    kind: DepositKind | str,
    *,
    diameter_mm: float,
    thickness_mm: float,
    rng: np.random.Generator,
    aspect: float | None = None,
) -> CalciumDeposit:
    """Return a deposit of a kind, centred on (0, 0).

    Parameters
    ----------
    kind
        What it looks like.
    diameter_mm
        Diameter of the circle with the same area: the footprint area is exactly ``pi / 4 * diameter_mm ** 2`` (to
        0.1 %).
    thickness_mm
        Pure hydroxyapatite with the attenuation of its thickest piece.
    rng
        Decides everything else.
    aspect
        Length over width of the whole; drawn when None.

    Raises
    ------
    UsageError
        For a size that is no length.
    """
    if not (diameter_mm > 0 and thickness_mm > 0):
        raise UsageError(f"a deposit cannot be {diameter_mm} mm wide and {thickness_mm} mm thick")
    kind = DepositKind(kind)
    ratio = float(rng.uniform(1.0, 1.8)) if aspect is None else aspect
    deposit = _MAKERS[kind](diameter_mm, thickness_mm, ratio, rng)
    return _of_area(replace(deposit, kind=kind.value), np.pi / 4 * diameter_mm**2)


def _of_area(deposit: CalciumDeposit, area_mm2: float) -> CalciumDeposit:
    scale = np.sqrt(area_mm2 / deposit.area_mm2)
    centre = np.array(deposit.centroid_mm)
    return deposit.moved(np.eye(2) * scale, -centre * scale)


def lobes(rng: np.random.Generator, *, roughness: float, orders: range = range(2, 9)) -> Points:
    """Return radii of a closed contour about 1 whose irregularity falls with the order of the lobe."""
    radius = np.ones(CONTOUR_POINTS)
    for order in orders:
        size = roughness * rng.normal() * (orders.start / order)
        radius += size * np.cos(order * ANGLES + rng.uniform(0, 2 * np.pi))
    return np.clip(radius, 0.35, None)


def texture(rng: np.random.Generator, *, depth: float, waves: int = 6) -> Points:
    """Return random waves, in the piece's own units, that make its thickness uneven."""
    if depth <= 0:
        return np.zeros((0, 4))
    direction = rng.uniform(0, 2 * np.pi, waves)
    number = rng.uniform(2.0, 9.0, waves)
    amplitude = depth * rng.uniform(0.4, 1.0, waves) / np.sqrt(waves)
    return np.stack(
        [amplitude, number * np.cos(direction), number * np.sin(direction), rng.uniform(0, 2 * np.pi, waves)], axis=1
    )


def _frame(diameter_mm: float, aspect: float, rng: np.random.Generator) -> Points:
    angle = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = diameter_mm / 2
    return np.asarray(rotation @ np.diag([half * np.sqrt(aspect), half / np.sqrt(aspect)]))


@dataclass(frozen=True, kw_only=True)
class _OnePiece:
    """How deposits of one piece look; of two values, one drawn between them."""

    roughness: float
    profiles: tuple[ThicknessProfile, ...]
    edge: tuple[float, float] | None = None
    depth: float = 0.0
    depth_ratio: tuple[float, float]


_ONE_PIECE = {
    DepositKind.NODULE: _OnePiece(roughness=0.02, profiles=(ThicknessProfile.ELLIPSOID,), depth_ratio=(0.5, 1.0)),
    DepositKind.SLAB: _OnePiece(roughness=0.03, profiles=(ThicknessProfile.PLATEAU,), depth_ratio=(0.0, 0.3)),
    DepositKind.BEVEL: _OnePiece(
        roughness=0.05, profiles=(ThicknessProfile.BEVEL,), edge=(0.15, 0.5), depth=0.1, depth_ratio=(0.2, 0.6)
    ),
    DepositKind.LOBULATED: _OnePiece(
        roughness=0.11, profiles=(ThicknessProfile.ELLIPSOID, ThicknessProfile.BEVEL), edge=(0.2, 0.5), depth=0.3,
        depth_ratio=(0.3, 0.8),
    ),
    DepositKind.SHELL: _OnePiece(
        roughness=0.04, profiles=(ThicknessProfile.SHELL,), edge=(0.15, 0.35), depth=0.2, depth_ratio=(0.7, 1.0)
    ),
}  # fmt: skip


def _one_piece(
    look: _OnePiece, diameter_mm: float, thickness_mm: float, aspect: float, rng: np.random.Generator
) -> CalciumDeposit:
    # The order of the draws decides the films of a seed.
    profile = look.profiles[0] if len(look.profiles) == 1 or rng.random() < 0.5 else look.profiles[1]
    edge = 1.0 if look.edge is None else float(rng.uniform(*look.edge))
    depth_ratio = float(rng.uniform(*look.depth_ratio))
    piece = DepositPiece(
        radius=lobes(rng, roughness=look.roughness),
        matrix=_frame(diameter_mm, aspect, rng),
        centre_mm=np.zeros(2),
        thickness_mm=thickness_mm,
        profile=profile,
        edge=edge,
        waves=texture(rng, depth=look.depth),
    )
    return CalciumDeposit(pieces=(piece,), depth_ratio=depth_ratio)


def _ulcerated(diameter_mm: float, thickness_mm: float, aspect: float, rng: np.random.Generator) -> CalciumDeposit:
    radius = lobes(rng, roughness=0.08)
    # One side is eaten away: bites of finer and finer width within a third of the circumference.
    middle = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(3, 6))):
        place = middle + rng.uniform(-1.0, 1.0)
        away = np.angle(np.exp(1j * (ANGLES - place)))
        radius -= rng.uniform(0.1, 0.35) * np.exp(-0.5 * (away / rng.uniform(0.06, 0.2)) ** 2)
    piece = DepositPiece(
        radius=np.clip(radius, 0.25, None),
        matrix=_frame(diameter_mm, aspect, rng),
        centre_mm=np.zeros(2),
        thickness_mm=thickness_mm,
        profile=ThicknessProfile.BEVEL,
        edge=float(rng.uniform(0.2, 0.6)),
        waves=texture(rng, depth=0.35),
    )
    return CalciumDeposit(pieces=(piece,), depth_ratio=float(rng.uniform(0.2, 0.6)))


def _cluster(diameter_mm: float, thickness_mm: float, aspect: float, rng: np.random.Generator) -> CalciumDeposit:
    count = int(np.clip(rng.poisson(3 + 0.8 * diameter_mm), 3, 14))
    sizes = diameter_mm * rng.uniform(0.22, 0.6, count)
    return _grown_together(
        sizes, thickness_mm, aspect, rng, gap=(-0.45, 0.05), roughness=0.08, depth_ratio=float(rng.uniform(0.4, 1.0))
    )


def _sheet(diameter_mm: float, thickness_mm: float, aspect: float, rng: np.random.Generator) -> CalciumDeposit:
    frame = _frame(diameter_mm, max(aspect, 1.5), rng)
    body = DepositPiece(
        radius=lobes(rng, roughness=0.1, orders=range(2, 14)),
        matrix=frame,
        centre_mm=np.zeros(2),
        thickness_mm=thickness_mm * 0.6,
        profile=ThicknessProfile.BEVEL,
        edge=float(rng.uniform(0.1, 0.3)),
        waves=texture(rng, depth=0.5, waves=10),
    )
    pieces = [body]
    for _ in range(int(rng.integers(2, 6))):
        own = rng.uniform(-0.55, 0.55, 2)
        size = rng.uniform(0.15, 0.4)
        pieces.append(
            DepositPiece(
                radius=lobes(rng, roughness=0.1),
                matrix=frame * size,
                centre_mm=frame @ own,
                thickness_mm=thickness_mm * float(rng.uniform(0.2, 0.5)),
                profile=ThicknessProfile.ELLIPSOID,
            )
        )
    return CalciumDeposit(pieces=tuple(pieces), depth_ratio=float(rng.uniform(0.0, 0.15)))


def _stipple(diameter_mm: float, thickness_mm: float, aspect: float, rng: np.random.Generator) -> CalciumDeposit:
    count = int(np.clip(round((diameter_mm / rng.uniform(0.35, 0.9)) ** 2), 4, MOST_GRAINS))
    sizes = diameter_mm / np.sqrt(count) * np.exp(rng.normal(0, 0.25, count))
    return _grown_together(
        sizes, thickness_mm, aspect, rng, gap=(0.1, WIDEST_PIECE_GAP_MM), roughness=0.08, depth_ratio=1.0
    )


def _grown_together(
    sizes: Points,
    thickness_mm: float,
    aspect: float,
    rng: np.random.Generator,
    *,
    gap: tuple[float, float],
    roughness: float,
    depth_ratio: float,
) -> CalciumDeposit:
    """Set pieces one by one next to an earlier one, so that no piece is ever far from the rest.

    `gap` is the distance between the contours: in mm where positive, in shares of the smaller piece where negative.
    """
    angle = rng.uniform(0, np.pi)
    stretch = np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])
    largest = float(sizes.max())
    centres: list[Points] = []
    pieces: list[DepositPiece] = []
    for size in sizes:
        centre = np.zeros(2)
        for _ in range(SEATING_TRIES if centres else 0):
            neighbour = int(rng.integers(len(centres)))
            away = rng.uniform(0, 2 * np.pi)
            between = rng.uniform(*gap)
            touching = (size + sizes[neighbour]) / 2
            apart = touching + (between * min(size, sizes[neighbour]) if between < 0 else between)
            centre = centres[neighbour] + apart * np.array([np.cos(away), np.sin(away)]) * stretch / stretch.max()
            reach = np.hypot(*(np.array(centres) - centre).T) - (size + sizes[: len(centres)]) / 2
            # Grains that lie apart from their neighbour do not lie on top of others either.
            if reach.min() > min(gap[0], 0.0) * size - 0.15:
                break
        centres.append(centre)
        pieces.append(
            DepositPiece(
                radius=lobes(rng, roughness=roughness),
                matrix=_frame(float(size), float(rng.uniform(1.0, 1.5)), rng),
                centre_mm=centre,
                thickness_mm=float(
                    min(thickness_mm * (size / largest) ** 0.7, THICKEST_SHARE * size) * rng.uniform(0.7, 1.0)
                ),
                profile=ThicknessProfile.ELLIPSOID,
                waves=texture(rng, depth=0.15),
            )
        )
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return CalciumDeposit(pieces=tuple(pieces), depth_ratio=depth_ratio).moved(rotation, np.zeros(2))


_MAKERS: dict[DepositKind, Callable[[float, float, float, np.random.Generator], CalciumDeposit]] = {
    **{kind: partial(_one_piece, look) for kind, look in _ONE_PIECE.items()},
    DepositKind.CLUSTER: _cluster,
    DepositKind.SHEET: _sheet,
    DepositKind.STIPPLE: _stipple,
    DepositKind.ULCERATED: _ulcerated,
}
