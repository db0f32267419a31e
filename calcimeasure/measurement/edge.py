"""How the edge of one deposit looks: a reference contour and the numbers that tell where the footprint ends beyond it.

The contour is where the signal falls to half of the *local* plateau (the largest signal nearby), so that thin and thick
parts of one deposit are treated alike and a deposit of any size shows the same edge at the same scale: that of the
pixels and of the film's blur. Around it the signal is averaged along the contour, which is what makes it steady in
noise. `calibration` turns these numbers into the distance from the contour to the edge of the shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.background import Background

FINE_SIGMA_PX = 1.0
COARSE_SIGMA_PX = 2.0
LOCAL_RADIUS_PX = 4
LOWEST_LOCAL_SHARE = 0.35
NOISE_FLOOR_SD = 6.0
DISTANCE_EDGES = np.array([-9.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.5])
LEVELS = (0.3, 0.4, 0.6, 0.75)


@dataclass(frozen=True, kw_only=True, eq=False)
class Edge:
    """One deposit's contour and the description of its edge.

    Attributes
    ----------
    contour_area_px
        Area inside the reference contour.
    contour_length_px
        Length of the reference contour.
    inside
        True inside the contour.
    descriptors
        What the calibration takes; see `DESCRIPTOR_NAMES`.
    """

    contour_area_px: float
    contour_length_px: float
    inside: NDArray[np.bool_]
    descriptors: NDArray[np.float64]


DESCRIPTOR_NAMES: tuple[str, ...] = (
    *(f"profile_{low:+.0f}" for low in DISTANCE_EDGES[:-1]),
    *(f"level_{level:.2f}" for level in LEVELS),
    "coarse_shift",
    "integral",
    "log_half_width",
    "log_area",
    "log_compactness",
    "filled_share",
    "log_pieces",
    "plateau_ratio",
    "coarse_plateau_ratio",
    "log_noise_raw",
    "log_noise_fine",
    "log_noise_coarse",
    "log_background_se",
    "log_structure",
)


def describe_edge(
    crop: NDArray[np.float32],
    background: Background,
    mask: NDArray[np.bool_],
    territory: NDArray[np.bool_],
    ring: NDArray[np.bool_],
) -> Edge:
    """Return the contour and the edge's description.

    Parameters
    ----------
    crop
        Canonical pixels, square.
    background
        As predicted for this crop.
    mask
        True on the pixels that say which structure is meant.
    territory
        True where a pixel may belong to this deposit: near its mask, and nearer to it than to any other deposit.
    ring
        True where only background is expected.
    """
    signal = crop - background.values
    fine = cv2.GaussianBlur(signal, (0, 0), FINE_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    coarse = cv2.GaussianBlur(signal, (0, 0), COARSE_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    noise_fine, noise_coarse = _spread(fine, ring), _spread(coarse, ring)
    plateau = _plateau(fine, mask)
    tiny = 1e-6 * max(abs(plateau), background.noise_sd, 1e-12)
    plateau = max(plateau, noise_fine, tiny)
    local = _local_plateau(fine, territory, plateau, noise_fine)
    ratio = fine / local
    inside, filled = _inside(ratio, fine, mask, territory, plateau, noise_fine)
    share = _coverage(ratio, 0.5, inside, territory)
    area = float(share.sum())
    length = max(_length(share, territory), 2.0 * np.sqrt(np.pi * max(area, 0.1)) * 0.8)
    distance = _signed_distance(inside)
    profile = _profile(signal / local, distance, territory)
    levels = [_level_shift(ratio, level, inside, distance, territory, area, length) for level in LEVELS]
    coarse_ratio = coarse / local
    coarse_shift = _level_shift(coarse_ratio, 0.5, inside, distance, territory, area, length)
    core = territory & (distance < 5.5)
    integral = float(signal[core].sum()) / (plateau * max(area, 0.5))
    pieces = max(cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)[0] - 1, 1)
    mean_local = float(local[inside].mean()) if inside.any() else plateau
    coarse_plateau = _plateau(coarse, mask)
    descriptors = np.array(
        [
            *profile,
            *levels,
            coarse_shift,
            np.clip(integral, 0.0, 4.0),
            np.log(max(area, 0.3) / length),
            np.log(max(area, 0.3)),
            np.log(length**2 / (4 * np.pi * max(area, 0.3))),
            filled / max(area, 1.0),
            np.log(pieces),
            mean_local / plateau,
            np.clip(coarse_plateau / plateau, 0.0, 1.5),
            np.log(max(background.noise_sd, tiny) / plateau),
            np.log(max(noise_fine, tiny) / plateau),
            np.log(max(noise_coarse, tiny) / plateau),
            np.log(max(background.prediction_se, tiny) / plateau),
            np.log(max(background.structure_sd, 1e-3)),
        ]
    )
    return Edge(contour_area_px=area, contour_length_px=float(length), inside=inside, descriptors=descriptors)


def _spread(image: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """Return a robust standard deviation about zero."""
    values = image[where]
    if values.size < 8:
        return 0.0
    return float(np.median(np.abs(values - np.median(values))) / 0.6745)


def _plateau(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return the mean of the brighter third of the mask: steady against a mask that is too tight or too loose."""
    values = image[mask]
    if values.size == 0:
        return 0.0
    top = float(np.quantile(values, 0.98))
    return float(values[values >= 0.7 * top].mean()) if top > 0 else 0.0


