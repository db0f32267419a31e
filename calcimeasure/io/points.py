"""`read_points`: clicks from a CSV file."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import UsageError
from calcimeasure.radiograph import Radiograph

_REMEDY = "The file needs the columns row and col (pixel indices counted from 0) and may have the column deposit."


def read_points(path: Path | str, film: Radiograph) -> tuple[NDArray[np.float64], list[int | None]]:
    """Return the clicks of a CSV file with the columns ``row``, ``col`` and, where wanted, ``deposit``.

    Parameters
    ----------
    path
        The file. One with a header only means that the reader found no deposit.
    film
        The film that was clicked on.

    Returns
    -------
    tuple
        (n, 2) rows and columns, and n deposit numbers, None where the file gives none.

    Raises
    ------
    UsageError
        Naming row and column of the file, when a value is missing, is no number or lies outside the film.
    """
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise UsageError(f"the points could not be read: {reason}", where=name, remedy=_REMEDY) from error
    # Spreadsheets write semicolons where the comma is the decimal mark.
    first = text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if any(cell.strip() for cell in row)]
    if not rows:
        raise UsageError("the file of points is empty", where=name, remedy=_REMEDY)
    header = [cell.strip().lower() for cell in rows[0]]
    missing = [column for column in ("row", "col") if column not in header]
    if missing:
        raise UsageError(f"there is no column '{missing[0]}' in its first line", where=name, remedy=_REMEDY)
    points = np.zeros((len(rows) - 1, 2))
    deposits: list[int | None] = []
    for number, cells in enumerate(rows[1:], start=2):
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        points[number - 2] = [
            _index(values.get(column, ""), size, f"{name}, row {number}, column '{column}'")
            for column, size in zip(("row", "col"), film.shape, strict=True)
        ]
        deposits.append(_deposit(values.get("deposit", ""), f"{name}, row {number}, column 'deposit'"))
    return points, deposits


def _index(text: str, size: int, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"'{text}' is not a number" if text else "there is no value", where=where, remedy=_REMEDY)
    if not -0.5 <= value < size - 0.5:
        raise UsageError(f"{text} lies outside the film, which has {size} there", where=where, remedy=_REMEDY)
    return value


def _deposit(text: str, where: str) -> int | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value == int(value) and value >= 1):
        raise UsageError(f"'{text}' is not a deposit's number", where=where, remedy="Number deposits 1, 2, 3, ...")
    return int(value)
