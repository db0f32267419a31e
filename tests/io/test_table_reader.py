"""Tables as people save them: read rightly, or refused with file, row, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from calcimeasure.errors import UsageError
from calcimeasure.io.table_reader import (
    DAY_FIRST,
    MONTH_FIRST,
    TableStyle,
    check_columns,
    date_of,
    number_of,
    read_csv_table,
    safe_cell,
)

TEXT = "Subject ,Drug Name,dose\nS1,für die Hand,12\n\nS2,b,\n"
ROWS = (
    (2, {"subject": "S1", "drug_name": "für die Hand", "dose": "12"}),
    (4, {"subject": "S2", "drug_name": "b", "dose": ""}),
)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_one_table_written_in_many_ways(tmp_path: Path, encoding: str, separator: str, end: str) -> None:
    data = TEXT.replace(",", separator).replace("\n", end).encode(encoding)
    assert read_csv_table(written(tmp_path, data)).rows == ROWS


def test_excels_first_line_and_trailing_separators(tmp_path: Path) -> None:
    table = read_csv_table(written(tmp_path, b"sep=;\na;b;;\n1;2;;\n"))
    assert table.columns == ("a", "b")
    assert table.rows == ((3, {"a": "1", "b": "2"}),)


def test_windows_text_is_asked_about_and_read_where_declared(tmp_path: Path) -> None:
    path = written(tmp_path, "subject,drug\nS1,für\n".encode("cp1252"))
    with pytest.raises(UsageError, match="row 2 is not UTF-8 text; in Windows' encoding it reads 'S1,für'"):
        read_csv_table(path)
    assert read_csv_table(path, style=TableStyle(encoding="cp1252")).rows[0][1]["drug"] == "für"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04....", "is a workbook"),
        (b"", "no header row"),
        (b"a,A\n1,2\n", "column a is there twice"),
        (b"item,area_mm2\nx,12,5\n", r"row 2 has 3 cells under 2 columns \('5' has no column\).*decimal comma"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_csv_table(written(tmp_path, data))


def test_a_misspelt_column_is_suggested(tmp_path: Path) -> None:
    table = read_csv_table(written(tmp_path, b"subject,inclde\n"))
    with pytest.raises(UsageError, match="'inclde' is not known; did you mean 'include'"):
        check_columns(table, ["subject"], ["subject", "include"])


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("12.5", "", 12.5),
        ("12,5", "", 12.5),
        ("1.234,5", "", 1234.5),
        ("1,234.5", "", 1234.5),
        ("1 234,5", "", 1234.5),
        ("\u22123", "", -3.0),
        ("1e3", "", 1000.0),
        ("1,234", "", None),
        ("1,234", ",", 1.234),
        ("1,234", ".", 1234.0),
        ("0,123", ",", 0.123),
        ("1.234.567", ",", 1234567.0),
        ("12,5,7", "", None),
        ("12 mm", "", None),
        ("", "", None),
        ("nan", "", None),
    ],
)
def test_numbers(text: str, decimal: str, number: float | None) -> None:
    assert number_of(text, TableStyle(decimal=decimal)) == number


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2025-01-15", "", "2025-01-15"),
        ("2025-01-15 00:00:00", "", "2025-01-15"),
        ("20250115", "", "2025-01-15"),
        ("2025/1/5", "", "2025-01-05"),
        ("15.01.2025", "", "2025-01-15"),
        ("3.4.2025", "", "2025-04-03"),
        ("1/15/2025", "", "2025-01-15"),
        ("15/1/2025", "", "2025-01-15"),
        ("4/4/2025", "", "2025-04-04"),
        ("3/4/2025", "", None),
        ("3/4/2025", DAY_FIRST, "2025-04-03"),
        ("3/4/2025", MONTH_FIRST, "2025-03-04"),
        ("1/15/2025", DAY_FIRST, None),
        ("31.2.2025", "", None),
        ("45672", "", None),
        ("3/4/25", "", None),
    ],
)
def test_dates(text: str, order: str, day: str | None) -> None:
    assert date_of(text, TableStyle(dates=order)) == day


@pytest.mark.parametrize(
    ("text", "safe"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5.2", "-5.2"), ("-x", "'-x"), ("a", "a")]
)
def test_a_text_that_a_spreadsheet_would_run(text: str, safe: str) -> None:
    assert safe_cell(text) == safe
