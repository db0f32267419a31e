"""A film's deposits as a DICOM Segmentation: one segment a deposit, with the numbers of `labels.tif`.

BINARY with JPEG 2000, which keeps every pixel and makes megabytes into kilobytes; a reader that cannot decode it
(dcmtk and what is built on it) is served with ``compressed=False``.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from calcimeasure import __version__
from calcimeasure.deposits import Origin
from calcimeasure.export.dicom import coded_concepts
from calcimeasure.export.dicom.equipment import PRODUCT, maker_and_series
from calcimeasure.export.dicom.reading_context import ReadingContext, creation_time, date_object, person_name
from calcimeasure.export.dicom.tracking_ids import Tracking, track_film
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import write_object
from calcimeasure.io.dicom_seg import referenced_images
from calcimeasure.io.dicom_seg_codes import (
    CONFIDENCE_ELEMENT,
    FINDING,
    FINDING_ELEMENT,
    METHOD_ELEMENT,
    ORIGIN_ELEMENT,
    PRIVATE_CREATOR,
    PRIVATE_GROUP,
)
from calcimeasure.io.dicom_source import Source, read_source
from calcimeasure.io.dicom_uids import content_uid, settle_instance_uids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom import PixelMeasuresSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.dataset import Dataset

    from calcimeasure.deposits import Deposit
    from calcimeasure.measurement.measurement_records import FilmMeasurement

SEGMENTATION_SERIES_NUMBER = 9101

_ALGORITHM_TYPE = {
    Origin.AUTO: "AUTOMATIC",
    Origin.CLICKED: "SEMIAUTOMATIC",
    Origin.EDITED: "SEMIAUTOMATIC",
    Origin.DRAWN: "MANUAL",
}
_ALGORITHM_FAMILY = {Origin.AUTO: coded_concepts.ARTIFICIAL_INTELLIGENCE}
_NOMINAL_THICKNESS_MM = 1.0
# CR, DX, mammography and dental films for presentation and processing, Secondary Capture.
_SINGLE_FRAME_CLASSES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "7")
)
# The codec halves a picture five times; anything smaller than that is written as plain bits.
_SMALLEST_COMPRESSED = 32


@discreet()
def write_segmentation(
    measurement: FilmMeasurement,
    path: Path,
    *,
    reading: ReadingContext | None = None,
    tracking: Sequence[Tracking] | None = None,
    compressed: bool = True,
) -> bool:
    """Write the deposits of one film as a DICOM Segmentation.

    Parameters
    ----------
    measurement
        The film with its deposits. The identity of the patient is copied from the film's own file.
    tracking
        The tracking identifiers of the deposits; made from the film where they are not given.
    compressed
        JPEG 2000 (lossless) rather than plain bits.

    Returns
    -------
    bool
        False where the film has no deposits: a Segmentation needs a segment, so none is written.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    if not measurement.labels.deposits:
        return False
    dataset = segmentation(measurement, reading=reading, tracking=tracking, compressed=compressed)
    write_object(dataset, path, "segmentation")
    return True


@discreet()
def segmentation(
    measurement: FilmMeasurement,
    *,
    reading: ReadingContext | None = None,
    tracking: Sequence[Tracking] | None = None,
    compressed: bool = True,
) -> Dataset:
    """Return the deposits of one film as a Segmentation object; see `write_segmentation`."""
    from highdicom.seg import Segmentation
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

    source = read_source(measurement.film)
    tracking = track_film(measurement) if tracking is None else tracking
    compressed = compressed and min(measurement.film.shape) >= _SMALLEST_COMPRESSED
    # pydicom and highdicom comment on names and dates of the source, which are the source's own.
    with discreet():
        dataset = Segmentation(
            source_images=[_single_frame(source.header)],
            pixel_array=measurement.labels.image,
            segmentation_type="BINARY",
            segment_descriptions=_descriptions(measurement, tracking),
            pixel_measures=_pixel_measures(measurement),
            content_label="CALCINOSIS",
            content_description="Deposits of calcinosis",
            content_creator_name=None if reading is None else person_name(reading.reader),
            transfer_syntax_uid=JPEG2000Lossless if compressed else ExplicitVRLittleEndian,
            **maker_and_series(SEGMENTATION_SERIES_NUMBER, "Calcinosis: deposits"),
        )
    _complete(dataset, source, measurement, reading)
    settle_instance_uids(dataset)
    return dataset


