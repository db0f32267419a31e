"""All the DICOM objects of a film or a pair in one call, under the names that the contract gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcimeasure.results.dicom.occasion import Reading, creation_time, dicom_date_time
from calcimeasure.results.dicom.seg import write_segmentation
from calcimeasure.results.dicom.source import read_source, wrap
from calcimeasure.results.dicom.sr import write_measurement_report
from calcimeasure.results.dicom.sr_change import write_change_report
from calcimeasure.results.dicom.tracking import track_pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from calcimeasure.comparison.records import Comparison
    from calcimeasure.measurement.records import FilmMeasurement
    from calcimeasure.results.dicom.tracking import Tracking

SEGMENTATION_FILE = "segmentation.dcm"
IMAGE_FILE = "image.dcm"
MEASUREMENT_REPORT_FILE = "measurement.sr.dcm"
CHANGE_REPORT_FILE = "change.sr.dcm"


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomFiles:
    """What was written.

    Attributes
    ----------
    written
        Names relative to the folder, with forward slashes.
    notes
        Sentences for the record: why a file is not there.
    """

    written: tuple[str, ...]
    notes: tuple[str, ...] = ()


def write_measurement_dicom(
    measurement: FilmMeasurement, folder: Path, *, reading: Reading | None = None, visit: str | None = None
) -> DicomFiles:
    """Write the Segmentation and the structured report of one film into `folder`.

    A film that came from no DICOM file is written beside them as a Secondary Capture Image, which they refer to.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    written, notes = _write_film(measurement, folder, "", reading=reading)
    segmentation = folder / SEGMENTATION_FILE if SEGMENTATION_FILE in written else None
    write_measurement_report(
        measurement, folder / MEASUREMENT_REPORT_FILE, segmentation=segmentation, reading=reading, visit=visit
    )
    return DicomFiles(written=(*written, MEASUREMENT_REPORT_FILE), notes=notes)


def write_comparison_dicom(
    comparison: Comparison,
    folder: Path,
    *,
    baseline_reading: Reading | None = None,
    followup_reading: Reading | None = None,
    baseline_visit: str = "baseline",
    followup_visit: str = "follow-up",
) -> DicomFiles:
    """Write the Segmentations of both films and the structured report of the pair into `folder`.

    Raises
    ------
    OutputError
        When the films name different patients, or a file cannot be written.
    """
    tracking = track_pair(comparison)
    written: list[str] = []
    notes: list[str] = []
    for name, measurement, reading, followed in (
        ("baseline", comparison.baseline, baseline_reading, tracking[0]),
        ("followup", comparison.followup, followup_reading, tracking[1]),
    ):
        (folder / name).mkdir(exist_ok=True)
        files, said = _write_film(measurement, folder, f"{name}/", reading=reading, tracking=followed)
        written += files
        notes += said
    segmentations = [
        folder / name if name in written else None
        for name in (f"baseline/{SEGMENTATION_FILE}", f"followup/{SEGMENTATION_FILE}")
    ]
    write_change_report(
        comparison,
        folder / CHANGE_REPORT_FILE,
        baseline_segmentation=segmentations[0],
        followup_segmentation=segmentations[1],
        baseline_reading=baseline_reading,
        followup_reading=followup_reading,
        baseline_visit=baseline_visit,
        followup_visit=followup_visit,
    )
    return DicomFiles(written=(*written, CHANGE_REPORT_FILE), notes=tuple(notes))


def _write_film(
    measurement: FilmMeasurement,
    folder: Path,
    prefix: str,
    *,
    reading: Reading | None,
    tracking: Sequence[Tracking] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    written: list[str] = []
    notes: list[str] = []
    source = read_source(measurement.film)
    if source.wrapped:
        moment = dicom_date_time(creation_time(source.header, reading))
        wrap(measurement.film, folder / f"{prefix}{IMAGE_FILE}", created=moment)
        written.append(f"{prefix}{IMAGE_FILE}")
    if write_segmentation(measurement, folder / f"{prefix}{SEGMENTATION_FILE}", reading=reading, tracking=tracking):
        written.append(f"{prefix}{SEGMENTATION_FILE}")
    else:
        film = f"The {prefix.rstrip('/')} film" if prefix else "The film"
        notes.append(f"{film} has no deposits, so no DICOM segmentation was written for it.")
    return tuple(written), tuple(notes)
