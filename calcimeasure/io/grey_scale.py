"""From stored values to modality values, with window, padding and polarity as the header declares them.

The VOI transform is never applied: it gives the display window and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.io.dicom_header import Header
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import GreyRelationship

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_INTENT_OF_CLASS = {
    "1.2.840.10008.5.1.4.1.1.1.1": "FOR PRESENTATION",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "FOR PROCESSING",
    "1.2.840.10008.5.1.4.1.1.1.2": "FOR PRESENTATION",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "FOR PROCESSING",
    "1.2.840.10008.5.1.4.1.1.1.3": "FOR PRESENTATION",
    "1.2.840.10008.5.1.4.1.1.1.3.1": "FOR PROCESSING",
}
_LUT_ENDS = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Lut:
    """A DICOM lookup table: the first stored value that it maps, and what it maps to."""

    first: int
    entries: NDArray[np.float32]

    def __call__(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Map stored values; those outside the table take its ends (PS3.3 C.11.1)."""
        index = np.clip(stored.astype(np.int32) - self.first, 0, self.entries.size - 1)
        return self.entries[index]


def modality_values(
    stored: NDArray[Any], header: Header, stored_range: tuple[int, int], warnings: list[Notice]
) -> tuple[NDArray[Any], float, float]:
    """Return values after the modality LUT or rescale, and the range that they can have."""
    low, high = (float(v) for v in stored_range)
    lut = read_lut(header, "ModalityLUTSequence", stored_range, warnings)
    if lut is not None:
        return lut(stored), float(lut.entries.min()), float(lut.entries.max())
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    slope = 1.0 if slope is None else slope
    intercept = 0.0 if intercept is None else intercept
    if not (np.isfinite(slope) and np.isfinite(intercept)) or slope == 0:
        text = "RescaleSlope or RescaleIntercept is not usable; the stored values are used as they are."
        warnings.append(Notice(NoticeCode.RESCALE_UNUSABLE, text))
        return stored, low, high
    if slope == 1 and intercept == 0:
        return stored, low, high
    ends = (low * slope + intercept, high * slope + intercept)
    values = stored.astype(np.float32)
    values *= np.float32(slope)
    values += np.float32(intercept)
    return values, min(ends), max(ends)


def read_lut(header: Header, keyword: str, stored_range: tuple[int, int], warnings: list[Notice]) -> Lut | None:
    """Return the first lookup table of a sequence; None when there is none or it is damaged."""
    items = header.items(keyword)
    if not items:
        return None
    lut = _lut_of(items[0], stored_range)
    if lut is None:
        warnings.append(Notice(NoticeCode.LOOKUP_TABLE_DAMAGED, f"{keyword} is damaged and was not used."))
    return lut


def _lut_of(item: Dataset, stored_range: tuple[int, int]) -> Lut | None:
    inner = Header(item)
    return make_lut(inner.numbers("LUTDescriptor"), inner.raw("LUTData"), stored_range)


def make_lut(descriptor: tuple[float, ...] | None, data: object, stored_range: tuple[int, int]) -> Lut | None:
    """Return the table of a descriptor (entries, first value, bits) and its data; None when either is damaged."""
    if descriptor is None or len(descriptor) != 3 or data is None:
        return None
    if not all(np.isfinite(v) and abs(v) < 2**31 for v in descriptor):
        return None
    count, first, bits = (int(v) for v in descriptor)
    count = count % 65536 or 65536
    # The first mapped value has the sign of the pixels, but is often written with the other type.
    if stored_range[0] < 0 and first > 32767:
        first -= 65536
    elif stored_range[0] >= 0 and first < 0:
        first += 65536
    entries = _entries(data, count, bits)
    return None if entries is None else Lut(first=first, entries=entries)


def _entries(data: object, count: int, bits: int) -> NDArray[np.float32] | None:
    if isinstance(data, bytes | bytearray):
        kind = "<u2" if len(data) >= 2 * count else "u1"
        values = np.frombuffer(bytes(data), dtype=kind)
    else:
        try:
            values = np.atleast_1d(np.asarray(data, dtype=np.int64))
        except (ValueError, TypeError, OverflowError):
            return None
        if values.size == (count + 1) // 2 and bits <= 8 and count > 1:
            # Two 8-bit entries packed in one 16-bit word.
            values = values.astype("<u2").view(np.uint8)
    if values.size < count or not 1 <= bits <= 16:
        return None
    # A signed type here is a writer's mistake: entries are unsigned.
    return (values[:count].astype(np.int64) & 0xFFFF).astype(np.float32)


