"""What is in the beam and is no tissue: rings, wires, implants, casts; and specks and scratches of the detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.implants import Implant, draw_implants, trace_implants
from calcimeasure.simulation.limb import own_places
from calcimeasure.simulation.smoothing import blurred, signed_distance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from calcimeasure.simulation.limb import Limb, Placement, Segment
    from calcimeasure.simulation.rays import Grid

CAST_GRID_MM = 0.6
WEAVE_MM = 1.4
RING_WEARERS = 0.06
WIRE_BEARERS = 0.03
CAST_WEARERS = 0.03
DUSTY = 0.25
RING_STAYS = 0.7
LONG_MM = 20.0
BOTH_SIDES = "B"


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A ring on a finger, seen from the side: a band across it.

    Attributes
    ----------
    bone, y_mm
        The phalanx and where along it.
    radius_mm, wall_mm, band_mm
        Outer radius, thickness of the metal and width of the band.
    """

    bone: str
    y_mm: float
    radius_mm: float
    wall_mm: float
    band_mm: float


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A steel wire in a bone, from one place of its frame to another."""

    bone: str
    start_mm: tuple[float, float]
    stop_mm: tuple[float, float]
    diameter_mm: float


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A plaster cast around the limb on one side of a line across a bone's frame.

    Attributes
    ----------
    bone, y_mm
        It covers what lies below `y_mm` of that bone's frame.
    wall_mm
        Its thickness.
    """

    bone: str
    y_mm: float
    wall_mm: float


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Everything on or in a limb that is no tissue, and the state of the detector.

    Attributes
    ----------
    specks, scratches
        How many bright dots and faint lines the detector has.
    """

    rings: tuple[Ring, ...] = ()
    wires: tuple[Wire, ...] = ()
    cast: Cast | None = None
    implants: tuple[Implant, ...] = ()
    specks: int = 0
    scratches: int = 0


def draw_hardware(rng: np.random.Generator, limb: Limb) -> Hardware:
    """Return what one subject in some wears; most have none. Implants come with the style of the limb's bones."""
    extents = {name: _extent(segment) for name, segment in limb.segments.items()}
    fingers = [name for name in extents if name.startswith("proximal")]
    long_bones = [name for name, (_, length) in extents.items() if length > LONG_MM]
    rings: tuple[Ring, ...] = ()
    if fingers and rng.random() < RING_WEARERS:
        bone = str(rng.choice(fingers))
        low, length = extents[bone]
        rings = (
            Ring(bone=bone, y_mm=low + float(rng.uniform(0.25, 0.5)) * length, radius_mm=float(rng.uniform(9.5, 11.5)),
                 wall_mm=float(rng.uniform(1.0, 2.0)), band_mm=float(rng.uniform(2.5, 6.0))),
        )  # fmt: skip
    wires: tuple[Wire, ...] = ()
    if rng.random() < WIRE_BEARERS:
        bone = str(rng.choice(long_bones))
        low, length = extents[bone]
        wires = tuple(
            Wire(bone=bone, start_mm=(float(rng.uniform(-3, 3)), low + float(rng.uniform(-0.2, 0.1)) * length),
                 stop_mm=(float(rng.uniform(-3, 3)), low + float(rng.uniform(0.8, 1.2)) * length),
                 diameter_mm=float(rng.uniform(0.9, 1.8)))
            for _ in range(int(rng.integers(1, 3)))
        )  # fmt: skip
    cast = None
    if rng.random() < CAST_WEARERS and limb.side != BOTH_SIDES:
        bone = str(rng.choice([name for name in long_bones if not name.startswith(("middle", "distal"))]))
        low, length = extents[bone]
        cast = Cast(bone=bone, y_mm=low + float(rng.uniform(0.2, 1.0)) * length, wall_mm=float(rng.uniform(2.5, 5.0)))
    dusty = rng.random() < DUSTY
    return Hardware(
        rings=rings,
        wires=wires,
        cast=cast,
        implants=draw_implants(rng, limb, limb.implants),
        specks=int(rng.integers(1, 15)) if dusty else 0,
        scratches=int(rng.integers(0, 4)) if dusty else 0,
    )


def hardware_later(rng: np.random.Generator, before: Hardware) -> Hardware:
    """Return what is left of it at the next visit: wires stay, rings mostly, the cast comes off, dust is new."""
    dusty = rng.random() < DUSTY
    return replace(
        before,
        rings=before.rings if rng.random() < RING_STAYS else (),
        cast=None,
        specks=int(rng.integers(1, 15)) if dusty else 0,
        scratches=int(rng.integers(0, 4)) if dusty else 0,
    )


def _extent(segment: Segment) -> tuple[float, float]:
    """Return where a bone begins along its frame, and its length."""
    y = segment.bone.outline_mm[:, 1]
    return float(y.min()), float(np.ptp(y))


