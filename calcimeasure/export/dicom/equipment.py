"""Manufacturer, series and provisional identifiers of every DICOM object that we write."""

from __future__ import annotations

from typing import TypedDict

from calcimeasure import __version__
from calcimeasure.io.dicom_uids import place_holder_uid

MANUFACTURER = "calcimeasure"
PRODUCT = "calcimeasure"
CHARACTER_SET = "ISO_IR 192"
_SERIAL_NUMBER = "none"


class MakerAndSeries(TypedDict):
    """Arguments of highdicom's objects that ours share."""

    manufacturer: str
    manufacturer_model_name: str
    software_versions: str
    device_serial_number: str
    specific_character_set: str
    series_number: int
    series_description: str
    series_instance_uid: str
    sop_instance_uid: str
    instance_number: int


def maker_and_series(series_number: int, series_description: str) -> MakerAndSeries:
    """Return the arguments that every highdicom object takes; `settle_instance_uids` replaces the UIDs."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": PRODUCT,
        "software_versions": __version__,
        "device_serial_number": _SERIAL_NUMBER,
        "specific_character_set": CHARACTER_SET,
        "series_number": series_number,
        "series_description": series_description,
        "series_instance_uid": place_holder_uid(),
        "sop_instance_uid": place_holder_uid(),
        "instance_number": 1,
    }
