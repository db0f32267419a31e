"""Results to a folder: `write_comparison` for a pair, `write_measurement` for one film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcimeasure.change.change_records import Comparison
from calcimeasure.errors import UsageError
from calcimeasure.export.csv_tables import comparison_deposits_csv, links_csv, measurement_deposits_csv
from calcimeasure.export.film_picture import DisplayedFilm, display_measured
from calcimeasure.export.json_records import comparison_record, measurement_record, record_text
from calcimeasure.export.outline_marks import OutlineMark, film_marks, pair_marks
from calcimeasure.export.overlay import draw_overlay
from calcimeasure.export.report.report_page import report_html
from calcimeasure.io.atomic_output import whole_folder, write_bytes, write_text
from calcimeasure.io.label_images import labels_tiff, write_labels
from calcimeasure.io.transforms import write_transform
from calcimeasure.measurement.measurement_records import FilmMeasurement


def write_results(
    result: Comparison | FilmMeasurement,
    folder: str | Path,
    *,
    dicom: bool = False,
    include_paths: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a compared pair or a measured film: record, tables, label images, pictures; whole or not at all.

    Parameters
    ----------
    result
        From `compare` or `measure_film`.
    folder, dicom, include_paths, overwrite
        As for `write_comparison`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UsageError
        When the folder is in use, or `result` is neither a pair nor a film.
    OutputError
        When something could not be written; nothing half-written is left.

    Examples
    --------
    >>> film = cm.film_from_array(np.indices((200, 120)).sum(axis=0), spacing_mm=0.1)
    >>> folder = cm.write_results(cm.measure_film(film, film.pixels > 300), "results")
    >>> sorted(path.name for path in folder.iterdir())
    ['deposits.csv', 'labels.tif', 'measurement.json', 'overlay.png']
    """
    if isinstance(result, Comparison):
        return write_comparison(result, folder, dicom=dicom, include_paths=include_paths, overwrite=overwrite)
    if isinstance(result, FilmMeasurement):
        return write_measurement(result, folder, dicom=dicom, include_paths=include_paths, overwrite=overwrite)
    raise UsageError(
        f"a {type(result).__name__} is not a result",
        where="write_results",
        remedy="Pass what compare(baseline, followup) or measure_film(film, labels) returns.",
    )


def write_comparison(
    comparison: Comparison,
    folder: str | Path,
    *,
    labels_format: str = "tif",
    dicom: bool = False,
    dicom_pictures: bool = False,
    dicom_context: Mapping[str, Any] | None = None,
    include_paths: bool = False,
    overwrite: bool = False,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """Write a compared pair: record, tables, label images, pictures, transform, report; whole or not at all.

    Parameters
    ----------
    comparison
        The pair.
    folder
        The results folder; made where it is missing, with the folders above it.
    labels_format
        ``nii.gz``, ``nrrd`` or ``mha``: write the labels in this format beside `labels.tif`.
    dicom
        Whether DICOM SEG of both films and an SR of the change are written too.
    dicom_pictures
        Whether pictures are added to them for viewers that show neither; implies `dicom`.
    dicom_context
        Readers and visits: keyword arguments of `calcimeasure.export.dicom.write_comparison_dicom` (or of its sibling
        for one film).
    include_paths
        Whether the record and the report name the films' paths: paths carry names.
    overwrite
        Whether older results in `folder` may be replaced; they stand until the new ones are complete.
    settings
        The resolved options, for the record and the report.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UsageError
        When the folder is in use.
    OutputError
        When something could not be written; nothing half-written is left.
    """
    with whole_folder(folder, overwrite=overwrite) as stage:
        record = comparison_record(comparison, include_paths=include_paths, settings=settings)
        write_text(stage / "links.csv", links_csv(comparison))
        write_text(stage / "deposits.csv", comparison_deposits_csv(comparison))
        films = {"baseline": comparison.baseline, "followup": comparison.followup}
        shown = (display_measured(comparison.baseline), display_measured(comparison.followup))
        for (name, film), picture, marks in zip(films.items(), shown, pair_marks(comparison), strict=True):
            _write_film(film, stage / name, picture, marks, labels_format)
        if comparison.alignment is not None:
            spacings = (film.film.spacing.mm for film in films.values())
            write_transform(comparison.alignment.transform(*spacings, dimension=3), stage / "baseline_to_followup.tfm")
        if dicom or dicom_pictures:
            from calcimeasure.export.dicom import write_comparison_dicom

            files = write_comparison_dicom(comparison, stage, pictures=dicom_pictures, **(dicom_context or {}))
            record["dicom"] = files.record()
        write_text(stage / "report.html", report_html(comparison, record, shown=shown))
        write_text(stage / "comparison.json", record_text(record))
    return Path(folder)


def write_measurement(
    measurement: FilmMeasurement,
    folder: str | Path,
    *,
    labels_format: str = "tif",
    dicom: bool = False,
    dicom_pictures: bool = False,
    dicom_context: Mapping[str, Any] | None = None,
    include_paths: bool = False,
    overwrite: bool = False,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """Write one measured film: record, table, label image, picture; whole or not at all.

    The other parameters and the exceptions are those of `write_comparison`.

    Parameters
    ----------
    measurement
        The film with its deposits.

    Returns
    -------
    Path
        The folder.
    """
    with whole_folder(folder, overwrite=overwrite) as stage:
        record = measurement_record(measurement, include_paths=include_paths, settings=settings)
        write_text(stage / "deposits.csv", measurement_deposits_csv(measurement))
        _write_film(measurement, stage, display_measured(measurement), film_marks(measurement), labels_format)
        if dicom or dicom_pictures:
            from calcimeasure.export.dicom import write_measurement_dicom

            files = write_measurement_dicom(measurement, stage, pictures=dicom_pictures, **(dicom_context or {}))
            record["dicom"] = files.record()
        write_text(stage / "measurement.json", record_text(record))
    return Path(folder)


def _write_film(
    measurement: FilmMeasurement,
    folder: Path,
    picture: DisplayedFilm,
    marks: Sequence[OutlineMark],
    labels_format: str,
) -> None:
    """Write the label images and the overlay of one film."""
    labels, spacing = measurement.labels, measurement.film.spacing
    write_bytes(folder / "labels.tif", labels_tiff(labels, spacing))
    if labels_format != "tif":
        write_labels(labels, folder / f"labels.{labels_format}", spacing=spacing)
    write_bytes(folder / "overlay.png", draw_overlay(picture, marks))
