"""`study export`: tidy tables as CSV and Parquet, with a data dictionary. The same study gives the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from calcimeasure.errors import OutputError
from calcimeasure.io.table_reader import safe_cell
from calcimeasure.study.data_dictionary import NUMBER, TABLES, TRUTH, WHOLE, Column
from calcimeasure.study.export_rows import export_rows
from calcimeasure.study.result_store import Store, write_whole
from calcimeasure.study.study_state import StudyState

DICTIONARY = "dictionary.csv"


def export_study(study: Path, state: StudyState, *, folder: Path | None = None) -> Path:
    """Write the tables of a study.

    Parameters
    ----------
    study
        The study's folder.
    state
        What is finished; the rest is listed as pending.
    folder
        Where to; `results/tables` of the study where not given.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        When a table could not be written.
    """
    store = Store(study)
    target = folder if folder is not None else store.tables
    with store.beside_runs() if folder is None else nullcontext():
        for name, rows in export_rows(state).items():
            columns = TABLES[name]
            write_whole(target / f"{name}.csv", csv_text(columns, rows).encode())
            write_whole(target / f"{name}.parquet", parquet_bytes(columns, rows))
        write_whole(target / DICTIONARY, _dictionary().encode())
    return target


def csv_text(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV: absent is empty, numbers are the shortest text that reads back to the same."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_cell(row.get(column.name)) for column in columns])
    return text.getvalue()


def parquet_bytes(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as Parquet, each column of the type that the dictionary gives."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {NUMBER: pa.float64(), WHOLE: pa.int64(), TRUTH: pa.bool_()}
    fields = []
    arrays = []
    for column in columns:
        kind = kinds.get(column.kind, pa.string())
        metadata = {"meaning": column.meaning, "unit": column.unit}
        fields.append(pa.field(column.name, kind, metadata=metadata))
        arrays.append(pa.array([_typed(row.get(column.name), column.kind) for row in rows], kind))
    sink = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), sink, compression="zstd")
    except pa.ArrowException as error:
        raise OutputError(f"a table could not be written as Parquet ({error})") from error
    return sink.getvalue()


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == NUMBER:
        return float(value)
    return value if kind in (WHOLE, TRUTH) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else safe_cell(str(value))


def _dictionary() -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", "column", "type", "unit", "meaning"])
    for table, columns in TABLES.items():
        writer.writerows([table, column.name, column.kind, column.unit, column.meaning] for column in columns)
    return text.getvalue()
