"""`calcimeasure segment FILM --out DIR`: the deposits of one film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.cli.progress_bar import steps
from calcimeasure.cli.reading_options import reader_option, reading_of, reading_settings, visit_option
from calcimeasure.cli.shared_options import (
    RESULT_OPTIONS,
    film_options,
    output_options,
    print_dicom_notes,
    print_record,
    print_warnings,
    read_one_film,
)
from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.anatomy import Anatomy
    from calcimeasure.deposits import DepositLabels
    from calcimeasure.measurement.measurement_records import FilmMeasurement
    from calcimeasure.radiograph import Radiograph


@click.command()
@click.argument("film", type=click.Path(path_type=Path))
@film_options()
@click.option("--magnification-corrected", is_flag=True, help="Divide by the magnification that the header states.")
@click.option("--points", type=click.Path(path_type=Path), help="CSV of clicks inside deposits: row, col[, deposit].")
@click.option("--labels", type=click.Path(path_type=Path), help="Measure these labels (TIFF, NIfTI, NRRD, MHA, SEG).")
@reader_option
@visit_option()
@click.option("--method", default="auto", show_default=True, help="Segmenter: auto, network or classical.")
@click.option("--precision", type=float, help="Relative SD of an area painted by a reader, e.g. 0.05.")
@output_options
def segment(film: Path, out: Path, **options: Any) -> int:
    """Find the deposits on FILM, measure them, and write tables and an overlay into a folder."""
    if options["points"] and options["labels"]:
        raise UsageError("--points and --labels exclude one another", remedy="Give one of them.")
    reading = reading_of(options["points"], options["labels"], options["reader"])
    from calcimeasure.anatomy import find_anatomy
    from calcimeasure.export import measurement_record, write_measurement
    from calcimeasure.io.atomic_output import check_output_folder
    from calcimeasure.measurement import measure_film

    check_output_folder(out, overwrite=options["overwrite"])

    with steps(4, quiet=options["quiet"], verbose=options["verbose"]) as begin:
        begin("Reading the film")
        radiograph = read_one_film(film, options)
        begin("Finding the deposits")
        anatomy = find_anatomy(radiograph)
        labels = labels_for(radiograph, anatomy, options["points"], options["labels"], options["method"])
        begin("Measuring")
        measurement = measure_film(radiograph, labels, anatomy=anatomy, precision=options["precision"])
        begin("Writing")
        settings = {"method": labels.method, "precision": options["precision"]}
        settings |= reading_settings(reading, options["visit"])
        write_measurement(
            measurement,
            out,
            dicom_context={"reading": reading, "visit": options["visit"]},
            **{name: options[name] for name in RESULT_OPTIONS},
            settings=settings,
        )
    if options["as_json"]:
        record = measurement_record(measurement, include_paths=options["include_paths"], settings=settings)
        print_record(record)
    elif not options["quiet"]:
        _summarise(measurement, out)
        print_dicom_notes(out / "measurement.json")
    return 0


def labels_for(
    film: Radiograph, anatomy: Anatomy, points: Path | None, labels: Path | None, method: str
) -> DepositLabels:
    """Return the deposits of a film: clicked, read from a file, or found."""
    from calcimeasure.io.label_images import read_labels
    from calcimeasure.io.points import read_points
    from calcimeasure.segmentation import segment, segment_points

    if points is not None:
        clicks, numbers = read_points(points, film)
        return segment_points(film, clicks, numbers, anatomy=anatomy)
    if labels is not None:
        return read_labels(labels, film)
    return segment(film, method=method, anatomy=anatomy)


def _summarise(measurement: FilmMeasurement, out: Path) -> None:
    count = len(measurement.deposits)
    if measurement.total_area_mm2 is not None:
        area = f"{measurement.total_area_mm2:.1f} mm² (SE {measurement.total_area_se_mm2:.1f})"
    else:
        area = f"{measurement.total_area_px:.0f} px² (no spacing: give --spacing MM to have mm²)"
    click.echo(f"{count} deposit{'' if count == 1 else 's'}, total area {area}")
    print_warnings(measurement.warnings)
    click.echo(f"Results: {out}")
