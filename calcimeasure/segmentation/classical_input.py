"""The picture that deposits are looked for on: one pitch, and grey values free of the film's windowing.

Soft tissue is 0 and bone 1 on every film, so that a contrast is always a share of the bone's own. The pitch is 0.2 mm
where the film has millimetres; without them the limb is taken to be of a usual size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import blur, depth_inside, distance_to
from calcimeasure.models.working_grid import working_grid
from calcimeasure.radiograph import Radiograph

_GREY_BINS = 24
_LAPLACIAN_GAIN = 6.0
_MARGIN_MM = 6.0
_FAR_MM = 100.0
COARSEST = 4  # working cells a cell of the coarsest grid that candidates are cut on, or a multiple of it


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassicalInput:
    """A film on the working grid.

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

    def cropped(self, box: tuple[slice, slice]) -> ClassicalInput:
        """Return a part of it; the box starts at multiples of the coarsest step."""
        return replace(
            self,
            grey=np.ascontiguousarray(self.grey[box]),
            limb=np.ascontiguousarray(self.limb[box]),
            bone=np.ascontiguousarray(self.bone[box]),
            skin_depth_mm=np.ascontiguousarray(self.skin_depth_mm[box]),
            bone_distance_mm=np.ascontiguousarray(self.bone_distance_mm[box]),
            noise=np.ascontiguousarray(self.noise[box]),
            clipped=np.ascontiguousarray(self.clipped[box]),
            origin=(self.origin[0] + box[0].start, self.origin[1] + box[1].start),
        )


def classical_input(film: Radiograph, anatomy: Anatomy, *, everywhere: bool = False) -> ClassicalInput:
    """Return the film on the working grid.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    everywhere
        Keep the whole film, not only the limbs' surroundings.
    """
    shape, cell_spacing = working_grid(film, anatomy)
    box = _around_limbs(anatomy, shape, cell_spacing, everywhere=everywhere)
    limb = _enlarged(anatomy, anatomy.limbs > 0, shape)[box]
    bone = _enlarged(anatomy, anatomy.bone, shape)[box]
    grey = _resized(film.pixels, shape)[box]
    level, scale = grey_scale(grey, limb, bone)
    grey = _to_multiple((grey - level) / np.float32(scale))
    limb, bone = _to_multiple(limb), _to_multiple(bone)
    brightest = min(film.grey.highest, float(film.pixels.max(initial=-np.inf)))
    return ClassicalInput(
        grey=grey,
        limb=limb,
        bone=bone,
        skin_depth_mm=depth_inside(limb) * np.float32(cell_spacing),
        bone_distance_mm=_bone_distance(bone, cell_spacing),
        noise=noise_map(grey, limb),
        clipped=np.asarray(grey >= (brightest - level) / scale - 1e-3),
        factor=(film.shape[0] / shape[0], film.shape[1] / shape[1]),
        origin=(box[0].start, box[1].start),
        cell_spacing_mm=cell_spacing,
        level=level,
        scale=scale,
    )


def _around_limbs(
    anatomy: Anatomy, shape: tuple[int, int], cell_spacing_mm: float, *, everywhere: bool
) -> tuple[slice, slice]:
    """Return the cells around the limbs, from a multiple of the coarsest step on; all cells where there is no limb."""
    places = np.argwhere(anatomy.limbs > 0)
    if everywhere or not len(places):
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


def _resized(pixels: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    shrinks = shape[0] <= pixels.shape[0] and shape[1] <= pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (shape[1], shape[0]), interpolation=method), dtype=np.float32)


def _enlarged(anatomy: Anatomy, mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask of the reduced grid on another grid over the same film, its outline smoothed."""
    step = anatomy.step
    rows = (np.arange(shape[0], dtype=np.float32) + 0.5) * (anatomy.shape[0] / shape[0] / step) - 0.5
    cols = (np.arange(shape[1], dtype=np.float32) + 0.5) * (anatomy.shape[1] / shape[1] / step) - 0.5
    grid_cols, grid_rows = np.meshgrid(cols, rows)
    share = cv2.remap(mask.astype(np.float32), grid_cols, grid_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(share > 0.5, dtype=np.bool_)


def grey_scale(grey: NDArray[np.float32], limb: NDArray[np.bool_], bone: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the value of soft tissue and the rise from it to bone; never a rise of zero."""
    tissue = grey[limb & ~bone][::7]
    bony = grey[bone][::7]
    inside = grey[limb][::7] if limb.any() else grey.ravel()[::7]
    level = float(np.median(tissue)) if tissue.size else float(np.median(inside))
    high = float(np.percentile(bony, 75)) if bony.size else float(np.percentile(inside, 98))
    return level, max(high - level, 1e-6 * max(1.0, abs(high)), 1e-6)


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
            # Structure only adds to the response: a low quantile of it is the noise's.
            sds.append(float(np.quantile(responses[inside], 0.3)) / 0.385 / _LAPLACIAN_GAIN)
    return np.maximum(np.interp(smooth, centres, sds), 1e-3).astype(np.float32)
