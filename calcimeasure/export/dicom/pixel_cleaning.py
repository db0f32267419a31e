"""The pixels of a film and nothing else: no overlay in unused bits, no comment in a coded stream, no byte after them.

The values are kept exactly; they are stored anew without compression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.io.colour_spaces import ybr_to_rgb
from calcimeasure.io.dicom_header import Header
from calcimeasure.io.pixel_decoding import DecodedFrame, decode_frame
from calcimeasure.io.stored_bits import BitReading, decoded_reading, header_reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from calcimeasure.notices import Notice

_OTHER_PIXELS = ("FloatPixelData", "DoubleFloatPixelData")
_OF_CODING = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelDataProviderURL")


def clean_pixels(dataset: Dataset, where: str) -> None:
    """Replace the pixel data of a film, in place, by its values alone, uncompressed.

    Raises
    ------
    FilmError
        When the pixels are missing, damaged, or cannot be decoded.
    """
    from pydicom.uid import ExplicitVRLittleEndian

    if any(keyword in dataset for keyword in _OTHER_PIXELS):
        # Floating-point values fill their pixels, and are never compressed.
        return
    notes: list[Notice] = []
    frames, reading = [], None
    for number in range(max(Header(dataset).integer("NumberOfFrames") or 1, 1)):
        header = Header(dataset, number)
        decoded = decode_frame(header, where, notes)
        if decoded.pixels.ndim == 3 and decoded.pixels.shape[2] > 1:
            frames.append(_colour(header, decoded))
            continue
        reading = reading or _reading(header, decoded, where, notes)
        frames.append(_grey(decoded, reading))
    _store(dataset, frames, reading)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _reading(header: Header, decoded: DecodedFrame, where: str, notes: list[Notice]) -> BitReading:
    stated = header_reading(header, where, shifted=decoded.coding is None)
    return decoded_reading(_plane(decoded), stated, notes, coded=decoded.coding is not None, lossy=decoded.lossy)


def _plane(decoded: DecodedFrame) -> NDArray[Any]:
    return decoded.pixels[:, :, 0] if decoded.pixels.ndim == 3 else decoded.pixels


def _grey(decoded: DecodedFrame, reading: BitReading) -> NDArray[Any]:
    pixels = _plane(decoded)
    if decoded.lossy:
        if reading.signed and pixels.dtype.kind == "u":
            pixels = pixels.view(np.dtype(f"i{pixels.dtype.itemsize}"))
        return np.asarray(np.clip(pixels, *reading.limits))
    return reading(pixels.view(np.dtype(f"u{pixels.dtype.itemsize}")))


def _colour(header: Header, decoded: DecodedFrame) -> NDArray[Any]:
    interpretation = header.words("PhotometricInterpretation") or ""
    is_ybr = interpretation.startswith("YBR") if decoded.is_ybr is None else decoded.is_ybr
    pixels = decoded.pixels[:, :, :3]
    return ybr_to_rgb(pixels) if is_ybr and pixels.shape[2] == 3 else pixels


def _store(dataset: Dataset, frames: list[NDArray[Any]], reading: BitReading | None) -> None:
    size = frames[0].dtype.itemsize
    # Values of fewer bits than a byte are masked already: nothing of the header's claim is left to hide anything.
    order = [np.ascontiguousarray(frame.astype(frame.dtype.newbyteorder("<"))).tobytes() for frame in frames]
    data = b"".join(order)
    masked = _without_sign_bits(data, reading, size) if reading is not None and reading.signed else data
    dataset.PixelData = masked + b"\0" * (len(masked) % 2)
    dataset["PixelData"].VR = "OW" if size > 1 else "OB"
    dataset["PixelData"].is_undefined_length = False
    dataset.BitsAllocated = 8 * size
    dataset.BitsStored = 8 * size if reading is None else reading.stored
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(reading is not None and reading.signed)
    dataset.SamplesPerPixel = 1 if frames[0].ndim == 2 else frames[0].shape[2]
    if dataset.SamplesPerPixel > 1:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    elif "PlanarConfiguration" in dataset:
        del dataset.PlanarConfiguration
    if dataset.SamplesPerPixel == 1 and str(dataset.get("PhotometricInterpretation", "")).startswith(("YBR", "RGB")):
        dataset.PhotometricInterpretation = "MONOCHROME2"
    for keyword in _OF_CODING:
        if keyword in dataset:
            delattr(dataset, keyword)


def _without_sign_bits(data: bytes, reading: BitReading, size: int) -> bytes:
    """Return signed values with the bits above those stored empty, as readers expect that mask nothing."""
    values = np.frombuffer(data, f"<u{size}")
    return bytes((values & np.array(2**reading.stored - 1, values.dtype)).tobytes())
