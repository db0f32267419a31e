"""Metal in and on bones: screws, plates with their holes, and wires around a bone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calcimeasure.simulation.limb import own_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calcimeasure.simulation.limb import Limb, Placement
    from calcimeasure.simulation.rays import Grid

KINDS, SHARES = ("screw", "pin", "plate", "loop", "anchor"), (0.35, 0.25, 0.12, 0.13, 0.15)
LONGEST_BONE_MM = 90.0  # as far as plates are concerned
PITCH_OF_DIAMETER = 0.45
HOLE_EVERY = 2.2  # widths of a plate


@dataclass(frozen=True, kw_only=True)
class Implant:
    """A straight piece of steel in a bone's frame.

    Attributes
    ----------
    kind
        ``screw``, ``pin``, ``plate``, ``loop`` (a wire around the bone, seen from the side) or ``anchor``.
    start_mm, stop_mm
        Its two ends; a screw's head is at its start.
    width_mm
        Its diameter, or the width of a plate.
    """

    kind: str
    bone: str
    start_mm: tuple[float, float]
    stop_mm: tuple[float, float]
    width_mm: float


def draw_implants(rng: np.random.Generator, limb: Limb, mean: float) -> tuple[Implant, ...]:
    """Return about `mean` implants in or beside the bones of a limb; nothing is drawn where it is 0."""
    if mean <= 0:
        return ()
    names = [name for name in limb.segments if not name.startswith("sesamoid")]
    # Surgery is at one place: most implants are in one bone and its neighbours.
    first = int(rng.integers(len(names)))
    drawn = []
    for _ in range(1 + int(rng.poisson(max(mean - 1, 0)))):
        name = names[(first + int(rng.integers(-1, 2))) % len(names)] if rng.random() < 0.8 else str(rng.choice(names))
        drawn.append(_draw_implant(rng, limb, name))
    return tuple(drawn)


def _draw_implant(rng: np.random.Generator, limb: Limb, name: str) -> Implant:
    outline = limb.segments[name].bone.outline_mm
    low, length = float(outline[:, 1].min()), float(np.ptp(outline[:, 1]))
    x = float(np.median(outline[:, 0]))
    half = float(np.median(np.abs(outline[:, 0] - x)))
    middle = np.array([x, low + float(rng.uniform(0.1, 0.9)) * length])
    kind = str(rng.choice(KINDS, p=SHARES))
    size = float(np.clip(half / 5, 0.6, 2.0))
    start, stop, width = _DRAWN[kind](rng, half, min(length, LONGEST_BONE_MM))
    return Implant(
        kind=kind,
        bone=name,
        start_mm=(float(middle[0] + start[0]), float(middle[1] + start[1])),
        stop_mm=(float(middle[0] + stop[0]), float(middle[1] + stop[1])),
        width_mm=size * width,
    )


Ends = tuple[NDArray[np.float64], NDArray[np.float64], float]


def _rod(
    rng: np.random.Generator, half: float, _: float, *, slant: float, reach: float, width: tuple[float, float]
) -> Ends:
    direction = np.array([float(rng.choice([-1, 1])), float(rng.normal(0, slant))])
    ahead = half * float(rng.uniform(0.9, reach)) * direction / np.hypot(*direction)
    return -ahead, ahead, float(rng.uniform(*width))


def _plate(rng: np.random.Generator, half: float, length: float) -> Ends:
    aside, reach = half * float(rng.uniform(-0.7, 0.7)), float(rng.uniform(0.2, 0.4)) * length
    return np.array([aside, -reach]), np.array([aside, reach]), float(rng.uniform(4.0, 6.5))


def _loop(rng: np.random.Generator, half: float, _: float) -> Ends:
    return np.array([-1.1 * half, 0.0]), half * np.array([1.1, float(rng.normal(0, 0.2))]), float(rng.uniform(0.6, 1.1))


def _anchor(rng: np.random.Generator, half: float, _: float) -> Ends:
    start = np.array([half * float(rng.uniform(-0.8, 0.8)), 0.0])
    return start, start + half * float(rng.uniform(0.4, 1.0)) * np.array([float(rng.normal(0, 0.5)), 1.0]), 1.7


_DRAWN: dict[str, Callable[[np.random.Generator, float, float], Ends]] = {
    "screw": partial(_rod, slant=0.6, reach=1.6, width=(1.2, 2.4)),
    "pin": partial(_rod, slant=1.5, reach=2.5, width=(0.7, 1.6)),
    "plate": _plate,
    "loop": _loop,
    "anchor": _anchor,
}


def trace_implants(
    implants: Sequence[Implant], placed: Mapping[str, Placement], grid: Grid, steel: NDArray[np.float32]
) -> None:
    """Add the thickness of steel of implants to a film, in place."""
    for implant in implants:
        start, stop = np.array(implant.start_mm), np.array(implant.stop_mm)
        box = np.concatenate([np.stack([start, stop]) + offset * implant.width_mm for offset in (-1.0, 1.0)])
        found = own_places(placed[implant.bone], grid, box)
        if found is None:
            continue
        where, own = found
        line = stop - start
        length = float(np.hypot(*line))
        unit = line / length
        along = (own - start) @ unit
        across = (own - start) @ np.array([-unit[1], unit[0]])
        steel[where] += _thickness(implant, along, across, length).astype(np.float32)


def _thickness(
    implant: Implant, along: NDArray[np.float64], across: NDArray[np.float64], length: float
) -> NDArray[np.float64]:
    half = implant.width_mm / 2
    if implant.kind == "plate":
        within = np.clip((half - np.abs(across)) / 0.1 + 0.5, 0, 1) * np.clip(
            (length / 2 - np.abs(along - length / 2)) / 0.1 + 0.5, 0, 1
        )
        step = HOLE_EVERY * half * 1.4
        hole = np.hypot((along % step) - step / 2, across) - 0.45 * half
        return np.asarray(0.3 * half * within * np.clip(hole / 0.1 + 0.5, 0, 1))
    beyond = np.maximum(np.maximum(-along, along - length), 0)
    if implant.kind == "loop":
        # The wire goes around: twice through the beam, longest where it turns at the sides.
        side = np.clip(np.abs(2 * along / length - 1), 0, 0.96)
        return np.asarray(2 * np.sqrt(np.maximum(half**2 - across**2 - beyond**2, 0)) * 2 / np.sqrt(1 - side**2))
    radius = np.full_like(along, half)
    if implant.kind in ("screw", "anchor"):
        radius = half * (0.82 + 0.18 * np.cos(2 * np.pi * along / (PITCH_OF_DIAMETER * 2 * half)))
    rod = 2 * np.sqrt(np.maximum(radius**2 - across**2, 0)) * (beyond <= 0)
    if implant.kind != "screw":
        return np.asarray(rod)
    head = np.maximum((1.9 * half) ** 2 - across**2 - (1.6 * along) ** 2, 0)
    return np.asarray(np.maximum(rod, 2 * np.sqrt(head)))
