"""Options that several commands share, and the film they describe."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from calcimeasure.radiograph import Radiograph

Command = TypeVar("Command", bound=Callable[..., Any])

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
            start = f"--{prefix}-" if prefix else "--"
            whose = f"the {prefix} film" if prefix else ("both films" if prefixes else "the film")
            hidden = bool(prefix)
            for option in reversed(_options_of(start, whose, hidden=hidden)):
                command = option(command)
        return command

    return decorate


def _options_of(start: str, whose: str, *, hidden: bool) -> list[Callable[[Command], Command]]:
    return [
        click.option(
            f"{start}spacing", type=SpacingParameter(), hidden=hidden, help=f"Pixel spacing of {whose} in mm."
        ),
        click.option(f"{start}frame", type=int, hidden=hidden, help="Frame of a multi-frame file, counted from 1."),
        click.option(
            f"{start}side", type=click.Choice(["L", "R", "B"]), hidden=hidden, help=f"Side of the limb on {whose}."
        ),
        click.option(f"{start}view", hidden=hidden, help=f"View of {whose}, e.g. PA."),
        click.option(f"{start}body-part", hidden=hidden, help=f"Body part on {whose}, e.g. HAND."),
        click.option(
            f"{start}date", metavar="YYYY-MM-DD", hidden=hidden, help=f"Date of {whose}, where the file has none."
        ),
        click.option(
            f"{start}invert/{start}no-invert",
            default=None,
            hidden=hidden,
            help=f"In {whose} grey runs against what the file declares, or as it does.  [default: the picture tells]",
        ),
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


def tell_dicom_notes(record: Path) -> None:
    """Print what was noted while DICOM objects were written: why one is not there, or has no date."""
    for note in json.loads(record.read_text("utf-8")).get("dicom", {}).get("notes", []):
        click.echo(f"Note: {note}", err=True)


def output_options(command: Command) -> Command:
    """Add --out, --overwrite, --dicom, --include-paths and how much the terminal says."""
    options = [
        click.option(
            "--out", "out", type=click.Path(path_type=Path), required=True, help="Folder for the results (made new)."
        ),
        click.option("--overwrite", is_flag=True, help="Replace what is in the folder."),
        click.option("--dicom", is_flag=True, help="Write DICOM SEG and SR too."),
        click.option("--dicom-pictures", is_flag=True, help="Write them as DICOM pictures too, for plain viewers."),
        click.option("--include-paths", is_flag=True, help="Write file paths into the results (they carry names)."),
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
        click.option("--json", "as_json", is_flag=True, help="Print the record as JSON."),
        click.option("--verbose", is_flag=True, help="Print every step with its time, and errors in full."),
    ]
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)
