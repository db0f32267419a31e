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
from calcimeasure.statistics import intraclass_correlations, reader_components
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
    assert result.dropped[0] == "1 of 10 rows have no area_mm2 that is a number of 0 or more."
    # The 0 of an item that was measured otherwise is a missed detection, not a row to be lost.
    assert result.dropped[1].startswith("Missed detections: 1 of 9 measurements of 5 items are 0")
    assert (result.missed, result.items_missed) == (1, 1)


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


def printed(tmp_path: Path, text: str, *options: str) -> str:
    path = tmp_path / "repeats.csv"
    path.write_text(text)
    result = CliRunner().invoke(precision, [str(path), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def cv_of(output: str) -> float:
    (line,) = (line for line in output.splitlines() if "within-item CV" in line)
    return float(line.split("CV")[1].split("%")[0])


def by_hand(head: str = "subject,visit,area_mm2", names: str = "P{p},{v}") -> tuple[str, float]:
    """Six patients, two visits each, two measurements each; the CV from the pairs' log differences: SD = d / sqrt 2."""
    rng = np.random.default_rng(11)
    rows, squares = [head], []
    for p in range(6):
        for v in ("before", "after"):
            pair = [
                round(10.0 * (p + 1) * (1.5 if v == "after" else 1.0) * np.exp(0.07 * rng.normal()), 2) for _ in "12"
            ]
            squares.append(np.log(pair[0] / pair[1]) ** 2 / 2.0)
            rows += [f"{names.format(p=p, v=v)},{area}" for area in pair]
    return "\n".join(rows) + "\n", 100.0 * float(np.sqrt(np.expm1(np.mean(squares))))


@pytest.mark.parametrize(
    "head",
    ["subject,visit,area_mm2", "patient,timepoint,area_mm2", "Subject ,visit ,Area mm2", "participant,hand,value"],
)
def test_the_item_is_not_guessed_wrong(tmp_path: Path, head: str) -> None:
    text, cv = by_hand(head)
    output = printed(tmp_path, text)
    assert cv_of(output) == pytest.approx(cv, abs=0.051)
    assert "Repeats are rows that agree in" in output


def test_trailing_blanks_semicolons_and_decimal_commas_change_nothing(tmp_path: Path) -> None:
    text, cv = by_hand(names="P{p} ,{v}  ")
    assert cv_of(printed(tmp_path, text)) == pytest.approx(cv, abs=0.051)
    assert cv_of(printed(tmp_path, text.replace(",", ";").replace(".", ","))) == pytest.approx(cv, abs=0.051)


def test_zeros_are_missed_detections(tmp_path: Path) -> None:
    text, cv = by_hand()
    output = printed(tmp_path, text + "P0,before,0\nP9,before,0\nP9,before,0\n")
    assert cv_of(output) == pytest.approx(cv, abs=0.051)
    assert "Missed detections: 1 of 25 measurements of 12 items are 0" in output
    assert "2 rows are 0 of items that nobody measured above 0" in output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda text: text.replace("subject,visit", "subject,when"),
            "cannot tell whether when names what was measured",
        ),
        (lambda text: text + "".join(text.splitlines(keepends=True)[1:]), "24 of 48 rows are copies"),
        (lambda text: text.replace("P3,before,", ",before,", 1), "column subject is empty. Fill it in: a merged cell"),
        (lambda text: text + "before,P3,x\n", "column area_mm2: 'x' is not a measurement"),
        (lambda text: text + "P3,before,12,5\n", "('5' has no column). Put a number with a decimal comma in quotes"),
        (lambda text: text + "p3,before,12.5\n", "'P3' and 'p3' are likely to be one"),
    ],
)
def test_a_table_that_would_mislead_is_refused(tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "repeats.csv"
    path.write_text(change(by_hand()[0]))  # type: ignore[operator]
    result = CliRunner().invoke(precision, [str(path)])
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)


# Drawn and fitted in R: lmer(y ~ 1 + (1 | item) + (1 | reader) + (1 | item:reader)), lme4 1.1-31.
LMER = [
    ("1", "A", 3.298), ("1", "A", 3.239), ("1", "B", 3.428), ("1", "C", 3.36), ("1", "C", 3.453), ("2", "A", 2.431),
    ("2", "B", 2.751), ("2", "B", 2.658), ("2", "C", 2.783), ("2", "C", 2.544), ("3", "A", 3.552), ("3", "A", 3.549),
    ("3", "B", 3.766), ("3", "B", 3.728), ("3", "C", 4.066), ("3", "C", 3.864), ("4", "A", 3.317), ("4", "B", 3.517),
    ("4", "C", 3.712), ("4", "C", 3.507), ("5", "A", 4.395), ("5", "A", 4.495), ("5", "B", 4.341), ("5", "B", 4.461),
    ("5", "C", 4.539), ("5", "C", 4.71), ("6", "A", 3.54), ("6", "A", 3.81), ("6", "B", 3.671), ("6", "B", 3.642),
    ("6", "C", 3.597), ("6", "C", 3.7), ("7", "A", 2.105), ("7", "A", 2.05), ("7", "B", 2.144), ("7", "C", 1.879),
    ("7", "C", 1.97), ("8", "A", 2.973), ("8", "A", 2.886), ("8", "B", 2.892), ("8", "B", 2.819), ("8", "C", 3.044),
    ("8", "C", 3.103),
]  # fmt: skip


