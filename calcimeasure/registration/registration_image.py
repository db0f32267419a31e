"""The downsampled, locally normalised images that registration works on.

Two visits differ in exposure, window, curve and noise, so grey values are not compared as they are: each film is
averaged to about half a millimetre a cell, its local mean is subtracted and the result divided by the local standard
deviation. What stays is the pattern of bone, joints and skin lines, whatever the processing. Nothing is measured here.
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

CELL_MM = 0.5
LARGEST_CELLS = 900
"""Cells along the long side at most: a 43 cm film is sampled at 0.5 mm, a longer one a little more coarsely."""
LONGEST_SIDE_WITHOUT_SPACING = 560
MEAN_SIGMA = 9.0
DEVIATION_SIGMA = 18.0
"""Reach of the local mean and standard deviation, in cells: about 4.5 and 9 mm."""
EDGE_PERCENTILE = 85
DEVIATION_FLOOR = 0.2
"""Share of the deviation at bone's edges (the 85th percentile over the limbs) that is added to every local deviation,
so that the noise of a thigh is not amplified to the contrast of bone."""
CLIP = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistrationImage:
    """One film, downsampled and normalised, with square cells whatever the film's pixel aspect.

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
        (rows, columns) of the film in one cell.
    """

    raw: FloatImage
    image: FloatImage
    field: FloatImage
    limbs: NDArray[np.uint8]
    bone: NDArray[np.bool_]
    cell: tuple[float, float]

    def to_film(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (row, col) indices of the film for (row, col) positions on this grid."""
        return np.asarray((points + 0.5) * np.asarray(self.cell) - 0.5, np.float64)

    def from_film(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (row, col) positions on this grid for (row, col) indices of the film."""
        return np.asarray((points + 0.5) / np.asarray(self.cell) - 0.5, np.float64)

    def mirrored(self) -> RegistrationImage:
        """Return the same image flipped left to right."""
        names = ("raw", "image", "field", "limbs", "bone")
        flipped: dict[str, Any] = {name: np.ascontiguousarray(getattr(self, name)[:, ::-1]) for name in names}
        return replace(self, **flipped)


def registration_image(film: Radiograph, anatomy: Anatomy, *, in_mm: bool) -> RegistrationImage:
    """Return the downsampled, normalised image of a film.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    in_mm
        Whether cells are `CELL_MM` wide (both films of the pair have a spacing), else a share of the film's long side.
    """
    rows, cols = film.shape
    spacing = film.spacing.mm if in_mm else None
    row_size, col_size = spacing or (film.spacing.pixel_aspect, 1.0)
    longest = max(rows * row_size, cols * col_size)
    cell_size = longest / LONGEST_SIDE_WITHOUT_SPACING if spacing is None else max(CELL_MM, longest / LARGEST_CELLS)
    shape = (max(8, round(rows * row_size / cell_size)), max(8, round(cols * col_size / cell_size)))
    raw = resize(film.pixels, shape)
    field = np.asarray(
        cv2.erode(_resized_mask(anatomy, anatomy.field.astype(np.uint8), shape), np.ones((3, 3), np.uint8)), np.float32
    )
    limbs = _resized_mask(anatomy, anatomy.limbs, shape)
    return RegistrationImage(
        raw=raw,
        image=normalize(raw, field, limbs > 0),
        field=field,
        limbs=limbs,
        bone=_resized_mask(anatomy, anatomy.bone.astype(np.uint8), shape) > 0,
        cell=(rows / shape[0], cols / shape[1]),
    )


def normalize(
    image: FloatImage,
    field: FloatImage,
    limb: NDArray[np.bool_],
    *,
    mean_sigma: float = MEAN_SIGMA,
    deviation_sigma: float = DEVIATION_SIGMA,
) -> FloatImage:
    """Return the image less its local mean, over its local standard deviation; 0 outside the field.

    Both are taken over the field alone (normalised convolution), so that the collimator's border leaves no edge.
    """
    inside = image[field > 0]
    if inside.size == 0:
        return np.zeros_like(image)
    span = float(inside.max() - inside.min()) or 1.0
    scaled = np.asarray((image - inside.mean()) / span * field, np.float32)
    mean = box_blur(scaled, mean_sigma) / np.maximum(box_blur(field, mean_sigma), np.float32(1e-3))
    excess = np.asarray((scaled - mean) * field, np.float32)
    square = box_blur(excess * excess, deviation_sigma) / np.maximum(box_blur(field, deviation_sigma), np.float32(1e-3))
    deviation = np.sqrt(np.maximum(square, 0.0))
    over = limb & (field > 0)
    at_edges = float(np.percentile(deviation[over], EDGE_PERCENTILE) if over.any() else deviation.max(initial=0.0))
    floor = np.float32(DEVIATION_FLOOR * at_edges + 1e-6)
    return np.asarray(np.clip(excess / (deviation + floor), -CLIP, CLIP), np.float32)


def resize(image: FloatImage, shape: tuple[int, int]) -> FloatImage:
    """Return the image on another grid over the same extent, averaged where it shrinks."""
    interpolation = cv2.INTER_AREA if shape[0] < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=interpolation), np.float32)


def box_blur(image: FloatImage, sigma: float) -> FloatImage:
    """Return the image smoothed by three box averages, which come close to a Gaussian at a fixed cost."""
    width = max(1, int(np.sqrt(4.0 * sigma * sigma + 1.0)) | 1)
    smooth: Any = image
    for _ in range(3):
        smooth = cv2.blur(smooth, (width, width), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(smooth, np.float32)


def _resized_mask(anatomy: Anatomy, mask: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return one of the anatomy's masks on a grid of `shape` over the film's extent, by nearest neighbour."""
    index = [
        np.minimum(((np.arange(cells) + 0.5) * (pixels / cells) / anatomy.step).astype(np.intp), size - 1)
        for cells, pixels, size in zip(shape, anatomy.shape, mask.shape, strict=True)
    ]
    return mask[np.ix_(*index)]
