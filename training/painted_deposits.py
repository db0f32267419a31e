"""Deposits painted into a patch: smooth bodies and clusters of grains added to its grey values with their own blur.

A second way of drawing deposits beside the simulator's, so that the network does not learn one drawing. The bodies are
level sets of sums of Gaussians and ellipses; what is added follows the body's depth, so its edge is soft or steep.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# A cell of 0.2 mm is drawn from this many finer ones across.
FINE = 4
LARGEST_CELLS = 56
DIAMETERS_MM = (0.6, 9.0)
CELL_MM = 0.2
# Rise of the grey value, soft tissue to bone being 1.
CONTRASTS = (0.12, 1.6)

Mask = NDArray[np.bool_]
Image = NDArray[np.float32]


def paint(grey: Image, share: Image, limb: Mask, rng: np.random.Generator) -> None:
    """Add one to five deposits to a patch and to the share of each cell that deposits cover, both in place.

    Parameters
    ----------
    grey, share
        (rows, cols): grey values, and share in 0 to 1.
    limb
        bool, (rows, cols): where a deposit may lie.
    """
    places = np.argwhere(limb & (share < 0.02))
    for _ in range(int(rng.integers(1, 6))):
        if not len(places):
            return
        row, col = (int(value) for value in places[rng.integers(len(places))])
        fine, depth = body(rng)
        size = fine.shape[0] // FINE
        top, left = row - size // 2, col - size // 2
        if top < 0 or left < 0 or top + size > grey.shape[0] or left + size > grey.shape[1]:
            continue
        box = (slice(top, top + size), slice(left, left + size))
        covered = _cells(fine.astype(np.float32))
        if (covered * share[box]).any() or covered.sum() < 3 or not limb[box][covered > 0.5].all():
            continue
        shadow = _cells(cv2.GaussianBlur(depth, (0, 0), float(rng.uniform(0.3, 1.3)) * FINE))
        contrast = float(np.exp(rng.uniform(*np.log(CONTRASTS))))
        level = float(np.percentile(shadow[covered > 0.5], 90)) if (covered > 0.5).any() else float(shadow.max())
        grey[box] += np.float32(contrast / max(level, 1e-6)) * shadow
        share[box] = np.maximum(share[box], covered)


def body(rng: np.random.Generator) -> tuple[Mask, Image]:
    """Return a deposit on fine cells: what it covers, and how much it adds there."""
    diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS_MM)))) / CELL_MM
    cells = min(int(diameter * 1.5) + 12, LARGEST_CELLS)
    side = cells * FINE
    radius = diameter * FINE / 2
    kind = rng.random()
    if kind < 0.45:
        field = _merged(side, radius, rng)
        covered = field > 1.0
        depth = np.where(covered, np.power(np.clip(field - 1.0, 0.0, 2.0), float(rng.uniform(0.2, 1.0))), 0.0)
    elif kind < 0.7:
        covered, depth = _ellipses(side, radius, int(rng.integers(1, 4)), spread=0.5, rng=rng)
    else:
        count = int(np.clip(rng.poisson(diameter * 1.2), 3, 60))
        covered, depth = _stipples(side, radius, count, rng)
    depth = np.where(covered, depth + float(rng.uniform(0.0, 1.0)) * float(depth.max() or 1.0), 0.0)
    if rng.random() < 0.25:
        depth = depth * (1 + np.float32(0.4) * _texture(side, rng))
    if rng.random() < 0.12:
        inner = cv2.distanceTransform(covered.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        depth = np.where(inner > 0.35 * float(inner.max()), depth * float(rng.uniform(0.1, 0.6)), depth)
    return covered, np.maximum(depth, 0.0).astype(np.float32)


def _merged(side: int, radius: float, rng: np.random.Generator) -> Image:
    """Return a sum of Gaussians: its level set is one smooth body, or lobes that merge."""
    count = int(rng.integers(1, 8))
    rows, cols = np.mgrid[0:side, 0:side].astype(np.float32)
    total = np.zeros((side, side), np.float32)
    for _ in range(count):
        row, col = side / 2 + rng.normal(0, radius * 0.45, 2) * (count > 1)
        width = radius * float(rng.uniform(0.35, 0.8)) / (1 + 0.12 * count)
        total += np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * width * width)) * np.float32(2.2)
    return total


def _ellipses(side: int, radius: float, count: int, *, spread: float, rng: np.random.Generator) -> tuple[Mask, Image]:
    depth = np.zeros((side, side), np.float32)
    rows, cols = np.mgrid[0:side, 0:side].astype(np.float32)
    for _ in range(count):
        row, col = side / 2 + rng.normal(0, radius * spread, 2) * (count > 1)
        long = radius * float(rng.uniform(0.5, 1.0)) / count**0.5
        wide = long * float(rng.uniform(0.25, 1.0))
        angle = float(rng.uniform(0, np.pi))
        along = ((rows - row) * np.sin(angle) + (cols - col) * np.cos(angle)) / max(long, 1.0)
        across = ((rows - row) * np.cos(angle) - (cols - col) * np.sin(angle)) / max(wide, 1.0)
        depth += np.sqrt(np.maximum(1 - along**2 - across**2, 0.0))
    return depth > 0, depth


def _stipples(side: int, radius: float, count: int, rng: np.random.Generator) -> tuple[Mask, Image]:
    """Return many small round grains in a cloud."""
    covered = np.zeros((side, side), np.uint8)
    stretch = float(rng.uniform(0.4, 1.0))
    angle = float(rng.uniform(0, np.pi))
    for _ in range(count):
        along, across = rng.normal(0, radius * 0.55, 2) * (1.0, stretch)
        row = side / 2 + along * np.sin(angle) + across * np.cos(angle)
        col = side / 2 + along * np.cos(angle) - across * np.sin(angle)
        grain = float(np.exp(rng.normal(np.log(1.6), 0.4))) * FINE / 2
        cv2.circle(covered, (round(col * 8), round(row * 8)), round(grain * 8), 1, -1, cv2.LINE_8, 3)
    depth = cv2.distanceTransform(covered, cv2.DIST_L2, cv2.DIST_MASK_5)
    return covered > 0, np.sqrt(depth)


def _texture(side: int, rng: np.random.Generator) -> Image:
    texture = cv2.GaussianBlur(rng.standard_normal((side, side), dtype=np.float32), (0, 0), float(rng.uniform(2, 6)))
    return texture / max(float(texture.std()), 1e-6)


def _cells(fine: Image) -> Image:
    """Return the mean of the fine cells of each cell."""
    side = fine.shape[0] // FINE
    return fine.reshape(side, FINE, side, FINE).mean(axis=(1, 3)).astype(np.float32)
