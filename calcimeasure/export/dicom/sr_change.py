"""The structured report (TID 1500) of a pair: both films, their links, the change and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcimeasure.change.intervals import CALIBRATION_NOTE
from calcimeasure.change.verdict_sentence import verdict_sentence
from calcimeasure.deposits import Finding
from calcimeasure.errors import OutputError
from calcimeasure.export.dicom import coded_concepts
from calcimeasure.export.dicom.pdf_report import listed_labels
from calcimeasure.export.dicom.reading_context import ReadingContext, film_time
from calcimeasure.export.dicom.sr_document import add_comments, segmentation_header, structured_report
from calcimeasure.export.dicom.sr_groups import (
    Reported,
    ReportTimePoint,
    add_text,
    areas,
    burden_group,
    deposit_groups,
    evaluation,
    numeric_item,
    source_image,
)
from calcimeasure.export.dicom.tracking_ids import Tracking, track_pair
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import write_object
from calcimeasure.io.dicom_seg_codes import FINDING
from calcimeasure.io.dicom_source import Source, read_source
from calcimeasure.io.dicom_uids import content_uid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom.sr import Measurement, MeasurementsAndQualitativeEvaluations

    from calcimeasure.change.change_records import Comparison, Link
    from calcimeasure.export.dicom.sr_groups import Group
    from calcimeasure.io.dicom_seg_codes import Concept


@discreet()
def write_change_report(
    comparison: Comparison,
    path: Path,
    *,
    baseline_segmentation: Path | None = None,
    followup_segmentation: Path | None = None,
    baseline_reading: ReadingContext | None = None,
    followup_reading: ReadingContext | None = None,
    baseline_visit: str = "baseline",
    followup_visit: str = "follow-up",
) -> None:
    """Write the structured report of a pair: every deposit of both films, burdens, links, change and verdict.

    It belongs to the follow-up's study and patient, and refers to both.

    Raises
    ------
    OutputError
        When the two films name different patients, so that no report can belong to one; or when the file cannot be
        written.
    """
    tracking = track_pair(comparison)
    sources = (read_source(comparison.baseline.film), read_source(comparison.followup.film))
    _check_one_patient(*sources)
    days = _days_between(*sources)
    baseline = Reported(
        measurement=comparison.baseline,
        source=sources[0],
        tracking=tracking[0],
        segmentation=segmentation_header(baseline_segmentation),
        time_point=ReportTimePoint(visit=baseline_visit, order=1, days_since_baseline=None if days is None else 0),
    )
    followup = Reported(
        measurement=comparison.followup,
        source=sources[1],
        tracking=tracking[1],
        segmentation=segmentation_header(followup_segmentation),
        time_point=ReportTimePoint(visit=followup_visit, order=2, days_since_baseline=days),
    )
    groups = _pair_groups(comparison, baseline, followup)
    # The first film gives the report its patient and its study.
    dataset = structured_report([followup, baseline], groups, [followup_reading, baseline_reading])
    write_object(dataset, path, "report")


def _check_one_patient(baseline: Source, followup: Source) -> None:
    names = {str(source.header.PatientID) for source in (baseline, followup)} - {""}
    if len(names) > 1:
        raise OutputError(
            "the two films name different patients, and a structured report belongs to one",
            where="change.sr.dcm",
            remedy="Correct the header that is wrong, or leave --dicom out.",
        )


def _days_between(baseline: Source, followup: Source) -> int | None:
    before, after = film_time(baseline.header), film_time(followup.header)
    return None if before is None or after is None else (after.date() - before.date()).days


def _pair_groups(comparison: Comparison, baseline: Reported, followup: Reported) -> list[Group]:
    film = comparison.baseline.film.sha256
    before = areas(
        coded_concepts.COMMON_AREA,
        mm2=(comparison.baseline_common_area_mm2, None),
        px=(comparison.baseline_common_area_px, None),
    )
    after = areas(
        coded_concepts.COMMON_AREA,
        mm2=(comparison.followup_common_area_mm2, None),
        px=(comparison.followup_common_area_px, None),
    )
    return [
        *deposit_groups(baseline),
        burden_group(baseline, common_area=before, uid_of_film=film),
        *deposit_groups(followup),
        burden_group(followup, common_area=after, uid_of_film=film),
        *_link_groups(comparison, baseline, followup),
        _change_group(comparison, baseline, followup),
    ]


def _link_groups(comparison: Comparison, baseline: Reported, followup: Reported) -> list[Group]:
    return [_link_group(number, link, baseline, followup) for number, link in enumerate(comparison.links, start=1)]


def _link_group(
    number: int, link: Link, baseline: Reported, followup: Reported
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, TrackingIdentifier

    evaluations = [evaluation(coded_concepts.LINK_EVALUATION, coded_concepts.LINK_STATUS[link.status])]
    if link.detectable is not None:
        evaluations.append(
            evaluation(coded_concepts.DETECTABLE, coded_concepts.YES if link.detectable else coded_concepts.NO)
        )
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=_link_uid(link, baseline.tracking, followup.tracking), identifier=f"link {number}"
        ),
        finding_type=FINDING[Finding.CALCINOSIS].coded(),
        measurements=_percent_and_interval(link.area_change_percent, link.ci95_percent) or None,
        qualitative_evaluations=evaluations,
        source_images=[source_image(baseline.source), source_image(followup.source)],
    )
    before, after = listed_labels(link.baseline_labels), listed_labels(link.followup_labels)
    add_text(group, coded_concepts.COMMENT, f"baseline deposits {before}; follow-up deposits {after}")
    add_comments(group, [link.reason] if link.reason else [])
    return group


def _link_uid(link: Link, baseline: Sequence[Tracking], followup: Sequence[Tracking]) -> str:
    """Return the UID of what a link is about: the deposit's own where it is one, the group's where it is several."""
    members = [baseline[label - 1] for label in link.baseline_labels]
    members += [followup[label - 1] for label in link.followup_labels]
    shared = members[0].group_uid or members[0].uid
    if len({member.group_uid or member.uid for member in members}) == 1:
        return shared
    return content_uid("link", *(member.uid for member in members))


def _percent_and_interval(percent: float | None, interval: tuple[float, float] | None) -> list[Measurement]:
    found = []
    if percent is not None:
        found.append(numeric_item(coded_concepts.CHANGE_PERCENT, percent, coded_concepts.PERCENT))
    if interval is not None:
        found.append(numeric_item(coded_concepts.CI95_LOW, interval[0], coded_concepts.PERCENT))
        found.append(numeric_item(coded_concepts.CI95_HIGH, interval[1], coded_concepts.PERCENT))
    return found


def _change_group(
    comparison: Comparison, baseline: Reported, followup: Reported
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, TrackingIdentifier

    evaluations = [evaluation(coded_concepts.CHANGE_EVALUATION, coded_concepts.VERDICT[comparison.verdict])]
    for name, answer in (
        (coded_concepts.DETECTABLE, comparison.detectable),
        (coded_concepts.BEYOND_MARGIN, comparison.beyond_margin),
    ):
        if answer is not None:
            evaluations.append(evaluation(name, coded_concepts.YES if answer else coded_concepts.NO))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=content_uid("change", comparison.baseline.film.sha256, comparison.followup.film.sha256),
            identifier="change of burden",
        ),
        finding_type=FINDING[Finding.CALCINOSIS].coded(),
        measurements=_change_numbers(comparison),
        qualitative_evaluations=evaluations,
        source_images=[source_image(baseline.source), source_image(followup.source)],
    )
    add_text(group, coded_concepts.VERDICT_TEXT, verdict_sentence(comparison))
    add_comments(group, [*comparison.reasons, *map(str, comparison.warnings), CALIBRATION_NOTE])
    return group


def _change_numbers(comparison: Comparison) -> list[Measurement]:
    found = _percent_and_interval(comparison.total_area_change_percent, comparison.ci95_percent)
    optional: list[tuple[Concept, float | None, Concept]] = [
        (coded_concepts.CI90_LOW, comparison.ci90_percent and comparison.ci90_percent[0], coded_concepts.PERCENT),
        (coded_concepts.CI90_HIGH, comparison.ci90_percent and comparison.ci90_percent[1], coded_concepts.PERCENT),
        (coded_concepts.CHANGE_MM2, comparison.total_area_change_mm2, coded_concepts.MM2),
        (coded_concepts.SMALLEST_CHANGE, comparison.smallest_detectable_change_percent, coded_concepts.PERCENT),
        (coded_concepts.MARGIN_LOW, comparison.margin_ratio[0], coded_concepts.RATIO),
        (coded_concepts.MARGIN_HIGH, comparison.margin_ratio[1], coded_concepts.RATIO),
    ]
    return [*found, *(numeric_item(name, value, unit) for name, value, unit in optional if value is not None)]
