"""Metal on and in a posed hand: rings, wires, screws and plates. None of it is calcinosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from mesh_rays import Grid
from mesh_skeleton import Points
from numpy.typing import NDArray

RING_SHARE, STEEL_SHARE = 0.12, 0.08
RINGED = ("2proxph", "3proxph", "4proxph", "5proxph", "thumbprox")


def draw_metal(rng: np.random.Generator, lines: Mapping[str, Points], grid: Grid) -> dict[str, NDArray[np.float32]]:
    """Return metal along the rays by material, mm; empty for most hands.

    Parameters
    ----------
    lines
        The two ends of each bone on the film, mm.
    """
    found: dict[str, NDArray[np.float32]] = {}
    if rng.random() < RING_SHARE:
        found["gold"] = np.zeros(grid[0], np.float32)
        for _ in range(int(rng.integers(1, 3))):
            _ring(found["gold"], lines[str(rng.choice(RINGED))], grid, rng)
    if rng.random() < STEEL_SHARE:
        found["steel"] = np.zeros(grid[0], np.float32)
        names = [name for name in lines if name[0].isdigit() or name.startswith(("thumb", "radius"))]
        for _ in range(int(rng.integers(1, 3))):
            _hold(found["steel"], lines[str(rng.choice(names))], grid, rng)
    return found


def _ring(target: NDArray[np.float32], line: Points, grid: Grid, rng: np.random.Generator) -> None:
    base, head = line[:, :2]
    axis = (head - base) / max(float(np.linalg.norm(head - base)), 1e-3)
    across = np.array([-axis[1], axis[0]])
    middle = base + (head - base) * rng.uniform(0.25, 0.6)
    half, thick = rng.uniform(8.5, 10.5), rng.uniform(1.0, 2.6)
    share = np.linspace(-1, 1, 15)
    bow = rng.uniform(-1.5, 1.5) * np.sqrt(1 - share**2)
    path = middle + half * share[:, None] * across + bow[:, None] * axis
    _add_rod(target, path, thick, grid, density=rng.uniform(0.15, 0.6))


def _hold(target: NDArray[np.float32], line: Points, grid: Grid, rng: np.random.Generator) -> None:
    """Add a wire, a screw, or a plate with its screws to a bone."""
    base, head = line[:, :2]
    if np.linalg.norm(head - base) > 80:
        base = head + (base - head) * 0.4
    axis = (head - base) / max(float(np.linalg.norm(head - base)), 1e-3)
    across = np.array([-axis[1], axis[0]])
    kind = rng.integers(3 if np.linalg.norm(head - base) > 45 else 2)
    if kind == 0:
        start = base + rng.normal(0, 2.5) * across - rng.uniform(-2, 8) * axis
        stop = head + rng.normal(0, 2.5) * across + rng.uniform(-8, 8) * axis
        bend = np.stack([start, stop])
        if rng.random() < 0.5:
            bend = np.concatenate([bend, [stop + 3 * across + 1.5 * axis]])
        _add_rod(target, bend, rng.uniform(0.8, 1.8), grid, density=1.0)
        return
    middle = base + (head - base) * rng.uniform(0.3, 0.7)
    places = [middle]
    if kind == 2:
        half = rng.uniform(8, 18)
        places = [middle + axis * half * s for s in np.linspace(-0.85, 0.85, int(rng.integers(3, 6)))]
        _add_rod(target, np.stack([middle - half * axis, middle + half * axis]), rng.uniform(4, 7), grid, density=0.22)
    slant = across * np.cos(turn := rng.uniform(-0.6, 0.6)) + axis * np.sin(turn)
    length = rng.uniform(4, 10)
    for place in places:
        path = place + np.linspace(-0.5, 0.5, 2)[:, None] * slant * length
        _add_rod(target, path, rng.uniform(1.2, 2.2), grid, density=1.0)
        _add_rod(target, np.stack([path[0], path[0] - 0.8 * slant]), 3.0, grid, density=0.8)


def _add_rod(
    target: NDArray[np.float32], path: Points | Sequence[Points], thick_mm: float, grid: Grid, *, density: float
) -> None:
    """Add a round rod along a path; where its pieces meet it counts once."""
    path = np.asarray(path, float)
    (rows, cols), spacing = grid
    reach = thick_mm / 2 + spacing
    left, top = (max(int(v / spacing), 0) for v in path.min(axis=0) - reach)
    right, bottom = (min(int(v / spacing) + 2, m) for v, m in zip(path.max(axis=0) + reach, (cols, rows), strict=True))
    if right <= left or bottom <= top:
        return
    x = ((np.arange(left, right) + 0.5) * spacing)[None, :]
    y = ((np.arange(top, bottom) + 0.5) * spacing)[:, None]
    nearest = np.full((bottom - top, right - left), np.inf)
    for start, stop in pairwise(path):
        axis = stop - start
        share = np.clip(((x - start[0]) * axis[0] + (y - start[1]) * axis[1]) / max(float(axis @ axis), 1e-6), 0, 1)
        away = (x - start[0] - share * axis[0]) ** 2 + (y - start[1] - share * axis[1]) ** 2
        nearest = np.minimum(nearest, away)
    depth = 2 * density * np.sqrt(np.maximum((thick_mm / 2) ** 2 - nearest, 0))
    target[top:bottom, left:right] += depth.astype(np.float32)
