"""Distances on the pixel grid, the same to the last digit wherever an array lies in memory."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def exact_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each True pixel's distance to the nearest False one, 0 outside the mask; very large without any False."""
    rough = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Its square is a whole number; the root that OpenCV takes depends in its last digit on the array's address.
    return np.asarray(np.sqrt(np.rint(rough * rough)), dtype=np.float32)
