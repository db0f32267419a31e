"""Options that several commands share."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.notices import Notice
    from calcimeasure.radiograph import Radiograph

Command = TypeVar("Command", bound=Callable[..., Any])

LABELS_FORMATS = ("tif", "nii.gz", "nrrd", "mha")
FILM_OPTIONS = ("spacing", "frame", "side", "view", "body_part", "date", "invert")


class SpacingParameter(click.ParamType[tuple[float, float]]):
    """``0.15`` or ``ROW,COLUMN`` in millimetres a pixel."""

    name = "MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Return (row, column) in mm."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or not all(0.0 < number < 100.0 for number in numbers):
            self.fail(f"'{value}' is not a spacing: give millimetres a pixel, as 0.15 or ROW,COLUMN.", param, ctx)
        return (numbers[0], numbers[-1])


def film_options(*prefixes: str) -> Callable[[Command], Command]:
    """Add the options that concern one film, once plain and once for each prefix (``baseline``, ``followup``)."""

    def decorate(command: Command) -> Command:
        for prefix in reversed(("", *prefixes)):
            film = f"the {prefix} film" if prefix else ("both films" if prefixes else "the film")
            for option in reversed(_options_of(f"--{prefix}-" if prefix else "--", film)):
                command = option(command)
        return command

    return decorate


def _options_of(start: str, film: str) -> list[Callable[[Command], Command]]:
    option = functools.partial(click.option, hidden=start != "--")
    polarity = f"Polarity of {film}: opposite to the file, or as declared.  [default: judged from the picture]"
    return [
        option(f"{start}spacing", type=SpacingParameter(), help=f"Pixel spacing of {film} in mm."),
        option(f"{start}frame", type=int, help="Frame of a multi-frame file, counted from 1."),
        option(f"{start}side", type=click.Choice(["L", "R", "B"]), help=f"Side of the limb on {film}."),
        option(f"{start}view", help=f"View of {film}, e.g. PA."),
        option(f"{start}body-part", help=f"Body part on {film}, e.g. HAND."),
        option(f"{start}date", metavar="YYYY-MM-DD", help=f"Date of {film}, where the file has none."),
        option(f"{start}invert/{start}no-invert", default=None, help=polarity),
    ]


def film_arguments(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the arguments of `read_film` that were given: a prefixed option wins over the plain one."""
    given = {}
    for name in FILM_OPTIONS:
        own = options.get(f"{prefix}_{name}") if prefix else None
        value = own if own is not None else options.get(name)
        if value is not None:
            given[{"spacing": "spacing_mm", "date": "study_date"}.get(name, name)] = value
    return given


def read_one_film(path: Path, options: dict[str, Any], prefix: str = "") -> Radiograph:
    """Read a film with its own options, or the ones given for both."""
    from calcimeasure.io import read_film

    corrected = bool(options.get("magnification_corrected"))
    return read_film(path, magnification_corrected=corrected, **film_arguments(options, prefix))


RESULT_OPTIONS = ("labels_format", "dicom", "dicom_pictures", "include_paths", "overwrite")


def check_margin(margin: tuple[float, float]) -> None:
    """Refuse a margin of ratios that does not include 1."""
    low, high = margin
    if not 0.0 < low < 1.0 < high:
        raise UsageError(
            f"the margin {low:g} to {high:g} does not include 1, the ratio of equal areas",
            remedy="Give a ratio below 1 and one above it, e.g. --margin 0.8 1.25.",
        )


def print_record(record: dict[str, Any]) -> None:
    """Print a record as JSON."""
    click.echo(json.dumps(record, indent=1, ensure_ascii=False))


def print_warnings(warnings: Iterable[Notice]) -> None:
    """Print warnings on standard error."""
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


def print_dicom_notes(record: Path) -> None:
    """Print why a DICOM object was not written, or has no date."""
    for note in json.loads(record.read_text("utf-8")).get("dicom", {}).get("notes", []):
        click.echo(f"Note: {note}", err=True)


def output_options(command: Command) -> Command:
    """Add the options on what is written and what is printed."""
    options = [
        click.option(
            "--out", "out", type=click.Path(path_type=Path), required=True, help="Folder for the results (made new)."
        ),
        click.option("--overwrite", is_flag=True, help="Replace what is in the folder."),
        click.option(
            "--labels-format",
            type=click.Choice(LABELS_FORMATS),
            default="tif",
            show_default=True,
            help="Write the label images in this format too, beside labels.tif.",
        ),
        click.option("--dicom", is_flag=True, help="Write DICOM SEG and SR too."),
        click.option("--dicom-pictures", is_flag=True, help="Write them as DICOM pictures too, for plain viewers."),
        click.option("--include-paths", is_flag=True, help="Write file paths into the results (they carry names)."),
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
        click.option("--json", "as_json", is_flag=True, help="Print the record as JSON."),
        click.option("--verbose", is_flag=True, help="Print every step with its time, and errors in full."),
    ]
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)
