"""What the network sees of a film: two pictures at one pitch, free of the film's windowing.

Training and use call this same function, so that the network meets in a clinic what it met when it was made.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.radiograph import Radiograph

PITCH_MM = 0.2
DIVISOR = 16
# Without millimetres the longer side of the limb's frame is taken to be this: a hand with its wrist.
ASSUMED_LONG_SIDE_MM = 230.0
_LOCAL_SIGMA_MM = 3.0
_SPREAD_SIGMA_MM = 6.0


def network_input(film: Radiograph, anatomy: Anatomy) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Return the network's input and how many film pixels one of its cells spans.

    Parameters
    ----------
    film
        Canonical film.
    anatomy
        Its masks; grey values are scaled to soft tissue and bone.

    Returns
    -------
    inputs
        float32, (2, rows, cols), sides divisible by 16: grey scaled so that soft tissue is about 0 and bone about 1,
        and grey less its surroundings over their spread.
    factor
        (rows, cols) film pixels a cell.
    """
    factor = _factor(film)
    small, limb, bone = _at_pitch(film, anatomy, factor)
    inside = small[limb] if limb.any() else small.ravel()
    low = float(np.median(small[limb & ~bone])) if (limb & ~bone).any() else float(np.median(inside))
    high = float(np.percentile(small[bone], 75)) if bone.any() else float(np.percentile(inside, 98))
    scale = max(high - low, 1e-6 * max(1.0, abs(high)), 1e-6)
    grey = np.clip((small - low) / scale, -2.0, 4.0)
    around = cv2.GaussianBlur(grey, (0, 0), _LOCAL_SIGMA_MM / PITCH_MM)
    detail = grey - around
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _SPREAD_SIGMA_MM / PITCH_MM)) + 0.03
    inputs = np.stack([grey, np.clip(detail / spread, -4.0, 6.0)]).astype(np.float32)
    rows, cols = inputs.shape[1:]
    padding = ((0, 0), (0, -rows % DIVISOR), (0, -cols % DIVISOR))
    return np.pad(inputs, padding, mode="edge"), factor


def _factor(film: Radiograph) -> tuple[float, float]:
    if film.spacing.row_mm is not None and film.spacing.col_mm is not None:
        return (PITCH_MM / film.spacing.row_mm, PITCH_MM / film.spacing.col_mm)
    cells = ASSUMED_LONG_SIDE_MM / PITCH_MM
    across = max(film.shape[0] * film.spacing.pixel_aspect, film.shape[1]) / cells
    return (across / film.spacing.pixel_aspect, across)


def limb_on_input(
    film: Radiograph, anatomy: Anatomy, shape: tuple[int, ...], factor: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return True on the limb, on the cells of the network's input of this `shape`; False on its padding."""
    size = _size(film, factor)
    limb = np.zeros(shape[-2:], dtype=np.bool_)
    limb[: size[1], : size[0]] = _on_cells(film, anatomy, (anatomy.limbs > 0) & anatomy.field, size)
    return limb


def _size(film: Radiograph, factor: tuple[float, float]) -> tuple[int, int]:
    return (max(DIVISOR, round(film.shape[1] / factor[1])), max(DIVISOR, round(film.shape[0] / factor[0])))


def _at_pitch(
    film: Radiograph, anatomy: Anatomy, factor: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    size = _size(film, factor)
    way = cv2.INTER_AREA if min(factor) > 1.0 else cv2.INTER_LINEAR
    small: NDArray[np.float32] = cv2.resize(np.asarray(film.pixels), size, interpolation=way).astype(np.float32)
    limb = _on_cells(film, anatomy, (anatomy.limbs > 0) & anatomy.field, size)
    return small, limb, _on_cells(film, anatomy, anatomy.bone, size)


def _on_cells(film: Radiograph, anatomy: Anatomy, mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    # The masks' last cells may reach beyond the film: the map goes by the film's extent, not by the masks'.
    across, down = film.shape[1] / anatomy.step / size[0], film.shape[0] / anatomy.step / size[1]
    matrix = np.array([[across, 0.0, 0.5 * across - 0.5], [0.0, down, 0.5 * down - 0.5]])
    warped = cv2.warpAffine(
        mask.astype(np.uint8),
        matrix,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped.astype(np.bool_)
