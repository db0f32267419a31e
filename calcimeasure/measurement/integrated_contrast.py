"""Integrated contrast: how much more than its surroundings a deposit attenuates, summed over its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.edge_model import CropEdge
from calcimeasure.radiograph import GreyRelationship, GreyScale

# Intensities below this share of the coding range are too near zero for a logarithm.
LOWEST_INTENSITY_SHARE = 1e-3


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
        What the file declares.
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
