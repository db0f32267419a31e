"""Blanking a film where names and dates are burned into the picture: outside its limbs, and rows of text over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.export.burned_in_text import text_boxes
from calcimeasure.radiograph import GreyScale, Radiograph

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

# Share of the film's longer side that stays visible around a limb.
_RIM = 0.02


def blank_outside_limbs(dataset: Dataset) -> int:
    """Set every pixel outside the limbs, and rows of text over them, to the value of air, in place.

    Pixels inside a rim around the limbs stay as they were stored. The object is uncompressed (see `clean_pixels`).
    Returns the number of rows of text over the limbs, where part of the limb is lost.

    Raises
    ------
    ValueError
        When the film has several frames or colours, or no limb was found.
    """
    if int(dataset.get("NumberOfFrames", 1) or 1) != 1 or int(dataset.SamplesPerPixel) != 1:
        raise ValueError("only single grey pictures can be blanked")
    stored = dataset.pixel_array
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    inside, text = _around_limbs(stored, inverted=inverted)
    if not inside.any():
        raise ValueError("no limb was found on it")
    air = int(stored.max() if inverted else stored.min())
    blanked = np.where(inside, stored, np.array(air, stored.dtype)).astype(stored.dtype)
    frame = np.ascontiguousarray(blanked).tobytes()
    dataset.PixelData = frame + b"\0" * (len(frame) % 2)
    return text


def _around_limbs(stored: NDArray[np.generic], *, inverted: bool) -> tuple[NDArray[np.bool_], int]:
    """Return what stays, and how many rows of text were taken out of it."""
    canonical = stored.astype(np.float32)
    if inverted:
        canonical = canonical.max() - canonical
    film = Radiograph(pixels=canonical, grey=GreyScale(lowest=float(canonical.min()), highest=float(canonical.max())))
    anatomy = find_anatomy(film)
    size = 2 * max(round(_RIM * max(anatomy.limbs.shape)), 1) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    grown = cv2.dilate((anatomy.limbs > 0).astype(np.uint8), disc)
    inside = np.array(anatomy.on_film(grown > 0), dtype=bool)
    boxes = text_boxes(film, anatomy)
    for box in boxes:
        inside[box] = False
    return inside, len(boxes)
