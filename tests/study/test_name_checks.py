"""A name that is spelt otherwise in another file is refused, with the name that is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study.endpoint import analyse
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.name_checks import check_names
from calcimeasure.study.study_settings import Analysis, StudySettings, Visit
from calcimeasure.study.subject_burden import subject_changes

VISITS = tuple(Visit(name=name, day=day, window_days=30) for name, day in (("baseline", 0), ("month 3", 91)))
FILMS = tuple(
    FilmRow(subject=subject, visit="baseline", body_part="HAND", side="L", view="PA", path=subject)
    for subject in ("S001", "S002", "S003", "S004")
)


def settings(**analysis: object) -> StudySettings:
    return StudySettings(visits=VISITS, analysis=Analysis(primary_visit="month 3", **analysis))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("analysis", "words"),
    [
        ({"population": ("s001",)}, "population: 's001' has no film. Did you mean 'S001'"),
        ({"population": ("S1",)}, "Did you mean 'S001'"),
        ({"arms": {"S-002": "drug"}}, "arms: 'S-002' has no film. Did you mean 'S002'"),
        (
            {"arms": {"S001": "drug", "S002": "placebo", "S003": "placbo", "S004": "placebo"}},
            "'placbo' is nearly 'placebo'",
        ),
        ({"arms": {"S001": "drug", "S002": "Drug ", "S003": "drug", "S004": "Drug "}}, "is nearly"),
        ({"burden_view": {"HANDS": "PA"}}, "Did you mean 'HAND'"),
        ({"burden_view": {"HAND": "AP"}}, "no film of HAND has the view AP. Its views are PA"),
    ],
)
def test_names_are_checked_against_the_films(analysis: dict[str, object], words: str) -> None:
    with pytest.raises(StudyError) as caught:
        check_names(settings(**analysis), FILMS)
    assert words in str(caught.value)


@pytest.mark.parametrize("arms", [("dose 1", "dose 2"), ("drug A", "drug B"), ("drug", "placebo")])
def test_arms_that_are_two_are_left_alone(arms: tuple[str, str]) -> None:
    check_names(settings(arms={"S001": arms[0], "S002": arms[1]}, population=("S009",)), FILMS)


def test_two_spellings_of_one_subject_are_refused() -> None:
    with pytest.raises(StudyError, match="'S001' and 's1' are likely to be one"):
        check_names(settings(), (*FILMS, replace(FILMS[0], subject="s1")))


def test_a_declared_patient_without_films_is_counted_as_missing() -> None:
    declared = settings(population=("S001", "S009"))
    changes = subject_changes(FILMS, [], declared)
    assert [one.subject for one in changes] == ["S001", "S002", "S003", "S004", "S009"]
    result = analyse(changes, declared)
    assert result.results[0].analysed.missing["S009"] == "No limb has films at both visits."
