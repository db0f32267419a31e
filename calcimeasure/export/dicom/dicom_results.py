"""All the DICOM objects of a film or a pair in one call, under the names of `docs/records.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcimeasure.export.dicom.pdf_report import report_pdf
from calcimeasure.export.dicom.reading_context import ReadingContext, creation_time, dicom_date_time
from calcimeasure.export.dicom.secondary_capture import write_document, write_picture, write_secondary_capture
from calcimeasure.export.dicom.seg_write import write_segmentation
from calcimeasure.export.dicom.sr_change import write_change_report
from calcimeasure.export.dicom.sr_film import write_measurement_report
from calcimeasure.export.dicom.tracking_ids import track_pair
from calcimeasure.export.film_picture import anatomy_of
from calcimeasure.export.outline_marks import film_marks, pair_marks
from calcimeasure.export.overlay import overlay_png
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_source import read_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from calcimeasure.change.change_records import Comparison
    from calcimeasure.export.dicom.tracking_ids import Tracking
    from calcimeasure.export.outline_marks import OutlineMark
    from calcimeasure.measurement.measurement_records import FilmMeasurement

SEGMENTATION_FILE = "segmentation.dcm"
IMAGE_FILE = "image.dcm"
MEASUREMENT_REPORT_FILE = "measurement.sr.dcm"
CHANGE_REPORT_FILE = "change.sr.dcm"
PICTURE_FILE = "overlay.sc.dcm"
DOCUMENT_FILE = "report.pdf.dcm"
UNDATED_NOTE = (
    "{film} has no date: its DICOM objects leave the date empty, or say 1900-01-01 where DICOM demands one. "
    "Give its date with {option} YYYY-MM-DD."
)


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

    def record(self) -> dict[str, list[str]]:
        """Return the object ``dicom`` of the JSON record."""
        return {"written": list(self.written), "notes": list(self.notes)}


@discreet()
def write_measurement_dicom(
    measurement: FilmMeasurement,
    folder: Path,
    *,
    reading: ReadingContext | None = None,
    visit: str | None = None,
    pictures: bool = False,
) -> DicomFiles:
    """Write the Segmentation and the structured report of one film into `folder`.

    A film from a plain file is written beside them as a Secondary Capture Image, which they refer to. `visit` is the
    study's name for the visit; `pictures` adds a picture of the overlay for archives whose viewer shows no SEG.

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
    extra: tuple[str, ...] = ()
    if pictures:
        write_picture(
            measurement.film, _overlay(measurement, film_marks(measurement)), folder / PICTURE_FILE, reading=reading
        )
        extra = (PICTURE_FILE,)
    return DicomFiles(written=(*written, MEASUREMENT_REPORT_FILE, *extra), notes=notes)


@discreet()
def write_comparison_dicom(
    comparison: Comparison,
    folder: Path,
    *,
    baseline_reading: ReadingContext | None = None,
    followup_reading: ReadingContext | None = None,
    baseline_visit: str = "baseline",
    followup_visit: str = "follow-up",
    pictures: bool = False,
) -> DicomFiles:
    """Write the Segmentations of both films and the structured report of the pair into `folder`.

    `pictures` adds the overlays and the report as a PDF, for archives whose viewer shows neither SEG nor SR.

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
        files, film_notes = _write_film(measurement, folder, f"{name}/", reading=reading, tracking=followed)
        written += files
        notes += film_notes
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
    written.append(CHANGE_REPORT_FILE)
    if pictures:
        written += _write_pictures(comparison, folder, baseline_reading, followup_reading)
    return DicomFiles(written=tuple(written), notes=tuple(notes))


def _write_pictures(
    comparison: Comparison,
    folder: Path,
    baseline_reading: ReadingContext | None,
    followup_reading: ReadingContext | None,
) -> list[str]:
    marks = pair_marks(comparison)
    overlays = (_overlay(comparison.baseline, marks[0]), _overlay(comparison.followup, marks[1]))
    names = [f"baseline/{PICTURE_FILE}", f"followup/{PICTURE_FILE}"]
    write_picture(comparison.baseline.film, overlays[0], folder / names[0], reading=baseline_reading)
    write_picture(comparison.followup.film, overlays[1], folder / names[1], reading=followup_reading)
    film = comparison.followup.film
    pdf = report_pdf(comparison, overlays, creation_time(read_source(film).header, followup_reading))
    write_document(film, pdf, folder / DOCUMENT_FILE, title="Calcinosis: comparison", reading=followup_reading)
    return [*names, DOCUMENT_FILE]


def _overlay(measurement: FilmMeasurement, marks: Sequence[OutlineMark]) -> bytes:
    return overlay_png(measurement.film, anatomy_of(measurement), marks, measurement.labels.image)


def _write_film(
    measurement: FilmMeasurement,
    folder: Path,
    prefix: str,
    *,
    reading: ReadingContext | None,
    tracking: Sequence[Tracking] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    written: list[str] = []
    notes: list[str] = []
    film = f"The {prefix.rstrip('/').replace('followup', 'follow-up')} film" if prefix else "The film"
    source = read_source(measurement.film)
    if source.wrapped:
        moment = creation_time(source.header, reading)
        created = None if moment is None else dicom_date_time(moment)
        write_secondary_capture(measurement.film, folder / f"{prefix}{IMAGE_FILE}", created=created)
        written.append(f"{prefix}{IMAGE_FILE}")
    if write_segmentation(measurement, folder / f"{prefix}{SEGMENTATION_FILE}", reading=reading, tracking=tracking):
        written.append(f"{prefix}{SEGMENTATION_FILE}")
    else:
        notes.append(f"{film} has no deposits, so no DICOM segmentation was written for it.")
    if creation_time(source.header, reading) is None:
        notes.append(UNDATED_NOTE.format(film=film, option=f"--{prefix.rstrip('/')}-date" if prefix else "--date"))
    return tuple(written), tuple(notes)
