"""Tables as people save them from a spreadsheet: encodings, separators, decimal commas, dates; faults name their cell.

One reader for every table that a person writes. What can be read in one way only is read; what can be read in two ways
(3/4/2025, 1,234) is asked about, and never guessed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from calcimeasure.errors import CalciMeasureError, UsageError

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATORS = (",", ";", "\t")
# No-break spaces, zero-width spaces and byte-order marks that spreadsheets leave in cells.
_BLANKS = re.compile(r"[\s\u00a0\u200b\u202f\ufeff]+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_THREE_PARTS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableStyle:
    """How a table is written, where the table itself does not tell.

    Attributes
    ----------
    encoding
        Of the file, e.g. ``cp1252``; empty where it is Unicode.
    dates
        ``day-first`` or ``month-first`` for dates such as 3/4/2025; empty where there are none.
    decimal
        ``,`` or ``.`` for numbers such as 1,234; empty where there are none.
    """

    encoding: str = ""
    dates: str = ""
    decimal: str = ""


PLAIN = TableStyle()


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvTable:
    """A table as text.

    Attributes
    ----------
    name
        The file's name, for messages.
    columns
        Their names, trimmed, as written.
    rows
        (row as a spreadsheet counts it, cells by folded column name), without empty rows.
    style
        As read; `decimal` says what the file's numbers show where nobody said.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    style: TableStyle


def folded(name: str) -> str:
    """Return a column's name for comparison: trimmed, lower case, blanks and hyphens as underscores."""
    return re.sub(r"[\s\-]+", "_", _trimmed(name).lower())


def read_csv_table(path: Path, *, style: TableStyle = PLAIN, error: type[CalciMeasureError] = UsageError) -> CsvTable:
    """Read a table with a header row.

    Parameters
    ----------
    path
        The file: comma, semicolon or tab between cells; UTF-8, UTF-16 or UTF-32, or the encoding of `style`.
    style
        What the file does not tell.
    error
        The exception to raise.

    Raises
    ------
    CalciMeasureError
        Of the kind `error`, naming file, row, value and remedy.
    """
    text = _text(path, style, error)
    lines = text.split("\n", 1)
    separator = ""
    first_row = 1
    if lines[0].strip().lower().startswith("sep=") and len(lines) > 1:
        separator, text, first_row = lines[0].strip()[4:5], lines[1], 2
    separator = separator or _separator(text)
    records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    if not records or not any(_trimmed(cell) for cell in records[0]):
        raise error("has no header row", where=path.name, remedy="The first row names the columns.")
    columns = [_trimmed(cell) for cell in records[0]]
    while columns and not columns[-1]:
        columns.pop()
    names = [folded(column) for column in columns]
    doubled = [name for name, count in Counter(names).items() if name and count > 1]
    if doubled:
        raise error(f"row {first_row}: column {doubled[0]} is there twice", where=path.name, remedy="Keep one of them.")
    rows: list[tuple[int, dict[str, str]]] = []
    for number, cells in enumerate(records[1:], start=first_row + 1):
        trimmed = [_trimmed(cell) for cell in cells]
        if not any(trimmed):
            continue
        if any(trimmed[len(names) :]):
            extra = next(cell for cell in trimmed[len(names) :] if cell)
            raise error(
                f"row {number} has {len(trimmed)} cells under {len(names)} columns ('{extra}' has no column)",
                where=path.name,
                remedy="Put a number with a decimal comma in quotes, save with semicolons, or name the column.",
            )
        rows.append((number, dict(zip(names, [*trimmed, *[""] * (len(names) - len(trimmed))], strict=False))))
    return CsvTable(name=path.name, columns=tuple(columns), rows=tuple(rows), style=_with_decimal(style, separator))


def check_columns(
    table: CsvTable,
    required: Sequence[str],
    known: Sequence[str],
    *,
    error: type[CalciMeasureError] = UsageError,
) -> None:
    """Raise an error where a required column is missing, or one looks like a misspelt known one."""
    names = {folded(column) for column in table.columns}
    for column in table.columns:
        close = get_close_matches(folded(column), [one for one in known if one not in names], n=1, cutoff=0.8)
        if folded(column) not in known and close:
            raise error(
                f"row 1: column '{column}' is not known; did you mean '{close[0]}'?",
                where=table.name,
                remedy=f"The columns are {', '.join(known)}.",
            )
    missing = [column for column in required if column not in names]
    if missing:
        raise error(
            f"row 1: there is no column {', '.join(missing)}",
            where=table.name,
            remedy=f"The columns are {', '.join(known)}.",
        )


