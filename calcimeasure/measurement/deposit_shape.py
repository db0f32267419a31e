"""Area and shape of a deposit's mask: pixels counted as a person outlined them, not the modelled edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.measurement.edge_calibration import AreaEstimate

# The prior where a reader's precision is not known: one pixel more or less along the whole outline.
PRIOR_SHIFT_PX = 1.0
_PROPERTIES = {
    "perimeter_crofton": "perimeter_px",
    "axis_major_length": "major_axis_px",
    "axis_minor_length": "minor_axis_px",
    "feret_diameter_max": "max_feret_px",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DepositShape:
    """Shape of a deposit's mask, as `skimage.measure.regionprops` defines it; lengths in pixels.

    Attributes
    ----------
    perimeter_px
        Crofton's perimeter in four directions.
    major_axis_px, minor_axis_px
        Axes of the ellipse with the same second moments.
    max_feret_px
        Largest distance between two points of the outline.
    eccentricity
        Of that ellipse: 0 for a circle, 1 for a line.
    solidity
        Share of the convex hull that the mask fills.
    """

    perimeter_px: float
    major_axis_px: float
    minor_axis_px: float
    max_feret_px: float
    eccentricity: float
    solidity: float


def deposit_shape(mask: NDArray[np.bool_]) -> DepositShape:
    """Return the shape of a mask on square pixels; the mask is not empty."""
    from skimage.measure import regionprops

    (region,) = regionprops(mask.astype(np.uint8))
    return DepositShape(**{field: float(region[name]) for name, field in _PROPERTIES.items()})


def outline_area(mask: NDArray[np.bool_], precision: float | None) -> AreaEstimate:
    """Return the area of the pixels that a person painted or outlined, with its standard error.

    Parameters
    ----------
    mask
        True on the painted pixels; pixels outside the array do not count as outline.
    precision
        The reader's relative standard deviation of an area, measured on repeat readings; None for the prior of one
        pixel along the outline.
    """
    area = float(np.count_nonzero(mask))
    se = PRIOR_SHIFT_PX * outline_pixels(mask) if precision is None else precision * area
    return AreaEstimate(area_px=area, se_px=se, se_repeat_px=se)


def outline_pixels(mask: NDArray[np.bool_]) -> float:
    """Return how many pixels of the mask have one of their four sides on the background."""
    return float(np.count_nonzero(mask & ~ndimage.binary_erosion(mask, border_value=1)))
