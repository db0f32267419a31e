"""A subject's burden: limbs evaluable at both visits, one declared view each, summed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.study_settings import Analysis, StudySettings, Visit
from calcimeasure.study.subject_burden import SubjectChange, subject_changes

STUDY = StudySettings(
    visits=(Visit(name="baseline", day=0, window_days=14), Visit(name="month 3", day=91, window_days=14)),
    analysis=Analysis(burden_view={"HAND": "PA"}, arms={"S1": "drug", "S2": "drug"}, reference_arm="drug"),
)


def row(side: str, *, subject: str = "S1", view: str = "PA", visit: str = "month 3") -> FilmRow:
    path = f"{subject}{side}{view}{visit}"
    return FilmRow(subject=subject, visit=visit, body_part="HAND", side=side, view=view, path=path)


def mark(film: FilmRow, before: float | None, after: float | None, se: float | None = 0.05, **more: Any) -> dict:
    return {
        "followup": film.name,
        "verdict": "increase",
        "reasons": [],
        "baseline_common_area_mm2": before,
        "followup_common_area_mm2": after,
        "baseline_common_area_px": 100.0,
        "followup_common_area_px": 120.0,
        "log_ratio": None if not (before and after) else math.log(after / before),
        "log_ratio_se": se,
    } | more


def one(films: list[FilmRow], marks: list[dict]) -> SubjectChange:
    (change,) = (found for found in subject_changes(films, marks, STUDY) if found.subject == "S1")
    return change


def test_limbs_are_summed() -> None:
    left, right = row("L"), row("R")
    change = one([left, right], [mark(left, 30.0, 33.0), mark(right, 10.0, 11.0)])
    assert (change.limbs, change.baseline_area_mm2, change.followup_area_mm2) == (2, 40.0, 44.0)
    assert change.area_change_percent == pytest.approx(10.0)
    # Shares 0.75 and 0.25 of the area: sqrt(0.75² + 0.25²) x 0.05.
    assert change.log_ratio_se == pytest.approx(math.hypot(0.75, 0.25) * 0.05)
    assert change.verdict == "no_change"
    assert change.arm == "drug"


def test_another_view_of_the_same_limb_is_never_added() -> None:
    pa, lateral = row("L"), row("L", view="LATERAL")
    change = one([pa, lateral], [mark(pa, 30.0, 33.0), mark(lateral, 20.0, 40.0)])
    assert change.limbs == 1
    assert change.area_change_percent == pytest.approx(10.0)


def test_a_limb_that_cannot_be_compared_is_left_out_and_named() -> None:
    left, right = row("L"), row("R")
    change = one(
        [left, right],
        [mark(left, 30.0, 33.0), mark(right, None, None, verdict="not_comparable", reasons=["It is mirrored."])],
    )
    assert change.limbs == 1
    assert change.reason == "R HAND is left out: It is mirrored."


def test_without_any_limb_the_subject_is_not_evaluable_with_the_reason() -> None:
    left = row("L")
    assert one([left], []).verdict == "not_evaluable"
    assert one([left], []).reason == "No limb has films at both visits."


def test_a_limb_without_deposits_at_one_visit_counts_with_its_area() -> None:
    left, right = row("L"), row("R")
    change = one([left, right], [mark(left, 30.0, 30.0), mark(right, 0.0, 6.0, None)])
    assert change.area_change_percent == pytest.approx(20.0)
    # Half of 6 mm² may be there or not: shares 30/30 and 30/36 of 0.05, and half of 6/36.
    assert change.log_ratio_se == pytest.approx(math.hypot((1 + 30 / 36) / 2 * 0.05, 6 / 36 * 0.5))


def test_from_zero_it_is_judged_against_what_all_limbs_could_have_hidden() -> None:
    left, right = row("L"), row("R")
    marks = [mark(left, 0.0, 5.0, None, limit_of_detection_mm2=2.0), mark(right, 0.0, 0.0, None)]
    assert one([left, right], marks).verdict == "indeterminate"
    assert one([left, right], marks).limit_of_detection_mm2 is None
    marks[1]["limit_of_detection_mm2"] = 2.5
    change = one([left, right], marks)
    assert (change.verdict, change.limit_of_detection_mm2) == ("increase", 4.5)
    marks[1]["limit_of_detection_mm2"] = 3.5
    assert one([left, right], marks).verdict == "indeterminate"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(0.0, 0.0, "no_deposits"), (0.0, 5.0, "indeterminate"), (5.0, 0.0, "indeterminate")],
)
def test_zero_burdens(before: float, after: float, verdict: str) -> None:
    left = row("L")
    change = one([left], [mark(left, before, after, None)])
    assert change.verdict == verdict
    assert change.area_change_percent is None


def test_a_single_limb_without_millimetres_gives_percent() -> None:
    left = row("L")
    # 100 to 120 pixels, and bones that say that 1.1 of it is change.
    change = one([left], [mark(left, None, None, log_ratio=math.log(1.1))])
    assert change.area_change_percent == pytest.approx(10.0)
    assert change.baseline_area_mm2 is None
    assert "percent alone" in change.reason


def test_subjects_and_visits_come_in_order() -> None:
    films = [row("L", subject="S2"), row("L", subject="S1")]
    assert [change.subject for change in subject_changes(films, [], STUDY)] == ["S1", "S2"]