def test_all_readings_of_all_readers_are_used_as_lme4_does() -> None:
    items, readers, values = zip(*LMER, strict=True)
    result = reader_components(values, items, readers)
    assert result.item_variance == pytest.approx(0.5637872396, rel=1e-4)
    assert result.reader_variance == pytest.approx(0.0038485354, rel=1e-3)
    assert result.interaction_variance == pytest.approx(0.0076533153, rel=1e-3)
    assert result.error_variance == pytest.approx(0.0085499160, rel=1e-3)
    expected = 1.959964 * np.sqrt(2.0 * (0.0038485354 + 0.0076533153 + 0.0085499160))
    assert result.reproducibility_coefficient == pytest.approx(expected, rel=1e-3)


def test_the_order_of_rows_decides_nothing() -> None:
    table = pd.DataFrame([{"item": item, "reader": who, "area_mm2": np.exp(log)} for item, who, log in LMER])
    one, other = (
        assess_precision(rows, value="area_mm2", item=["item"], reader="reader") for rows in (table, table.iloc[::-1])
    )
    assert one.between_percent == pytest.approx(other.between_percent, rel=1e-4)
    assert one.components is not None
    assert set(one.components.reader_means) == {"A", "B", "C"}


def test_two_readers_cannot_tell_of_a_third(tmp_path: Path) -> None:
    text = "item,reader,area_mm2\n" + "".join(
        f"{n},{who},{10 * (n + 1) * (1 + 0.01 * (n % 3)) + k}\n" for n in range(8) for k, who in enumerate("AB")
    )
    assert "Two readers cannot tell how far a third would differ" in printed(tmp_path, text)


@pytest.mark.parametrize(
    "rows", [["a,1", "a,40"], ["a,1", "a,1e9"], ["a,5", "a,5", "b,7", "b,7"]], ids=["far", "very far", "identical"]
)
def test_extremes_neither_crash_nor_write_infinity(tmp_path: Path, rows: list[str]) -> None:
    text = "item,area_mm2\n" + "\n".join(rows) + "\n"
    assert "within-item CV" in printed(tmp_path, text)
    record = json.loads(printed(tmp_path, text, "--json"), parse_constant=pytest.fail)
    assert record["within"]["subjects"] >= 1


def test_an_icc_of_identical_values_is_undefined() -> None:
    result = intraclass_correlations([[5.0, 5.0], [5.0, 5.0], [5.0, 5.0]])
    assert all(np.isnan(one.value) for one in result.values())


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--within-cv", "7.1"], "Give a fraction: 0.071 for 7.1 %"),
        (["--within-cv", "0.1", "--power", "80"], "Give a fraction: 0.8 for 80 %"),
        (["--within-cv", "0.1", "--true-ratio", "0"], "a ratio of 0 is not positive"),
        (["--within-cv", "0.1", "--patients", "1"], "two patients at least"),
    ],
)
def test_plan_refuses_what_no_study_can_have(options: list[str], words: str) -> None:
    result = CliRunner().invoke(plan, options)
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)


def test_plan_offers_no_repeats_that_a_study_would_not_average() -> None:
    assert CliRunner().invoke(plan, ["--within-cv", "0.1", "--repeats", "2"]).exit_code == 2


def test_plan_holds_at_the_upper_limit_of_the_cv() -> None:
    # R: sqrt(exp(log(1 + 0.1^2) * 9 / qchisq(0.2, 9)) - 1) = 0.12955569.
    record = json.loads(CliRunner().invoke(plan, ["--within-cv", "0.1", "--cv-degrees", "9", "--json"]).output)
    assert record["planned_cv"] == pytest.approx(0.12955569, rel=1e-5)


def test_plan_says_when_no_study_can_do_it() -> None:
    result = CliRunner().invoke(plan, ["--within-cv", "0.10", "--true-ratio", "1.3", "--json"])
    record = json.loads(result.output)
    assert "not inside the margin" in record["patients_needed"]["equivalence"]