def trace_hardware(
    hardware: Hardware, placed: Mapping[str, Placement], grid: Grid, limb: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Return the thickness of metal and plaster on the film, by material.

    Parameters
    ----------
    limb
        Where the limb is on the film; a cast lies around it.
    """
    metals: dict[str, NDArray[np.float32]] = {}
    for ring in hardware.rings:
        gold = metals.setdefault("gold", np.zeros(grid[0], np.float32))
        _add_ring(gold, ring, placed[ring.bone], grid)
    for wire in hardware.wires:
        steel = metals.setdefault("steel", np.zeros(grid[0], np.float32))
        _add_wire(steel, wire, placed[wire.bone], grid)
    if hardware.implants:
        steel = metals.setdefault("steel", np.zeros(grid[0], np.float32))
        trace_implants(hardware.implants, placed, grid, steel)
    if hardware.cast is not None:
        metals["plaster"] = _cast(hardware.cast, placed[hardware.cast.bone], grid, limb)
    return metals


def _add_ring(target: NDArray[np.float32], ring: Ring, placement: Placement, grid: Grid) -> None:
    reach, band = ring.radius_mm + 1, ring.band_mm
    box = np.array([[-reach, ring.y_mm - band], [reach, ring.y_mm - band], [-reach, ring.y_mm + band],
                    [reach, ring.y_mm + band]])  # fmt: skip
    found = own_places(placement, grid, box)
    if found is None:
        return
    where, own = found
    outer, inner = ring.radius_mm, ring.radius_mm - ring.wall_mm
    across = own[..., 0] ** 2
    chord = 2 * (np.sqrt(np.maximum(outer**2 - across, 0)) - np.sqrt(np.maximum(inner**2 - across, 0)))
    within = np.clip((band / 2 - np.abs(own[..., 1] - ring.y_mm)) / min(grid[1]) + 0.5, 0, 1)
    target[where] += (chord * within).astype(np.float32)


def _add_wire(target: NDArray[np.float32], wire: Wire, placement: Placement, grid: Grid) -> None:
    start, stop = np.array(wire.start_mm), np.array(wire.stop_mm)
    half = wire.diameter_mm / 2
    box = np.concatenate([np.stack([start, stop]) + offset for offset in (-half, half)])
    found = own_places(placement, grid, box)
    if found is None:
        return
    where, own = found
    line = stop - start
    share = np.clip(((own - start) @ line) / float(line @ line), 0, 1)
    away = np.hypot(*np.moveaxis(own - start - share[..., None] * line, -1, 0))
    target[where] += (2 * np.sqrt(np.maximum(half**2 - away**2, 0))).astype(np.float32)


def _cast(cast: Cast, placement: Placement, grid: Grid, limb: NDArray[np.bool_]) -> NDArray[np.float32]:
    shape, spacing = grid
    step = CAST_GRID_MM / np.array(spacing)
    rows, cols = int(shape[0] / step[0]) + 1, int(shape[1] / step[1]) + 1
    small = cv2.resize(limb.astype(np.float32), (cols, rows), interpolation=cv2.INTER_AREA)
    to_limb = blurred(signed_distance(small > 0.5) * np.float32(CAST_GRID_MM), 3.0)
    # Padding lies between skin and plaster; the shell is deepest at its edges, where the beam runs along it.
    outside = to_limb + 4.0 + cast.wall_mm
    depth = np.float32(22.0)

    def chord(distance: NDArray[np.float32]) -> NDArray[np.float32]:
        reach = np.clip(distance, 0, depth)
        return np.asarray(2 * np.sqrt(reach * (2 * depth - reach)), np.float32)

    shell = chord(outside) - chord(outside - np.float32(cast.wall_mm))
    x, y = np.meshgrid((np.arange(cols) + 0.5) * CAST_GRID_MM, (np.arange(rows) + 0.5) * CAST_GRID_MM)
    weave = 1 + 0.12 * np.sin(2 * np.pi * (x + 0.4 * y) / WEAVE_MM) * np.sin(2 * np.pi * (y - 0.4 * x) / WEAVE_MM)
    own = (np.stack([x, y], axis=-1) - placement.translation_mm) @ np.linalg.inv(placement.matrix).T
    covered = np.clip((cast.y_mm - own[..., 1]) / CAST_GRID_MM, 0, 1)
    fine = cv2.resize(
        (shell * weave * covered).astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(fine, np.float32)


def mark_detector(signal: NDArray[np.float32], hardware: Hardware, grid: Grid, rng: np.random.Generator) -> None:
    """Put specks and scratches of the detector into its signal, in place."""
    shape, spacing = grid
    for _ in range(hardware.specks):
        row, col = int(rng.integers(2, shape[0] - 2)), int(rng.integers(2, shape[1] - 2))
        radius = float(rng.uniform(0.03, 0.3)) / min(spacing)
        stain = np.zeros((2 * int(radius + 2) + 1,) * 2, np.float32)
        middle = stain.shape[0] // 2
        cv2.circle(stain, (middle * 16, middle * 16), round(radius * 16), 1.0, -1, cv2.LINE_AA, 4)
        strength = float(rng.uniform(0.1, 0.6))
        top, left = max(row - middle, 0), max(col - middle, 0)
        patch = signal[top : row + middle + 1, left : col + middle + 1]
        stain = stain[: patch.shape[0], : patch.shape[1]]
        patch *= 1 - np.float32(strength) * blurred(stain, 0.6)
    for _ in range(hardware.scratches):
        lines = np.zeros(shape, np.uint8)
        start = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
        rotation, length = float(rng.uniform(0, np.pi)), float(rng.uniform(5, 60)) / min(spacing)
        stop = (int(start[0] + length * np.cos(rotation)), int(start[1] + length * np.sin(rotation)))
        cv2.line(lines, start, stop, 255, 1, cv2.LINE_AA)
        signal *= 1 - np.float32(rng.uniform(-0.06, 0.06) / 255) * lines.astype(np.float32)
