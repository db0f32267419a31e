"""The structured report (TID 1500) of one film."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcimeasure.export.dicom.reading_context import ReadingContext
from calcimeasure.export.dicom.sr_document import add_comments, segmentation_header, structured_report
from calcimeasure.export.dicom.sr_groups import Reported, ReportTimePoint, burden_group, deposit_groups
from calcimeasure.export.dicom.tracking_ids import track_film
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import write_object
from calcimeasure.io.dicom_source import read_source

if TYPE_CHECKING:
    from pathlib import Path

    from calcimeasure.export.dicom.sr_groups import Group
    from calcimeasure.measurement.measurement_records import FilmMeasurement


@discreet()
def write_measurement_report(
    measurement: FilmMeasurement,
    path: Path,
    *,
    segmentation: Path | None = None,
    reading: ReadingContext | None = None,
    visit: str | None = None,
) -> None:
    """Write the structured report of one film.

    `segmentation` is the film's file from `write_segmentation`, which the deposits' regions refer to; `visit` is the
    study's name for the visit.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    reported = Reported(
        measurement=measurement,
        source=read_source(measurement.film),
        tracking=track_film(measurement),
        segmentation=segmentation_header(segmentation),
        time_point=None if visit is None else ReportTimePoint(visit=visit),
    )
    groups: list[Group] = [*deposit_groups(reported), burden_group(reported)]
    add_comments(groups[-1], [str(warning) for warning in measurement.warnings])
    dataset = structured_report([reported], groups, [reading])
    write_object(dataset, path, "report")
