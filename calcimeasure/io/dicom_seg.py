"""A DICOM Segmentation, ours or another program's, as the deposits of one film.

Tolerant of how programs write (segments without frames, gaps in the numbers, label maps, fractions), strict about
what it is a segmentation of: a result is never put on a film it was not made on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin
from calcimeasure.errors import CalciMeasureError, FilmError, LabelsError
from calcimeasure.io.dicom_file import read_dicom_file
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import LABEL_MAP_SEGMENTATION, SEGMENTATION
from calcimeasure.io.dicom_seg_codes import (
    CONFIDENCE_ELEMENT,
    FINDING_ELEMENT,
    METHOD_ELEMENT,
    ORIGIN_ELEMENT,
    PRIVATE_CREATOR,
    PRIVATE_GROUP,
    finding_of,
)
from calcimeasure.io.dicom_source import Source, is_dicom_file, read_source
from calcimeasure.io.pixel_frames import pixel_frames
from calcimeasure.io.pixel_spacing import label_spacing_warnings
from calcimeasure.label_arrays import share_doubts
from calcimeasure.notices import Notice, NoticeCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from calcimeasure.radiograph import Radiograph

_UNTURNED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_FINDING_OF_WORD = {finding.upper(): finding for finding in Finding}
_ORIGIN_OF_WORD = {origin.upper(): origin for origin in Origin}
_ORIGIN_OF_TYPE = {"AUTOMATIC": Origin.AUTO, "SEMIAUTOMATIC": Origin.EDITED, "MANUAL": Origin.DRAWN}


@discreet()
def is_segmentation(path: Path) -> bool:
    """Tell whether a file is a DICOM Segmentation, without reading its pixels."""
    if not is_dicom_file(path):
        return False
    try:
        return read_dicom_file(path, pixels=False).get("SOPClassUID") in (SEGMENTATION, LABEL_MAP_SEGMENTATION)
    except FilmError:
        return False


@discreet()
def read_segmentation(path: Path, film: Radiograph) -> DepositLabels:
    """Read a DICOM Segmentation as the deposits of `film`.

    Parameters
    ----------
    path
        A Segmentation of this film: BINARY, FRACTIONAL (half and more counts) or LABELMAP, in any transfer syntax
        that the installed decoders read.
    film
        The film that it is said to belong to.

    Returns
    -------
    DepositLabels
        Renumbered 1..n where the file has gaps. Finding, origin and confidence come back exactly from a file that
        this product wrote; else the finding from the coded type and the origin from the algorithm type.

    Raises
    ------
    LabelsError
        When the file is no Segmentation, was made on another image or another grid, is turned against the film, is
        of a stack of images, or gives one pixel to two deposits.

    See Also
    --------
    write_segmentation : The way there.
    """
    dataset = _open(path)
    source = read_source(film)
    where = str(path)
    try:
        return _read(dataset, source, film, where)
    except CalciMeasureError:
        raise
    except Exception as error:
        # Values that are not what their tags say raise whatever they are made to do; header text is in some of them.
        raise LabelsError(
            f"its header is damaged ({type(error).__name__})", where=where, remedy="Export the segmentation again."
        ) from None


def _read(dataset: Dataset, source: Source, film: Radiograph, where: str) -> DepositLabels:
    _check_grid(dataset, film, where)
    _check_reference(dataset, source, where)
    _check_orientation(dataset, source, where)
    segments = {int(item.SegmentNumber): item for item in dataset.get("SegmentSequence", [])}
    image = _label_image(dataset, source, segments, where)
    return _deposits(image, dataset, segments, film)


def _open(path: Path) -> Dataset:
    if path.is_file() and not is_dicom_file(path):
        raise LabelsError("it is no DICOM file", where=str(path))
    try:
        dataset = read_dicom_file(path)
        kind = dataset.get("SOPClassUID")
    except FilmError as error:
        raise LabelsError(f"it cannot be read: {error.problem}", where=error.where, remedy=error.remedy) from error
    if kind not in (SEGMENTATION, LABEL_MAP_SEGMENTATION):
        name = getattr(kind, "name", kind) or "an object without a class"
        raise LabelsError(f"it is no Segmentation but {name}", where=str(path))
    return dataset


def _check_grid(dataset: Dataset, film: Radiograph, where: str) -> None:
    grid = (dataset.get("Rows"), dataset.get("Columns"))
    if grid != film.shape:
        raise LabelsError(
            f"its grid is {grid[0]} x {grid[1]}, the film's {film.shape[0]} x {film.shape[1]}",
            where=where,
            remedy="Give the segmentation that was made on this very film.",
        )


def referenced_images(dataset: Dataset) -> Iterator[Dataset]:
    """Yield every reference of a Segmentation to an image."""
    for series in dataset.get("ReferencedSeriesSequence", []):
        yield from series.get("ReferencedInstanceSequence", [])
    for group in (*dataset.get("SharedFunctionalGroupsSequence", []), *_frames(dataset)):
        yield from _derived_from(group)
    yield from dataset.get("SourceImageSequence", [])


def _frames(dataset: Dataset) -> list[Dataset]:
    return list(dataset.get("PerFrameFunctionalGroupsSequence", []))


def _derived_from(group: Dataset) -> Iterator[Dataset]:
    for derivation in group.get("DerivationImageSequence", []):
        yield from derivation.get("SourceImageSequence", [])


def _check_reference(dataset: Dataset, source: Source, where: str) -> None:
    references = [image for image in referenced_images(dataset) if image.get("ReferencedSOPInstanceUID")]
    if not references:
        return
    ours = source.header.SOPInstanceUID
    named = [image for image in references if image.ReferencedSOPInstanceUID == ours]
    if not named:
        raise LabelsError(
            "it was made on another image than this film",
            where=where,
            remedy="The image it refers to has another SOP Instance UID; give that film.",
        )
    frames = {int(number) for image in named for number in _numbers(image.get("ReferencedFrameNumber"))}
    if source.frame_number is not None and frames and source.frame_number not in frames:
        raise LabelsError(
            f"it was made on frame {', '.join(map(str, sorted(frames)))}, not on frame {source.frame_number}",
            where=where,
        )


def _numbers(value: object) -> list[int]:
    if value is None:
        return []
    return [int(part) for part in value] if hasattr(value, "__iter__") else [int(str(value))]


def _check_orientation(dataset: Dataset, source: Source, where: str) -> None:
    expected = tuple(map(float, source.header.get("ImageOrientationPatient") or _UNTURNED))
    for group in (*dataset.get("SharedFunctionalGroupsSequence", []), *_frames(dataset)):
        for plane in group.get("PlaneOrientationSequence", []):
            found = tuple(map(float, plane.ImageOrientationPatient))
            if not np.allclose(found, expected, atol=1e-3):
                raise LabelsError("its rows and columns are turned or mirrored against the film's", where=where)


def _label_image(dataset: Dataset, source: Source, segments: dict[int, Dataset], where: str) -> NDArray[np.uint16]:
    """Return one label image, numbered as the segments are."""
    image = np.zeros((dataset.Rows, dataset.Columns), dtype=np.uint16)
    for number, mask in _masks(dataset, source, where):
        if number not in segments:
            raise LabelsError(f"a frame belongs to segment {number}, which is not described", where=where)
        taken = image[mask]
        shared = taken[(taken != 0) & (taken != number)]
        if shared.size:
            raise LabelsError(
                f"segments {int(shared[0])} and {number} overlap in {shared.size} pixels",
                where=where,
                remedy="A pixel belongs to one deposit; separate them where they were drawn.",
            )
        image[mask] = number
    return image


def _masks(dataset: Dataset, source: Source, where: str) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the number of a segment and its mask, frame by frame, so that memory stays that of one frame."""
    half = (int(dataset.get("MaximumFractionalValue", 1)) + 1) // 2
    owners = None if dataset.SOPClassUID == LABEL_MAP_SEGMENTATION else _owners(dataset, source, where)
    try:
        for index, frame in enumerate(pixel_frames(dataset)):
            if owners is None:
                yield from ((int(number), frame == number) for number in np.unique(frame) if number)
            elif owners[index] is not None:
                yield owners[index] or 0, frame >= half
    except (RuntimeError, ValueError) as error:
        raise LabelsError(f"its pixels cannot be decoded: {error}", where=where) from error