def _local_plateau(
    fine: NDArray[np.float32], territory: NDArray[np.bool_], plateau: float, noise: float
) -> NDArray[np.float32]:
    size = 2 * LOCAL_RADIUS_PX + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    own = np.where(territory, fine, np.float32(0.0)).astype(np.float32)
    local = cv2.GaussianBlur(cv2.dilate(own, disc), (0, 0), 2.0, borderType=cv2.BORDER_REPLICATE)
    lowest = min(max(LOWEST_LOCAL_SHARE * plateau, NOISE_FLOOR_SD * noise), plateau)
    return np.maximum(local, np.float32(lowest))


def _inside(
    ratio: NDArray[np.float32],
    fine: NDArray[np.float32],
    mask: NDArray[np.bool_],
    territory: NDArray[np.bool_],
    plateau: float,
    noise: float,
) -> tuple[NDArray[np.bool_], float]:
    """Return the pieces above half the local plateau that the mask touches, hollows filled, and how much was filled."""
    above = (ratio > 0.5) & territory
    count, pieces = cv2.connectedComponents(above.astype(np.uint8), connectivity=8)
    touched = np.zeros(count, bool)
    touched[pieces[mask & above]] = True
    touched[0] = False
    inside = touched[pieces]
    if not inside.any():
        return mask & territory, 0.0
    filled = 0.0
    count, holes, stats, _ = cv2.connectedComponentsWithStats((~inside).astype(np.uint8), connectivity=4)
    for hole in range(1, count):
        left, top, width, height, size = stats[hole]
        if left == 0 or top == 0 or left + width == inside.shape[1] or top + height == inside.shape[0]:
            continue
        window = (slice(top, top + height), slice(left, left + width))
        here = holes[window] == hole
        # What blur alone leaves in the middle of an empty hole of this size.
        radius = np.sqrt(size / np.pi)
        blurred_in = np.exp(-(radius**2) / (2 * 1.6**2))
        middle = float(fine[window][here].min())
        average_noise = noise * 1.5
        if middle > (0.12 + blurred_in) * plateau and middle > 2.0 * average_noise:
            inside[window] |= here
            filled += float(size)
    return inside, filled


def _coverage(
    ratio: NDArray[np.float32], level: float, inside: NDArray[np.bool_], territory: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return how much of each pixel lies above a level, taking the image as a plane within the pixel."""
    padded = cv2.copyMakeBorder(ratio, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    slope = 0.5 * (np.abs(padded[2:, 1:-1] - padded[:-2, 1:-1]) + np.abs(padded[1:-1, 2:] - padded[1:-1, :-2]))
    share = np.clip(0.5 + (ratio - level) / np.maximum(slope, 0.02), 0.0, 1.0).astype(np.float64)
    kernel = np.ones((3, 3), np.uint8)
    solid = inside.astype(np.uint8)
    near = cv2.dilate(solid, kernel).astype(bool)
    core = cv2.erode(solid, kernel).astype(bool)
    share[core] = 1.0
    share[~near | ~territory] = 0.0
    return share


def _length(share: NDArray[np.float64], territory: NDArray[np.bool_]) -> float:
    padded = np.pad(share, 1)
    rows = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    cols = 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])
    return float(np.hypot(rows, cols)[territory].sum())


def _signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance from the contour, negative inside."""
    solid = inside.astype(np.uint8)
    outward = cv2.distanceTransform(1 - solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inward = cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.where(inside, 0.5 - inward, outward - 0.5))


def _profile(
    ratio: NDArray[np.float32], distance: NDArray[np.float32], territory: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the mean signal in bands along the contour; an empty band takes its neighbour's value."""
    bands = len(DISTANCE_EDGES) - 1
    band = np.searchsorted(DISTANCE_EDGES, distance[territory], side="right") - 1
    valid = (band >= 0) & (band < bands)
    band, values = band[valid], ratio[territory][valid]
    count = np.bincount(band, minlength=bands)
    means = np.bincount(band, weights=values, minlength=bands) / np.maximum(count, 1)
    middle = int(np.searchsorted(DISTANCE_EDGES, 0.0))
    for index in range(middle - 1, -1, -1):
        if count[index] == 0:
            means[index] = means[index + 1]
    for index in range(middle, bands):
        if count[index] == 0:
            means[index] = means[index - 1] * 0.5
    return np.clip(means, -2.0, 3.0)


def _level_shift(
    ratio: NDArray[np.float32],
    level: float,
    inside: NDArray[np.bool_],
    distance: NDArray[np.float32],
    territory: NDArray[np.bool_],
    area: float,
    length: float,
) -> float:
    """Return how far out, on average, another level lies from the reference contour."""
    padded = cv2.copyMakeBorder(ratio, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    slope = 0.5 * (np.abs(padded[2:, 1:-1] - padded[:-2, 1:-1]) + np.abs(padded[1:-1, 2:] - padded[1:-1, :-2]))
    share = np.clip(0.5 + (ratio - level) / np.maximum(slope, 0.02), 0.0, 1.0)
    share[distance < -4.0] = 1.0
    near = territory & (distance < 3.5)
    return float(np.clip((share[near].sum() - area) / length, -5.0, 5.0))
