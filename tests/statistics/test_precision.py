"""A table of repeats in, precision out; and the commands that print it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from calcimeasure.cli.plan_command import plan
from calcimeasure.cli.precision_command import precision
from calcimeasure.errors import UsageError
from calcimeasure.statistics.precision import assess_precision


def repeats(items: int = 40, readers: int = 1, cv: float = 0.05, bias: float = 0.0) -> pd.DataFrame:
    """Deposits measured twice by each reader with a known CV; each reader with a bias of their own."""
    rng = np.random.default_rng(7)
    rows = []
    for item in range(items):
        area = np.exp(rng.uniform(0, 4))
        for reader in range(readers):
            rows += [
                {
                    "deposit": item,
                    "reader": f"reader {reader + 1}",
                    "area_mm2": area * np.exp(bias * reader + cv * rng.normal()),
                }
                for _ in range(2)
            ]
    return pd.DataFrame(rows)


def test_one_reader() -> None:
    result = assess_precision(repeats(), value="area_mm2", item=["deposit"])
    assert result.within is not None
    assert result.within.wcv == pytest.approx(0.05, rel=0.3)
    assert result.profile is not None
    assert result.profile["subjects"].sum() == 40
    assert result.between is None
    assert result.detectable is not None
    assert result.detectable.quantile == pytest.approx(2.021, abs=0.001)  # t of 40 degrees of freedom


def test_two_readers_with_a_bias() -> None:
    result = assess_precision(repeats(readers=2, bias=0.2), value="area_mm2", item=["deposit"], reader="reader")
    assert result.agreement is not None
    assert result.agreement.bias == pytest.approx(-0.2, abs=0.05)
    assert result.between is not None
    assert result.between.reader_variance == pytest.approx(0.02, rel=0.5)
    assert result.correlations is not None
    assert result.correlations["A,1"].value < result.correlations["C,1"].value
    # Repeats are those of one reader: the bias between readers is not in them.
    assert result.within is not None
    assert result.within.wcv == pytest.approx(0.05, rel=0.3)


def test_items_that_not_everybody_measured_are_named() -> None:
    table = repeats(items=5, readers=2)
    result = assess_precision(table.iloc[:-2], value="area_mm2", item=["deposit"], reader="reader")
    assert result.between is not None
    assert result.between.subjects == 4
    assert any("1 of 5 items" in sentence for sentence in result.dropped)


def test_rows_without_a_number_are_counted() -> None:
    table = repeats(items=5)
    table["area_mm2"] = table["area_mm2"].astype(object)
    table.loc[0, "area_mm2"] = "?"
    table.loc[2, "area_mm2"] = 0
    result = assess_precision(table, value="area_mm2", item=["deposit"])
    assert result.dropped == ("2 of 10 rows have no positive area_mm2 and were left out.",)


@pytest.mark.parametrize(("value", "item", "problem"), [("area", "deposit", "column"), ("area_mm2", "row", "twice")])
def test_what_cannot_be_assessed_is_refused(value: str, item: str, problem: str) -> None:
    table = repeats(items=3).assign(row=range(6))
    with pytest.raises(UsageError, match=problem):
        assess_precision(table, value=value, item=[item])


def test_command_prints_a_readable_summary(tmp_path: Path) -> None:
    path = tmp_path / "repeats.csv"
    repeats(readers=2, bias=0.1).to_csv(path, index=False)
    result = CliRunner().invoke(precision, [str(path)])
    assert result.exit_code == 0, result.output
    for text in ("within-item CV", "Precision by size", "ICC(A,1)", "two readers differ", "limits of agreement"):
        assert text in result.output


def test_command_prints_json(tmp_path: Path) -> None:
    path = tmp_path / "repeats.csv"
    repeats().to_csv(path, index=False)
    result = CliRunner().invoke(precision, [str(path), "--json"])
    record = json.loads(result.output)
    assert record["within"]["subjects"] == 40
    assert len(record["profile"]) == 4


def test_command_asks_when_columns_are_unclear(tmp_path: Path) -> None:
    path = tmp_path / "repeats.csv"
    pd.DataFrame({"a": [1, 2], "b": [1, 2]}).to_csv(path, index=False)
    result = CliRunner().invoke(precision, [str(path)])
    assert isinstance(result.exception, UsageError)
    assert "--value" in str(result.exception)


def test_plan_prints_what_is_needed_and_what_can_be_shown() -> None:
    result = CliRunner().invoke(plan, ["--within-cv", "0.10", "--patients", "4", "--patients", "6"])
    assert result.exit_code == 0, result.output
    # shared/reference: at a CV of 10 % power 0.60 with 4 and 0.90 with 6 patients, so 6 are needed (5: 0.80).
    assert "0.60" in result.output
    assert "0.90" in result.output


def test_plan_says_when_no_study_can_do_it() -> None:
    result = CliRunner().invoke(plan, ["--within-cv", "0.10", "--true-ratio", "1.3", "--json"])
    record = json.loads(result.output)
    assert "not inside the margin" in record["patients_needed"]["equivalence"]
