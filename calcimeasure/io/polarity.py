"""The polarity of a film (whether bone is bright), judged from the picture alone.

Four cues, each between -1 and 1, each turning its sign when the picture is inverted, positive where bone is bright:

- ridges: cortices, trabeculae and fingers are ridges that stand out from softer tissue, not valleys in it;
- fine detail: what stands out at the scale of a cortex does so towards bone;
- enclosure: the flat extreme that reaches in between the parts of a limb is air. A collimated border does not: the
  field that it leaves free is convex;
- edges: more of the picture's edge is air than anything as flat at the other extreme.

A film is only inverted when all four say so, the first two clearly or, where the last two leave no doubt, at
least not otherwise (soft processing flattens fine detail): white borders, thick tissue shown white, or a limb that
fills the field leave at least one of them undecided, and then the file is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

_LONG_SIDE = 320
_SMALLEST_SIDE = 48
_FLAT_SD = 0.02
_CLIPPED = 0.02
_RIDGE_SIGMAS = (1.5, 2.0, 3.0)
_DETAIL_SIZES = (5, 9)
_LEAST_TISSUE = 0.03
_LEAST_PART = 0.01
_TISSUE_RANGE = (15.0, 85.0)


class Polarity(Enum):
    """The polarity that the picture shows."""

    BONE_HIGH = "bone_high"
    BONE_LOW = "bone_low"
    UNSURE = "unsure"


@dataclass(frozen=True, kw_only=True, slots=True)
class PolarityCues:
    """The cues; positive where bone is bright."""

    ridges: float
    detail: float
    enclosure: float
    edges: float

    def agree(self, sign: int) -> bool:
        """Whether all cues say, strongly enough, that bone is bright (1) or dark (-1)."""
        ridges, detail = sign * self.ridges, sign * self.detail
        air = min(sign * self.enclosure, sign * self.edges)
        clear = ridges > 0.12 and detail > 0.05 and sign * self.enclosure > 0.25 and sign * self.edges > 0.1
        return clear or (air > 0.6 and ridges > 0.04 and detail > 0.02)


def judge_polarity(pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None = None) -> Polarity:
    """Return whether bone has the larger or the smaller values, or that the picture does not show it.

    Parameters
    ----------
    pixels
        Shape (rows, columns).
    padding
        True where there is no picture.
    """
    cues = polarity_cues(pixels, padding)
    if cues is None:
        return Polarity.UNSURE
    if cues.agree(1):
        return Polarity.BONE_HIGH
    return Polarity.BONE_LOW if cues.agree(-1) else Polarity.UNSURE


def polarity_cues(pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None = None) -> PolarityCues | None:
    """Return the cues, or None for a picture too small or too empty to have any."""
    small, recorded = _small(pixels, padding)
    if min(small.shape) < _SMALLEST_SIDE or recorded.mean() < _LEAST_TISSUE:
        return None
    low, high = np.percentile(small[recorded], (0.5, 99.5))
    if not high > low:
        return None
    grey = np.clip((small - low) / (high - low), 0, 1).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    flat = _local_sd(smooth) < _FLAT_SD
    tissue = _tissue(grey, flat) & recorded
    if tissue.mean() < _LEAST_TISSUE:
        return None
    dark, bright = np.percentile(smooth[tissue], _TISSUE_RANGE)
    dark_flat, bright_flat = flat & recorded & (smooth < dark), flat & recorded & (smooth > bright)
    return PolarityCues(
        ridges=float(np.mean([_ridge_sign(grey, tissue, sigma) for sigma in _RIDGE_SIGMAS])),
        detail=float(np.mean([_detail_sign(smooth, tissue, size) for size in _DETAIL_SIZES])),
        enclosure=_balance(_enclosed(dark_flat), _enclosed(bright_flat), 0.05),
        edges=_balance(_edge_share(dark_flat), _edge_share(bright_flat), 0.1),
    )


def _small(
    pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the picture at a size where cortices are a few pixels wide, and where it is recorded."""
    shrink = _LONG_SIDE / max(pixels.shape)
    size = (max(round(pixels.shape[1] * shrink), 1), max(round(pixels.shape[0] * shrink), 1))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels, np.float32)
    if padding is None:
        return small, np.ones(small.shape, bool)
    hidden = cv2.resize(padding.astype(np.uint8), (small.shape[1], small.shape[0]), interpolation=cv2.INTER_NEAREST)
    return small, cv2.dilate(hidden, np.ones((3, 3), np.uint8)) == 0


def _local_sd(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = cv2.blur(grey, (7, 7))
    return np.sqrt(np.maximum(cv2.blur(grey * grey, (7, 7)) - mean * mean, 0))


def _tissue(grey: NDArray[np.float32], flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where there is detail, away from large flat regions and from clipped values."""
    regions = cv2.morphologyEx(flat.astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    clipped = ((grey < _CLIPPED) | (grey > 1 - _CLIPPED)).astype(np.uint8)
    near_flat = cv2.dilate(regions, np.ones((9, 9), np.uint8)) > 0
    near_clipped = cv2.dilate(clipped, np.ones((5, 5), np.uint8)) > 0
    return np.asarray(~near_flat & ~near_clipped)


def _ridge_sign(grey: NDArray[np.float32], where: NDArray[np.bool_], sigma: float) -> float:
    """Balance of ridges against valleys, from the eigenvalues of the Hessian matrix."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigma)
    rows = cv2.Sobel(smooth, cv2.CV_32F, 0, 2)
    columns = cv2.Sobel(smooth, cv2.CV_32F, 2, 0)
    mixed = cv2.Sobel(smooth, cv2.CV_32F, 1, 1)
    mean, radius = (rows + columns) / 2, np.hypot((columns - rows) / 2, mixed)
    upper, lower = mean + radius, mean - radius
    ridges = np.maximum(np.maximum(-lower, 0) - np.abs(upper), 0)[where].sum()
    valleys = np.maximum(np.maximum(upper, 0) - np.abs(lower), 0)[where].sum()
    return _balance(float(ridges), float(valleys), 1e-9)


def _detail_sign(smooth: NDArray[np.float32], where: NDArray[np.bool_], size: int) -> float:
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    bright = cv2.morphologyEx(smooth, cv2.MORPH_TOPHAT, element)[where].sum()
    dark = cv2.morphologyEx(smooth, cv2.MORPH_BLACKHAT, element)[where].sum()
    return _balance(float(bright), float(dark), 1e-9)


def _enclosed(region: NDArray[np.bool_]) -> float:
    """Share of the picture that is this region and lies inside the hull of a part of the rest."""
    rest = cv2.morphologyEx((~region).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rest)
    hulls = np.zeros(region.shape, np.uint8)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] >= _LEAST_PART * region.size:
            points = cv2.findNonZero((labels == label).astype(np.uint8))
            cv2.fillConvexPoly(hulls, cv2.convexHull(points), 1)
    return float(np.count_nonzero(region & (hulls > 0))) / region.size


def _edge_share(region: NDArray[np.bool_]) -> float:
    """Share of the picture's edge, a little inside it, that belongs to the region."""
    return float(np.concatenate([region[2], region[-3], region[:, 2], region[:, -3]]).mean())


def _balance(bright: float, dark: float, floor: float) -> float:
    return (bright - dark) / (bright + dark + floor)
