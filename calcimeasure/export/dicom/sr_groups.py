"""The measurement groups of our structured reports: a deposit, a film's burden.

TID 1410 with the region by reference to the segmentation where one was written, TID 1501 otherwise. The numbers are
those of the record: an area's binary value is kept beside its decimal string, so nothing is lost in 16 characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from calcimeasure import __version__
from calcimeasure.deposits import Finding
from calcimeasure.export.dicom import coded_concepts
from calcimeasure.io.dicom_seg_codes import FINDING
from calcimeasure.io.dicom_uids import content_uid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from highdicom.sr import (
        AlgorithmIdentification,
        CodedConcept,
        FindingSite,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        ReferencedSegmentationFrame,
        SourceImageForMeasurementGroup,
        TimePointContext,
        TrackingIdentifier,
    )
    from pydicom.dataset import Dataset

    from calcimeasure.export.dicom.tracking_ids import Tracking
    from calcimeasure.io.dicom_seg_codes import Concept
    from calcimeasure.io.dicom_source import Source
    from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement

    Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportTimePoint:
    """The visit of a film: the study's name for it, 1 for the baseline or 2 for the follow-up, and the days between."""

    visit: str
    order: int | None = None
    days_since_baseline: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Reported:
    """One film of a report with everything its groups refer to."""

    measurement: FilmMeasurement
    source: Source
    tracking: Sequence[Tracking]
    segmentation: Dataset | None = None
    time_point: ReportTimePoint | None = None


class _Common(TypedDict):
    """What both kinds of group take."""

    tracking_identifier: TrackingIdentifier
    time_point_context: TimePointContext | None
    finding_category: CodedConcept
    finding_type: CodedConcept
    method: CodedConcept
    algorithm_id: AlgorithmIdentification
    finding_sites: list[FindingSite] | None
    measurements: list[Measurement]
    qualitative_evaluations: list[QualitativeEvaluation] | None


def deposit_groups(reported: Reported) -> list[Group]:
    """Return a group a deposit."""
    return [
        _deposit_group(reported, row, followed)
        for row, followed in zip(reported.measurement.deposits, reported.tracking, strict=True)
    ]


def _deposit_group(reported: Reported, row: DepositMeasurement, followed: Tracking) -> Group:
    from highdicom.sr import (
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        TrackingIdentifier,
    )

    common: _Common = {
        "tracking_identifier": TrackingIdentifier(uid=followed.uid, identifier=followed.identifier),
        "time_point_context": time_point_context(reported.time_point),
        "finding_category": coded_concepts.MORPHOLOGIC_CATEGORY.coded(),
        "finding_type": FINDING[row.finding].coded(),
        "method": coded_concepts.AREA_METHOD[row.area_method].coded(),
        "algorithm_id": _algorithm(reported.measurement.labels.method),
        "finding_sites": finding_sites(reported),
        "measurements": areas(
            coded_concepts.AREA,
            mm2=(row.area_mm2, row.area_se_mm2),
            px=(row.area_px, row.area_se_px),
        ),
        "qualitative_evaluations": _estimator(row),
    }
    group: Group
    segmentation = reported.segmentation
    if segmentation is None:
        group = MeasurementsAndQualitativeEvaluations(source_images=[source_image(reported.source)], **common)
    else:
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=_referenced_segment(segmentation, reported.source, row.label), **common
        )
    if followed.group_uid is not None:
        _add_group_identifier(group, followed.group_uid)
    return group


def _estimator(row: DepositMeasurement) -> list[QualitativeEvaluation] | None:
    from highdicom.sr import QualitativeEvaluation

    if row.area_estimator is None:
        return None
    value = coded_concepts.AREA_ESTIMATOR[row.area_estimator].coded()
    return [QualitativeEvaluation(name=coded_concepts.AREA_ESTIMATED_BY.coded(), value=value)]


def _add_group_identifier(group: Group, uid: str) -> None:
    """Put the group's UID after the tracking UID, in the same relation to the group as that."""
    from highdicom.sr import RelationshipTypeValues, UIDRefContentItem

    item = UIDRefContentItem(
        name=coded_concepts.GROUP_IDENTIFIER.coded(),
        value=uid,
        relationship_type=RelationshipTypeValues.HAS_OBS_CONTEXT,
    )
    group[0].ContentSequence.insert(2, item)


def burden_group(
    reported: Reported, *, common_area: Sequence[Measurement] = (), uid_of_film: str | None = None
) -> MeasurementsAndQualitativeEvaluations:
    """Return the group of a film's total area of calcinosis.

    Parameters
    ----------
    common_area
        The part of it within the field that both films of a pair show.
    uid_of_film
        Hash of the film whose burden is followed: the baseline's, at every visit.
    """
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, QualitativeEvaluation, TrackingIdentifier

    measurement = reported.measurement
    total = areas(
        coded_concepts.AREA,
        mm2=(measurement.total_area_mm2, measurement.total_area_se_mm2),
        px=(measurement.total_area_px, measurement.total_area_se_px),
        derivation=coded_concepts.TOTAL,
    )
    basis = coded_concepts.SPACING_BASIS[measurement.film.spacing.basis]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=content_uid("burden", uid_of_film or measurement.film.sha256), identifier="burden"
        ),
        time_point_context=time_point_context(reported.time_point),
        finding_category=coded_concepts.MORPHOLOGIC_CATEGORY.coded(),
        finding_type=FINDING[Finding.CALCINOSIS].coded(),
        finding_sites=finding_sites(reported),
        measurements=[*total, *common_area],
        qualitative_evaluations=[QualitativeEvaluation(coded_concepts.SPACING_EVALUATION.coded(), basis.coded())],
        source_images=[source_image(reported.source)],
    )


