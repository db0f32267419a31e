"""`calcimeasure pacs find | fetch | send | check`: films from and results to an archive."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.pacs.archive import Archive
    from calcimeasure.pacs.pacs_records import Query, SeriesRecord, TransferOutcome

SOME_FAILED_STATUS = 5
_COLUMNS = ("study_date", "modality", "body_part", "patient_id", "instance_count", "study_uid", "series_uid")


@click.group()
def pacs() -> None:
    """Find and fetch films in an archive (PACS), and send results to it, over DICOMweb or DIMSE.

    Archives are profiles in a TOML file; passwords come from the environment or from a file that only you can
    read. See docs/pacs.md.
    """


def profile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --profile and --config."""
    command = click.option("--config", type=click.Path(path_type=Path), help="File of profiles.")(command)
    return click.option("--profile", required=True, help="Name of the archive's profile.")(command)


def query_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters of a search."""
    for option in (
        click.option("--series", "series_uid", help="One series, by its UID."),
        click.option("--study", "study_uid", help="One study, by its UID."),
        click.option("--body-part", help="Body part as headers spell it, e.g. HAND."),
        click.option("--modality", help="Modality: CR, DX, ..."),
        click.option("--to", "date_to", help="Last day of the study, YYYY-MM-DD."),
        click.option("--from", "date_from", help="First day of the study, YYYY-MM-DD."),
        click.option("--patient", "patient_id", help="The archive's identifier of the patient."),
    ):
        command = option(command)
    return command


@pacs.command()
@profile_options
def check(profile: str, config: Path | None) -> None:
    """Check that the archive answers."""
    from calcimeasure.pacs.retries import retry

    with _archive(profile, config) as archive:
        answer, _ = retry(archive.check, archive.patience)
    click.echo(answer)


@pacs.command()
@profile_options
@query_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def find(profile: str, config: Path | None, as_json: bool, **filters: str | None) -> None:
    """List the series that an archive has."""
    from calcimeasure.pacs.transfer import find as find_series

    query = _query(filters)
    with _archive(profile, config) as archive:
        series = find_series(archive, query)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in series], indent=1))
    else:
        _print_series(series)


@pacs.command()
@profile_options
@query_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the films.")
@click.option("--quiet", is_flag=True, help="Print only what failed.")
def fetch(profile: str, config: Path | None, out: Path, quiet: bool, **filters: str | None) -> int:
    """Fetch films. Films that were fetched before are skipped, so an interrupted fetch can be repeated.

    The folder's fetch.csv has the outcome of each object.
    """
    return fetch_into(out, profile, config, filters, quiet=quiet)


def fetch_into(
    folder: Path, profile: str, config: Path | None, filters: dict[str, str | None], *, quiet: bool = False
) -> int:
    """Fetch the films that match `query_options` into a folder, with its table; return the exit status.

    Raises
    ------
    UsageError
        When no filter is given.
    PacsError
        When the archive does not answer.
    """
    from calcimeasure.pacs.transfer import fetch as fetch_series
    from calcimeasure.pacs.transfer import find as find_series

    query = _query(filters)
    if not any(filters.values()):
        raise UsageError("fetching a whole archive is not meant", remedy="Give --patient, --study or another option.")
    folder.mkdir(parents=True, exist_ok=True)
    with _archive(profile, config) as archive:
        series = find_series(archive, query)
        return _report(fetch_series(archive, series, folder), folder / "fetch.csv", quiet=quiet)


@pacs.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER...")
@profile_options
@click.option("--table", type=click.Path(path_type=Path), help="CSV with the outcome of each file.")
@click.option("--quiet", is_flag=True, help="Print only what failed.")
def send(files: tuple[Path, ...], profile: str, config: Path | None, table: Path | None, quiet: bool) -> int:
    """Send DICOM files, or all *.dcm of a folder. Each is fetched again and compared before it counts as sent."""
    from calcimeasure.pacs.transfer import send as send_files

    paths = _files(files)
    with _archive(profile, config) as archive:
        return _report(send_files(archive, paths), table, quiet=quiet)


def _archive(profile: str, config: Path | None) -> Archive:
    from calcimeasure.pacs.archive import open_archive
    from calcimeasure.pacs.profiles import load_profile

    return open_archive(load_profile(profile, config))


def _query(filters: dict[str, str | None]) -> Query:
    from calcimeasure.pacs.pacs_records import Query

    dates = {name: (filters.get(name) or "").replace("-", "") or None for name in ("date_from", "date_to")}
    others = {name: value for name, value in filters.items() if name not in dates}
    return Query(**others, **dates)


def _files(given: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in given:
        if path.is_dir():
            files += sorted(path.rglob("*.dcm"))
        elif path.is_file():
            files.append(path)
        else:
            raise UsageError("no such file or folder", where=str(path))
    if not files:
        raise UsageError("there is nothing to send", remedy="Name DICOM files, or folders that hold *.dcm.")
    return files


def _print_series(series: list[SeriesRecord]) -> None:
    if not series:
        click.echo("Nothing found.")
        return
    rows = [_COLUMNS, *(tuple(str(getattr(one, name) or "-") for name in _COLUMNS) for one in series)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(_COLUMNS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _report(outcomes: Iterable[TransferOutcome], table: Path | None, *, quiet: bool) -> int:
    """Print each failure, write the table, and return the exit status."""
    from calcimeasure.pacs.pacs_records import Status

    done: list[TransferOutcome] = []
    try:
        for outcome in outcomes:
            done.append(outcome)
            if outcome.reason:
                click.echo(f"{outcome.file or outcome.uid}: {outcome.status}: {outcome.reason}", err=True)
    finally:
        if table is not None:
            _write_table(done, table)
    counts = Counter(outcome.status for outcome in done)
    if not quiet:
        click.echo(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "Nothing found.")
    return SOME_FAILED_STATUS if Status.FAILED in counts else 0


def _write_table(outcomes: list[TransferOutcome], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("uid", "status", "file", "reason", "attempts"))
        for outcome in outcomes:
            writer.writerow((outcome.uid, outcome.status, outcome.file, outcome.reason, outcome.attempts))
