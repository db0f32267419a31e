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
from calcimeasure.statistics.reader_components import ReaderComponents, reader_components
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
        The reproducibility coefficient of `components` as (low, high) percent change.
    correlations
        ICC of the logarithms by form (raw areas are skewed, and their intervals cover 0.75 to 0.83); None with one
        reader.
    agreement
        Bland-Altman of log values, where there are two readers; None otherwise.
    dropped
        Sentences about rows that could not be used.
    missed, items_missed
        Measurements of 0 of items that were measured above 0 otherwise: missed detections, which no SD holds; and how
        many items that concerns.
    components
        Variance components of the logarithms from all readings of all readers; None with one reader.
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
    missed: int = 0
    items_missed: int = 0
    components: ReaderComponents | None = None


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
    used, dropped, (missed, items_missed) = _usable(table, value, list(item))
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
        missed=missed,
        items_missed=items_missed,
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


def _usable(table: pd.DataFrame, value: str, item: list[str]) -> tuple[pd.DataFrame, tuple[str, ...], tuple[int, int]]:
    """Return the rows with a positive number, sentences about the others, and missed detections with their items.

    A measurement of 0 where the same item was measured above 0 is a missed detection: it has no logarithm, and is no
    small difference.
    """
    import pandas as pd

    used = table.copy()
    for column in table.columns:
        if column != value and not pd.api.types.is_numeric_dtype(used[column]):
            used[column] = used[column].astype(str).str.strip()
    numbers = pd.to_numeric(used[value], errors="coerce")
    used[value] = numbers
    keys = used[item].astype(str).agg("\x1f".join, axis=1)
    found = set(keys[numbers > 0.0])
    is_missed = (numbers == 0.0) & keys.isin(found)
    bad = ~np.isfinite(numbers) | (numbers < 0.0)
    never = int(((numbers == 0.0) & ~keys.isin(found)).sum())
    sentences = []
    if bad.any():
        sentences.append(f"{int(bad.sum())} of {len(table)} rows have no {value} that is a number of 0 or more.")
    if is_missed.any():
        sentences.append(
            f"Missed detections: {int(is_missed.sum())} of {int((~bad).sum()) - never} measurements of "
            f"{len(found)} items are 0 where the item was measured above 0. What follows is of the others."
        )
    if never:
        sentences.append(f"{never} rows are 0 of items that nobody measured above 0; they say nothing of precision.")
    good = numbers > 0.0
    return used.loc[good].copy(), tuple(sentences), (int(is_missed.sum()), int(keys[is_missed].nunique()))


def _between_readers(
    report: Precision,
    values: np.ndarray,
    names: list[tuple[str, ...]],
    readers: list[str],
    rng: np.random.Generator,
) -> Precision:
    """Fill in what readers say of one another: all readings in the components, complete items in what needs a table."""
    components = reader_components(np.log(values), ["\x1f".join(one) for one in names], readers)
    half = components.reproducibility_coefficient
    percent = (100.0 * math.expm1(-half), 100.0 * math.expm1(half))
    report = replace(report, components=components, between_percent=percent)
    columns = {name: index for index, name in enumerate(dict.fromkeys(readers))}
    readings: dict[tuple[str, ...], dict[int, list[float]]] = {}
    for item, who, value in zip(names, readers, values.tolist(), strict=True):
        readings.setdefault(item, {}).setdefault(columns[who], []).append(math.log(value))
    # A cell is the mean of its readings, so that the order of rows decides nothing.
    cells = {item: {who: math.fsum(logs) / len(logs) for who, logs in row.items()} for item, row in readings.items()}
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
    counts = {len(readings[item][who]) for item, row in cells.items() if len(row) == len(columns) for who in row}
    blocks = [
        [readings[item][who] for who in range(len(columns))] for item, row in cells.items() if len(row) == len(columns)
    ]
    # With equally many readings in each cell the repeats are told from the readers; else the cells' means stand.
    between = reproducibility(np.array(blocks) if len(counts) == 1 else full, rng=rng)
    two = len(columns) == 2 and len(complete) >= 3
    return replace(
        report,
        between=between,
        correlations=intraclass_correlations(full),
        agreement=bland_altman(full[:, 0], full[:, 1]) if two and np.ptp(full[:, 0] - full[:, 1]) > 0.0 else None,
        dropped=dropped,
    )
