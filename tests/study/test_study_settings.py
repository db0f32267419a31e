"""study.toml: what is proposed reads back; every mistake names its key."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study.study_settings import Analysis, StudySettings, Visit, read_settings, settings_of, settings_text

VISITS = (Visit(name="baseline", day=0, window_days=30), Visit(name="month 3", day=91, window_days=30))
STUDY = StudySettings(title='A "small" study', visits=VISITS, analysis=Analysis(primary_visit="month 3"))


def test_what_is_proposed_reads_back() -> None:
    assert settings_of(tomllib.loads(settings_text(STUDY))) == STUDY
    arms = replace(
        STUDY, analysis=replace(STUDY.analysis, arms={"S001": "drug", "S002": "placebo"}, reference_arm="placebo")
    )
    assert settings_of(tomllib.loads(settings_text(arms))) == arms
    some = replace(
        STUDY,
        visits=(*VISITS, Visit(name="month 7", day=213, window_days=30, subjects=("S1", "S2"))),
        analysis=replace(STUDY.analysis, population=("S3",), limit_of_detection_mm2=0.7),
    )
    assert settings_of(tomllib.loads(settings_text(some))) == some
    assert some.visits[2].is_due("S1")
    assert not some.visits[2].is_due("S3")
    assert some.visits[1].is_due("S3")


def test_visits_are_ordered_by_day_and_the_first_is_the_baseline() -> None:
    table = tomllib.loads(
        '[[visits]]\nname = "later"\nday = 90\n[[visits]]\nname = "first"\nday = -3\nwindow_days = 7\n'
    )
    settings = settings_of(table)
    assert settings.visit_names == ("first", "later")
    assert settings.baseline == "first"
    assert settings.analysis.primary_visit == "later"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no \\[\\[visits\\]\\]"),
        ("[[visits]]\nday = 0\n", "has no name"),
        ('[[visits]]\nname = "a"\nday = 1.5\n', "day is not a whole number"),
        ('[[visits]]\nname = "a"\nday = 0\n[[visits]]\nname = "a"\nday = 1\n', "same name"),
        ('[settings]\nmargin = 1\n[[visits]]\nname = "a"\nday = 0\n', "'margin' is not a key"),
        ('[settings]\nmargin_ratio = [1.1, 1.25]\n[[visits]]\nname = "a"\nday = 0\n', "does not include 1"),
        ('[settings]\nrepositioning_sd = "x"\n[[visits]]\nname = "a"\nday = 0\n', "not a standard deviation"),
        ('[analysis]\nprimary = "best"\n[[visits]]\nname = "a"\nday = 0\n', "neither equivalence nor change"),
        ('[analysis]\nprimary_visit = "b"\n[[visits]]\nname = "a"\nday = 0\n', "is no visit"),
        ('[analysis]\narms = {S1 = "x"}\n[[visits]]\nname = "a"\nday = 0\n', "nobody's arm"),
        ('[analysis]\npopulation = "S1"\n[[visits]]\nname = "a"\nday = 0\n', "population is not a list"),
        ('[analysis]\nlimit_of_detection_mm2 = 0\n[[visits]]\nname = "a"\nday = 0\n', "not an area"),
        ('[[visits]]\nname = "a"\nday = 0\nsubjects = [1]\n', "subjects is not a list"),
        ('schema = "other/1"\n[[visits]]\nname = "a"\nday = 0\n', "schema"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        settings_of(tomllib.loads(text))


def test_broken_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="study init"):
        read_settings(tmp_path / "study.toml")
    (tmp_path / "study.toml").write_text("title = ")
    with pytest.raises(StudyError, match="is not TOML"):
        read_settings(tmp_path / "study.toml")


def test_the_declared_hash_changes_with_what_is_declared_and_not_with_the_title() -> None:
    assert replace(STUDY, title="Another").declared_sha256 == STUDY.declared_sha256
    assert replace(STUDY, margin_ratio=(0.75, 1.33)).declared_sha256 != STUDY.declared_sha256
    primary = replace(STUDY, analysis=replace(STUDY.analysis, primary="change"))
    assert primary.declared_sha256 != STUDY.declared_sha256


def test_a_reading_does_not_depend_on_the_margin() -> None:
    wider = replace(STUDY, margin_ratio=(0.5, 2.0))
    assert wider.reading() == STUDY.reading()
    assert wider.measuring() != STUDY.measuring()
