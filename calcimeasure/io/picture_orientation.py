"""The orientation tag of TIFF and EXIF: how stored rows and columns lie in the picture as it is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.io.film_parts import Picture

ORIENTATION_TAG = 274
# By the tag's value: whether rows and columns change places, then whether rows and columns run the other way.
_STEPS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
TRANSPOSED = tuple(value for value, steps in _STEPS.items() if steps[0])


def upright(picture: Picture, orientation: object) -> Picture:
    """Return a picture as it is meant to be seen; an orientation that is none leaves it as it is."""
    steps = _STEPS.get(orientation) if isinstance(orientation, int) else None
    if steps is None:
        return picture
    resolution = picture.resolution
    if steps[0] and resolution is not None:
        resolution = replace(
            resolution,
            row_mm=resolution.col_mm,
            col_mm=resolution.row_mm,
            pixel_aspect=1 / resolution.pixel_aspect,
        )
    hidden = None if picture.hidden is None else _turned(picture.hidden, steps)
    return replace(picture, pixels=_turned(picture.pixels, steps), hidden=hidden, resolution=resolution)


def _turned(pixels: NDArray[Any], steps: tuple[bool, bool, bool]) -> NDArray[Any]:
    transposed, rows_reversed, columns_reversed = steps
    if transposed:
        pixels = np.swapaxes(pixels, 0, 1)
    if rows_reversed:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if columns_reversed else pixels
