"""Which ways of coding pixels this installation can decode, found by decoding a small picture in each.

The pictures are 16 x 16 pixels that rise from 0 to the largest value, made for this purpose.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.dicom_header import Header, discreet
from calcimeasure.io.pixel_decoding import stored_values

_SIDE = 16
_RLE = (
    "AgAAAEAAAABgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPEA8QHxAvED8QTx"
    "BfEG8QfxCPEJ8QrxC/EM8Q3xDvEPDwAQIDBAUGBwgJCgsMDQ4PAPABEhMUFRYXGBkaGxwdHh8Q8BESIyQlJicoKSorLC0uLyDwIS"
    "IjNDU2Nzg5Ojs8PT4/MPAxMjM0RUZHSElKS0xNTk9A8EFCQ0RFVldYWVpbXF1eX1DwUVJTVFVWZ2hpamtsbW5vYPBhYmNkZWZneH"
    "l6e3x9fn9w8HFyc3R1dnd4iYqLjI2Oj4DwgYKDhIWGh4iJmpucnZ6fkPCRkpOUlZaXmJmaq6ytrq+g8KGio6SlpqeoqaqrvL2+v7"
    "DwsbKztLW2t7i5uru8zc7PwPDBwsPExcbHyMnKy8zN3t/Q8NHS09TV1tfY2drb3N3e7+Dw4eLj5OXm5+jp6uvs7e7v8="
)
_JPEG_8 = (
    "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAAL"
    "CAAQABABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG"
    "E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4"
    "eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6"
    "/9oACAEBAAA/AP529N/4Jt/d/wCJB6f8u3/2Negab/wTb+7/AMSD0/5dv/sa/vA03/gm393/AIkHp/y7f/Y16Bpv/BNv7v8AxIPT"
    "/l2/+xr/2Q=="
)
_JPEG_12 = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQE"
    "BAQEAgMFBQQEBQQEBAT/wQALDAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAACw7/xAAjEAAABAMJAAAAAAAAAAAAAAAAAQkN"
    "ETFkFRghIyk1SFNx/9oACAEBAAA/AJ3XTZbbaNgEaCuOVA7ts5UYQETbbbTYNBXq42+UYvDhNtttNg0Ferjb5RhAVNltto2ARoK4"
    "5UDu2zlRj//Z"
)
_JPEG_LOSSLESS = (
    "/9j/wwALEAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABQkQ/9oACAEBAAEAAMgggggggggggggghQBFBBBBBBBBBBBBBCgK"
    "CKCCCCCCCCCCCCFAUEEUEEEEEEEEEEEKAoIIIoIIIIIIIIIIUBQQQQRQQQQQQQQQQoCgggggigggggggghQFBBBBBBFBBBBBBBCg"
    "KCCCCCCCKCCCCCCFAUEEEEEEEEUEEEEEKAoIIIIIIIIIoIIIIUBQQQQQQQQQQRQQQQoCgggggggggggigghQFBBBBBBBBBBBBFBC"
    "gKCCCCCCCCCCCCCKFAUEEEEEEEEEEEEEEf/Z"
)
_JPEG_LS = (
    "/9j/9wALEAAQABABAREA//gADQH//wASAEMBFABA/9oACAEBAAAAAKD8H4PwdhuD8HYbhmLxWJxGPjcAQig9DkNRiLRSJSEdGRkV"
    "FQgwFERURDRo0aNGiRIkSJB7AESJGiRIkSFChRRRRQ5f6KKKSKKKKKKKKKKGv8iiiikiiiiiigggjH9QQhCEoQhCEIQi38QhCEIS"
    "hCEIQhFP2hCEIRFRERERL9IiIiIioiIiQ/KIiIiIjSSR34SSSSSaSRn3SSSSSTSRn2VVVVKivqqqqqlFfRVX/ij/2QA="
)
_JPEG_2000 = (
    "/0//UQApAAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1IADAAAAAEAAwQEAAH/XAANQICIiJCIiJCIiJD/"
    "ZAAqAAFDcmVhdGVkIGJ5IEdEQ00vT3BlbkpQRUcgdmVyc2lvbiAyLjMuMP+QAAoAAAAAAG8AAf+Tz/wwIAiB0e4CIIkvwAfaCQH8"
    "gsAAHQgNAgWHCz2FH6kEV8AD6gaAfsEQAAdEIhoIXWGqA3/dUk11YX8VcfW/wAHzh4A/MKgAATA2oZnJrdh/PaY0YME1sAADjxTS"
    "f4v/f//ZAA=="
)
# name, transfer syntax, bits, coded picture, largest error that lossy coding may make
_PROBES = (
    ("RLE", "1.2.840.10008.1.2.5", 12, _RLE, 0),
    ("JPEG baseline, 8 bits", "1.2.840.10008.1.2.4.50", 8, _JPEG_8, 2),
    ("JPEG extended, 12 bits", "1.2.840.10008.1.2.4.51", 12, _JPEG_12, 8),
    ("JPEG lossless", "1.2.840.10008.1.2.4.57", 12, _JPEG_LOSSLESS, 0),
    ("JPEG lossless, first-order", "1.2.840.10008.1.2.4.70", 12, _JPEG_LOSSLESS, 0),
    ("JPEG-LS lossless", "1.2.840.10008.1.2.4.80", 12, _JPEG_LS, 0),
    ("JPEG-LS near-lossless", "1.2.840.10008.1.2.4.81", 12, _JPEG_LS, 0),
    ("JPEG 2000 lossless", "1.2.840.10008.1.2.4.90", 12, _JPEG_2000, 0),
    ("JPEG 2000", "1.2.840.10008.1.2.4.91", 12, _JPEG_2000, 0),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CodingCheck:
    """Whether one way of coding pixels is decoded, and decoded right."""

    name: str
    transfer_syntax: str
    decoded: bool


def check_codings() -> list[CodingCheck]:
    """Decode a small picture in every way that films are coded, and compare it with what it should be."""
    checks = [CodingCheck(name="uncompressed", transfer_syntax="1.2.840.10008.1.2.1", decoded=_reads_uncompressed())]
    for name, syntax, bits, coded, tolerance in _PROBES:
        pixels = _decode(base64.b64decode(coded), syntax, bits)
        error = None if pixels is None else int(np.abs(pixels.astype(np.int64) - _expected(bits)).max())
        decoded = error is not None and error <= tolerance
        checks.append(CodingCheck(name=name, transfer_syntax=syntax, decoded=decoded))
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
            return np.asarray(stored_values(Header(dataset), "a test picture"), np.int64)
    except FilmError:
        return None