def areas(
    name: Concept,
    *,
    mm2: tuple[float | None, float | None],
    px: tuple[float | None, float | None],
    derivation: Concept | None = None,
) -> list[Measurement]:
    """Return an area in mm² where it is known, and in pixels, each with its standard error as the uncertainty."""
    found = []
    for (value, error), unit in ((mm2, coded_concepts.MM2), (px, coded_concepts.PIXELS)):
        if value is not None:
            found.append(numeric_item(name, value, unit, uncertainty=error, derivation=derivation))
    return found


def numeric_item(
    name: Concept,
    value: float,
    unit: Concept,
    *,
    uncertainty: float | None = None,
    derivation: Concept | None = None,
) -> Measurement:
    """Return one number with its unit, and its uncertainty in the same unit."""
    from highdicom.sr import Measurement, MeasurementProperties, NumContentItem, RelationshipTypeValues

    properties = None
    if uncertainty is not None:
        properties = MeasurementProperties()
        properties.append(
            NumContentItem(
                name=coded_concepts.UNCERTAINTY.coded(),
                value=float(uncertainty),
                unit=unit.coded(),
                relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
            )
        )
    return Measurement(
        name=name.coded(),
        value=float(value),
        unit=unit.coded(),
        derivation=None if derivation is None else derivation.coded(),
        properties=properties,
    )


def evaluation(name: Concept, value: Concept) -> QualitativeEvaluation:
    """Return a question with its coded answer."""
    from highdicom.sr import QualitativeEvaluation

    return QualitativeEvaluation(name.coded(), value.coded())


def add_text(group: Group, name: Concept, text: str) -> None:
    """Add a sentence to a group."""
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    item = TextContentItem(name=name.coded(), value=text, relationship_type=RelationshipTypeValues.CONTAINS)
    group[0].ContentSequence.append(item)


def time_point_context(time_point: ReportTimePoint | None) -> TimePointContext | None:
    """Return TID 1502 for a visit."""
    from highdicom.sr import LongitudinalTemporalOffsetFromEvent, TimePointContext

    if time_point is None:
        return None
    offset = None
    if time_point.days_since_baseline is not None:
        offset = LongitudinalTemporalOffsetFromEvent(
            value=time_point.days_since_baseline,
            unit=coded_concepts.DAYS.coded(),
            event_type=coded_concepts.BASELINE_EVENT.coded(),
        )
    return TimePointContext(
        time_point=time_point.visit,
        time_point_type=coded_concepts.BASELINE.coded() if time_point.order == 1 else None,
        time_point_order=time_point.order,
        temporal_offset_from_event=offset,
    )


def finding_sites(reported: Reported) -> list[FindingSite] | None:
    """Return where on the body, as far as the film says."""
    from highdicom.sr import FindingSite

    identity = reported.measurement.film.identity
    region, side = coded_concepts.region(identity.body_part), coded_concepts.side(identity.side)
    if region is None:
        return None
    return [FindingSite(anatomic_location=region.coded(), laterality=None if side is None else side.coded())]


def source_image(source: Source) -> SourceImageForMeasurementGroup:
    """Return the reference of a group to the film's image."""
    from highdicom.sr import SourceImageForMeasurementGroup

    return SourceImageForMeasurementGroup(
        referenced_sop_class_uid=source.header.SOPClassUID,
        referenced_sop_instance_uid=source.header.SOPInstanceUID,
        referenced_frame_numbers=None if source.frame_number is None else [source.frame_number],
    )


def _algorithm(method: str) -> AlgorithmIdentification:
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(name=f"calcimeasure {method}".strip(), version=__version__)


def _referenced_segment(segmentation: Dataset, source: Source, label: int) -> ReferencedSegmentationFrame:
    """Return the region: by segment alone, since PS3.3 allows a segment or a frame but not both."""
    from highdicom.sr import ReferencedSegmentationFrame, SourceImageForSegmentation

    reference = ReferencedSegmentationFrame(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        frame_number=label,
        segment_number=label,
        source_image=SourceImageForSegmentation(
            referenced_sop_class_uid=source.header.SOPClassUID,
            referenced_sop_instance_uid=source.header.SOPInstanceUID,
            referenced_frame_numbers=None if source.frame_number is None else [source.frame_number],
        ),
    )
    del reference[0].ReferencedSOPSequence[0].ReferencedFrameNumber
    return reference
