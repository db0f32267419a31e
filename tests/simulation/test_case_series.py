"""The case series: who was given what, and films whose deposits do not change."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from calcimeasure.films import read_film
from calcimeasure.simulation.case_series import CASES, SERIES, write_case_series


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    assert write_case_series(folder, spacing_mm=0.9) == 20
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_films_are_of_the_limbs_and_days_that_the_case_names(series: Path) -> None:
    for case in CASES:
        for part, side, _ in case.limbs:
            before, after = (
                read_film(series / "films" / case.name / f"{part}_{side}_{name}.dcm").identity
                for name in ("before", "after")
            )
            assert before.side == after.side == side
            assert before.study_date == case.start.isoformat()
            assert after.study_date is not None
            assert after.study_date > before.study_date
            assert (before.age_years or 0) >= 18
            assert before.patient_key == after.patient_key


def test_no_deposit_changes_in_truth(series: Path) -> None:
    areas: dict[tuple[str, ...], set[str]] = {}
    visits: dict[tuple[str, ...], set[str]] = {}
    for row in rows_of(series / "truth.csv"):
        key = (row["subject"], row["body_part"], row["side"], row["deposit"])
        areas.setdefault(key, set()).add(row["area_common_mm2"])
        visits.setdefault(key, set()).add(row["visit"])
    assert len(areas) > 20
    assert all(len(each) == 1 for each in areas.values())
    assert all({"before", "after"} <= each for each in visits.values())


def test_doses_are_those_of_the_series(series: Path) -> None:
    rows = rows_of(series / "exposures.csv")
    for name in SERIES:
        doses = [(row["drug"], float(row["dose"])) for row in rows if row["subject"] == name]
        assert doses.count(("abatacept", 10.0)) == 5  # weeks 0, 2, 4, then monthly
        assert doses.count(("thiosulfate", 10.0)) == 6  # three a week for two weeks
        assert doses.count(("thiosulfate", 15.0)) == 26  # two a week for three months
    weekly = [float(row["dose"]) for row in rows if row["subject"] == "PM-1"]
    assert (weekly[0], weekly[-1], len(weekly)) == (12.5, 25.0, 30)
    assert sorted(weekly) == weekly


def test_pain_falls_as_it_did(series: Path) -> None:
    for name in ("SSc-3", "PM-1"):
        pain = [float(row["value"]) for row in rows_of(series / "outcomes.csv") if row["subject"] == name]
        first, at_two_weeks, at_four_weeks = pain[0], pain[2], pain[4]
        assert first in (8, 9)
        assert at_two_weeks in (3, 4)
        assert at_four_weeks in (0, 1)


def test_the_same_seed_gives_the_same_bytes(series: Path, tmp_path: Path) -> None:
    write_case_series(tmp_path, spacing_mm=0.9)
    for path in sorted(series.rglob("*")):
        if path.is_file():
            assert (tmp_path / path.relative_to(series)).read_bytes() == path.read_bytes(), path.name
