"""Visits from dates, hints from file names, pseudonyms."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study.proposed_names import KEY_FILE, Pseudonyms, hints, visit_name, visits_by_date


@pytest.mark.parametrize(
    ("days", "name"), [(0, "baseline"), (14, "baseline"), (20, "month 1"), (92, "month 3"), (365, "month 12")]
)
def test_visit_names(days: int, name: str) -> None:
    assert visit_name(days) == name


def test_visits_of_several_subjects() -> None:
    names, visits = visits_by_date(
        {"S001": ["2026-01-01", "2026-04-02"], "S002": ["2026-02-10", "2026-05-09", "2026-08-11"], "S003": [""]}
    )
    assert names["S002", "2026-05-09"] == "month 3"
    assert [visit.name for visit in visits] == ["baseline", "month 3", "month 6"]
    assert visits[0].day == 0
    assert visits[1].day in (88, 91)
    assert all(visit.window_days <= 45 for visit in visits)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Anna/left_hand_PA_baseline.png", {"side": "L", "body_part": "HAND", "view": "PA", "visit": "baseline"}),
        ("x/M3/R-knee ap.tif", {"side": "R", "body_part": "KNEE", "view": "AP", "visit": "month 3"}),
        ("month_0/IMG0001.dcm", {"visit": "baseline"}),
        ("0001.dcm", {}),
    ],
)
def test_hints(path: str, expected: dict[str, str]) -> None:
    assert hints(path) == expected


def test_pseudonyms_do_not_follow_the_alphabet_and_stay(tmp_path: Path) -> None:
    people = [f"Person {letter}" for letter in "ABCDEFGHIJ"]
    names = Pseudonyms()
    names.add(people)
    given = [names[person] for person in people]
    assert sorted(given) == [f"S{n:03d}" for n in range(1, 11)]
    assert given != sorted(given)
    names.write(tmp_path)
    again = Pseudonyms.read(tmp_path)
    again.add([*people, "Person K"])
    assert [again[person] for person in people] == given
    assert again["Person K"] == "S011"


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    names = Pseudonyms()
    names.add(["Anna"])
    path = names.write(tmp_path)
    assert path == tmp_path / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_identifiers_that_are_pseudonyms_already_are_kept() -> None:
    names = Pseudonyms()
    names.add(["S001", "P-7", "Doe^John"], keep={"S001": "S001", "P-7": "P-7", "Doe^John": "Doe^John"})
    assert names["S001"] == "S001"
    assert names["P-7"] == "P-7"
    assert names["Doe^John"] == "S002"


def test_a_damaged_key_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / KEY_FILE).write_text("a,b\n")
    with pytest.raises(StudyError, match="subject, identifier"):
        Pseudonyms.read(tmp_path)
