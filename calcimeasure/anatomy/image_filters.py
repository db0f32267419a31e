"""Typed image operations on OpenCV: 3 to 200 times faster here than scikit-image and SciPy (docs/design.md)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def blur(image: NDArray[np.generic], sigma: float) -> NDArray[np.float32]:
    """Return the image after a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image.astype(np.float32, copy=False), (0, 0), sigma), dtype=np.float32)


def gradient(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the slope along rows' direction (downwards) and along columns' (rightwards), a pixel."""
    down = cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=0.125)
    right = cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=0.125)
    return np.asarray(down, dtype=np.float32), np.asarray(right, dtype=np.float32)


def slope(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the steepness of the image, a pixel."""
    down, right = gradient(image)
    return np.asarray(np.hypot(down, right), dtype=np.float32)


def square(width: int) -> NDArray[np.uint8]:
    """Return a square footprint."""
    return np.ones((width, width), np.uint8)


def disc(radius: int) -> NDArray[np.uint8]:
    """Return a disc footprint."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)


def dilated(mask: NDArray[np.bool_], footprint: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the mask dilated."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), footprint), dtype=np.bool_)


def eroded(mask: NDArray[np.bool_], footprint: NDArray[np.uint8], *, outside: bool = False) -> NDArray[np.bool_]:
    """Return the mask eroded; `outside` is the value assumed beyond the image."""
    eroded = cv2.erode(mask.astype(np.uint8), footprint, borderType=cv2.BORDER_CONSTANT, borderValue=int(outside))
    return np.asarray(eroded, dtype=np.bool_)


def opened(mask: NDArray[np.bool_], footprint: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the mask opened: without parts that the footprint does not fit into."""
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, footprint), dtype=np.bool_)


def closed(mask: NDArray[np.bool_], footprint: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the mask closed: with gaps filled that the footprint does not fit into."""
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, footprint), dtype=np.bool_)


def depth_inside(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each True pixel's distance to the nearest False one or to the image's border, in pixels."""
    padded = np.pad(mask, 1).astype(np.uint8)
    return _steady(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1])


def distance_to(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each pixel's distance to the nearest True one, in pixels; very large where there is none."""
    return _steady(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5))


def exact_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each True pixel's Euclidean distance to the nearest False one, 0 outside the mask; very large without any.

    As `scipy.ndimage.distance_transform_edt`, to the last digit, in a third to a tenth of the time.
    """
    rough = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Its square is a whole number; the root that OpenCV takes depends in its last digit on the array's address.
    return np.asarray(np.sqrt(np.rint(rough * rough)), dtype=np.float32)


def _steady(distance: cv2.typing.MatLike) -> NDArray[np.float32]:
    """Return distances without their last digits, which OpenCV rounds differently from one call to the next."""
    return np.asarray(np.round(np.asarray(distance, dtype=np.float32), 3), dtype=np.float32)


def components(mask: NDArray[np.bool_], *, connectivity: int = 8) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a label image and, a row a label from 1: left, top, width, height, area."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats[1:], dtype=np.int32)
