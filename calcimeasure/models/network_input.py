"""The networks' input: a film on cells of 0.2 mm in two channels that do not depend on the film's windowing.

Training and use call this same function, so that the network meets in a clinic what it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.resampled_film import resampled_film, tissue_scale
from calcimeasure.models.working_grid import WORKING_SPACING_MM
from calcimeasure.radiograph import Radiograph

DIVISOR = 16
_LOCAL_SIGMA_MM = 3.0
_SPREAD_SIGMA_MM = 6.0


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkInput:
    """The networks' input.

    Attributes
    ----------
    inputs
        float32, (2, rows, cols), sides divisible by 16: grey scaled so that soft tissue is about 0 and bone about 1,
        and grey less its surroundings over their spread.
    factor
        (rows, cols) film pixels a cell.
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
    """Return the networks' input for a film; computed once a film."""
    resampled = resampled_film(film, anatomy)
    rows, cols = resampled.pixels.shape
    limb = _on_cells(film, anatomy, (anatomy.limbs > 0) & anatomy.field, (rows, cols))
    bone = _on_cells(film, anatomy, anatomy.bone, (rows, cols))
    level, scale = tissue_scale(resampled.pixels, limb, bone)
    inputs = input_channels(np.clip((resampled.pixels - level) / scale, -2.0, 4.0))
    padding = ((0, -rows % DIVISOR), (0, -cols % DIVISOR))
    inputs = np.pad(inputs, ((0, 0), *padding), mode="edge")
    limb, bone = np.pad(limb, padding), np.pad(bone, padding)
    for array in (inputs, limb, bone):
        array.flags.writeable = False
    return NetworkInput(inputs=inputs, factor=resampled.factor, limb=limb, bone=bone, cells=(rows, cols))


def input_channels(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the two channels (2, rows, cols) of grey values (rows, cols) that are scaled by soft tissue and bone."""
    detail = grey - cv2.GaussianBlur(grey, (0, 0), _LOCAL_SIGMA_MM / WORKING_SPACING_MM)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _SPREAD_SIGMA_MM / WORKING_SPACING_MM)) + 0.03
    return np.stack([grey, np.clip(detail / spread, -4.0, 6.0)]).astype(np.float32)


def _on_cells(film: Radiograph, anatomy: Anatomy, mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    # The masks' last cells may reach beyond the film: the mapping depends on the film's extent, not on the masks'.
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
