"""Simulated films as plain images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from calcimeasure.deposits import DepositLabels
    from calcimeasure.radiograph import Radiograph
    from calcimeasure.simulation.simulated_film import SimulatedFilm

WHITEST = 65535


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
    _encode(canonical.astype(np.uint8) if bits == 8 else (canonical * 2 ** (16 - bits)).astype(np.uint16), path)


def write_truth_labels(labels: DepositLabels, path: Path) -> None:
    """Write the true label image as a 16-bit TIFF: 0 is no deposit, n is deposit n."""
    import tifffile

    tifffile.imwrite(path, labels.image, compression="zlib", metadata=None, software=None)


def write_canonical(film: Radiograph, labels: DepositLabels, folder: Path, stem: str) -> None:
    """Write any film as ``STEM.tif``, 16 bits with calcium bright, and its labels as ``STEM_labels.tif``.

    Values that are not whole numbers between 0 and 65535 are stretched to that range.
    """
    pixels = film.pixels
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > WHITEST or np.any(np.mod(pixels, 1)):
        pixels = (pixels - np.float32(low)) * np.float32(WHITEST / max(high - low, 1e-6))
    _encode(np.rint(pixels).astype(np.uint16), folder / f"{stem}.tif")
    write_truth_labels(labels, folder / f"{stem}_labels.tif")


def _encode(image: NDArray[np.uint8] | NDArray[np.uint16], path: Path) -> None:
    done, encoded = cv2.imencode(path.suffix.lower(), image)
    if not done:
        raise OutputError("the film could not be encoded", where=path.name)
    path.write_bytes(encoded.tobytes())