def number_of(text: str, style: TableStyle = PLAIN) -> float | None:
    """Return the number that a cell holds; None where it holds none, or may hold two.

    ``12,5`` is 12.5, ``1.234,5`` and ``1,234.5`` are 1234.5; ``1,234`` alone is read only where the style tells.
    """
    compact = _BLANKS.sub("", text).replace("\u2212", "-")
    if "," in compact and "." in compact:
        decimal = "," if compact.rindex(",") > compact.rindex(".") else "."
        other = "." if decimal == "," else ","
        groups = compact.split(decimal)[0].split(other)
        if compact.count(decimal) > 1 or any(len(group) != 3 for group in groups[1:]):
            return None
        compact = compact.replace(other, "").replace(decimal, ".")
    elif "," in compact:
        grouped = re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", compact) is not None
        if compact.count(",") > 1 or (grouped and style.decimal == "."):
            compact = compact.replace(",", "") if grouped else "?"
        elif grouped and not style.decimal:
            return None
        else:
            compact = compact.replace(",", ".")
    elif style.decimal == "," and re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+", compact) and compact.count(".") > 1:
        compact = compact.replace(".", "")
    return float(compact) if _NUMBER.fullmatch(compact) else None


def number_remedy(text: str) -> str:
    """Return what to do about a cell that `number_of` cannot read."""
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", _BLANKS.sub("", text)):
        return 'It may be 1.234 or 1234: write decimal = "," or decimal = "." under [tables] in study.toml.'
    return "Write a number, e.g. 12.5 or 12,5."


def date_of(text: str, style: TableStyle = PLAIN) -> str | None:
    """Return the ISO date that a cell holds; None where it holds none, or may hold two.

    ``15.01.2025`` is day, month, year; ``1/15/2025`` can be nothing but month, day, year; ``3/4/2025`` is read only
    where the style tells.
    """
    cell = re.sub(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$", "", text.strip())
    if re.fullmatch(r"\d{8}", cell):
        return _iso(cell[:4], cell[4:6], cell[6:])
    parts = _THREE_PARTS.fullmatch(cell)
    if parts is None:
        return None
    first, mark, second, third = parts.groups()
    return _date_of_parts(first, mark, second, third, style=style)


def _date_of_parts(first: str, mark: str, second: str, third: str, *, style: TableStyle) -> str | None:
    if len(first) == 4:
        return _iso(first, second, third)
    if len(third) != 4:
        return None
    if mark == "." or style.dates == DAY_FIRST:
        return _iso(third, second, first)
    if style.dates == MONTH_FIRST:
        return _iso(third, first, second)
    readings = {_iso(third, second, first), _iso(third, first, second)} - {None}
    return readings.pop() if len(readings) == 1 else None


def date_remedy(text: str) -> str:
    """Return what to do about a cell that `date_of` cannot read."""
    if _THREE_PARTS.fullmatch(text.strip()):
        return 'Write it as 2026-01-31, or dates = "day-first" or "month-first" under [tables] in study.toml.'
    if re.fullmatch(r"\d{5}", text.strip()):
        return "It is a spreadsheet's day number: format the column as a date before saving."
    return "Write it as 2026-01-31."


def safe_cell(text: str) -> str:
    """Return a text that a spreadsheet does not run: a leading = + - @ or tab gets an apostrophe, numbers excepted."""
    if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def near_miss(name: str, known: Sequence[str]) -> str:
    """Return the known name that a name is likely to mean; empty where there is none."""
    for one in known:
        if one != name and re.sub(r"[\W_]+", "", one).lower() == re.sub(r"[\W_]+", "", name).lower():
            return one
    close = get_close_matches(name, [one for one in known if one != name], n=1, cutoff=0.8)
    return close[0] if close else ""


def _trimmed(cell: str) -> str:
    """Return a cell without what surrounds it; blanks inside stay, for they may be those of a file's name."""
    return cell.strip().strip("\u200b\ufeff").strip()


def _text(path: Path, style: TableStyle, error: type[CalciMeasureError]) -> str:
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise error(
            f"could not be read: {failure.strerror}", where=path.name, remedy="Check the path and its permissions."
        ) from failure
    if data.startswith(_WORKBOOKS):
        raise error("is a workbook, not a table as text", where=path.name, remedy="Save it as CSV (UTF-8).")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and data[:200].count(0) > len(data[:200]) // 4:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        text = data.decode(encoding or style.encoding or "utf-8")
    except LookupError as failure:
        raise error(f"'{style.encoding}' is no encoding", where=path.name, remedy="Name one, e.g. cp1252.") from failure
    except UnicodeDecodeError as failure:
        row = data[: failure.start].count(b"\n") + 1
        line = data.splitlines()[row - 1].decode("cp1252", errors="replace")
        raise error(
            f"row {row} is not UTF-8 text; in Windows' encoding it reads '{line.strip()[:60]}'",
            where=path.name,
            remedy='Save it as CSV (UTF-8), or where that is right, encoding = "cp1252" under [tables] in study.toml.',
        ) from failure
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _separator(text: str) -> str:
    """Return what separates cells: what occurs most often in the header, outside quotes."""
    header = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(_SEPARATORS, key=header.count)


def _with_decimal(style: TableStyle, separator: str) -> TableStyle:
    """Return the style: with semicolons between cells a comma is a decimal mark."""
    if style.decimal or separator != ";":
        return style
    return TableStyle(encoding=style.encoding, dates=style.dates, decimal=",")


def _iso(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
