"""The classical method's input: a film on cells of 0.2 mm, with grey values that do not depend on its windowing.

Soft tissue is 0 and bone 1 on every film, so that a contrast is always a share of the bone's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import blur, depth_inside, distance_to
from calcimeasure.boxes import Box
from calcimeasure.models.resampled_film import resampled_film, tissue_scale
from calcimeasure.radiograph import Radiograph

_GREY_BINS = 24
_SCALE_EVERY = 7  # the classifier was trained on grey values scaled by every 7th cell
_LAPLACIAN_GAIN = 6.0
_MARGIN_MM = 6.0
_FAR_MM = 100.0
COARSEST = 4  # cells of 0.2 mm a cell of the coarsest grid that candidates are cut on, or a multiple of it


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassicalInput:
    """A film around its limbs, on cells of 0.2 mm.

    Attributes
    ----------
    grey
        float32; soft tissue about 0, bone about 1.
    limb, bone
        Masks on the same grid.
    skin_depth_mm, bone_distance_mm
        Depth under the limb's outline; distance to bone, negative inside it.
    noise
        Standard deviation of the noise at each cell, in units of `grey`.
    clipped
        True where the film is at its brightest value.
    factor
        (rows, columns) film pixels a cell.
    origin
        Row and column of the first cell among all cells of the film: only the limbs' surroundings are kept.
    cell_spacing_mm
        Millimetres a cell; assumed where the film has no spacing.
    level, scale
        Film value of soft tissue, and film values that one unit of `grey` spans.
    """

    grey: NDArray[np.float32]
    limb: NDArray[np.bool_]
    bone: NDArray[np.bool_]
    skin_depth_mm: NDArray[np.float32]
    bone_distance_mm: NDArray[np.float32]
    noise: NDArray[np.float32]
    clipped: NDArray[np.bool_]
    factor: tuple[float, float]
    origin: tuple[int, int]
    cell_spacing_mm: float
    level: float
    scale: float


def classical_input(film: Radiograph, anatomy: Anatomy) -> ClassicalInput:
    """Return the classical method's input for a film."""
    resampled = resampled_film(film, anatomy)
    spacing, shape = resampled.cell_spacing_mm, resampled.pixels.shape
    box = _around_limbs(anatomy, shape, spacing)
    limb = _on_cells(anatomy, anatomy.limbs > 0, shape)[box]
    bone = _on_cells(anatomy, anatomy.bone, shape)[box]
    level, scale = tissue_scale(resampled.pixels[box], limb, bone, every=_SCALE_EVERY)
    grey = _to_multiple((resampled.pixels[box] - level) / np.float32(scale))
    limb, bone = _to_multiple(limb), _to_multiple(bone)
    brightest = min(film.grey.highest, float(film.pixels.max(initial=-np.inf)))
    return ClassicalInput(
        grey=grey,
        limb=limb,
        bone=bone,
        skin_depth_mm=depth_inside(limb) * np.float32(spacing),
        bone_distance_mm=_bone_distance(bone, spacing),
        noise=noise_map(grey, limb),
        clipped=np.asarray(grey >= (brightest - level) / scale - 1e-3),
        factor=resampled.factor,
        origin=(box[0].start, box[1].start),
        cell_spacing_mm=spacing,
        level=level,
        scale=scale,
    )


def _around_limbs(anatomy: Anatomy, shape: tuple[int, ...], cell_spacing_mm: float) -> Box:
    """Return the cells around the limbs, starting at multiples of the coarsest step; all where there is no limb."""
    places = np.argwhere(anatomy.limbs > 0)
    if not len(places):
        return slice(0, shape[0]), slice(0, shape[1])
    cells = np.array(shape) / np.array(anatomy.shape) * anatomy.step
    margin = _MARGIN_MM / cell_spacing_mm
    first = np.maximum(places.min(axis=0) * cells - margin, 0) // COARSEST * COARSEST
    last = np.minimum((places.max(axis=0) + 1) * cells + margin, shape)
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))


def _to_multiple(image: NDArray[Any]) -> NDArray[Any]:
    """Return the image with its last rows and columns repeated up to a multiple of the coarsest step."""
    rows, cols = image.shape
    if rows % COARSEST == 0 and cols % COARSEST == 0:
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, -rows % COARSEST), (0, -cols % COARSEST)), mode="edge")


def _bone_distance(bone: NDArray[np.bool_], cell_spacing_mm: float) -> NDArray[np.float32]:
    if not bone.any():
        return np.full(bone.shape, _FAR_MM, dtype=np.float32)
    return np.asarray((distance_to(bone) - depth_inside(bone)) * np.float32(cell_spacing_mm), dtype=np.float32)


def _on_cells(anatomy: Anatomy, mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask of the anatomy on cells over the same film, its outline smoothed."""
    step = anatomy.step
    rows = (np.arange(shape[0], dtype=np.float32) + 0.5) * (anatomy.shape[0] / shape[0] / step) - 0.5
    cols = (np.arange(shape[1], dtype=np.float32) + 0.5) * (anatomy.shape[1] / shape[1] / step) - 0.5
    grid_cols, grid_rows = np.meshgrid(cols, rows)
    share = cv2.remap(mask.astype(np.float32), grid_cols, grid_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(share > 0.5, dtype=np.bool_)


def noise_map(grey: NDArray[np.float32], limb: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the noise at each cell as a function of its grey value (Immerkaer's Laplacian difference, by grey)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel))
    where = np.flatnonzero(limb)[::5]
    if where.size < 10 * _GREY_BINS:
        return np.full(grey.shape, 1e-3, dtype=np.float32)
    smooth = blur(grey, 1.5)
    values, responses = smooth.ravel()[where], response.ravel()[where]
    edges = np.quantile(values, np.linspace(0, 1, _GREY_BINS + 1))
    member = np.clip(np.searchsorted(edges, values) - 1, 0, _GREY_BINS - 1)
    centres, sds = [], []
    for number in range(_GREY_BINS):
        inside = member == number
        if inside.sum() >= 5:
            centres.append(float(values[inside].mean()))
            # Structure only adds to the response: a low quantile of it belongs to the noise.
            sds.append(float(np.quantile(responses[inside], 0.3)) / 0.385 / _LAPLACIAN_GAIN)
    return np.maximum(np.interp(smooth, centres, sds), 1e-3).astype(np.float32)
