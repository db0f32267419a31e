"""Bone inside the limbs: brighter than the soft tissue around it, whatever the thickness of the limb.

A local threshold separates bone in a thumb and in a wrist on one film equally well. A global one for each limb adds the
inside of broad bones, which have no soft tissue nearby.
"""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import blur, closed, disc, eroded, square

_WINDOW_SHARES = (0.05, 0.12)  # of the limb's own size (square root of its area): half-widths of the local windows
_EDGE_SHARE = 0.012
_LEAST_CONTRAST = 0.15
_SMALLEST_BONE_SHARE = 0.001
_GAP_SHARE = 0.006
_HOLE_SHARE = 0.0025


def find_bone(
    grey: NDArray[np.float32], limbs: NDArray[np.uint8], *, air_level: float | None = None
) -> NDArray[np.bool_]:
    """Return True over bone.

    Parameters
    ----------
    grey
        Grey values, 0 to 1 over the picture's range, on any grid.
    limbs
        The limbs on the same grid, numbered.
    air_level
        Grey value of air; differences are taken relative to tissue above it.
    """
    bone = np.zeros(grey.shape, dtype=np.bool_)
    air = float(grey[limbs > 0].min()) if air_level is None and (limbs > 0).any() else (air_level or 0.0)
    for number in range(1, int(limbs.max(initial=0)) + 1):
        bone |= _bone_of_limb(np.maximum(grey - air, 0), limbs == number)
    return bone


def _bone_of_limb(grey: NDArray[np.float32], limb: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from skimage.filters import threshold_otsu

    size = float(np.sqrt(limb.sum()))
    smooth = blur(grey, max(0.7, 0.003 * size))
    compressed = np.log(smooth + 0.08)
    level = threshold_otsu(compressed[limb], nbins=128)
    bright = limb & (compressed > level)
    if not bright.any() or bright.sum() == limb.sum():
        return np.zeros_like(limb)
    contrast = float(compressed[bright].mean() - compressed[limb & ~bright].mean())
    rise = np.full(grey.shape, -np.inf, dtype=np.float32)
    for share in _WINDOW_SHARES:
        half_width = max(3, round(share * size))
        edge = 2 * max(1, round(_EDGE_SHARE * size)) + 1
        core = eroded(limb, square(edge), outside=True)
        rise = np.maximum(rise, compressed - _masked_mean(compressed, core, half_width))
    broad = threshold_otsu(compressed[bright], nbins=128)
    bone = limb & ((rise > _LEAST_CONTRAST * contrast) & (compressed > level - 0.25 * contrast) | (compressed > broad))
    bone = limb & closed(bone, disc(max(1, round(_GAP_SHARE * size))))
    # Marrow and thin bone inside a cortex are bone; what lies between bones is larger or open.
    holes = limb & ~bone
    bone |= holes & ~_without_small(holes, _HOLE_SHARE * float(limb.sum()))
    return _without_small(bone, _SMALLEST_BONE_SHARE * float(limb.sum()))


def _without_small(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """Return the mask without the connected components that have fewer cells than `smallest`."""
    from skimage.morphology import remove_small_objects

    return np.asarray(remove_small_objects(mask, max_size=ceil(smallest) - 1, connectivity=1), dtype=np.bool_)


def _masked_mean(values: NDArray[np.float32], mask: NDArray[np.bool_], half_width: int) -> NDArray[np.float32]:
    """Return the mean over the part of a square window that lies in the mask."""
    kernel = (2 * half_width + 1, 2 * half_width + 1)
    inside = mask.astype(np.float32)
    share = np.maximum(cv2.boxFilter(inside, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), 1e-6)
    total = cv2.boxFilter(values * inside, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total / share, dtype=np.float32)