def _single_frame(header: Dataset) -> Dataset:
    """Return a header that highdicom takes for one frame: of a class that may have several it wants all of them."""
    if header.SOPClassUID in _SINGLE_FRAME_CLASSES:
        return header
    single = deepcopy(header)
    single.SOPClassUID = _SINGLE_FRAME_CLASSES[0]
    return single


def _descriptions(measurement: FilmMeasurement, tracking: Sequence[Tracking]) -> list[SegmentDescription]:
    return [
        _description(measurement, deposit, followed)
        for deposit, followed in zip(measurement.labels.deposits, tracking, strict=True)
    ]


def _description(measurement: FilmMeasurement, deposit: Deposit, followed: Tracking) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription

    kind = _ALGORITHM_TYPE[deposit.origin]
    algorithm = None
    if kind != "MANUAL":
        algorithm = AlgorithmIdentificationSequence(
            name=f"{PRODUCT} {measurement.labels.method or deposit.origin}"[:64],
            family=_ALGORITHM_FAMILY.get(deposit.origin, coded_concepts.EDGE_DETECTION).coded(),
            version=__version__,
        )
    region = coded_concepts.region(measurement.film.identity.body_part)
    description = SegmentDescription(
        segment_number=deposit.label,
        segment_label=f"Deposit {deposit.label}",
        segmented_property_category=coded_concepts.MORPHOLOGIC_CATEGORY.coded(),
        segmented_property_type=FINDING[deposit.finding].coded(),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_id=followed.identifier,
        tracking_uid=followed.uid,
        anatomic_regions=None if region is None else [region.coded()],
    )
    description.SegmentDescription = f"{deposit.finding}, {deposit.origin}"
    side = coded_concepts.side(measurement.film.identity.side)
    if region is not None and side is not None:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side.coded()]
    block = description.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(FINDING_ELEMENT, "CS", deposit.finding.upper())
    block.add_new(ORIGIN_ELEMENT, "CS", deposit.origin.upper())
    block.add_new(CONFIDENCE_ELEMENT, "FD", float(deposit.confidence))
    block.add_new(METHOD_ELEMENT, "LO", measurement.labels.method[:64])
    return description


def _pixel_measures(measurement: FilmMeasurement) -> PixelMeasuresSequence | None:
    """Return the spacing that the areas rest on; a film without one gets none rather than an invented one."""
    from highdicom import PixelMeasuresSequence

    if measurement.film.spacing.mm is None:
        return None
    return PixelMeasuresSequence(
        pixel_spacing=measurement.film.spacing.mm,
        slice_thickness=_NOMINAL_THICKNESS_MM,
    )


def _complete(
    dataset: Segmentation, source: Source, measurement: FilmMeasurement, reading: ReadingContext | None
) -> None:
    """Set what highdicom leaves open or takes from the clock and from chance."""
    date_object(dataset, creation_time(source.header, reading))
    dataset.PatientOrientation = source.header.PatientOrientation
    if "ContentCreatorName" not in dataset:
        dataset.ContentCreatorName = ""  # type 2: the program is named as the equipment
    organization = content_uid("dimensions", measurement.film.sha256)
    dataset.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for item in dataset.DimensionIndexSequence:
        item.DimensionOrganizationUID = organization
    dataset.CodingSchemeIdentificationSequence = [coded_concepts.private_scheme()]
    for image in referenced_images(dataset):
        if image.ReferencedSOPInstanceUID == source.header.SOPInstanceUID:
            image.ReferencedSOPClassUID = source.header.SOPClassUID
    if source.frame_number is not None:
        _refer_to_frame(dataset, source.frame_number)


def _refer_to_frame(dataset: Dataset, frame_number: int) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in frame.get("DerivationImageSequence", []):
            for image in derivation.SourceImageSequence:
                image.ReferencedFrameNumber = frame_number
