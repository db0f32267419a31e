"""DICOM objects of any class: which of those with pixels are no films, and how they are written."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from calcimeasure.errors import OutputError
from calcimeasure.io.dicom_header import Header, discreet

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
_OUR_NAME = "CALCIMEASURE"


def why_no_film(header: Header) -> str | None:
    """Return what an object with pixels is instead of a film, to follow "it is"; None where it may be one."""
    if header.words("SOPClassUID") in (SEGMENTATION, LABEL_MAP_SEGMENTATION):
        return "a segmentation, not a film"
    if header.words("Manufacturer") == header.words("ManufacturerModelName") == _OUR_NAME:
        return "a picture of results, not a film"
    return None


def write_object(dataset: Dataset, path: Path, name: str) -> None:
    """Write an object as a DICOM file.

    Raises
    ------
    OutputError
        When the file cannot be written; `name` says what it is.
    """
    try:
        path.write_bytes(encoded(dataset))
    except OSError as error:
        raise OutputError(f"the {name} could not be written: {error.strerror}", where=path.name) from error


@discreet()
def encoded(dataset: Dataset) -> bytes:
    """Return an object as the bytes of a DICOM file."""
    from pydicom import dcmwrite

    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
