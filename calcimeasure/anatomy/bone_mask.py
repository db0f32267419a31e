"""Bone inside the limbs: what stands out from the soft tissue around it, whatever the thickness of the limb.

The tissue's own level is taken locally, so that a thumb and a wrist on one film are told apart equally well, and joined
with one level for each limb, so that the inside of a broad bone, which has no soft tissue near it, is bone as well.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import blur, closed, components, disc, eroded, square

_WINDOW_SHARES = (0.05, 0.12)  # of the limb's own size (square root of its area): half-widths of the local windows
_RIM_SHARE = 0.012
_LEAST_RISE = 0.15
_SPECK_SHARE = 0.001
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
    size = float(np.sqrt(limb.sum()))
    smooth = blur(grey, max(0.7, 0.003 * size))
    compressed = np.log(smooth + 0.08)
    level = _otsu(compressed[limb])
    bright = limb & (compressed > level)
    if not bright.any() or bright.sum() == limb.sum():
        return np.zeros_like(limb)
    contrast = float(compressed[bright].mean() - compressed[limb & ~bright].mean())
    rise = np.full(grey.shape, -np.inf, dtype=np.float32)
    for share in _WINDOW_SHARES:
        half_width = max(3, round(share * size))
        rim = 2 * max(1, round(_RIM_SHARE * size)) + 1
        core = eroded(limb, square(rim), outside=True)
        rise = np.maximum(rise, compressed - _masked_mean(compressed, core, half_width))
    broad = _otsu(compressed[bright])
    bone = limb & ((rise > _LEAST_RISE * contrast) & (compressed > level - 0.25 * contrast) | (compressed > broad))
    bone = limb & closed(bone, disc(max(1, round(_GAP_SHARE * size))))
    # Marrow and thin bone inside a cortex are bone; what lies between bones is larger or open.
    holes = limb & ~bone
    bone |= holes & ~_without_specks(holes, _HOLE_SHARE * float(limb.sum()))
    return _without_specks(bone, _SPECK_SHARE * float(limb.sum()))


def _without_specks(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    labels, stats = components(mask, connectivity=4)
    return np.asarray(np.concatenate(([False], stats[:, 4] >= smallest))[labels], dtype=np.bool_)


def _masked_mean(values: NDArray[np.float32], mask: NDArray[np.bool_], half_width: int) -> NDArray[np.float32]:
    """Return the mean over the part of a square window that lies in the mask."""
    kernel = (2 * half_width + 1, 2 * half_width + 1)
    inside = mask.astype(np.float32)
    share = np.maximum(cv2.boxFilter(inside, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), 1e-6)
    total = cv2.boxFilter(values * inside, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total / share, dtype=np.float32)


def _otsu(values: NDArray[np.float32]) -> float:
    """Return the level that parts the values into two classes with the greatest variance between them."""
    counts, edges = np.histogram(values, bins=128)
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts) / counts.sum()
    moment = np.cumsum(counts * centres) / counts.sum()
    between = (moment[-1] * weight - moment) ** 2 / np.maximum(weight * (1 - weight), 1e-9)
    return float(centres[int(np.argmax(between))])
