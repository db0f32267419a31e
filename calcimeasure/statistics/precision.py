"""A table of repeated measurements in, everything about their precision out: `assess_precision`.

Two rows of one item by one reader are repeats (of reading, or of the exposure: the table's maker knows). Rows of one
item by several readers show how readers differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.statistics.agreement import BlandAltman, bland_altman
from calcimeasure.statistics.detectable import DetectableChange, detectable_change
from calcimeasure.statistics.icc import IntraclassCorrelation, intraclass_correlations
from calcimeasure.statistics.repeatability import Repeatability, precision_profile, repeatability
from calcimeasure.statistics.reproducibility import Reproducibility, reproducibility

if TYPE_CHECKING:
    import pandas as pd

FEWEST_FOR_A_PROFILE = 10
SEED = 20_260


@dataclass(frozen=True, kw_only=True, eq=False)
class Precision:
    """What a table of repeats says.

    Attributes
    ----------
    value_column, item_columns, reader_column
        What was read from the table.
    within
        Repeats of one item by one reader; None where there are none.
    profile
        The same by size, from 10 items on; else None.
    detectable
        The smallest change of one patient, from the within CV with Student's t of its degrees of freedom.
    between
        Readers (natural logarithms of the values), from the items that all readers measured; None with one reader.
    between_percent
        The reproducibility coefficient as (low, high) percent change.
    correlations
        ICC of the values by form; None with one reader.
    agreement
        Bland-Altman of log values, where there are two readers; None otherwise.
    dropped
        Sentences about rows that could not be used.
    """

    value_column: str
    item_columns: tuple[str, ...]
    reader_column: str | None
    within: Repeatability | None
    profile: pd.DataFrame | None
    detectable: DetectableChange | None
    between: Reproducibility | None
    between_percent: tuple[float, float] | None
    correlations: dict[str, IntraclassCorrelation] | None
    agreement: BlandAltman | None
    dropped: tuple[str, ...] = ()


def assess_precision(
    table: pd.DataFrame,
    *,
    value: str,
    item: Sequence[str],
    reader: str | None = None,
    rng: np.random.Generator | None = None,
    size_classes: int = 4,
) -> Precision:
    """Return repeatability and, with several readers, reproducibility of a table of measurements.

    Parameters
    ----------
    table
        A row a measurement.
    value
        Column of positive numbers, e.g. ``area_mm2``.
    item
        Columns that together name what was measured.
    reader
        Column that names who measured; None for one reader (or the program).
    rng
        Draws for the generalised interval; the same fixed seed where none is given.
    size_classes
        Of the precision profile.

    Raises
    ------
    UsageError
        When a column is missing, or nothing was measured twice.
    """
    for column in (value, *item, *([reader] if reader else [])):
        if column not in table.columns:
            raise UsageError(f"there is no column '{column}'", remedy=f"The columns are {', '.join(table.columns)}.")
    used, dropped = _usable(table, value)
    values = used[value].to_numpy(dtype=np.float64)
    names = list(used[list(item)].astype(str).itertuples(index=False, name=None))
    readers = used[reader].astype(str).tolist() if reader else [""] * len(used)
    within = profile = detectable = None
    repeats = list(zip(names, readers, strict=True))
    if len(set(repeats)) < len(repeats):
        within = repeatability(values, repeats)
        if within.wcv is not None:
            detectable = detectable_change(within.wcv, degrees_of_freedom=within.degrees_of_freedom)
        if within.subjects >= FEWEST_FOR_A_PROFILE:
            profile = precision_profile(values, repeats, bins=size_classes)
    report = Precision(
        value_column=value,
        item_columns=tuple(item),
        reader_column=reader,
        within=within,
        profile=profile,
        detectable=detectable,
        between=None,
        between_percent=None,
        correlations=None,
        agreement=None,
        dropped=dropped,
    )
    if len(set(readers)) > 1:
        generator = rng if rng is not None else np.random.default_rng(SEED)
        report = _between_readers(report, values, names, readers, generator)
    if report.within is None and report.between is None:
        raise UsageError(
            "nothing was measured twice",
            remedy=f"Rows that agree in {', '.join(item)} are repeats; name other columns with --item.",
        )
    return report


def _usable(table: pd.DataFrame, value: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows with a positive number, and a sentence about the others."""
    import pandas as pd

    numbers = pd.to_numeric(table[value], errors="coerce")
    good = np.isfinite(numbers) & (numbers > 0.0)
    lost = int((~good).sum())
    used = table.loc[good].copy()
    used[value] = numbers[good]
    sentence = f"{lost} of {len(table)} rows have no positive {value} and were left out."
    return used, (sentence,) if lost else ()


def _between_readers(
    report: Precision,
    values: np.ndarray,
    names: list[tuple[str, ...]],
    readers: list[str],
    rng: np.random.Generator,
) -> Precision:
    """Fill in what readers say of one another, from items that every reader measured; the first reading of each."""
    columns = {name: index for index, name in enumerate(dict.fromkeys(readers))}
    cells: dict[tuple[str, ...], dict[int, float]] = {}
    for item, who, value in zip(names, readers, values.tolist(), strict=True):
        cells.setdefault(item, {}).setdefault(columns[who], value)
    complete = [cell for cell in cells.values() if len(cell) == len(columns)]
    dropped = report.dropped
    if len(complete) < len(cells):
        dropped = (
            *dropped,
            f"{len(cells) - len(complete)} of {len(cells)} items were not measured by every reader; "
            "the comparison of readers leaves them out.",
        )
    if len(complete) < 2:
        return replace(report, dropped=dropped)
    full = np.array([[cell[column] for column in range(len(columns))] for cell in complete])
    between = reproducibility(np.log(full), rng=rng)
    half = between.reproducibility_coefficient
    two = len(columns) == 2 and len(complete) >= 3
    return replace(
        report,
        between=between,
        between_percent=(100.0 * math.expm1(-half), 100.0 * math.expm1(half)),
        correlations=intraclass_correlations(full),
        agreement=bland_altman(np.log(full[:, 0]), np.log(full[:, 1])) if two else None,
        dropped=dropped,
    )
