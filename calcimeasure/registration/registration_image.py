"""The reduced, normalised pictures that registration works on.

Two visits differ in exposure, window, curve and noise, so grey values are not compared as they are: each picture is
reduced to about half a millimetre a cell, its local mean is taken off and its local spread divided out. What stays is
the pattern of bone, joints and skin lines, whatever the processing. Nothing is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.radiograph import Radiograph

FloatImage = NDArray[np.float32]

REGISTRATION_SPACING_MM = 0.5
LARGEST_CELLS = 900
"""Cells along the long side at most: a 43 cm film is reduced to 0.5 mm, a longer one a little more."""
LONGEST_SIDE_WITHOUT_SPACING = 560
MEAN_SIGMA = 9.0
SPREAD_SIGMA = 18.0
"""Reach of the local mean and spread, in cells: about 4.5 and 9 mm."""
STRUCTURED = 85
FLOOR_OF_SPREAD = 0.2
"""Share of the spread at bone's edges (the 85th percentile over the limbs) that is added to every local spread, so
that the noise of a thigh is not raised to the height of bone."""
CLIP = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistrationImage:
    """One film, reduced and normalised.

    Attributes
    ----------
    raw
        The film's values, averaged over each cell.
    image
        The same, locally normalised; 0 outside the field.
    field
        1 where the beam reached the film, 0 elsewhere.
    limbs, bone
        The anatomy's masks on this grid.
    cell
        (rows, columns) of the film that one cell stands for.
    cell_spacing_mm
        Size of a cell in mm; None without a spacing.
    """

    raw: FloatImage
    image: FloatImage
    field: FloatImage
    limbs: NDArray[np.uint8]
    bone: NDArray[np.bool_]
    cell: tuple[float, float]
    cell_spacing_mm: float | None

    def to_film(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (row, col) indices of the film for (row, col) positions on this grid."""
        return np.asarray((points + 0.5) * np.asarray(self.cell) - 0.5, np.float64)

    def from_film(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (row, col) positions on this grid for (row, col) indices of the film."""
        return np.asarray((points + 0.5) / np.asarray(self.cell) - 0.5, np.float64)

    def mirrored(self) -> RegistrationImage:
        """Return the same picture turned left to right."""
        return replace(
            self,
            raw=np.ascontiguousarray(self.raw[:, ::-1]),
            image=np.ascontiguousarray(self.image[:, ::-1]),
            field=np.ascontiguousarray(self.field[:, ::-1]),
            limbs=np.ascontiguousarray(self.limbs[:, ::-1]),
            bone=np.ascontiguousarray(self.bone[:, ::-1]),
        )


def registration_image(film: Radiograph, anatomy: Anatomy, *, in_mm: bool) -> RegistrationImage:
    """Return the reduced, normalised picture of a film.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    in_mm
        Whether cells are `REGISTRATION_SPACING_MM` wide (both films of the pair have a spacing), else a share of
        the film's long side.

    Returns
    -------
    Reduced
        Square cells, whatever the film's pixel aspect.
    """
    rows, cols = film.shape
    cell_spacing = _cell_spacing(film, in_mm=in_mm)
    aspect = film.spacing.pixel_aspect
    spacing = film.spacing.mm if in_mm else None
    row_size, col_size = spacing if spacing is not None else (aspect, 1.0)
    shape = (max(8, round(rows * row_size / cell_spacing)), max(8, round(cols * col_size / cell_spacing)))
    picture = resize(film.pixels, shape)
    recorded = cv2.erode(_nearest(anatomy, anatomy.field.astype(np.uint8), shape), np.ones((3, 3), np.uint8))
    field = np.asarray(recorded, np.float32)
    limbs = _nearest(anatomy, anatomy.limbs, shape)
    bone = _nearest(anatomy, anatomy.bone.astype(np.uint8), shape) > 0
    return RegistrationImage(
        raw=picture,
        image=normalise(picture, field, limbs > 0),
        field=field,
        limbs=limbs,
        bone=bone,
        cell=(rows / shape[0], cols / shape[1]),
        cell_spacing_mm=cell_spacing if in_mm else None,
    )


def normalise(
    picture: FloatImage,
    field: FloatImage,
    limb: NDArray[np.bool_],
    *,
    mean_sigma: float = MEAN_SIGMA,
    spread_sigma: float = SPREAD_SIGMA,
) -> FloatImage:
    """Return the picture with its local mean taken off and its local spread divided out, 0 outside the field.

    Both are taken over the field alone (normalised convolution), so that the collimator's border leaves no edge.
    """
    inside = picture[field > 0]
    if inside.size == 0:
        return np.zeros_like(picture)
    span = float(inside.max() - inside.min()) or 1.0
    scaled = np.asarray((picture - inside.mean()) / span * field, np.float32)
    mean = box_blur(scaled, mean_sigma) / np.maximum(box_blur(field, mean_sigma), np.float32(1e-3))
    excess = np.asarray((scaled - mean) * field, np.float32)
    square = box_blur(excess * excess, spread_sigma) / np.maximum(box_blur(field, spread_sigma), np.float32(1e-3))
    spread = np.sqrt(np.maximum(square, 0.0))
    over = limb & (field > 0)
    typical = float(np.percentile(spread[over], STRUCTURED)) if over.any() else float(spread.max(initial=0.0))
    result: FloatImage = np.clip(excess / (spread + np.float32(FLOOR_OF_SPREAD * typical + 1e-6)), -CLIP, CLIP)
    return result


def resize(picture: FloatImage, shape: tuple[int, int]) -> FloatImage:
    """Return the picture on another grid over the same extent, averaging where it shrinks."""
    smaller = shape[0] < picture.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (shape[1], shape[0]), interpolation=how), np.float32)


def box_blur(picture: FloatImage, sigma: float) -> FloatImage:
    """Return the picture smoothed by three box averages, which come close to a Gaussian at a fixed cost."""
    width = max(1, int(np.sqrt(4.0 * sigma * sigma + 1.0)) | 1)
    smooth: Any = picture
    for _ in range(3):
        smooth = cv2.blur(smooth, (width, width), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(smooth, np.float32)


def _cell_spacing(film: Radiograph, *, in_mm: bool) -> float:
    """Return the cell's size: mm where `in_mm`, else columns of the film."""
    rows, cols = film.shape
    spacing = film.spacing.mm
    if in_mm and spacing is not None:
        longest_mm = max(rows * spacing[0], cols * spacing[1])
        return max(REGISTRATION_SPACING_MM, longest_mm / LARGEST_CELLS)
    return max(rows * film.spacing.pixel_aspect, cols) / LONGEST_SIDE_WITHOUT_SPACING


def _nearest(anatomy: Anatomy, mask: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return one of the anatomy's masks on a grid of `shape` over the film's extent."""
    rows, cols = anatomy.shape
    film_rows = (np.arange(shape[0]) + 0.5) * (rows / shape[0])
    film_cols = (np.arange(shape[1]) + 0.5) * (cols / shape[1])
    row_index = np.minimum((film_rows / anatomy.step).astype(np.intp), mask.shape[0] - 1)
    col_index = np.minimum((film_cols / anatomy.step).astype(np.intp), mask.shape[1] - 1)
    return mask[np.ix_(row_index, col_index)]
