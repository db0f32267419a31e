"""`films.csv`: a row a film, plain CSV that a person edits in a spreadsheet. Read, checked, written here.

Every mistake is reported with file, row (as a spreadsheet counts them, the header being row 1), column and remedy; all
mistakes of a file are reported at once.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calcimeasure.errors import StudyError
from calcimeasure.io.table_reader import (
    PLAIN,
    CsvTable,
    TableStyle,
    check_columns,
    date_of,
    date_remedy,
    near_miss,
    number_of,
    read_csv_table,
)

FILMS_CSV = "films.csv"
MANIFEST_COLUMNS = (
    "film_id",
    "subject",
    "visit",
    "date",
    "body_part",
    "side",
    "view",
    "repeat",
    "path",
    "frame",
    "row_spacing_mm",
    "col_spacing_mm",
    "spacing_basis",
    "invert",
    "include",
    "note",
)
REQUIRED = ("subject", "visit", "body_part", "side", "view", "path")
MOST_REPORTED = 20
_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")
SIDE_WORDS = {"left": "L", "lt": "L", "right": "R", "rt": "R", "both": "B", "bilateral": "B"}
_WORDS = {True: "yes", False: "no", None: ""}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}")

FilmKey = tuple[str, str, str, str, str, int]
SeriesKey = tuple[str, str, str, str]
ReportProblem = Callable[[str, str, str], None]
"""Told the column, the problem and the remedy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmRow:
    """One film of a study.

    Attributes
    ----------
    film_id
        Start of the file's hash when the row was proposed; empty where a person wrote the row.
    subject, visit, body_part, side, view, repeat
        The key.
    date
        ISO date of the exposure, or empty.
    path
        The file, relative to the study's folder or absolute.
    frame
        Of a multi-frame file, counted from 1; None for a single frame.
    spacing_mm
        (row, column); applied only where `spacing_basis` is ``user``, else for the person's eyes.
    invert
        Whether the film's grey is inverted beyond what its file declares, as for `read_film`; None leaves it to the
        picture.
    include
        Whether the film takes part; a film left out keeps its row, with the reason in `note`.
    """

    film_id: str = ""
    subject: str
    visit: str
    date: str = ""
    body_part: str
    side: str
    view: str
    repeat: int = 1
    path: str
    frame: int | None = None
    spacing_mm: tuple[float, float] | None = None
    spacing_basis: str = ""
    invert: bool | None = None
    include: bool = True
    note: str = ""

    @property
    def key(self) -> FilmKey:
        """What names the film in the study."""
        return (self.subject, self.visit, self.body_part, self.side, self.view, self.repeat)

    @property
    def series(self) -> SeriesKey:
        """What its visits have in common: the films of one limb in one view."""
        return (self.subject, self.body_part, self.side, self.view)

    @property
    def user_spacing_mm(self) -> tuple[float, float] | None:
        """The spacing that a person gave, to be applied."""
        return self.spacing_mm if self.spacing_basis == "user" else None

    @property
    def name(self) -> str:
        """The key as one word, for folders and messages."""
        parts = (self.subject, self.visit, self.body_part, self.side, self.view, str(self.repeat))
        return "_".join(part.replace(" ", "-") for part in parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake in a table."""

    row: int
    column: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.problem}. {self.remedy}"


def read_manifest(path: Path, *, visits: Sequence[str] | None = None, style: TableStyle = PLAIN) -> tuple[FilmRow, ...]:
    """Read `films.csv`, in its order.

    Parameters
    ----------
    path
        The file.
    visits
        Names of visits that the study knows; None to accept any.
    style
        What the file does not tell: encoding, order of dates, decimal mark.

    Raises
    ------
    StudyError
        Naming every row and column that is wrong, the first twenty in full.
    """
    table = _read_rows(path, style)
    films: list[FilmRow] = []
    numbers: list[int] = []
    problems: list[Problem] = []
    for number, row in table.rows:
        film, wrong = _film_of(row, number, visits, table.style)
        problems += wrong
        if film is not None:
            films.append(film)
            numbers.append(number)
    problems += _repeated(films, numbers)
    raise_problems(path.name, problems)
    return tuple(films)


def valid_name(word: str) -> bool:
    """Return whether a word can name a folder on every system."""
    return _NAME.fullmatch(word) is not None and not word.endswith((".", " "))


def raise_problems(name: str, problems: Sequence[Problem]) -> None:
    """Raise one error that lists all problems; nothing where there are none.

    Raises
    ------
    StudyError
        With the first twenty in full and the number of the rest.
    """
    if not problems:
        return
    lines = [str(problem) for problem in sorted(problems, key=lambda p: p.row)]
    rest = len(lines) - MOST_REPORTED
    shown = lines[:MOST_REPORTED] + ([f"... and {rest} more"] if rest > 0 else [])
    count = "a mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    raise StudyError(f"{count}:\n  " + "\n  ".join(shown), where=name)


def write_manifest(path: Path, films: Iterable[FilmRow]) -> None:
    """Write `films.csv`; the same films give the same bytes."""
    path.write_text(manifest_text(films), encoding="utf-8", newline="")


def manifest_text(films: Iterable[FilmRow]) -> str:
    """Return the text of `films.csv`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for film in films:
        row, col = film.spacing_mm or ("", "")
        writer.writerow(
            {
                "film_id": film.film_id,
                "subject": film.subject,
                "visit": film.visit,
                "date": film.date,
                "body_part": film.body_part,
                "side": film.side,
                "view": film.view,
                "repeat": film.repeat,
                "path": film.path,
                "frame": "" if film.frame is None else film.frame,
                "row_spacing_mm": row,
                "col_spacing_mm": col,
                "spacing_basis": film.spacing_basis,
                "invert": _WORDS[film.invert],
                "include": _WORDS[film.include],
                "note": film.note,
            }
        )
    return text.getvalue()


def _read_rows(path: Path, style: TableStyle) -> CsvTable:
    """Return the table of films, its columns checked."""
    if not path.exists():
        raise StudyError(
            "there is no manifest", where=str(path), remedy="Make one with `calcimeasure study init FOLDER`."
        )
    table = read_csv_table(path, style=style, error=StudyError)
    check_columns(table, REQUIRED, MANIFEST_COLUMNS, error=StudyError)
    return table


def _film_of(
    row: Mapping[str, str], number: int, visits: Sequence[str] | None, style: TableStyle
) -> tuple[FilmRow | None, list[Problem]]:
    """Return the film of a row, or what is wrong with it. A row that is left out needs no key."""
    problems: list[Problem] = []

    def wrong(column: str, problem: str, remedy: str) -> None:
        problems.append(Problem(row=number, column=column, problem=problem, remedy=remedy))

    included = _yes_or_no(row, "include", wrong, "Write yes or no.") is not False
    remedy = "Write yes to invert the film's grey, no to leave it as the file says, nothing to have it decided."
    invert = _yes_or_no(row, "invert", wrong, remedy)
    for column in REQUIRED:
        if included and not row.get(column):
            wrong(
                column, "is empty", "Fill it in (a merged cell fills its first row alone), or write no under include."
            )
    _check_words(row, wrong, style)
    if included and visits is not None and row.get("visit") and row["visit"] not in visits:
        meant = near_miss(row["visit"], visits)
        did_you = f"Did you mean '{meant}'? " if meant else ""
        wrong("visit", f"'{row['visit']}' is no visit of study.toml", f"{did_you}The visits are {', '.join(visits)}.")
    repeat = _whole_number(row.get("repeat") or "1")
    if repeat is None or repeat < 1:
        wrong("repeat", f"'{row.get('repeat')}' is not a whole number from 1", "Number repeat exposures 1, 2, ...")
    frame = _whole_number(row["frame"]) if row.get("frame") else None
    if row.get("frame") and (frame is None or frame < 1):
        wrong("frame", f"'{row['frame']}' is not a frame", "Frames are counted from 1; leave it empty for one frame.")
    spacing = _spacing_of(row, wrong, style)
    if problems:
        return None, problems
    film = FilmRow(
        film_id=row.get("film_id", "").lower(),
        subject=row.get("subject", ""),
        visit=row.get("visit", ""),
        date=date_of(row.get("date", ""), style) or "",
        body_part=row.get("body_part", "").upper(),
        side=_side_of(row.get("side", "")),
        view=row.get("view", "").upper(),
        repeat=repeat or 1,
        path=row.get("path", ""),
        frame=frame,
        spacing_mm=spacing,
        spacing_basis=row.get("spacing_basis", "").lower(),
        invert=invert,
        include=included,
        note=row.get("note", ""),
    )
    return film, []


def _side_of(word: str) -> str:
    return SIDE_WORDS.get(word.lower(), word.upper())


def _check_words(row: Mapping[str, str], report: ReportProblem, style: TableStyle) -> None:
    side = _side_of(row.get("side", ""))
    if side and side not in ("L", "R", "B"):
        report("side", f"'{row['side']}' is not a side", "Write L, R, or B for both limbs on one film.")
    for column in ("subject", "visit", "body_part", "view"):
        word = row.get(column, "")
        if word and not valid_name(word):
            report(column, f"'{word}' cannot name a folder", "Use letters, digits, blanks and . _ + - only.")
    day = row.get("date", "")
    if day and date_of(day, style) is None:
        report("date", f"'{day}' is not a date that can be read in one way only", date_remedy(day))


def _spacing_of(row: Mapping[str, str], report: ReportProblem, style: TableStyle) -> tuple[float, float] | None:
    texts = (row.get("row_spacing_mm", ""), row.get("col_spacing_mm", ""))
    if not any(texts):
        if row.get("spacing_basis", "").lower() == "user":
            report("row_spacing_mm", "is empty, and the basis is 'user'", "Give the spacing, or another basis.")
        return None
    numbers = []
    for column, text in zip(("row_spacing_mm", "col_spacing_mm"), texts, strict=True):
        number = number_of(text, style)
        if number is None or not 0.0 < number < 100.0:
            report(column, f"'{text}' is not a length", "Give millimetres a pixel, e.g. 0.15.")
        numbers.append(number or 0.0)
    return (numbers[0], numbers[1])


def _yes_or_no(row: Mapping[str, str], column: str, report: ReportProblem, remedy: str) -> bool | None:
    """Return what a cell says; None where it is empty, or says neither and that was reported."""
    word = row.get(column, "").lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    if word:
        report(column, f"'{word}' is neither yes nor no", remedy)
    return None


def _whole_number(text: str) -> int | None:
    number = number_of(text)
    return int(number) if number is not None and number == int(number) else None


def _repeated(films: Sequence[FilmRow], numbers: Sequence[int]) -> list[Problem]:
    """Return the rows that name a film or a file that another row names already."""
    problems = []
    keys: dict[FilmKey, int] = {}
    files: dict[tuple[str, int | None], int] = {}
    for film, number in zip(films, numbers, strict=True):
        if not film.include:
            continue
        first = keys.setdefault(film.key, number)
        if first != number:
            problems.append(
                Problem(
                    row=number,
                    column="repeat",
                    problem=f"is the same film as row {first} (subject, visit, body part, side, view, repeat)",
                    remedy="Number repeat exposures 1, 2, ..., or write no under include.",
                )
            )
        first = files.setdefault((film.path, film.frame), number)
        if first != number:
            problems.append(
                Problem(
                    row=number,
                    column="path",
                    problem=f"is the file of row {first} again",
                    remedy="Keep one row, or write no under include.",
                )
            )
    return problems
