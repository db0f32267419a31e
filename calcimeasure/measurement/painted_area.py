"""The area of a deposit that a person painted or drew: its pixels, as painted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.edge_calibration import AreaEstimate

# The prior where a reader's precision is not known: one pixel more or less along the whole outline.
PRIOR_SHIFT_PX = 1.0


def outline_area(mask: NDArray[np.bool_], precision: float | None) -> AreaEstimate:
    """Return the painted area with its standard error.

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
    """Return how many pixels of the mask have one of their four sides on something else."""
    solid = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    core = cv2.erode(solid, cross)[1:-1, 1:-1]
    return float(np.count_nonzero(mask) - np.count_nonzero(core))
