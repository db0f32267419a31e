"""Simulated films as plain images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from calcimeasure.simulation.film import SimulatedFilm


def write_image(simulated: SimulatedFilm, path: Path) -> None:
    """Write a simulated film as PNG or TIFF, 8 bits where it has 8 and 16 otherwise, calcium bright.

    Raises
    ------
    OutputError
        When the folder cannot be written, or the name ends in something else.
    """
    if path.suffix.lower() not in (".png", ".tif", ".tiff"):
        raise OutputError(f"'{path.suffix}' is not an image that keeps every value", where=path.name,
                          remedy="Name it .png or .tif.")  # fmt: skip
    canonical = simulated.film.pixels
    bits = simulated.processing.bits
    image = canonical.astype(np.uint8) if bits == 8 else canonical.astype(np.uint16) << (16 - bits)
    done, encoded = cv2.imencode(path.suffix.lower(), image)
    if not done:
        raise OutputError("the film could not be encoded", where=path.name)
    path.write_bytes(encoded.tobytes())


def write_labels(simulated: SimulatedFilm, path: Path) -> None:
    """Write the true label image as a 16-bit TIFF: 0 is no deposit, n is deposit n."""
    import tifffile

    tifffile.imwrite(path, simulated.labels.image, compression="zlib", metadata=None, software=None)
