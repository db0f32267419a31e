"""The distal ends of radius and ulna as closed meshes in the frame of the hand's meshes: rings, drawn not scanned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mesh = tuple[NDArray[np.float64], NDArray[np.int64]]
ROUND, RINGS, CAP_RINGS = 64, 110, 8
# Along the bone (y, mm): middle (x, z) and half width (x, z) of the section.
RADIUS = np.array([
    [-135, -3.0, 3.0, 6.6, 6.0], [-90, -1.0, 2.5, 6.8, 6.0], [-66, 1.0, 2.3, 7.2, 6.2], [-50, 2.8, 2.2, 8.6, 7.0],
    [-40, 3.9, 2.3, 11.0, 7.6], [-33, 4.6, 2.4, 13.6, 8.8], [-28, 5.0, 2.4, 14.9, 9.4], [-25, 5.0, 2.4, 14.8, 9.3],
    [-23.4, 5.0, 2.4, 13.9, 8.4],
])  # fmt: skip
ULNA = np.array([
    [-135, -17.0, 2.0, 6.2, 6.0], [-90, -18.0, 2.0, 5.6, 5.5], [-62, -19.0, 1.8, 5.2, 5.2], [-48, -19.5, 1.6, 5.4, 5.4],
    [-37, -19.6, 1.2, 7.0, 6.6], [-30, -19.5, 1.0, 8.4, 7.8],
    [-26.6, -19.6, 1.0, 8.3, 7.7], [-24.6, -19.8, 1.0, 7.3, 6.7],
])  # fmt: skip


def forearm_bones() -> dict[str, Mesh]:
    """Return radius and ulna."""
    return {"radius": _turned(RADIUS, _radius_end), "ulna": _turned(ULNA, _ulna_end)}


def _radius_end(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each point is pushed along the bone: the joint face is inclined, hollow, and has a styloid."""
    x, y = points[:, 0], points[:, 1]
    near_end = np.clip((y + 42) / 14, 0, 1) ** 1.5
    styloid = 4.8 * np.exp(-(((x - 17.5) / 4.2) ** 2))
    hollow = 1.0 * np.exp(-(((x - 9) / 6.0) ** 2)) + 0.8 * np.exp(-(((x + 4) / 5.0) ** 2))
    return near_end * (4.2 + 0.22 * (x - 5.0) + styloid - hollow)


def _ulna_end(points: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = points.T
    near_end = np.clip((y + 32) / 6, 0, 1) ** 2
    return near_end * (1.5 + 6.0 * np.exp(-(((x + 25.0) / 2.1) ** 2) - ((z + 1.0) / 2.8) ** 2) - 0.05 * (x + 19.5))


def _turned(sections: NDArray[np.float64], end: object) -> Mesh:
    from scipy.interpolate import PchipInterpolator

    share = np.linspace(0, 1, RINGS)
    station = sections[0, 0] + (sections[-1, 0] - sections[0, 0]) * (1 - (1 - share) ** 1.6)
    shape = PchipInterpolator(sections[:, 0], sections[:, 1:])(station)
    angle = np.arange(ROUND) * (2 * np.pi / ROUND)
    rings = [
        np.stack([cx + rx * np.cos(angle), np.full(ROUND, y), cz + rz * np.sin(angle)], axis=1)
        for y, (cx, cz, rx, rz) in zip(station, shape, strict=True)
    ]
    middle = np.array([shape[-1, 0], station[-1], shape[-1, 1]])
    for step in range(1, CAP_RINGS):
        inward = step / CAP_RINGS
        ring = middle + (rings[RINGS - 1] - middle) * (1 - inward)
        ring[:, 1] += 1.0 * (1 - (1 - inward) ** 2)
        rings.append(ring)
    tips = [np.array([[shape[0, 0], station[0], shape[0, 1]]]), middle[None] + [[0, 1.0, 0]]]
    vertices = np.concatenate([*rings, *tips])
    vertices[:, 1] += end(vertices)  # type: ignore[operator]
    return vertices, _ring_faces(len(rings))


def _ring_faces(rings: int) -> NDArray[np.int64]:
    here = np.arange(ROUND)
    after = (here + 1) % ROUND
    faces = []
    for ring in range(rings - 1):
        low, high = ring * ROUND, (ring + 1) * ROUND
        faces.append(np.stack([low + here, high + here, low + after], axis=1))
        faces.append(np.stack([low + after, high + here, high + after], axis=1))
    first, last = rings * ROUND, rings * ROUND + 1
    faces.append(np.stack([np.full(ROUND, first), here, after], axis=1))
    top = (rings - 1) * ROUND
    faces.append(np.stack([np.full(ROUND, last), top + after, top + here], axis=1))
    return np.concatenate(faces).astype(np.int64)
