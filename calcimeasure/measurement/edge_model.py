"""The edge of one deposit and its contrast, from a crop of the film: background, then contour and descriptors.

The mask only points at a structure. A first pass finds the deposit's own contour near the mask; a second pass starts
from that contour, so that a mask one or two pixels tighter or looser gives the same result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import exact_distance
from calcimeasure.measurement.background_model import predict_background
from calcimeasure.measurement.edge_description import Edge, describe_edge
from calcimeasure.radiograph import GreyRelationship, GreyScale

BLUR_RADIUS_PX = 4.0
SOFT_EDGE_SHARE = 0.16  # half of an ellipsoid's maximum lies 0.155 of its radius inside its outline
NEIGHBOUR_MARGIN_PX = 4
RING_PX = 8.0
RING_SHARE = 0.5
LARGEST_TERRITORY_PX = 14.0
LARGEST_RING_PX = 40.0
SECOND_PASS_SHARE = 1.3  # the second pass starts from a contour that may lie outside the mask
EXTRA_MARGIN_PX = 3.0
# Intensities below this share of the coding range are too near zero for a logarithm.
LOWEST_INTENSITY_SHARE = 1e-3
LARGEST_MARGIN_PX = SECOND_PASS_SHARE * LARGEST_TERRITORY_PX + LARGEST_RING_PX + EXTRA_MARGIN_PX


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
    """The edge measured on one crop.

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


def territory_radius_px(half_width: float) -> float:
    """Return how far beyond its mask a deposit may be visible, in pixels."""
    return min(BLUR_RADIUS_PX + SOFT_EDGE_SHARE * half_width, LARGEST_TERRITORY_PX)


def ring_px(half_width: float) -> float:
    """Return the width of the ring that stands for the background, in pixels."""
    return min(RING_PX + RING_SHARE * half_width, LARGEST_RING_PX)


def margin_px(half_width: float) -> int:
    """Return the margin of film that a crop needs around a mask."""
    wider = half_width + EXTRA_MARGIN_PX
    return int(np.ceil(SECOND_PASS_SHARE * territory_radius_px(wider) + ring_px(wider) + EXTRA_MARGIN_PX))


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
    radius = territory_radius_px(half_width)
    own = exact_distance(~mask)
    other = exact_distance(~crop.others)
    territory = (own <= radius) & (own <= other) & crop.valid
    ring = (own > radius) & (own <= radius + ring_px(half_width)) & (other > NEIGHBOUR_MARGIN_PX) & crop.valid
    background = predict_background(
        crop.pixels, ring, territory, half_width + radius, corner=crop.corner, first_look=first_look
    )
    signal = crop.pixels - background.values
    edge = describe_edge(signal, background, mask, territory, ring)
    return CropEdge(
        edge=edge,
        signal_sum=float(signal[territory].sum(dtype=np.float64)),
        footprint=territory,
        background=background.values,
    )


def has_contrast(grey: GreyScale) -> bool:
    """Return whether a film's grey scale allows an integrated contrast."""
    return grey.relationship in {GreyRelationship.LOGARITHMIC, GreyRelationship.LINEAR}


def integrated_contrast(pixels: NDArray[np.float32], described: CropEdge, grey: GreyScale) -> float | None:
    """Return the excess of a deposit over its background, summed over pixels, or None where the grey scale forbids it.

    A film linear in intensity is turned into attenuation, ``ln(I_background / I)``: the sum is in nepers. A
    logarithmic film is summed as it is, in its own grey values, which are proportional to attenuation.

    Parameters
    ----------
    pixels
        The crop, canonical.
    described
        Its edge and background.
    grey
        The film's grey scale.
    """
    where = described.footprint
    if grey.relationship is GreyRelationship.LOGARITHMIC:
        return described.signal_sum
    if not has_contrast(grey):
        return None
    # Canonical values run against intensity; intensity is 0 where they reach the end of their range.
    least = LOWEST_INTENSITY_SHARE * (grey.highest - grey.lowest)
    intensity = np.maximum(grey.highest + grey.lowest - pixels[where].astype(np.float64), least)
    behind = np.maximum(grey.highest + grey.lowest - described.background[where].astype(np.float64), least)
    return float(np.log(behind / intensity).sum())
