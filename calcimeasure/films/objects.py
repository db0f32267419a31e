"""DICOM objects that hold pixels and are no films: segmentations, and pictures that this product made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calcimeasure.films.header import Header

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
