"""What the network sees of a film: two pictures at one pitch, free of the film's windowing.

Training and use call this same function, so that the network meets in a clinic what it met when it was made.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.working_grid import WORKING_SPACING_MM, working_grid
from calcimeasure.radiograph import Radiograph

DIVISOR = 16
_LOCAL_SIGMA_MM = 3.0
_SPREAD_SIGMA_MM = 6.0


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkInput:
    """A film as the networks see it.

    Attributes
    ----------
    inputs, factor
        From `input_planes`.
    limb, bone
        bool, (rows, cols): masks on the same cells.
    cells
        (rows, columns) of the cells that lie on the film; what follows them is padding.
    """

    inputs: NDArray[np.float32]
    factor: tuple[float, float]
    limb: NDArray[np.bool_]
    bone: NDArray[np.bool_]
    cells: tuple[int, int]


@cache_per_film
def network_input(film: Radiograph, anatomy: Anatomy) -> NetworkInput:
    """Return a film as the networks see it, made ready once a film."""
    inputs, factor = input_planes(film, anatomy)
    limb, bone = input_masks(film, anatomy, inputs.shape)
    for array in (inputs, limb, bone):
        array.flags.writeable = False
    cells, _ = working_grid(film, anatomy)
    return NetworkInput(inputs=inputs, factor=factor, limb=limb, bone=bone, cells=cells)


def input_planes(film: Radiograph, anatomy: Anatomy) -> tuple[NDArray[np.float32], tuple[float, float]]:
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
    shape, _ = working_grid(film, anatomy)
    factor = (film.shape[0] / shape[0], film.shape[1] / shape[1])
    small, limb, bone = _at_cell_spacing(film, anatomy, shape)
    inside = small[limb] if limb.any() else small.ravel()
    low = float(np.median(small[limb & ~bone])) if (limb & ~bone).any() else float(np.median(inside))
    high = float(np.percentile(small[bone], 75)) if bone.any() else float(np.percentile(inside, 98))
    scale = max(high - low, 1e-6 * max(1.0, abs(high)), 1e-6)
    grey = np.clip((small - low) / scale, -2.0, 4.0)
    around = cv2.GaussianBlur(grey, (0, 0), _LOCAL_SIGMA_MM / WORKING_SPACING_MM)
    detail = grey - around
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _SPREAD_SIGMA_MM / WORKING_SPACING_MM)) + 0.03
    inputs = np.stack([grey, np.clip(detail / spread, -4.0, 6.0)]).astype(np.float32)
    rows, cols = inputs.shape[1:]
    padding = ((0, 0), (0, -rows % DIVISOR), (0, -cols % DIVISOR))
    return np.pad(inputs, padding, mode="edge"), factor


def input_masks(
    film: Radiograph, anatomy: Anatomy, shape: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return limb and bone on the cells of the network's input of this `shape`; False on its padding."""
    grid, _ = working_grid(film, anatomy)
    padding = ((0, shape[-2] - grid[0]), (0, shape[-1] - grid[1]))
    limb = _on_cells(film, anatomy, (anatomy.limbs > 0) & anatomy.field, grid)
    return np.pad(limb, padding), np.pad(_on_cells(film, anatomy, anatomy.bone, grid), padding)


def _at_cell_spacing(
    film: Radiograph, anatomy: Anatomy, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    way = cv2.INTER_AREA if shape[0] < film.shape[0] and shape[1] < film.shape[1] else cv2.INTER_LINEAR
    small: NDArray[np.float32] = cv2.resize(np.asarray(film.pixels), shape[::-1], interpolation=way).astype(np.float32)
    limb = _on_cells(film, anatomy, (anatomy.limbs > 0) & anatomy.field, shape)
    return small, limb, _on_cells(film, anatomy, anatomy.bone, shape)


def _on_cells(film: Radiograph, anatomy: Anatomy, mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    # The masks' last cells may reach beyond the film: the map goes by the film's extent, not by the masks'.
    down, across = film.shape[0] / anatomy.step / shape[0], film.shape[1] / anatomy.step / shape[1]
    matrix = np.array([[across, 0.0, 0.5 * across - 0.5], [0.0, down, 0.5 * down - 0.5]])
    warped = cv2.warpAffine(
        mask.astype(np.uint8),
        matrix,
        shape[::-1],
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped.astype(np.bool_)
