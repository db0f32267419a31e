"""`calcimeasure study init | run | status | export`: many films, from a folder to tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.cli.declare_command import declare, verify
from calcimeasure.cli.pacs_command import query_options

if TYPE_CHECKING:
    from calcimeasure.study.study_runner import RunProgress
    from calcimeasure.study.study_state import StudyState

FILMS_FAILED_STATUS = 5
MOST_LINES = 20
LINE_EVERY_S = 30.0
STUDY = click.argument("study_folder", metavar="STUDY", type=click.Path(path_type=Path))
QUIET = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
VERBOSE = click.option("--verbose", is_flag=True, help="Print errors in full.")


@click.group()
def study() -> None:
    """Measure a whole study: many subjects, films and visits.

    \b
    calcimeasure study init FOLDER     propose films.csv and study.toml from a folder of films
    calcimeasure study run STUDY       read every film, compare every pair
    calcimeasure study status STUDY    what is done, what failed, what is missing
    calcimeasure study report STUDY    one page: the result, every patient, what is left out
    calcimeasure study export STUDY    tables as CSV and Parquet, with a data dictionary
    calcimeasure study declare STUDY   the plan on record, as a page to be signed
    calcimeasure study verify STUDY    whether the analysis is the one that was declared
    """  # noqa: D301


study.add_command(declare)
study.add_command(verify)


@study.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the study's files.  [default: FOLDER]")
@click.option("--title", default="", help="Title of the study.")
@click.option("--keep-ids", is_flag=True, help="Patient identifiers are pseudonyms already: keep them.")
@click.option("--from-pacs", "profile", help="First fetch films from an archive (a profile's name) into FOLDER.")
@click.option("--pacs-config", "config", type=click.Path(path_type=Path), help="File of the archives' profiles.")
@query_options
@click.option("--update", is_flag=True, help="Add films that are new since; rows that are there stay as they are.")
@QUIET
@VERBOSE
def init(folder: Path, out: Path | None, title: str, **options: Any) -> int:
    """Walk FOLDER, read headers, propose films.csv and study.toml to be looked over.

    Subjects get pseudonyms; their key is private/subject_key.csv, which no result contains.
    """
    from calcimeasure.study.series import gaps
    from calcimeasure.study.study_init import COPY_NOTE, init_study

    fetched = _fetch(folder, options) if options["profile"] else 0
    with _counting("Reading headers", quiet=options["quiet"]) as count:
        proposal = init_study(
            folder, out, title=title, update=options["update"], keep_ids=options["keep_ids"], progress=count
        )
    if options["quiet"]:
        return fetched
    where = out or folder
    taking_part = [film for film in proposal.films if film.include]
    visits = ", ".join(proposal.settings.visit_names)
    many = _count(len(taking_part), "film", "films")
    click.echo(f"{many} of {_count(proposal.subjects, 'subject', 'subjects')}; visits: {visits}.")
    _print_list(
        ("copy of another film, left out", "copies of other films, left out"),
        [f"{f.path}: {f.note}" for f in proposal.films if not f.include and f.note.startswith(COPY_NOTE)],
    )
    _print_list(
        ("subject that may be another one", "subjects that may be others"),
        [f"{one} and {other}: their identifiers are nearly alike" for one, other in proposal.likely_doubles],
    )
    _print_list(
        ("file that is no film", "files that are no films"), [f"{path}: {reason}" for path, reason in proposal.left_out]
    )
    unsaid = [f"{film.path}: {film.note}" for film in taking_part if film.note]
    _print_list(("film whose header leaves something out", "films whose headers leave something out"), unsaid)
    incomplete = [film for film in taking_part if not (film.visit and film.side)]
    _print_list(
        ("row to be completed before a run (visit, side)", "rows to be completed before a run (visit, side)"),
        [film.path for film in incomplete],
    )
    _print_list(("gap", "gaps"), list(gaps(proposal.films, proposal.settings)))
    click.echo(f"Look over {where / 'films.csv'} and {where / 'study.toml'}, then: calcimeasure study run {where}")
    return fetched


def _fetch(folder: Path, options: dict[str, Any]) -> int:
    """Fetch films into the folder; the exit status says whether all came."""
    from calcimeasure.cli.pacs_command import fetch_into

    filters = ("patient_id", "date_from", "date_to", "modality", "body_part", "study_uid", "series_uid")
    query = {name: options[name] for name in filters}
    return fetch_into(folder, options["profile"], options["config"], query, quiet=options["quiet"])


@study.command()
@STUDY
@click.option("--workers", type=click.IntRange(1, 256), help="Processes on this machine.  [default: its cores]")
@click.option("--scheduler", help="Address of a dask scheduler, e.g. tcp://host:8786.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--redo", multiple=True, metavar="FILM", help="Read this film anew, with its limb; may be repeated.")
@click.option("--wait", is_flag=True, help="Wait while another run of this study is under way.")
@QUIET
@click.option("--verbose", is_flag=True, help="Print a line for each film and pair, and errors in full.")
def run(study_folder: Path, workers: int | None, scheduler: str | None, **options: Any) -> int:
    """Read every film and compare every pair of STUDY that is not finished, then write the tables.

    An interrupted run continues where it stopped.
    """
    from calcimeasure.study.study_export import export_study
    from calcimeasure.study.study_report import write_study_report
    from calcimeasure.study.study_runner import run_study
    from calcimeasure.study.study_state import Study

    if options["dry_run"]:
        _print_plan(Study(study_folder).state())
        return 0
    with _progress(quiet=options["quiet"], verbose=options["verbose"]) as progress:
        state = run_study(
            study_folder,
            workers=workers,
            scheduler=scheduler,
            wait_for_lock=options["wait"],
            progress=progress,
            redo=options["redo"],
        )
    export_study(study_folder, state)
    page = write_study_report(study_folder, state)
    if not options["quiet"]:
        _summarise(state)
        click.echo(f"Report: {page}")
    return FILMS_FAILED_STATUS if state.failed_films or state.failed_pairs else 0


@study.command()
@STUDY
@VERBOSE
def status(study_folder: Path, **_options: Any) -> int:
    """Print what of STUDY is done, what failed and why, and which films are missing."""
    from calcimeasure.study.study_state import Study

    state = Study(study_folder).state()
    _summarise(state)
    return FILMS_FAILED_STATUS if state.failed_films or state.failed_pairs else 0


@study.command()
@STUDY
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the tables.  [default: STUDY/results/tables]")
@QUIET
@VERBOSE
def export(study_folder: Path, out: Path | None, **options: Any) -> None:
    """Write films, deposits, links, pairs and subjects of STUDY as CSV and Parquet, with a data dictionary."""
    from calcimeasure.study.study_export import export_study
    from calcimeasure.study.study_state import Study

    folder = export_study(study_folder, Study(study_folder).state(), folder=out)
    if not options["quiet"]:
        click.echo(f"Tables: {folder}")


@study.command()
@STUDY
@QUIET
@VERBOSE
def report(study_folder: Path, **options: Any) -> None:
    """Write the page of STUDY: the result in sentences, patients, precision, films, what is left out, methods."""
    from calcimeasure.study.study_report import write_study_report
    from calcimeasure.study.study_state import Study

    page = write_study_report(study_folder, Study(study_folder).state())
    if not options["quiet"]:
        click.echo(f"Report: {page}")


def _summarise(state: StudyState) -> None:
    from collections import Counter

    from calcimeasure.study.series import CHANGE, gaps

    films = [film for film in state.films if film.include]
    read = sum(
        outcome["status"] == "ok" for mark in state.readings.values() if mark for outcome in mark["films"].values()
    )
    click.echo(f"{state.settings.title}: {read} of {_count(len(films), 'film', 'films')} read.")
    changes = [mark for mark in state.pairs.values() if mark and mark["kind"] == CHANGE and mark["status"] == "ok"]
    verdicts = Counter(mark["verdict"] for mark in changes)
    listed = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(verdicts.items()))
    many = _count(len(changes), "pair of films", "pairs of films")
    click.echo(f"{many} compared with baseline{': ' + listed if listed else ''}.")
    waiting = sum(mark is None for mark in (*state.readings.values(), *state.pairs.values()))
    if waiting:
        click.echo(_count(waiting, "piece of work is not done yet.", "pieces of work are not done yet."))
    _print_list(("failed film", "failed films"), [f"{name}: {reason}" for name, reason in state.failed_films.items()])
    _print_list(("failed pair", "failed pairs"), [f"{name}: {reason}" for name, reason in state.failed_pairs.items()])
    unfit = [f"{m['followup']}: {' '.join(m['reasons'])}" for m in changes if m["verdict"] == "not_comparable"]
    _print_list(("pair that cannot be compared", "pairs that cannot be compared"), unfit)
    _print_list(
        ("contradiction", "contradictions"), [f"{name}: {words}" for name, words in state.contradictions.items()]
    )
    _print_list(("gap", "gaps"), list(gaps(state.films, state.settings)))


def _print_plan(state: StudyState) -> None:
    def to_do(mark: Mapping[str, Any] | None) -> bool:
        outcomes = [] if mark is None else list(mark.get("films", {"": mark}).values())
        return mark is None or any(outcome["status"] == "failed" for outcome in outcomes)

    todo = [series for series in state.series if to_do(state.readings[series.name])]
    again = {film.name for series in todo for film in series.films}
    pairs = sum(to_do(mark) for name, mark in state.pairs.items() if name not in again)
    films = sum(len(series.films) for series in todo)
    failed = f" ({len(state.failed_films)} failed before)" if state.failed_films else ""
    limbs = f"{_count(films, 'film', 'films')} of {_count(len(todo), 'limb', 'limbs')}"
    others = _count(pairs, "other pair", "other pairs")
    click.echo(f"To do: {limbs} to be read{failed}, with their pairs; {others}.")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _print_list(what: tuple[str, str], lines: list[str]) -> None:
    """Print lines under their count and what they are, in the singular and the plural."""
    if not lines:
        return
    click.echo(f"{_count(len(lines), *what)}:")
    for line in lines[:MOST_LINES]:
        click.echo(f"  {line}")
    if len(lines) > MOST_LINES:
        click.echo(f"  ... and {len(lines) - MOST_LINES} more")


@contextmanager
def _counting(title: str, *, quiet: bool) -> Iterator[Any]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=title, unit=" files", delay=1.0, leave=False) as bar:
        yield lambda _path: bar.update()


def _lines_now_and_then(make: type[RunProgress]) -> RunProgress:
    """Return progress for a run without a terminal: a line each half minute."""
    counts = {"all": 0, "done": 0}
    last = time.monotonic()

    def begin(total: int, finished: int) -> None:
        counts.update(all=total + finished, done=finished)

    def done(units: int, _line: str) -> None:
        nonlocal last
        counts["done"] += units
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            click.echo(f"{counts['done']} of {counts['all']} done", err=True)

    return make(begin=begin, done=done)


@contextmanager
def _progress(*, quiet: bool, verbose: bool) -> Iterator[RunProgress]:
    """Show a bar with the time left on a terminal, a line each piece of work with --verbose."""
    from calcimeasure.study.study_runner import RunProgress

    if verbose:
        yield RunProgress(done=lambda _units, line: click.echo(line, err=True) if line else None)
        return
    if quiet:
        yield RunProgress()
        return
    if not sys.stderr.isatty():
        yield _lines_now_and_then(RunProgress)
        return
    from tqdm import tqdm

    with tqdm(
        total=0, unit="", leave=False, bar_format="{desc}{bar:24} {n}/{total} {elapsed}, {remaining} left"
    ) as bar:

        def begin(total: int, finished: int) -> None:
            bar.total = total + finished
            bar.initial = finished
            bar.n = finished
            bar.refresh()

        def done(units: int, _line: str) -> None:
            bar.update(units)

        yield RunProgress(begin=begin, done=done)
