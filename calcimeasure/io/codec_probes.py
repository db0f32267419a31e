"""Which ways of coding pixels this installation can decode, found by decoding a small picture in each.

The pictures (`codec_probes.json`) are 16 x 16 pixels that rise from 0 to the largest value, made for this purpose.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from importlib import resources
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.dicom_header import Header, discreet
from calcimeasure.io.pixel_decoding import stored_values

_SIDE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class CodingCheck:
    """Whether one way of coding pixels is decoded, and decoded right."""

    name: str
    transfer_syntax: str
    decoded: bool


class CodedPicture(TypedDict):
    """A picture in one coding (base64), and the largest error that lossy coding may make."""

    name: str
    transfer_syntax: str
    bits: int
    coded: str
    largest_error: int


def coded_pictures() -> list[CodedPicture]:
    """Return the test picture in every coding."""
    text = resources.files("calcimeasure.io").joinpath("codec_probes.json").read_text("utf-8")
    pictures: list[CodedPicture] = json.loads(text)
    return pictures


def check_codings() -> list[CodingCheck]:
    """Decode a small picture in every way that films are coded, and compare it with what it should be."""
    checks = [CodingCheck(name="uncompressed", transfer_syntax="1.2.840.10008.1.2.1", decoded=_reads_uncompressed())]
    for probe in coded_pictures():
        pixels = _decode(base64.b64decode(probe["coded"]), probe["transfer_syntax"], probe["bits"])
        error = None if pixels is None else int(np.abs(pixels.astype(np.int64) - _expected(probe["bits"])).max())
        decoded = error is not None and error <= probe["largest_error"]
        checks.append(CodingCheck(name=probe["name"], transfer_syntax=probe["transfer_syntax"], decoded=decoded))
    return checks


def _expected(bits: int) -> NDArray[np.int64]:
    rising = np.arange(_SIDE * _SIDE, dtype=np.int64) * (2**bits - 1)
    return np.asarray(rising // 255, np.int64).reshape(_SIDE, _SIDE)


def _reads_uncompressed() -> bool:
    pixels = _decode(_expected(12).astype("<u2").tobytes(), "1.2.840.10008.1.2.1", 12)
    return pixels is not None and bool(np.array_equal(pixels, _expected(12)))


def _decode(data: bytes, syntax: str, bits: int) -> NDArray[np.int64] | None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    native = syntax == "1.2.840.10008.1.2.1"
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.Rows = dataset.Columns = _SIDE
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelRepresentation = 0
    dataset.BitsStored, dataset.HighBit, dataset.BitsAllocated = bits, bits - 1, 16 if bits > 8 else 8
    dataset.PixelData = data if native else encapsulate([data])
    dataset["PixelData"].VR = "OW" if native else "OB"
    dataset["PixelData"].is_undefined_length = not native
    try:
        with discreet():
            return np.asarray(stored_values(Header(dataset), "a test picture", []).values, np.int64)
    except FilmError:
        return None