def display_window(
    header: Header, modality_range: tuple[float, float], warnings: list[Notice]
) -> tuple[float, float] | None:
    """Return the (low, high) that the file asks to be shown from black to white, before any inversion."""
    centre, width = header.number("WindowCenter"), header.number("WindowWidth")
    if centre is not None and width is not None and np.isfinite(centre) and np.isfinite(width) and width > 0:
        if (header.words("VOILUTFunction") or "LINEAR") == "LINEAR" and width > 1:
            # PS3.3 C.11.2.1.2.1
            return (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)
        return (centre - width / 2, centre + width / 2)
    stored_like = (int(modality_range[0]), int(modality_range[1]))
    lut = read_lut(header, "VOILUTSequence", stored_like, warnings)
    return None if lut is None else _window_of_lut(lut)


def _window_of_lut(lut: Lut) -> tuple[float, float] | None:
    low, high = float(lut.entries.min()), float(lut.entries.max())
    if high <= low:
        return None
    share = (lut.entries - low) / (high - low)
    inside = np.flatnonzero((share > _LUT_ENDS) & (share < 1 - _LUT_ENDS))
    if inside.size < 2:
        return None
    return (float(lut.first + inside[0]), float(lut.first + inside[-1]))


def padding_mask(stored: NDArray[Any], header: Header, stored_range: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return where PixelPaddingValue, or the range up to PixelPaddingRangeLimit, says that no picture is."""
    value, limit = header.integer("PixelPaddingValue"), header.integer("PixelPaddingRangeLimit")
    if value is None:
        return None
    value = _in_range(value, stored_range)
    limit = value if limit is None else _in_range(limit, stored_range)
    mask = stored == value if limit == value else (stored >= min(value, limit)) & (stored <= max(value, limit))
    return mask if mask.any() else None


def _in_range(value: int, stored_range: tuple[int, int]) -> int:
    """Read a number written with the wrong sign as the pixels have it."""
    low, high = stored_range
    if low <= value <= high:
        return value
    for period in (high - low + 1, 65536):
        for turned in (value - period, value + period):
            if low <= turned <= high:
                return turned
    return value


def bone_is_low(header: Header, warnings: list[Notice]) -> bool:
    """Say whether the header declares that small values are shown white.

    PresentationLUTShape is the newer word and is believed over PhotometricInterpretation; the picture decides later.
    """
    interpretation, shape = header.words("PhotometricInterpretation"), header.words("PresentationLUTShape")
    by_interpretation = interpretation == "MONOCHROME1"
    if shape not in ("IDENTITY", "INVERSE"):
        return by_interpretation
    by_shape = shape == "INVERSE"
    if by_shape != by_interpretation:
        text = (
            f"PhotometricInterpretation {interpretation} and PresentationLUTShape {shape} contradict each other; the "
            "second is followed. Look at the overlay: if bone is bright there, nothing needs doing; if it is dark, run "
            "again with --invert, or with --no-invert where that does not turn it round."
        )
        warnings.append(Notice(NoticeCode.PRESENTATION_CONTRADICTORY, text))
    return by_shape


def relationship_of(header: Header) -> GreyRelationship:
    """Return how the values relate to X-ray intensity, where the file declares one of the two known ways."""
    return {"LIN": GreyRelationship.LINEAR, "LOG": GreyRelationship.LOGARITHMIC}.get(
        header.words("PixelIntensityRelationship") or "", GreyRelationship.UNKNOWN
    )


def processing_intent_of(header: Header) -> str | None:
    """Return whether the film is for processing or for presentation, from its tag or its SOP class."""
    stated = header.words("PresentationIntentType")
    if stated in ("FOR PROCESSING", "FOR PRESENTATION"):
        return stated
    return _INTENT_OF_CLASS.get(header.words("SOPClassUID") or "")
