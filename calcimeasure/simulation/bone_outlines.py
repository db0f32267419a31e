"""Outlines of bones as they lie in a film of the hand from the back, drawn by control points.

Long bones run from their proximal end at y = 0 to their distal end at y = 1; x is across, also in shares of the
length. Only one side is drawn: the other mirrors it until `bones` gives every subject a shape of its own. Carpal bones
are in mm about their middle, x towards the little finger of a right hand seen on the film, y towards the fingers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from calcimeasure.simulation.geometry import Points

# Half outlines from the middle of the base to the middle of the head.
HALF_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "metacarpal": ((0, 0.02), (0.07, 0.0), (0.115, 0.012), (0.125, 0.06), (0.105, 0.13), (0.082, 0.24), (0.067, 0.42),
                   (0.066, 0.58), (0.078, 0.73), (0.104, 0.83), (0.122, 0.875), (0.118, 0.91), (0.108, 0.945),
                   (0.078, 0.982), (0.04, 0.997), (0, 1.0)),
    "first_metacarpal": ((0, 0.03), (0.10, 0.005), (0.165, 0.025), (0.18, 0.09), (0.15, 0.19), (0.115, 0.34),
                         (0.102, 0.52), (0.11, 0.68), (0.14, 0.80), (0.162, 0.88), (0.155, 0.94), (0.11, 0.985),
                         (0.05, 1.0), (0, 1.0)),
    "proximal": ((0, 0.045), (0.07, 0.028), (0.135, 0.002), (0.172, 0.022), (0.182, 0.07), (0.16, 0.15),
                 (0.128, 0.29), (0.111, 0.45), (0.104, 0.6), (0.108, 0.74), (0.124, 0.84), (0.132, 0.89),
                 (0.121, 0.94), (0.10, 0.985), (0.06, 0.997), (0.03, 0.98), (0, 0.97)),
    "middle": ((0, 0.0), (0.06, 0.012), (0.12, 0.032), (0.19, 0.03), (0.215, 0.08), (0.195, 0.16), (0.152, 0.31),
               (0.128, 0.48), (0.122, 0.62), (0.132, 0.76), (0.152, 0.85), (0.157, 0.90), (0.138, 0.95),
               (0.10, 0.992), (0.06, 0.995), (0.03, 0.98), (0, 0.972)),
    "distal": ((0, 0.0), (0.08, 0.018), (0.17, 0.03), (0.24, 0.05), (0.245, 0.11), (0.19, 0.2), (0.13, 0.36),
               (0.10, 0.53), (0.098, 0.67), (0.125, 0.77), (0.15, 0.85), (0.14, 0.925), (0.10, 0.98), (0.05, 1.0),
               (0, 0.995)),
    "thumb_distal": ((0, 0.01), (0.09, 0.018), (0.18, 0.025), (0.25, 0.05), (0.255, 0.11), (0.205, 0.2),
                     (0.15, 0.36), (0.125, 0.53), (0.128, 0.66), (0.15, 0.77), (0.168, 0.86), (0.15, 0.935),
                     (0.10, 0.985), (0.05, 1.0), (0, 0.995)),
}  # fmt: skip

# Whole outlines of the forearm's ends in shares of the bone's shown length, y from the elbow to the wrist.
FOREARM_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "radius": ((-0.07, -0.25), (-0.072, 0.0), (-0.072, 0.3), (-0.082, 0.5), (-0.105, 0.68), (-0.135, 0.82),
               (-0.158, 0.9), (-0.165, 0.955), (-0.15, 0.995), (-0.125, 1.012), (-0.09, 0.99), (-0.03, 0.962),
               (0.03, 0.952), (0.09, 0.95), (0.135, 0.948), (0.148, 0.93), (0.143, 0.895), (0.12, 0.8),
               (0.09, 0.65), (0.07, 0.48), (0.06, 0.3), (0.06, 0.0), (0.06, -0.25)),
    "ulna": ((-0.05, -0.25), (-0.05, 0.0), (-0.048, 0.3), (-0.046, 0.55), (-0.05, 0.75), (-0.064, 0.86),
             (-0.083, 0.92), (-0.088, 0.965), (-0.07, 0.995), (-0.03, 1.005), (0.015, 0.992), (0.04, 0.996),
             (0.053, 1.025), (0.068, 1.035), (0.079, 1.02), (0.081, 0.98), (0.074, 0.92), (0.06, 0.84), (0.048, 0.7),
             (0.045, 0.5), (0.047, 0.3), (0.05, 0.0), (0.05, -0.25)),
}  # fmt: skip

CARPAL_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "trapezium": ((-8, -2), (-6.5, 5), (-3, 7.5), (2, 7), (6, 4.5), (6.5, 0), (4, -5), (-1, -7), (-6, -6)),
    "trapezoid": ((-5.5, -4), (-6, 1), (-4, 6), (0, 7), (5, 6.5), (6, 1), (4.5, -5), (0, -6.5)),
    "capitate": ((-6, -6), (-7.2, 2), (-7.5, 8), (-5, 11.5), (1, 12), (6.5, 11), (7, 5), (6.2, -3), (5, -9),
                 (1, -12), (-4, -10.5)),
    "hamate": ((-6.5, 6), (-6, 0), (-4.5, -7), (-2.5, -10.5), (0, -9), (4, -4), (7.5, 2), (8, 7), (4.5, 9.5),
               (0, 8.5), (-4, 9.5)),
    "scaphoid": ((-6.5, 8), (-7.5, 3), (-5, -2), (-3, -7), (0.5, -11), (6, -12), (9, -9), (7.5, -4), (3, 0),
                 (1.5, 5), (-0.5, 10), (-4, 11)),
    "lunate": ((-8, -2), (-7, 4), (-3, 6.5), (3, 5.5), (7.5, 4), (8, -2), (5, -6), (0, -6.8), (-5, -6)),
    "triquetrum": ((-6.5, -1), (-5.5, 5), (-1, 8), (4, 7), (7, 2), (6.5, -4), (2, -7.5), (-3, -6.5)),
    "pisiform": ((-4.6, -1), (-4, 4), (0, 6), (4, 4.4), (5, -0.5), (3, -5), (-1, -5.8), (-4, -4)),
    "sesamoid": ((-2.4, 0), (-1.8, 1.9), (0, 2.7), (1.8, 1.9), (2.3, -0.2), (1.5, -2), (-0.4, -2.5), (-2, -1.6)),
}  # fmt: skip


def smooth_closed(points: Points, *, per_span: int = 8) -> Points:
    """Return a closed Catmull-Rom curve through the points."""
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    beyond = np.roll(points, -2, axis=0)
    t = (np.arange(per_span) / per_span)[None, :, None]
    p0, p1, p2, p3 = (array[:, None, :] for array in (before, points, after, beyond))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.asarray(curve.reshape(-1, 2))


def long_bone(kind: str) -> Points:
    """Return the closed control points of a long bone, both sides."""
    half = np.array(HALF_OUTLINES[kind], float)
    other = half[-2:0:-1] * [-1.0, 1.0]
    return np.concatenate([half, other])
