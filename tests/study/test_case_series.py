"""The case series: who was given what, and films whose deposits do not change."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from calcimeasure.io import read_film
from scripts.case_series import CASES, SERIES, write_case_series

SHOWN = tuple(case for case in CASES if case.name in ("DM-2", "SSc-3"))


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of two patients, one of them with a second exposure."""
    folder = tmp_path_factory.mktemp("series")
    assert write_case_series(folder, spacing_mm=0.9, cases=SHOWN) == 5
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_films_are_of_the_limbs_and_days_that_the_case_names(series: Path) -> None:
    for case in SHOWN:
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
    assert len(areas) > 4
    assert all(len(each) == 1 for each in areas.values())
    assert all({"before", "after"} <= each for each in visits.values())


def test_doses_are_those_of_the_series() -> None:
    for case in CASES[:4]:
        assert case.name in SERIES
        doses = [(drug, dose) for _, drug, dose, _ in case.course]
        assert doses.count(("abatacept", 10.0)) == 5  # weeks 0, 2, 4, then monthly
        assert doses.count(("thiosulfate", 10.0)) == 6  # three a week for two weeks
        assert doses.count(("thiosulfate", 15.0)) == 26  # two a week for three months
    weekly = [dose for _, _, dose, _ in CASES[5].course]
    assert (weekly[0], weekly[-1], len(weekly)) == (12.5, 25.0, 30)
    assert sorted(weekly) == weekly


def test_pain_falls_as_it_did() -> None:
    for case in CASES[4:]:
        pain = dict(case.pain)
        assert pain[-1] in (8, 9)
        assert pain[14] in (3, 4)
        assert pain[28] in (0, 1)


def test_what_is_written_is_what_the_case_says(series: Path) -> None:
    doses = rows_of(series / "exposures.csv")
    assert {row["subject"] for row in doses} == {"DM-2", "SSc-3"}
    assert [float(row["dose"]) for row in doses if row["subject"] == "SSc-3"] == [
        dose for _, _, dose, _ in CASES[4].course
    ]
    # Doses begin the day after the first film.
    assert min(row["date"] for row in doses if row["subject"] == "SSc-3") == "2024-05-07"
    scores = rows_of(series / "outcomes.csv")
    assert [float(row["value"]) for row in scores] == [score for _, score in CASES[4].pain]
    assert scores[0]["date"] == "2024-05-06"


def test_the_same_seed_gives_the_same_bytes(series: Path, tmp_path: Path) -> None:
    # A patient is the same whoever else is simulated.
    write_case_series(tmp_path, spacing_mm=0.9, cases=SHOWN[1:])
    written = sorted((tmp_path / "films").rglob("*.dcm"))
    assert len(written) == 2
    for path in written:
        assert (series / path.relative_to(tmp_path)).read_bytes() == path.read_bytes(), path.name
