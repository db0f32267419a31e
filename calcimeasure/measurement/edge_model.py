"""The footprint area of one deposit, from a crop of the film: background, edge, calibration.

The mask only says which structure is meant. A first pass finds the deposit's own contour near the mask; a second pass
starts from that contour, so that a mask one or two pixels tighter or looser leads to the same place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.background_model import predict_background
from calcimeasure.measurement.edge_description import Edge, describe_edge
from calcimeasure.measurement.exact_distance import exact_distance

BLUR_REACH_PX = 4.0
SOFT_REACH_SHARE = 0.16  # half of an ellipsoid's maximum lies 0.155 of its radius inside its rim
NEIGHBOUR_REACH_PX = 4
RING_PX = 8.0
RING_SHARE = 0.5
LARGEST_REACH_PX = 14.0
LARGEST_RING_PX = 40.0
REACH_ALLOWANCE = 1.3  # the second pass starts from a contour that may lie outside the mask
EXTRA_MARGIN_PX = 3.0
LARGEST_MARGIN_PX = REACH_ALLOWANCE * LARGEST_REACH_PX + LARGEST_RING_PX + EXTRA_MARGIN_PX


@dataclass(frozen=True, kw_only=True, slots=True)
class Crop:
    """A piece of film around one deposit, on square pixels.

    Attributes
    ----------
    pixels
        Canonical values.
    mask
        The deposit.
    others
        Every other deposit.
    valid
        False where the file declares no picture.
    corner
        Row and column of the film at which the crop begins.
    """

    pixels: NDArray[np.float32]
    mask: NDArray[np.bool_]
    others: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    corner: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class CropEdge:
    """What one crop says about its deposit.

    Attributes
    ----------
    edge
        Contour and description.
    signal_sum
        Signal over the background, summed over the deposit's footprint and its blur.
    footprint, background
        Where that sum was taken, and the background; the crop's shape.
    """

    edge: Edge
    signal_sum: float
    footprint: NDArray[np.bool_]
    background: NDArray[np.float32]


def reach_px(half_width: float) -> float:
    """Return how far beyond its mask a deposit may show, in pixels."""
    return min(BLUR_REACH_PX + SOFT_REACH_SHARE * half_width, LARGEST_REACH_PX)


def ring_px(half_width: float) -> float:
    """Return the width of the ring that stands for the background, in pixels."""
    return min(RING_PX + RING_SHARE * half_width, LARGEST_RING_PX)


def margin_px(half_width: float) -> int:
    """Return how much film around a mask a crop has to show."""
    wider = half_width + EXTRA_MARGIN_PX
    return int(np.ceil(REACH_ALLOWANCE * reach_px(wider) + ring_px(wider) + EXTRA_MARGIN_PX))


def half_width_px(mask: NDArray[np.bool_]) -> float:
    """Return the largest distance of a pixel of the mask from its edge."""
    return float(exact_distance(np.pad(mask, 1)).max())


def describe_crop(crop: Crop) -> CropEdge:
    """Return the edge of the deposit in a crop."""
    mask = crop.mask
    result = _pass(crop, mask, first_look=True)
    if result.edge.inside.any():
        mask = result.edge.inside
    return _pass(crop, mask, first_look=False)


def _pass(crop: Crop, mask: NDArray[np.bool_], *, first_look: bool) -> CropEdge:
    half_width = half_width_px(mask)
    reach = reach_px(half_width)
    own = exact_distance(~mask)
    other = exact_distance(~crop.others) if crop.others.any() else np.full(mask.shape, np.inf, np.float32)
    territory = (own <= reach) & (own <= other) & crop.valid
    ring = (own > reach) & (own <= reach + ring_px(half_width)) & (other > NEIGHBOUR_REACH_PX) & crop.valid
    background = predict_background(
        crop.pixels, ring, territory, half_width + reach, corner=crop.corner, first_look=first_look
    )
    signal = crop.pixels - background.values
    edge = describe_edge(signal, background, mask, territory, ring)
    return CropEdge(
        edge=edge,
        signal_sum=float(signal[territory].sum(dtype=np.float64)),
        footprint=territory,
        background=background.values,
    )
