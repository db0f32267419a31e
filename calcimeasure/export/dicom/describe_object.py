"""The content of a Segmentation or structured report as lines of text.

The patient's identity is left out: the lines end up in terminals, logs and mails.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import FilmError
from calcimeasure.export.dicom.reading_context import UNDATED
from calcimeasure.io.dicom_file import read_dicom_file
from calcimeasure.io.dicom_header import Header, discreet
from calcimeasure.io.dicom_object import LABEL_MAP_SEGMENTATION, SEGMENTATION, why_no_film
from calcimeasure.io.dicom_seg import stated_spacing
from calcimeasure.io.dicom_source import is_dicom_file
from calcimeasure.io.file_format import FileFormat, find_format
from calcimeasure.io.pixel_frames import pixel_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset

_HEAD_BYTES = 132
_MEASURE_FIRST = (
    "Measure the film first, with DICOM among the results: calcimeasure segment FILM --out DIR --dicom; "
    "then: calcimeasure show DIR/segmentation.dcm"
)
_NO_CLASS = "an object without a class"
_NAME_A_RESULT = "Name a SEG or SR: segment and compare write them with --dicom."
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
# Subject UID, name, ID, birth date, sex, age, species (TID 1006 to 1010).
_SUBJECT_CODES = frozenset({"121028", "121029", "121030", "121031", "121032", "121033"})


@discreet()
def describe_object(path: Path) -> list[str]:
    """Return the content of a DICOM SEG or SR, line by line.

    Raises
    ------
    FilmError
        When the file is no DICOM file, or an object of another kind.
    """
    if not is_dicom_file(path):
        raise _no_result(path)
    dataset = read_dicom_file(path)
    kind = str(Header(dataset).raw("SOPClassUID") or "")
    try:
        if kind in (SEGMENTATION, LABEL_MAP_SEGMENTATION):
            return list(_segmentation_lines(dataset))
        if kind.startswith(_REPORTS):
            return list(_report_lines(dataset))
    except Exception as error:
        # Values that are not what their tags say raise whatever they are made to do; header text is in some of them.
        problem = f"the object is damaged ({type(error).__name__})"
        raise FilmError(problem, where=str(path), remedy="Export it again.") from None
    name = getattr(Header(dataset).raw("SOPClassUID"), "name", "an object of an unknown class") if kind else _NO_CLASS
    if "Rows" in dataset and why_no_film(Header(dataset)) is None:
        raise FilmError(f"this is a film ({name}), not a result", where=str(path), remedy=_MEASURE_FIRST)
    raise FilmError(
        f"it is no Segmentation and no structured report but {name}", where=str(path), remedy=_NAME_A_RESULT
    )


def _no_result(path: Path) -> FilmError:
    """Return the error for a file that is no DICOM file."""
    try:
        with path.open("rb") as file:
            kind = find_format(file.read(_HEAD_BYTES))
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        return FilmError(f"it cannot be read: {reason}", where=str(path), remedy=_NAME_A_RESULT)
    if kind in (FileFormat.PNG, FileFormat.TIFF, FileFormat.JPEG):
        return FilmError("this is a picture, not a DICOM result", where=str(path), remedy=_MEASURE_FIRST)
    return FilmError("it is no DICOM file", where=str(path), remedy=_NAME_A_RESULT)


def _head(dataset: Dataset) -> Iterator[str]:
    made_by = " ".join(
        str(dataset.get(keyword)) for keyword in ("ManufacturerModelName", "SoftwareVersions") if dataset.get(keyword)
    )
    yield f"made by {made_by or 'an unnamed program'}, {_date(dataset)}"
    if reader := dataset.get("ContentCreatorName"):
        yield f"read by {reader}"


def _date(dataset: Dataset) -> str:
    date = str(dataset.get("ContentDate") or "")
    return "undated" if len(date) != 8 or date == UNDATED else f"dated {date[:4]}-{date[4:6]}-{date[6:8]}"


def _segmentation_lines(dataset: Dataset) -> Iterator[str]:
    syntax = getattr(dataset.file_meta.get("TransferSyntaxUID"), "name", "unknown transfer syntax")
    yield f"DICOM Segmentation, {dataset.get('SegmentationType', '')}, {syntax}"
    yield from _head(dataset)
    spacing = stated_spacing(dataset)
    size = f"{dataset.get('Rows')} x {dataset.get('Columns')} pixels"
    yield f"{size}, {spacing[0]:g} x {spacing[1]:g} mm" if spacing else f"{size}, no spacing"
    for series in dataset.get("ReferencedSeriesSequence", []):
        for image in series.get("ReferencedInstanceSequence", []):
            yield f"of image {image.ReferencedSOPInstanceUID}"
    counts = _pixel_counts(dataset)
    for segment in dataset.get("SegmentSequence", []):
        yield from _segment_lines(segment, counts, spacing)


def _segment_lines(segment: Dataset, counts: Counter[int] | None, spacing: tuple[float, float] | None) -> Iterator[str]:
    number = int(segment.SegmentNumber)
    size = "pixels not decoded"
    if counts is not None:
        size = f"{counts[number]} px"
        if spacing is not None:
            size += f" = {counts[number] * spacing[0] * spacing[1]:.2f} mm²"
    description = f" ({segment.SegmentDescription})" if segment.get("SegmentDescription") else ""
    yield (
        f"  {number}  {segment.get('SegmentLabel', '')}{description}: "
        f"{_meaning(segment.get('SegmentedPropertyTypeCodeSequence'))}, "
        f"{str(segment.get('SegmentAlgorithmType', '')).lower()}, {size}"
    )
    if segment.get("TrackingUID"):
        yield f"       tracked as {segment.get('TrackingID', '')}, {segment.TrackingUID}"


def _pixel_counts(dataset: Dataset) -> Counter[int] | None:
    """Return the number of pixels of each segment; None where the pixels cannot be decoded."""
    counts: Counter[int] = Counter()
    groups = dataset.get("PerFrameFunctionalGroupsSequence", [])
    shared = dataset.get("SharedFunctionalGroupsSequence", [])
    try:
        for index, frame in enumerate(pixel_frames(dataset)):
            if dataset.SOPClassUID == LABEL_MAP_SEGMENTATION:
                numbers, found = np.unique(frame, return_counts=True)
                counts.update(dict(zip(numbers.tolist(), found.tolist(), strict=True)))
                continue
            own = groups[index : index + 1]
            items = [item for group in (*own, *shared) for item in group.get("SegmentIdentificationSequence", [])]
            if items:
                counts[int(items[0].ReferencedSegmentNumber)] += int(np.count_nonzero(frame))
    except (RuntimeError, ValueError):
        return None
    return counts


def _report_lines(dataset: Dataset) -> Iterator[str]:
    yield f"DICOM structured report, {dataset.SOPClassUID.name}"
    yield from _head(dataset)
    yield _meaning(dataset.get("ConceptNameCodeSequence"))
    for item in dataset.get("ContentSequence", []):
        yield from _item_lines(item, depth=1)


def _item_lines(item: Dataset, *, depth: int) -> Iterator[str]:
    names = item.get("ConceptNameCodeSequence", [])
    name = _meaning(names) if names else str(item.get("ValueType", ""))
    value = _value(item)
    if names and names[0].get("CodeValue") in _SUBJECT_CODES:
        value = "(not shown)"
    yield "  " * depth + (f"{name}: {value}" if value else name)
    for child in item.get("ContentSequence", []):
        yield from _item_lines(child, depth=depth + 1)


def _value(item: Dataset) -> str:
    kind = item.get("ValueType", "")
    if kind == "NUM":
        return _number(item)
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence"))
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        return "; ".join(_reference(reference) for reference in item.get("ReferencedSOPSequence", []))
    for keyword in ("TextValue", "UID", "PersonName", "DateTime", "Date", "Time"):
        if keyword in item:
            return str(item[keyword].value)
    return ""


def _number(item: Dataset) -> str:
    measured = item.get("MeasuredValueSequence", [])
    if not measured:
        return "no value"
    unit = measured[0].get("MeasurementUnitsCodeSequence", [])
    code = str(unit[0].get("CodeValue", "")) if unit else ""
    word = {"{pixels}": " px", "1": "", "d": " days"}.get(code, f" {code}")
    return f"{float(measured[0].NumericValue):.6g}{word}"


def _reference(reference: Dataset) -> str:
    from pydicom.uid import UID

    name = UID(str(reference.get("ReferencedSOPClassUID", ""))).name.removesuffix(" Storage")
    segment = reference.get("ReferencedSegmentNumber")
    frame = reference.get("ReferencedFrameNumber")
    part = f", segment {segment}" if segment else f", frame {frame}" if frame else ""
    return f"{name} {reference.get('ReferencedSOPInstanceUID', '')}{part}"


def _meaning(sequence: object) -> str:
    items = list(sequence) if sequence else []  # type: ignore[call-overload]
    return str(items[0].get("CodeMeaning", "")) if items else ""
