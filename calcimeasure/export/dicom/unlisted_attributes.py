"""What may name people and the standard's table of attributes does not list, or keeps.

The table says which known attributes go. Here it is the other way round: of what may hold free text or bytes, only
what measuring and showing need stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_FREE = frozenset(
    ("LO", "LT", "SH", "ST", "UC", "UT", "UR", "UN", "PN", "OB", "OW", "OB or OW", "OF", "OD", "OL", "OV")
)
_KEPT = frozenset((
    "PatientName", "PatientID", "PixelData", "FloatPixelData", "DoubleFloatPixelData", "LUTData", "Manufacturer",
    "ManufacturerModelName", "SoftwareVersions", "RescaleType", "ModalityLUTType", "LUTExplanation",
    "WindowCenterWidthExplanation", "PixelSpacingCalibrationDescription", "DeidentificationMethod",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning",
))  # fmt: skip
_LAST_GROUP = 0x7FE0
_OVERLAYS, _CURVES = 0x6000, 0x5000


def remove_unlisted(dataset: Dataset, listed: frozenset[int]) -> None:
    """Remove, in place, overlays, curves, unknown attributes, and free text that nothing needs.

    Parameters
    ----------
    dataset
        A film, or an item of one of its sequences.
    listed
        Tags that the standard's table has: what it left of them stays.
    """
    for element in list(dataset):
        if _goes(element, listed):
            del dataset[element.tag]
        elif element.keyword == "CodeMeaning":
            # Free text beside a code that says the same.
            element.value = str(dataset.get("CodeValue") or "code")[:64]
        elif element.VR == "SQ":
            for item in element.value:
                remove_unlisted(item, listed)


def _goes(element: DataElement, listed: frozenset[int]) -> bool:
    group = element.tag.group
    if group % 2 or group & 0xFF00 in (_OVERLAYS, _CURVES) or group > _LAST_GROUP or not element.keyword:
        return True
    return element.VR in _FREE and element.keyword not in _KEPT and int(element.tag) not in listed
