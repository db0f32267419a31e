"""Crops of a film around its deposits, on square pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box, bounding_boxes, pad_box
from calcimeasure.measurement.edge_model import Crop, half_width_px, margin_px
from calcimeasure.radiograph import Radiograph

SQUARE_WITHIN = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class DepositCrop:
    """One deposit with the film around it.

    Attributes
    ----------
    label
        Its number.
    mask
        Its pixels on the film's own grid, with a margin of film around them.
    first_row, first_col
        Where on the film the mask's first pixel lies.
    crop
        The film around it, on square pixels.
    """

    label: int
    mask: NDArray[np.bool_]
    first_row: int
    first_col: int
    crop: Crop


def deposit_crops(
    film: Radiograph,
    image: NDArray[np.uint16],
    wanted: frozenset[int],
    boxes: Mapping[int, Box] | None = None,
) -> Iterator[DepositCrop]:
    """Yield the crops of deposits in order of their numbers.

    Pixels that are not square are resampled to square ones of the same area: areas in pixels do not change.

    Parameters
    ----------
    film
        The film.
    image
        Its label image.
    wanted
        Which deposits.
    boxes
        The bounding box of each of them, where that is known: finding it takes a pass over the whole film.
    """
    for number, box in sorted((bounding_boxes(image) if boxes is None else boxes).items()):
        if number not in wanted:
            continue
        own = image[box] == number
        aspect = film.spacing.pixel_aspect
        margin = margin_px(half_width_px(_resampled_mask(own, aspect)))
        window = pad_box(box, (ceil(margin / sqrt(aspect)), ceil(margin * sqrt(aspect))), film.shape)
        here = image[window]
        valid = np.ones(here.shape, bool) if film.padding is None else ~film.padding[window]
        mask = here == number
        first_row, first_col = (side.start for side in window)
        crop = Crop(
            pixels=film.pixels[window],
            mask=mask,
            others=(here != 0) & ~mask,
            valid=valid,
            corner=(first_row, first_col),
        )
        yield DepositCrop(label=number, mask=mask, first_row=first_row, first_col=first_col, crop=_square(crop, aspect))


def _square(crop: Crop, aspect: float) -> Crop:
    if _is_square(aspect):
        return replace(
            crop,
            pixels=np.ascontiguousarray(crop.pixels),
            mask=np.ascontiguousarray(crop.mask),
            others=np.ascontiguousarray(crop.others),
            valid=np.ascontiguousarray(crop.valid),
        )
    return Crop(
        pixels=_resampled(crop.pixels, aspect),
        mask=square_mask(crop.mask, aspect),
        others=_resampled_mask(crop.others, aspect),
        valid=_resampled_mask(crop.valid, aspect),
        corner=(round(crop.corner[0] * sqrt(aspect)), round(crop.corner[1] / sqrt(aspect))),
    )


def square_mask(mask: NDArray[np.bool_], aspect: float) -> NDArray[np.bool_]:
    """Return a deposit's mask on square pixels of the same area; one thinner than such a pixel is not lost."""
    square = _resampled_mask(mask, aspect)
    return square if square.any() else _resampled_mask(mask, aspect, level=0.2)


def _is_square(aspect: float) -> bool:
    return abs(aspect - 1.0) <= SQUARE_WITHIN


def _resampled_mask(mask: NDArray[np.bool_], aspect: float, *, level: float = 0.5) -> NDArray[np.bool_]:
    return mask if _is_square(aspect) else _resampled(mask.astype(np.float32), aspect) >= level


def _resampled(image: NDArray[np.float32], aspect: float) -> NDArray[np.float32]:
    """Return the image on square pixels of the same area: rows `aspect` times as far apart as columns."""
    stretch_rows, stretch_cols = sqrt(aspect), 1 / sqrt(aspect)
    shape = (max(1, round(image.shape[0] * stretch_rows)), max(1, round(image.shape[1] * stretch_cols)))
    rows = ((np.arange(shape[0]) + 0.5) / stretch_rows - 0.5).astype(np.float32)
    cols = ((np.arange(shape[1]) + 0.5) / stretch_cols - 0.5).astype(np.float32)
    map_col, map_row = np.meshgrid(cols, rows)
    return np.asarray(
        cv2.remap(np.ascontiguousarray(image), map_col, map_row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    )