def _owners(dataset: Dataset, source: Source, where: str) -> list[int | None]:
    """Return which segment each frame belongs to; None for a frame made on another image of the same file."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    groups = _frames(dataset) or [shared] * int(dataset.get("NumberOfFrames", 1))
    owners: list[int | None] = []
    for group in groups:
        images = [image.get("ReferencedSOPInstanceUID") for image in (_derived_from(group) if group else ())]
        if images and source.header.SOPInstanceUID not in images:
            owners.append(None)
            continue
        item = _segment_item(group) or _segment_item(shared)
        if item is None:
            raise LabelsError("a frame does not say which segment it belongs to", where=where)
        owners.append(int(item.ReferencedSegmentNumber))
    mine = [owner for owner in owners if owner is not None]
    if len(mine) != len(set(mine)):
        repeated = next(owner for owner in mine if mine.count(owner) > 1)
        raise LabelsError(
            f"segment {repeated} has {mine.count(repeated)} frames: it was made on a stack of images", where=where
        )
    return owners


def _segment_item(group: Dataset | None) -> Dataset | None:
    items = [] if group is None else group.get("SegmentIdentificationSequence", [])
    return items[0] if items else None


def _deposits(
    image: NDArray[np.uint16], dataset: Dataset, segments: dict[int, Dataset], film: Radiograph
) -> DepositLabels:
    counts = np.bincount(image.ravel(), minlength=1)
    present = [int(number) for number in np.flatnonzero(counts) if number]
    renumbered = np.zeros(counts.size, np.uint16)
    renumbered[present] = np.arange(1, len(present) + 1)
    warnings = []
    if empty := sorted(set(segments) - set(present)):
        text = f"Segments without pixels were left out: {', '.join(map(str, empty))}."
        warnings.append(Notice(NoticeCode.SEGMENTS_EMPTY, text))
    if present != list(range(1, len(present) + 1)):
        text = f"The segments were numbered {', '.join(map(str, present))}; they are now 1 to {len(present)}."
        warnings.append(Notice(NoticeCode.LABEL_NUMBERS_CHANGED, text))
    warnings += share_doubts(image)
    warnings += label_spacing_warnings(stated_spacing(dataset), film.spacing)
    deposits = tuple(_deposit(label, segments[number]) for label, number in enumerate(present, start=1))
    methods = {_private(segments[number], METHOD_ELEMENT) for number in present} - {None}
    return DepositLabels(
        image=renumbered[image],
        deposits=deposits,
        method=str(methods.pop()) if len(methods) == 1 else "segmentation",
        film_sha256=film.sha256,
        warnings=tuple(warnings),
    )


def stated_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return the (row, column) spacing that a Segmentation states, or None."""
    for group in dataset.get("SharedFunctionalGroupsSequence", []):
        for measures in group.get("PixelMeasuresSequence", []):
            if found := measures.get("PixelSpacing"):
                return (float(found[0]), float(found[1]))
    return None


def _deposit(label: int, segment: Dataset) -> Deposit:
    origin = _private(segment, ORIGIN_ELEMENT)
    finding = _private(segment, FINDING_ELEMENT)
    confidence = _private(segment, CONFIDENCE_ELEMENT)
    return Deposit(
        label=label,
        finding=_FINDING_OF_WORD.get(str(finding)) or _coded_finding(segment),
        origin=_ORIGIN_OF_WORD.get(str(origin)) or _ORIGIN_OF_TYPE.get(_algorithm_type(segment), Origin.DRAWN),
        confidence=1.0 if confidence is None else min(max(float(str(confidence)), 0.0), 1.0),
    )


def _algorithm_type(segment: Dataset) -> str:
    return str(segment.get("SegmentAlgorithmType", ""))


def _coded_finding(segment: Dataset) -> Finding:
    """Return what the coded type means; whatever another program calls its segments, it is read as calcinosis."""
    for item in segment.get("SegmentedPropertyTypeCodeSequence", []):
        finding = finding_of(item)
        if finding is not None:
            return finding
    return Finding.CALCINOSIS


def _private(segment: Dataset, element: int) -> object:
    try:
        block = segment.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
        return block[element].value
    except KeyError:
        return None
