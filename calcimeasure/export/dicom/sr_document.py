"""The document around the measurement groups: observers, evidence, patient and study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcimeasure import __version__
from calcimeasure.export.dicom import coded_concepts
from calcimeasure.export.dicom.equipment import MANUFACTURER, PRODUCT, maker_and_series
from calcimeasure.export.dicom.reading_context import ReadingContext, creation_time, date_object, person_name
from calcimeasure.export.dicom.sr_groups import Reported, add_text
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_uids import content_uid, settle_instance_uids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom.sr import ObservationContext, ObserverContext
    from pydicom.dataset import Dataset

    from calcimeasure.export.dicom.sr_groups import Group

REPORT_SERIES_NUMBER = 9102


def segmentation_header(segmentation: Path | None) -> Dataset | None:
    """Return the header of a written Segmentation."""
    from pydicom import dcmread

    return None if segmentation is None else dcmread(segmentation, stop_before_pixels=True)


def add_comments(group: Group, sentences: Sequence[str]) -> None:
    """Add sentences to a group."""
    for sentence in sentences:
        add_text(group, coded_concepts.COMMENT, sentence)


def structured_report(
    films: Sequence[Reported], groups: Sequence[Group], readings: Sequence[ReadingContext | None]
) -> Dataset:
    """Return a complete report; the first film gives it its patient and study."""
    from highdicom.sr import ComprehensiveSR, MeasurementReport

    evidence = []
    for reported in films:
        evidence.append(reported.source.header)
        if reported.segmentation is not None:
            evidence.append(reported.segmentation)
    content = MeasurementReport(
        observation_context=_observers(readings),
        procedure_reported=coded_concepts.PLAIN_RADIOGRAPHY.coded(),
        imaging_measurements=list(groups),
    )
    # pydicom and highdicom comment on names and dates of the source, which are the source's own.
    with discreet():
        dataset = ComprehensiveSR(
            evidence=evidence,
            content=content,
            coding_schemes=[coded_concepts.private_scheme()],
            is_complete=True,
            **maker_and_series(REPORT_SERIES_NUMBER, "Calcinosis: measurements"),
        )
    signed = [reading for reading in readings if reading is not None]
    date_object(dataset, creation_time(films[0].source.header, signed[0] if signed else None))
    settle_instance_uids(dataset)
    return dataset


def _observers(readings: Sequence[ReadingContext | None]) -> ObservationContext:
    """Return the observers: each person once, and the program."""
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObservationContext, ObserverContext
    from pydicom.sr.codedict import codes as standard

    names = dict.fromkeys(reading.reader for reading in readings if reading is not None)
    persons = [_person(name) for name in names]
    device = ObserverContext(
        observer_type=standard.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=content_uid("program", PRODUCT, __version__),
            name=PRODUCT,
            manufacturer_name=MANUFACTURER,
            model_name=f"{PRODUCT} {__version__}",
        ),
    )
    context = ObservationContext(
        observer_person_context=persons[0] if persons else None, observer_device_context=device
    )
    for person in persons[1:]:
        context.extend(person)
    return context


def _person(name: str) -> ObserverContext:
    from highdicom.sr import ObserverContext, PersonObserverIdentifyingAttributes
    from pydicom.sr.codedict import codes as standard

    return ObserverContext(
        observer_type=standard.DCM.Person,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(name=person_name(name)),
    )
