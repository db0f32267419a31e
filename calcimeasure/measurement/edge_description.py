"""The edge of one deposit: a reference contour, and descriptors from which the calibration predicts the footprint.

The contour is where the signal falls to half of the *local* plateau (the largest signal nearby), so thin and thick
parts of a deposit, and deposits of any size, have the same edge at the scale of pixels and blur. The signal is averaged
along the contour, which suppresses noise. `edge_calibration` turns the descriptors into the distance from the contour
to the edge of the shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import blur, dilated, disc, eroded, exact_distance, square
from calcimeasure.boxes import bounding_boxes
from calcimeasure.measurement.background_model import Background

FINE_SIGMA_PX = 1.0
COARSE_SIGMA_PX = 2.0
LOCAL_RADIUS_PX = 4
LOCAL_SIGMA_PX = 2.0
# The local plateau is never taken below this share of the whole deposit's, nor below so many standard deviations of
# the noise: specks of noise are not pieces of deposit.
LOWEST_LOCAL_SHARE = 0.35
NOISE_FLOOR_SD = 6.0
SLOPE_FLOOR = 0.02
DISTANCE_EDGES = np.array([-9.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.5])
LEVELS = (0.3, 0.4, 0.6, 0.75)
# A hollow inside the contour belongs to the deposit where it is brighter than blur alone would make it.
HOLLOW_SHARE = 0.12
HOLLOW_NOISE_SD = 3.0
HOLLOW_BLUR_PX = 1.6
SMALLEST_AREA_PX = 0.3
# Of a disc's outline of the same area: a quarter of a disc in the corner of a film shows half of it.
SHORTEST_LENGTH_SHARE = 0.45

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
        In the order of `DESCRIPTOR_NAMES`: signal over the local plateau in bands of distance from the contour;
        distances of other levels from it; its shift in a coarser picture; the summed signal; size and shape; noise
        and background over the plateau.
    """

    contour_area_px: float
    contour_length_px: float
    inside: NDArray[np.bool_]
    descriptors: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Noise:
    """Standard deviations of pixel, fine and coarse picture."""

    raw: float
    fine: float
    coarse: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _View:
    """A picture of the signal over the local plateau, with its slope a pixel."""

    ratio: NDArray[np.float32]
    slope: NDArray[np.float32]

    def share_above(self, level: float) -> NDArray[np.float32]:
        """Return how much of each pixel lies above a level, taking the picture as a plane within the pixel."""
        return np.asarray(np.clip(0.5 + (self.ratio - level) / self.slope, 0.0, 1.0), dtype=np.float32)


def describe_edge(
    signal: NDArray[np.float32],
    background: Background,
    mask: NDArray[np.bool_],
    territory: NDArray[np.bool_],
    ring: NDArray[np.bool_],
) -> Edge:
    """Return the contour and the edge's description.

    Parameters
    ----------
    signal
        Canonical pixels less their background, on square pixels.
    background
        As predicted for this crop.
    mask
        True on pixels of the deposit.
    territory
        True where a pixel may belong to the deposit: near its mask, and nearer to it than to any other deposit.
    ring
        True where only background is expected.
    """
    fine, coarse = blur(signal, FINE_SIGMA_PX), blur(signal, COARSE_SIGMA_PX)
    noise = _Noise(raw=background.noise_sd, fine=_spread(fine, ring), coarse=_spread(coarse, ring))
    plateau = max(_plateau(fine, mask), noise.fine, 1e-6 * noise.raw, 1e-9)
    local = _local_plateau(fine, territory, plateau, noise.fine)
    view, coarse_view = _view(fine / local), _view(coarse / local)
    pieces, inside = _pieces(view.ratio, mask, territory)
    solid = _filled(inside, fine, plateau, noise.fine)
    share = _coverage(view, solid, territory)
    area = float(share.sum(dtype=np.float64))
    disc_length = 2.0 * np.sqrt(np.pi * max(area, SMALLEST_AREA_PX))
    length = max(_length(share, territory), SHORTEST_LENGTH_SHARE * disc_length)
    distance = _signed_distance(solid)
    near = territory & (distance < DISTANCE_EDGES[-1])
    shape = [
        *_profile(signal / local, distance, territory),
        *_level_distances(view, LEVELS, distance, territory, (area, length)),
        *_level_distances(coarse_view, (0.5,), distance, territory, (area, length)),
        np.clip(float(signal[near].sum(dtype=np.float64)) / (plateau * max(area, 0.5)), 0.0, 4.0),
    ]
    size = [
        np.log(max(area, SMALLEST_AREA_PX) / length),
        np.log(max(area, SMALLEST_AREA_PX)),
        2 * np.log(length / disc_length),
        float((solid & ~inside).sum()) / max(area, 1.0),
        np.log(max(pieces, 1)),
        float(local[solid].mean()) / plateau if solid.any() else 1.0,
        np.clip(_plateau(coarse, mask) / plateau, 0.0, 1.5),
    ]
    errors = [noise.raw, noise.fine, noise.coarse, background.prediction_se]
    certainty = [*(np.log(max(sd / plateau, 1e-6)) for sd in errors), np.log(max(background.structure_sd, 1e-3))]
    descriptors = np.array([*shape, *size, *certainty])
    return Edge(contour_area_px=area, contour_length_px=float(length), inside=solid, descriptors=descriptors)


