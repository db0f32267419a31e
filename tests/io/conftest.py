"""Make small DICOM files with exactly the attributes that a test is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def _make_dataset(pixels: np.ndarray | None, *, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> Dataset:
    """Return a DX data set of the pixels; attributes override, and None leaves one out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = attributes.get("SOPClassUID", DX)
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    values: dict[str, Any] = {
        "SOPClassUID": DX,
        "SOPInstanceUID": dataset.file_meta.MediaStorageSOPInstanceUID,
        "Modality": "DX",
        "PatientName": "Secret^Sylvia",
        "PatientID": "ID-4711",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": 0,
    }
    if pixels is not None:
        bits = 8 * pixels.dtype.itemsize
        values |= {"Rows": pixels.shape[0], "Columns": pixels.shape[1]}
        values |= {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
        values["PixelData"] = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    return dataset


def _ramp(rows: int = 40, columns: int = 30, dtype: type = np.uint16, top: int = 4000) -> np.ndarray:
    """Return pixels that all differ from their neighbours."""
    return np.linspace(0, top, rows * columns).astype(dtype).reshape(rows, columns)


@pytest.fixture
def write_film(tmp_path: Path) -> Callable[..., Path]:
    """Write a DICOM file of the pixels and return its path."""

    def write(pixels: np.ndarray | None = None, *, name: str = "film.dcm", **attributes: Any) -> Path:
        path = tmp_path / name
        dataset = _make_dataset(_ramp() if pixels is None else pixels, **attributes)
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def film_dataset() -> Callable[..., Dataset]:
    """Make a DX data set of pixels; attributes override."""
    return _make_dataset


@pytest.fixture
def ramp() -> Callable[..., np.ndarray]:
    """Make pixels that all differ from their neighbours."""
    return _ramp
