"""The tables: tidy, complete, and readable to the last digit."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from calcimeasure.change.change_records import Comparison
from calcimeasure.change.links_table import LINK_COLUMNS
from calcimeasure.export.csv_tables import comparison_deposits_csv, link_numbers, links_csv, measurement_deposits_csv
from calcimeasure.measurement.measurement_table import MEASUREMENT_COLUMNS


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_deposits_of_both_films(pair: Comparison) -> None:
    rows = read(comparison_deposits_csv(pair))
    assert [row["film"] for row in rows] == ["baseline"] * 5 + ["followup"] * 5
    assert [row["label"] for row in rows] == ["1", "2", "3", "4", "5"] * 2
    assert [row["link"] for row in rows] == ["1", "2", "2", "3", "5", "1", "2", "2", "4", "5"]
    assert set(rows[0]) == {"film", "film_id", "link", *MEASUREMENT_COLUMNS}
    for row, deposit in zip(rows, (*pair.baseline.deposits, *pair.followup.deposits), strict=True):
        assert float(row["area_mm2"]) == deposit.area_mm2
        assert float(row["centroid_col"]) == deposit.centroid_col
        assert row["finding"] == deposit.finding
        assert row["integrated_contrast"] == ""


def test_a_deposit_in_no_link_has_an_empty_link(build_pair) -> None:
    comparison = build_pair(height=200, links=build_pair(height=200).links[:4])
    rows = read(comparison_deposits_csv(comparison))
    assert [row["link"] for row in rows if row["finding"] == "vascular"] == ["", ""]


def test_links(pair: Comparison) -> None:
    rows = read(links_csv(pair))
    assert list(rows[0]) == list(LINK_COLUMNS)
    assert [row["status"] for row in rows] == ["matched", "group", "resolved", "new", "matched"]
    assert (rows[1]["baseline_labels"], rows[1]["followup_labels"]) == ("2;3", "2;3")
    assert (rows[2]["followup_labels"], rows[2]["area_change_percent"], rows[2]["detectable"]) == ("", "", "")
    assert float(rows[0]["area_change_percent"]) == pair.links[0].area_change_percent
    assert float(rows[0]["ci95_high_percent"]) == pair.links[0].ci95_percent[1]
    assert rows[0]["detectable"] == "true"


def test_pandas_reads_the_numbers_back(pair: Comparison) -> None:
    frame = pd.read_csv(io.StringIO(links_csv(pair)))
    assert frame["log_ratio"].iloc[0] == pytest.approx(pair.links[0].log_ratio, rel=1e-15)
    assert frame["log_ratio"].isna().tolist() == [False, False, True, True, False]


def test_one_film(pair: Comparison) -> None:
    rows = read(measurement_deposits_csv(pair.baseline))
    assert list(rows[0]) == ["film_id", *MEASUREMENT_COLUMNS]
    assert {row["film_id"] for row in rows} == {pair.baseline.film.film_id}


def test_line_ends_are_the_same_everywhere(pair: Comparison) -> None:
    for text in (links_csv(pair), comparison_deposits_csv(pair)):
        assert "\r" not in text
        assert text.endswith("\n")


def test_no_deposits_leave_the_header(build_pair) -> None:
    empty = build_pair(height=200, baseline_blobs=(), followup_blobs=(), links=())
    assert comparison_deposits_csv(empty).count("\n") == 1
    assert links_csv(empty) == ",".join(LINK_COLUMNS) + "\n"


def test_link_numbers(pair: Comparison) -> None:
    assert link_numbers(pair) == {
        "baseline": {1: 1, 2: 2, 3: 2, 4: 3, 5: 5},
        "followup": {1: 1, 2: 2, 3: 2, 4: 4, 5: 5},
    }
