"""`calcimeasure compare BASELINE FOLLOWUP --out DIR`: the pair and its verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.cli.progress_bar import steps
from calcimeasure.cli.reading_options import reader_option, reading_of, reading_settings, visit_option
from calcimeasure.cli.shared_options import (
    RESULT_OPTIONS,
    check_margin,
    film_options,
    output_options,
    print_dicom_notes,
    print_record,
    print_warnings,
    read_one_film,
)
from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.change.change_records import Comparison
    from calcimeasure.deposits import DepositLabels
    from calcimeasure.radiograph import Radiograph

NOT_COMPARABLE_STATUS = 4
STEPS = 9


@click.command()
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("followup", type=click.Path(path_type=Path))
@film_options("baseline", "followup")
@click.option("--magnification-corrected", is_flag=True, help="Divide by the magnification that the headers state.")
@click.option("--baseline-points", type=click.Path(path_type=Path), help="Clicks on the baseline: row, col[, deposit].")
@click.option("--followup-points", type=click.Path(path_type=Path), help="Clicks on the follow-up; both or neither.")
@click.option(
    "--baseline-labels", type=click.Path(path_type=Path), help="Labels of the baseline (TIFF, NIfTI, NRRD, MHA, SEG)."
)
@click.option("--followup-labels", type=click.Path(path_type=Path), help="Labels of the follow-up; both or neither.")
@reader_option
@visit_option("baseline")
@visit_option("followup")
@click.option("--method", default="auto", show_default=True, help="Segmenter: auto, network or classical.")
@click.option(
    "--margin",
    type=(float, float),
    default=DEFAULT_MARGIN_RATIO,
    show_default=True,
    help="Ratios of area between which a change counts as none.",
)
@click.option("--repositioning-sd", type=float, help="SD of an area's logarithm between exposures of one pose.")
@click.option("--precision", type=float, help="Relative SD of an area painted by a reader, e.g. 0.05.")
@click.option("--self-check", is_flag=True, help="Measure synthetic follow-ups of this baseline with known change.")
@click.option("--force", is_flag=True, help="Compare although the headers contradict one another.")
@click.option("--flip", is_flag=True, help="Mirror the follow-up first.")
@output_options
def compare(baseline: Path, followup: Path, out: Path, **options: Any) -> int:
    """Compare two films of the same limb and write the verdict, tables and a page into a folder.

    BASELINE and FOLLOWUP are DICOM, PNG, TIFF or JPEG files. Options for one film only: put --baseline- or
    --followup- before --spacing, --frame, --side, --view, --body-part, --date, --invert and --no-invert.
    """
    _refuse_contradictions(options)
    context, recorded = _readers_and_visits(options)
    from calcimeasure.change import Verdict
    from calcimeasure.change import compare as compare_films
    from calcimeasure.export import comparison_record, write_comparison
    from calcimeasure.io.atomic_output import check_output_folder

    check_output_folder(out, overwrite=options["overwrite"])

    with steps(STEPS, quiet=options["quiet"], verbose=options["verbose"]) as begin:
        begin("Reading the films")
        films = (read_one_film(baseline, options, "baseline"), read_one_film(followup, options, "followup"))
        labels = [
            _given_labels(film, options, which) for film, which in zip(films, ("baseline", "followup"), strict=True)
        ]
        settings = _settings(options)
        comparison = compare_films(
            *films, baseline_labels=labels[0], followup_labels=labels[1], progress=begin, **settings
        )
        begin("Writing")
        write_comparison(
            comparison,
            out,
            dicom_context=context,
            **{name: options[name] for name in RESULT_OPTIONS},
            settings=settings | recorded,
        )
    if options["as_json"]:
        record = comparison_record(comparison, include_paths=options["include_paths"], settings=settings | recorded)
        print_record(record)
    elif not options["quiet"]:
        _summarise(comparison, out)
        print_dicom_notes(out / "comparison.json")
    return NOT_COMPARABLE_STATUS if comparison.verdict is Verdict.NOT_COMPARABLE else 0


def _refuse_contradictions(options: dict[str, Any]) -> None:
    for kind in ("points", "labels"):
        if bool(options[f"baseline_{kind}"]) != bool(options[f"followup_{kind}"]):
            raise UsageError(
                f"--baseline-{kind} and --followup-{kind} belong together",
                remedy="Give both or neither: a film read by hand and one read by the program cannot be compared.",
            )
    if options["baseline_points"] and options["baseline_labels"]:
        raise UsageError("points and labels exclude one another", remedy="Give one kind for both films.")
    check_margin(options["margin"])


def _readers_and_visits(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the readers and visits of both films, for the DICOM objects and for the record."""
    context: dict[str, Any] = {}
    recorded: dict[str, Any] = {}
    for which in ("baseline", "followup"):
        reading = reading_of(options[f"{which}_points"], options[f"{which}_labels"], options["reader"])
        visit = options[f"{which}_visit"]
        context |= {f"{which}_reading": reading} | ({} if visit is None else {f"{which}_visit": visit})
        recorded |= reading_settings(reading, visit, which)
    return context, recorded


def _given_labels(film: Radiograph, options: dict[str, Any], which: str) -> DepositLabels | None:
    points, labels = options[f"{which}_points"], options[f"{which}_labels"]
    if points is None and labels is None:
        return None
    from calcimeasure.anatomy import find_anatomy
    from calcimeasure.cli.segment_command import labels_for

    return labels_for(film, find_anatomy(film), points, labels, options["method"])


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    settings = {
        "method": options["method"],
        "margin_ratio": options["margin"],
        "precision": options["precision"],
        "force": options["force"],
        "flip": options["flip"],
        "self_check": options["self_check"],
    }
    if options["repositioning_sd"] is not None:
        settings["repositioning_sd"] = options["repositioning_sd"]
    return settings


def _summarise(comparison: Comparison, out: Path) -> None:
    from calcimeasure.change import verdict_sentence

    click.echo(verdict_sentence(comparison))
    print_warnings(comparison.warnings)
    click.echo(f"Report: {out / 'report.html'}")
