"""The decoded frames of any DICOM object with pixels, one by one, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.io import coded_stream
from calcimeasure.io.coded_stream import StreamKind
from calcimeasure.io.dicom_header import Header
from calcimeasure.io.pixel_decoding import is_coded
from calcimeasure.io.pixel_fragments import frame_stream

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MOST_PIXELS = 500_000_000


def pixel_frames(dataset: Dataset) -> Iterator[NDArray[Any]]:
    """Yield the frames, shape (rows, columns) or (rows, columns, samples).

    Raises
    ------
    ValueError
        When the pixels are fewer, or the frames larger or more, than the header says.
    RuntimeError
        When a frame cannot be decoded.
    """
    header = Header(dataset)
    rows, columns = header.integer("Rows") or 0, header.integer("Columns") or 0
    frames, samples = max(header.integer("NumberOfFrames") or 1, 1), header.integer("SamplesPerPixel") or 1
    bits = header.integer("BitsAllocated") or 8
    if rows < 1 or columns < 1 or rows * columns * samples > _MOST_PIXELS:
        raise ValueError(f"a frame of {rows} x {columns} pixels")
    native = -(-rows * columns * samples * frames * bits // 8)
    if "PixelData" not in dataset:
        raise ValueError("there is no picture")
    if is_coded(dataset, native):
        for number in range(frames):
            yield _decoded(frame_stream(dataset.PixelData, number, frames), (rows, columns, samples), bits)
        return
    if len(dataset.PixelData) < native:
        raise ValueError(f"{native} bytes are needed and there are {len(dataset.PixelData)}")
    if bits == 1:
        yield from _packed_frames(dataset.PixelData, (rows, columns), frames)
        return
    order = ">" if dataset.original_encoding[1] is False and bits > 8 else "<"
    kind = np.dtype(f"{order}u{bits // 8}")
    for number in range(frames):
        offset = number * rows * columns * samples * kind.itemsize
        pixels = np.frombuffer(dataset.PixelData, kind, count=rows * columns * samples, offset=offset)
        yield _shaped(pixels, header, (rows, columns, samples))


def _shaped(pixels: NDArray[Any], header: Header, shape: tuple[int, int, int]) -> NDArray[Any]:
    rows, columns, samples = shape
    if samples == 1:
        return pixels.reshape(rows, columns)
    if header.integer("PlanarConfiguration") == 1:
        return np.moveaxis(pixels.reshape(samples, rows, columns), 0, 2)
    return pixels.reshape(rows, columns, samples)


def _decoded(stream: bytes, shape: tuple[int, int, int], bits: int) -> NDArray[Any]:
    kind = coded_stream.stream_kind(stream)
    if kind is StreamKind.UNKNOWN:
        raise ValueError("a frame is coded in no known way")
    if kind is StreamKind.RLE:
        pixels = coded_stream.decode_rle(stream, shape, np.dtype(f"<u{max(bits // 8, 1)}"))
        return pixels[:, :, 0] if shape[2] == 1 else pixels
    found = coded_stream.frame_header(stream)
    if found is None or (found.rows, found.columns) != shape[:2] or found.components != shape[2]:
        raise ValueError("a frame has another size than the header says")
    if (cost := coded_stream.check_cost(stream)) is not None:
        raise ValueError(cost)
    return coded_stream.decode(coded_stream.without_padding(stream), is_rgb=True)


def _packed_frames(data: bytes, shape: tuple[int, int], frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of plain bits, which follow one another without a break in the middle of a byte."""
    packed = np.frombuffer(data, dtype=np.uint8)
    size = shape[0] * shape[1]
    for number in range(frames):
        first, past = number * size, (number + 1) * size
        bits = np.unpackbits(packed[first // 8 : -(-past // 8)], bitorder="little")
        yield bits[first % 8 : first % 8 + size].reshape(shape)
