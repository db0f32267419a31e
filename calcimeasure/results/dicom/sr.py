"""The structured report (TID 1500) of one film."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcimeasure.films.header import discreet
from calcimeasure.results.dicom.occasion import Reading
from calcimeasure.results.dicom.source import read_source
from calcimeasure.results.dicom.sr_document import add_comments, report, segmentation_header, write_report
from calcimeasure.results.dicom.sr_groups import Reported, TimePoint, burden_group, deposit_groups
from calcimeasure.results.dicom.tracking import track_film

if TYPE_CHECKING:
    from pathlib import Path

    from calcimeasure.measurement.records import FilmMeasurement
    from calcimeasure.results.dicom.sr_groups import Group


@discreet()
def write_measurement_report(
    measurement: FilmMeasurement,
    path: Path,
    *,
    segmentation: Path | None = None,
    reading: Reading | None = None,
    visit: str | None = None,
) -> None:
    """Write the structured report of one film.

    Parameters
    ----------
    segmentation
        The film's Segmentation as written by `write_segmentation`: the deposits' regions refer to it.
    reading
        The person who read, if one did.
    visit
        What the study calls the visit.

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
        time_point=None if visit is None else TimePoint(visit=visit),
    )
    groups: list[Group] = [*deposit_groups(reported), burden_group(reported)]
    add_comments(groups[-1], measurement.warnings)
    dataset = report([reported], groups, [reading])
    write_report(dataset, path)
