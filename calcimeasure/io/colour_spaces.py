"""Colours of DICOM pixels as red, green and blue: luminance with two differences, and palettes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.dicom_header import Header
from calcimeasure.io.grey_scale import make_lut

_CHANNELS = ("Red", "Green", "Blue")


def ybr_to_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return YBR_FULL as RGB (PS3.3 C.7.6.3.1.2), shape (rows, columns, 3)."""
    middle, largest = 2 ** (8 * pixels.dtype.itemsize - 1), np.iinfo(pixels.dtype).max
    luma, blue, red = (pixels[:, :, n].astype(np.float32) for n in range(3))
    blue -= middle
    red -= middle
    rgb = np.empty(pixels.shape, pixels.dtype)
    rgb[:, :, 0] = np.clip(np.rint(luma + 1.402 * red), 0, largest)
    rgb[:, :, 1] = np.clip(np.rint(luma - 0.344136 * blue - 0.714136 * red), 0, largest)
    rgb[:, :, 2] = np.clip(np.rint(luma + 1.772 * blue), 0, largest)
    return rgb


def palette_to_rgb(
    indices: NDArray[Any], header: Header, limits: tuple[int, int], where: str
) -> NDArray[np.uint8 | np.uint16]:
    """Return the colours that a palette gives to indices, shape (rows, columns, 3).

    Raises
    ------
    FilmError
        When the palette is missing or damaged.
    """
    channels = []
    bits = 8
    for name in _CHANNELS:
        descriptor = header.numbers(f"{name}PaletteColorLookupTableDescriptor")
        table = make_lut(descriptor, header.raw(f"{name}PaletteColorLookupTableData"), limits)
        if table is None:
            raise FilmError(
                f"the pixels are indices of a palette, whose {name.lower()} table is missing or damaged",
                where=where,
                remedy="Export the radiograph in grey.",
            )
        bits = max(bits, 16 if table.entries.max() > 255 else 8)
        channels.append(table)
    rgb = np.empty((*indices.shape, 3), np.uint8 if bits == 8 else np.uint16)
    for number, table in enumerate(channels):
        rgb[:, :, number] = table(indices)
    return rgb
