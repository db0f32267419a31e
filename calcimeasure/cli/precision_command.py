"""`calcimeasure precision REPEATS.csv | STUDY`: precision from repeated measurements."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.errors import UsageError

FEWEST_READERS = 3

if TYPE_CHECKING:
    import pandas as pd

    from calcimeasure.statistics.precision import Precision

ITEM_COLUMNS = (
    *("subject", "patient", "patient_id", "subject_id", "participant", "visit", "timepoint", "time_point"),
    *("body_part", "side", "view", "hand", "limb", "joint", "deposit", "lesion", "film_id", "label", "item"),
)
VALUE_COLUMNS = ("area_mm2", "total_area_mm2", "area_px", "total_area_px", "value")
OTHER_COLUMNS = ("reader", "repeat", "reading", "replicate", "exposure", "note", "comment", "area_se_mm2", "area_se_px")
"""What a table may hold beside: neither what was measured nor the measurement."""
REPEAT_COLUMNS = ("repeat", "reading", "replicate", "exposure")
_MANY_ALIKE = 0.25


@click.command()
@click.argument("repeats", type=click.Path(path_type=Path))
@click.option("--value", help="Column of the measurements.  [default: area_mm2, else area_px, else value]")
@click.option("--item", multiple=True, help="Column that names what was measured; may be given several times.")
@click.option("--reader", help="Column that names the reader.  [default: reader, where there is one]")
@click.option(
    "--of",
    "what",
    type=click.Choice(["films", "deposits", "readings"]),
    default="films",
    show_default=True,
    help="Of a study: its repeat exposures, the deposits on them, or its readers' readings.",
)
@click.option("--classes", default=4, show_default=True, help="Size classes of the precision profile.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@click.option("--verbose", is_flag=True, help="Print errors in full.")
def precision(repeats: Path, value: str | None, item: tuple[str, ...], reader: str | None, **options: Any) -> None:
    """Print how precise measurements are, from a table in which the same item is measured more than once.

    REPEATS is a CSV file, a row a measurement, or the folder of a study that was run. Rows of one item by one reader
    are repeats; with several readers, their agreement is printed too. Columns that the command does not know are asked
    about: name those that say what was measured with --item.
    """
    from calcimeasure.statistics.precision import assess_precision

    if repeats.is_dir():
        table = _of_study(repeats, options["what"])
        value, item, reader = "area_mm2", ("item",), "reader"
        alone = _read_alone(repeats) if options["what"] == "films" else None
    else:
        table, value, item, reader = _of_file(repeats, value, item, reader)
        alone = None
    result = assess_precision(table, value=value, item=item, reader=reader, size_classes=options["classes"])
    if options["as_json"]:
        click.echo(_as_json(result, alone))
        return
    click.echo(f"Repeats are rows that agree in {', '.join(item)}{' and ' + reader if reader else ''}.")
    click.echo("\n".join(_lines(result)))
    if alone is not None and result.within is not None:
        click.echo("The films of a visit were judged together. Each film as it was read alone, for the same repeats:")
        click.echo("\n".join(_within_lines(alone)))


def _read_alone(folder: Path) -> Precision | None:
    """Return the precision of films read alone; None where it cannot be had."""
    from calcimeasure.statistics.precision import assess_precision
    from calcimeasure.study.study_repeats import single_film_table

    table = single_film_table(folder)
    try:
        return assess_precision(table, value="area_mm2", item=["item"])
    except UsageError:
        return None


def _of_study(folder: Path, what: str) -> pd.DataFrame:
    from calcimeasure.study.study_repeats import Repeated, repeats_table

    return repeats_table(folder, Repeated(what))


def _of_file(
    path: Path, value: str | None, item: tuple[str, ...], reader: str | None
) -> tuple[pd.DataFrame, str, tuple[str, ...], str | None]:
    """Return the table of a file, checked, with the columns of the measurement, the item and the reader."""
    import pandas as pd

    from calcimeasure.io.table_reader import folded, number_of, number_remedy, read_csv_table

    table = read_csv_table(path)
    names = [folded(column) for column in table.columns]
    value = folded(value) if value else next((name for name in VALUE_COLUMNS if name in names), None)
    reader = folded(reader) if reader else ("reader" if "reader" in names else None)
    if value is None:
        raise UsageError(
            f"cannot tell which of {', '.join(names)} is the measurement",
            where=path.name,
            remedy="Name it with --value COLUMN.",
        )
    items = tuple(folded(one) for one in item) or _items_of(names, value, reader, path)
    for column in (value, *items, *([reader] if reader else [])):
        if column not in names:
            raise UsageError(f"there is no column '{column}'", where=path.name, remedy=f"There are {', '.join(names)}.")
    rows = []
    for number, cells in table.rows:
        for column in (*items, *([reader] if reader else [])):
            if not cells[column]:
                raise UsageError(
                    f"row {number}, column {column} is empty",
                    where=path.name,
                    remedy="Fill it in: a merged cell fills its first row alone.",
                )
        measured = number_of(cells[value], table.style) if cells[value] else None
        if cells[value] and (measured is None or measured < 0.0):
            raise UsageError(
                f"row {number}, column {value}: '{cells[value]}' is not a measurement",
                where=path.name,
                remedy=f"{number_remedy(cells[value])} Check that the row is not shifted; leave a missing one empty.",
            )
        rows.append({**cells, value: measured})
    _check_alike(rows, (*items, *([reader] if reader else [])), path)
    _check_doubled(table.rows, path)
    return pd.DataFrame(rows, columns=names), value, items, reader


def _items_of(names: list[str], value: str | None, reader: str | None, path: Path) -> tuple[str, ...]:
    """Return the columns that name an item, where every column is known for what it is."""
    unknown = [name for name in names if name not in {*ITEM_COLUMNS, *VALUE_COLUMNS, *OTHER_COLUMNS, value, reader}]
    found = tuple(name for name in ITEM_COLUMNS if name in names)
    if unknown or not found:
        asked = f"whether {', '.join(unknown)} names" if unknown else f"which of {', '.join(names)} name"
        raise UsageError(
            f"cannot tell {asked} what was measured",
            where=path.name,
            remedy=f"Name every column of an item: {' '.join(f'--item {one}' for one in found or ('COLUMN',))} ...",
        )
    return found


def _check_alike(rows: list[dict[str, Any]], columns: tuple[str, ...], path: Path) -> None:
    """Refuse two names that differ in case or blanks alone: they would be two items, or two readers."""
    for column in columns:
        first: dict[str, str] = {}
        for row in rows:
            other = first.setdefault("".join(row[column].lower().split()), row[column])
            if other != row[column]:
                raise UsageError(
                    f"column {column}: '{other}' and '{row[column]}' are likely to be one",
                    where=path.name,
                    remedy="Write each name in one way.",
                )


def _check_doubled(rows: tuple[tuple[int, dict[str, str]], ...], path: Path) -> None:
    """Refuse a table in which rows are there twice: repeats that are copies make any measurement precise."""
    first: dict[tuple[tuple[str, str], ...], int] = {}
    copies = []
    for number, cells in rows:
        original = first.setdefault(tuple(sorted(cells.items())), number)
        if original != number:
            copies.append((number, original))
    numbered = bool(rows) and any(name in rows[0][1] for name in REPEAT_COLUMNS)
    if copies and (numbered or (len(copies) >= 3 and len(copies) >= _MANY_ALIKE * len(rows))):
        raise UsageError(
            f"row {copies[0][0]} is row {copies[0][1]} again, and so on: {len(copies)} of {len(rows)} rows are copies",
            where=path.name,
            remedy="Remove them; where equal measurements are true repeats, number them in a column 'repeat'.",
        )


def _as_json(result: Precision, alone: Precision | None) -> str:
    from calcimeasure.statistics.checks import without_infinities

    record = {name: getattr(result, name) for name in result.__dataclass_fields__}
    for name in ("within", "detectable", "between", "agreement", "components"):
        record[name] = None if record[name] is None else asdict(record[name])
    if result.profile is not None:
        record["profile"] = json.loads(result.profile.to_json(orient="records"))
    if result.correlations is not None:
        record["correlations"] = {form: asdict(one) for form, one in result.correlations.items()}
    if alone is not None and alone.within is not None:
        record["within_read_alone"] = asdict(alone.within)
    return json.dumps(without_infinities(record), indent=1, ensure_ascii=False, allow_nan=False)


def _lines(result: Precision) -> list[str]:
    lines = [*result.dropped, *_within_lines(result)]
    if result.detectable is not None:
        lines.append(
            f"  smallest detectable change of one patient: {result.detectable.decrease_percent:+.0f} % or "
            f"{result.detectable.increase_percent:+.0f} %"
        )
    if result.profile is not None:
        lines += [
            "Precision by size (a repeatability in the unit of measurement holds for one size alone):",
            f"  {'size':>20}  {'items':>5}  {'CV %':>6}  95 % interval     RC",
        ]
        rows: list[dict[Any, Any]] = result.profile.to_dict("records")
        lines += [
            f"  {row['size_from']:>8.3g} to {row['size_to']:>8.3g}  {row['subjects']:>5}  {100 * row['wcv']:>6.1f}  "
            f"{100 * row['wcv_low']:>5.1f} to {100 * row['wcv_high']:<6.1f}  {row['rc']:>6.3g}"
            for row in rows
        ]
    return lines + _reader_lines(result)


def _within_lines(result: Precision) -> list[str]:
    within = result.within
    if within is None or within.wcv is None or within.wcv_interval is None:
        return []
    low, high = within.wcv_interval
    return [
        f"Repeatability: {within.subjects} items measured more than once, {within.degrees_of_freedom} degrees of "
        "freedom.",
        f"  within-item CV          {_percent(within.wcv)} ({_percent(low)} to {_percent(high)})",
        f"  two repeats differ by   {_percents(within.rc_percent)} 95 times in 100",
        f"  at the upper limit      {_percents(within.rc_percent_upper)}",
        f"  to plan a study: calcimeasure plan --within-cv {within.wcv:.3f} --cv-degrees {within.degrees_of_freedom}",
    ]


def _reader_lines(result: Precision) -> list[str]:
    components = result.components
    if components is None:
        return []
    import math

    lines = [
        f"Readers: {components.readers}, {components.readings} readings of {components.items} items, all of them used.",
        f"  two readers differ by   {_percents(result.between_percent)} 95 times in 100 (RDC)",
        "  SD of logarithms        "
        f"readers {math.sqrt(components.reader_variance):.3f}, "
        + (
            f"readers by item {math.sqrt(components.interaction_variance):.3f}, "
            if components.interaction_variance is not None
            else ""
        )
        + f"repeats {math.sqrt(components.error_variance):.3f}",
    ]
    lines += [
        f"  {name + ' reads':<22}  {100.0 * math.expm1(level):+.1f} % against the mean of the readers"
        for name, level in components.reader_means.items()
    ]
    if components.readers < FEWEST_READERS:
        lines.append(
            "  Two readers cannot tell how far a third would differ: their RDC has no upper limit worth printing."
        )
    elif result.between is not None:
        low, high = (_percents((100.0 * math.expm1(-one), _grown(one))) for one in result.between.rdc_interval)
        lines.append(f"  95 % interval of it     {low} up to {high} (items that all measured)")
    for one in (result.correlations or {}).values():
        known = math.isfinite(one.value)
        shown = f"{one.value:.2f} ({one.interval[0]:.2f} to {one.interval[1]:.2f})" if known else "undefined"
        lines.append(f"  ICC({one.form}) of logarithms  {shown}")
    if result.agreement is not None:
        bias = 100.0 * math.expm1(result.agreement.bias)
        limits = tuple(100.0 * math.expm1(bound) for bound in result.agreement.limits)
        first, second = list(components.reader_means)
        lines.append(f"  {first} over {second}       {bias:+.1f} %, limits of agreement {_percents(limits)}")
    return lines


def _grown(log_ratio: float) -> float:
    import math

    return 100.0 * math.expm1(log_ratio) if log_ratio < 700.0 else math.inf


def _percent(fraction: float) -> str:
    return "no limit" if fraction > 1e4 else f"{100.0 * fraction:.1f} %"


def _percents(interval: tuple[float, ...] | None) -> str:
    if interval is None:
        return "-"
    low, high = interval
    return f"{low:+.0f} % upwards" if high > 1e6 else f"{low:+.0f} to {high:+.0f} %"
