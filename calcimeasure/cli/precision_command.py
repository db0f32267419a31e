"""`calcimeasure precision REPEATS.csv | STUDY`: precision from repeated measurements."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from calcimeasure.statistics.precision import Precision

ITEM_COLUMNS = ("subject", "visit", "body_part", "side", "view", "limb", "deposit", "film_id", "label", "item")
VALUE_COLUMNS = ("area_mm2", "total_area_mm2", "area_px", "total_area_px", "value")


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
    are repeats; with several readers, their agreement is printed too.
    """
    from calcimeasure.statistics.precision import assess_precision

    table = _of_study(repeats, options["what"]) if repeats.is_dir() else _of_file(repeats)
    value = value or next((name for name in VALUE_COLUMNS if name in table.columns), None)
    item = item or tuple(name for name in ITEM_COLUMNS if name in table.columns)
    if value is None or not item:
        raise UsageError(
            f"cannot tell which of {', '.join(table.columns)} is the measurement and which name what was measured",
            where=str(repeats),
            remedy="Name them with --value COLUMN and --item COLUMN.",
        )
    reader = reader or ("reader" if "reader" in table.columns else None)
    result = assess_precision(table, value=value, item=item, reader=reader, size_classes=options["classes"])
    click.echo(_as_json(result) if options["as_json"] else "\n".join(_lines(result)))


def _of_study(folder: Path, what: str) -> pd.DataFrame:
    from calcimeasure.study.study_repeats import Repeated, repeats_table

    return repeats_table(folder, Repeated(what))


def _of_file(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UsageError(
            f"could not be read as CSV ({error})", where=str(path), remedy="Give a table with a header row."
        ) from error


def _as_json(result: Precision) -> str:
    record = {name: getattr(result, name) for name in result.__dataclass_fields__}
    for name in ("within", "detectable", "between", "agreement"):
        record[name] = None if record[name] is None else asdict(record[name])
    if result.profile is not None:
        record["profile"] = json.loads(result.profile.to_json(orient="records"))
    if result.correlations is not None:
        record["correlations"] = {form: asdict(one) for form, one in result.correlations.items()}
    return json.dumps(record, indent=1, ensure_ascii=False)


def _lines(result: Precision) -> list[str]:
    lines = list(result.dropped)
    within = result.within
    if within is not None:
        lines += [
            f"Repeatability: {within.subjects} items measured more than once, {within.degrees_of_freedom} degrees of "
            "freedom.",
            f"  within-item SD          {within.wsd:.3g} (95 % interval {_range(within.wsd_interval)})",
            f"  repeatability (RC)      {within.rc:.3g} ({_range(within.rc_interval)})",
        ]
    if within is not None and within.wcv is not None and within.wcv_interval is not None:
        low, high = (100.0 * bound for bound in within.wcv_interval)
        lines.append(f"  within-item CV          {100.0 * within.wcv:.1f} % ({low:.1f} to {high:.1f} %)")
        lines.append(f"  two repeats differ by   {_percents(within.rc_percent)} 95 times in 100")
        lines.append(f"  at the upper limit      {_percents(within.rc_percent_upper)}")
    if result.detectable is not None:
        lines.append(
            f"  smallest detectable change of one patient: {result.detectable.decrease_percent:+.0f} % or "
            f"{result.detectable.increase_percent:+.0f} %"
        )
    if result.profile is not None:
        lines += ["Precision by size:", f"  {'size':>20}  {'items':>5}  {'CV %':>6}  95 % interval"]
        rows: list[dict[Any, Any]] = result.profile.to_dict("records")
        lines += [
            f"  {row['size_from']:>8.3g} to {row['size_to']:>8.3g}  {row['subjects']:>5}  {100 * row['wcv']:>6.1f}  "
            f"{100 * row['wcv_low']:.1f} to {100 * row['wcv_high']:.1f}"
            for row in rows
        ]
    return lines + _reader_lines(result)


def _reader_lines(result: Precision) -> list[str]:
    if result.between is None or result.correlations is None:
        return []
    lines = [
        f"Readers: {result.between.readers}, on {result.between.subjects} items that all of them measured.",
        f"  two readers differ by   {_percents(result.between_percent)} 95 times in 100 (RDC)",
    ]
    lines += [
        f"  ICC({one.form})                {one.value:.2f} ({one.interval[0]:.2f} to {one.interval[1]:.2f})"
        for one in result.correlations.values()
    ]
    if result.agreement is not None:
        import math

        bias = 100.0 * math.expm1(result.agreement.bias)
        limits = tuple(100.0 * math.expm1(bound) for bound in result.agreement.limits)
        lines.append(f"  first over second       {bias:+.1f} %, limits of agreement {_percents(limits)}")
    return lines


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3g} to {interval[1]:.3g}"


def _percents(interval: tuple[float, ...] | None) -> str:
    return "-" if interval is None else f"{interval[0]:+.0f} to {interval[1]:+.0f} %"
