"""The tables `deposits.csv` and `links.csv`: tidy, snake_case, units in the names.

A number is the shortest text that reads back to the same float, an absent one an empty field; lines end with a line
feed on every platform.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from calcimeasure.change.change_records import Comparison
from calcimeasure.change.links_table import LINK_COLUMNS, links_table_rows
from calcimeasure.export.json_records import deposit_record, json_value
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.measurement.measurement_table import MEASUREMENT_COLUMNS

PAIR_DEPOSIT_COLUMNS = ("film", "film_id", "link", *MEASUREMENT_COLUMNS)
FILM_DEPOSIT_COLUMNS = ("film_id", *MEASUREMENT_COLUMNS)


def comparison_deposits_csv(comparison: Comparison) -> str:
    """Return a row a deposit of both films; `film` is ``baseline`` or ``followup``, `link` the row of `links.csv`."""
    numbers = link_numbers(comparison)
    rows = [
        {
            "film": film,
            "film_id": measurement.film.film_id,
            "link": numbers[film].get(deposit.label),
            **deposit_record(deposit),
        }
        for film, measurement in (("baseline", comparison.baseline), ("followup", comparison.followup))
        for deposit in measurement.deposits
    ]
    return _csv_text(PAIR_DEPOSIT_COLUMNS, rows)


def measurement_deposits_csv(measurement: FilmMeasurement) -> str:
    """Return a row a deposit of one film."""
    rows = [{"film_id": measurement.film.film_id, **deposit_record(deposit)} for deposit in measurement.deposits]
    return _csv_text(FILM_DEPOSIT_COLUMNS, rows)


def links_csv(comparison: Comparison) -> str:
    """Return a row a link, numbered from 1; several labels of one film are joined by a semicolon."""
    return _csv_text(LINK_COLUMNS, links_table_rows(comparison.links))


def link_numbers(comparison: Comparison) -> dict[str, dict[int, int]]:
    """Return the number of the link that each deposit is in, by film and label."""
    numbers: dict[str, dict[int, int]] = {"baseline": {}, "followup": {}}
    for number, link in enumerate(comparison.links, start=1):
        numbers["baseline"].update(dict.fromkeys(link.baseline_labels, number))
        numbers["followup"].update(dict.fromkeys(link.followup_labels, number))
    return numbers


def _csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return text.getvalue()


def _cell(value: object) -> str:
    value = json_value(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
