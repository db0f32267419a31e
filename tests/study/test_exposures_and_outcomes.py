"""Exposures and outcomes: read with every mistake reported, summed to each visit, compared with published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study.exposures_and_outcomes import (
    doses_at_visits,
    outcome_changes,
    read_exposures,
    read_outcomes,
    visit_dates,
)
from calcimeasure.study.manifest import FilmRow

DATES = {("S1", "baseline"): "2026-01-10", ("S1", "month 3"): "2026-04-10"}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_cumulative_dose_at_each_visit(tmp_path: Path) -> None:
    # Abatacept 10 mg/kg at weeks 0, 2, 4; thiosulfate in grams: drugs and units are never added to one another.
    path = written(
        tmp_path,
        "subject,drug,dose,unit,route,date\n"
        "S1,abatacept,10,mg/kg,iv,2026-01-10\n"
        "S1,abatacept,10,mg/kg,iv,2026-01-24\n"
        "S1,abatacept,10,mg/kg,iv,2026-05-01\n"
        "S1,thiosulfate,12.5,g,iv,2026-01-12\n",
    )
    rows = {(row.visit, row.drug): row for row in doses_at_visits(read_exposures(path, ["S1"]), DATES)}
    assert rows["baseline", "abatacept"].cumulative_dose == 10.0
    assert rows["baseline", "thiosulfate"].cumulative_dose == 0.0
    assert (rows["month 3", "abatacept"].cumulative_dose, rows["month 3", "abatacept"].doses) == (20.0, 2)
    assert rows["month 3", "thiosulfate"].cumulative_dose == 12.5


def test_outcomes_against_the_minimal_difference(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "subject,date,measure,value\n"
        "S1,2026-01-01,pain_nrs,8\nS1,2026-01-20,pain_nrs,4\nS1,2026-02-20,pain_nrs,1\n"
        "S1,2026-01-01,haq,1.0\nS1,2026-04-01,haq,0.9\nS1,2026-01-01,grip,20\nS1,2026-03-01,grip,25\n"
        "S1,2026-02-01,adverse_event,nausea\n",
    )
    rows = {row.measure: row for row in outcome_changes(read_outcomes(path, ["S1"]), DATES, "baseline")}
    assert (rows["pain_nrs"].baseline, rows["pain_nrs"].value, rows["pain_nrs"].reached) == (8.0, 1.0, True)
    assert (rows["haq"].change, rows["haq"].reached) == (pytest.approx(-0.1), False)
    assert rows["grip"].reached is None
    assert "adverse_event" not in rows


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("subject,date,measure,value\nS9,2026-01-01,pain_nrs,3\n", "row 2, column subject"),
        ("subject,date,measure,value\nS1,3/4/2026,pain_nrs,3\n", "row 2, column date"),
        ("subject,date,measure,value\nS1,2026-01-01,pain_nrs,11\n", "11 is not between 0 and 10"),
        ("subject,date,measure,value\nS1,2026-01-01,pain_nrs,high\n", "row 2, column value"),
        ("subject,date,measure,value\nS1,2026-01-01,,3\n", "row 2, column measure"),
        ("subject,date,value\n", "no column measure"),
    ],
)
def test_mistakes_in_outcomes(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        read_outcomes(written(tmp_path, text), ["S1"])


@pytest.mark.parametrize("row", ["S1,a,-1,g,iv,2026-01-01", "S1,a,1,,iv,2026-01-01", "S1,,1,g,iv,2026-01-01"])
def test_mistakes_in_exposures(tmp_path: Path, row: str) -> None:
    with pytest.raises(StudyError, match="row 2, column"):
        read_exposures(written(tmp_path, f"subject,drug,dose,unit,route,date\n{row}\n"), ["S1"])


def test_no_file_is_no_exposure(tmp_path: Path) -> None:
    assert read_exposures(tmp_path / "exposures.csv", []) == ()


def test_a_visit_is_dated_by_its_earliest_film() -> None:
    films = [
        FilmRow(subject="S1", visit="baseline", body_part="HAND", side=side, view="PA", path=side, date=day)
        for side, day in (("L", "2026-01-11"), ("R", "2026-01-10"), ("B", ""))
    ]
    assert visit_dates(films) == {("S1", "baseline"): "2026-01-10"}


def test_tables_as_people_save_them(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    text = "Subject;Drug;Dose;Unit;Route;Date\nS1;für;12,5;g;iv;15.01.2026\nS1;für;1.012,5;g;iv;16/2/2026\n"
    path.write_bytes(text.encode("utf-16"))
    first, second = read_exposures(path, ["S1"])
    assert (first.dose, first.date, second.dose, second.date) == (12.5, "2026-01-15", 1012.5, "2026-02-16")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("S1,a,5,g,iv,3/4/2026", "row 3, column date: '3/4/2026' is not a date that can be read in one way only"),
        ('S1,a,"1,234",g,iv,2026-01-02', "row 3, column dose: '1,234' is not a dose. It may be 1.234 or 1234"),
        (",a,5,g,iv,2026-01-02", "row 3, column subject: '' is nobody in films.csv. Fill it in: a merged cell"),
        ("s1,a,5,g,iv,2026-01-02", "Did you mean 'S1'"),
        ("S1,a,10,g,iv,2026-01-01", "row 3, column subject: is row 2 again. Remove one of them: it would count twice"),
    ],
)
def test_each_fault_names_its_cell_and_the_remedy(tmp_path: Path, row: str, words: str) -> None:
    path = written(tmp_path, f"subject,drug,dose,unit,route,date\nS1,a,10,g,iv,2026-01-01\n{row}\n")
    with pytest.raises(StudyError) as caught:
        read_exposures(path, ["S1"])
    assert words in str(caught.value)