def _view(ratio: NDArray[np.float32]) -> _View:
    padded = cv2.copyMakeBorder(ratio, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    # The sum of both slopes: how much a plane differs between opposite corners of a pixel.
    slope = 0.5 * (np.abs(padded[2:, 1:-1] - padded[:-2, 1:-1]) + np.abs(padded[1:-1, 2:] - padded[1:-1, :-2]))
    return _View(ratio=ratio, slope=np.maximum(slope, np.float32(SLOPE_FLOOR)))


def _spread(image: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """Return a robust standard deviation."""
    values = image[where]
    if values.size < 8:
        return 0.0
    return float(np.median(np.abs(values - np.median(values))) / 0.6745)


def _plateau(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return the mean of the bright part of the mask: robust against a mask that is too tight or too loose."""
    values = image[mask]
    if values.size == 0:
        return 0.0
    top = float(np.quantile(values, 0.98))
    return float(values[values >= 0.7 * top].mean()) if top > 0 else 0.0


def _local_plateau(
    fine: NDArray[np.float32], territory: NDArray[np.bool_], plateau: float, noise: float
) -> NDArray[np.float32]:
    own = np.where(territory, fine, np.float32(0.0))
    local = blur(cv2.dilate(own, disc(LOCAL_RADIUS_PX)), LOCAL_SIGMA_PX)
    lowest = min(max(LOWEST_LOCAL_SHARE * plateau, NOISE_FLOOR_SD * noise), plateau)
    return np.maximum(local, np.float32(lowest))


def _pieces(
    ratio: NDArray[np.float32], mask: NDArray[np.bool_], territory: NDArray[np.bool_]
) -> tuple[int, NDArray[np.bool_]]:
    """Return the connected components above half the local plateau that the mask touches: how many, and where."""
    from skimage.measure import label

    labels = label((ratio > 0.5) & territory, connectivity=2)
    touched = np.setdiff1d(labels[mask], 0)
    return (touched.size, np.isin(labels, touched)) if touched.size else (1, mask & territory)


def _filled(inside: NDArray[np.bool_], fine: NDArray[np.float32], plateau: float, noise: float) -> NDArray[np.bool_]:
    """Return the mask with its hollows filled, but not its holes.

    Rays through a hollow shell still cross its wall, so a hollow belongs to the shadow; a hole does not.
    """
    from skimage.measure import label
    from skimage.segmentation import clear_border

    solid = inside.copy()
    holes = clear_border(label(~inside, connectivity=1))
    for number, window in bounding_boxes(holes).items():
        here = holes[window] == number
        blurred_in = float(np.exp(-here.sum() / (2 * np.pi * HOLLOW_BLUR_PX**2)))
        lowest = float(fine[window][here].min())
        if lowest > (HOLLOW_SHARE + blurred_in) * plateau and lowest > HOLLOW_NOISE_SD * noise:
            solid[window] |= here
    return solid


def _coverage(view: _View, solid: NDArray[np.bool_], territory: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how much of each pixel lies inside the contour."""
    share = view.share_above(0.5)
    share[eroded(solid, square(3), outside=True)] = 1.0
    share[~dilated(solid, square(3)) | ~territory] = 0.0
    return share


def _length(share: NDArray[np.float32], territory: NDArray[np.bool_]) -> float:
    """Return the length of the outline, as the total variation of the coverage; the film's border is no outline."""
    padded = cv2.copyMakeBorder(share, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    rows = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    cols = 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])
    return float(np.sqrt(rows * rows + cols * cols)[territory].sum(dtype=np.float64))


def _signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance from the contour, negative inside."""
    inward, outward = exact_distance(inside), exact_distance(~inside)
    return np.asarray(np.where(inside, 0.5 - inward, outward - 0.5), dtype=np.float32)


def _profile(
    ratio: NDArray[np.float32], distance: NDArray[np.float32], territory: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the mean signal in bands along the contour; an empty band follows from its neighbour."""
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


def _level_distances(
    view: _View,
    levels: tuple[float, ...],
    distance: NDArray[np.float32],
    territory: NDArray[np.bool_],
    contour: tuple[float, float],
) -> list[float]:
    """Return the mean distances of other levels from the contour of the given area and length, outward positive."""
    near = territory & (distance < 3.5)
    band = near & (distance >= -4.0)
    core = float(near.sum() - band.sum())
    ratio, slope = view.ratio[band], view.slope[band]
    area, length = contour
    found = []
    for level in levels:
        share = np.clip(0.5 + (ratio - level) / slope, 0.0, 1.0)
        found.append(float(np.clip((core + share.sum(dtype=np.float64) - area) / length, -5.0, 5.0)))
    return found
