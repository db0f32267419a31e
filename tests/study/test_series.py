"""Which films belong together, which pairs they make, and what is missing."""

from __future__ import annotations

from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.series import gaps, pairs_of, series_of
from calcimeasure.study.study_settings import StudySettings, Visit

STUDY = StudySettings(
    visits=(
        Visit(name="baseline", day=0, window_days=14),
        Visit(name="month 3", day=91, window_days=14),
        Visit(name="month 6", day=182, window_days=14),
    )
)


def film(subject: str, visit: str, side: str = "L", repeat: int = 1, **fields: object) -> FilmRow:
    values = {"body_part": "HAND", "view": "PA", "path": f"{subject}{visit}{side}{repeat}"} | fields
    return FilmRow(subject=subject, visit=visit, side=side, repeat=repeat, **values)  # type: ignore[arg-type]


def test_series_hold_a_limb_in_the_order_of_visits() -> None:
    films = [film("S2", "month 3"), film("S1", "month 3"), film("S1", "baseline", "R"), film("S1", "baseline")]
    series = series_of([*films, film("S1", "month 6", include=False)], STUDY)
    assert [one.name for one in series] == ["S1_HAND_L_PA", "S1_HAND_R_PA", "S2_HAND_L_PA"]
    assert [one.visit for one in series[0].films] == ["baseline", "month 3"]


def test_every_visit_is_compared_with_baseline_and_every_repeat_with_the_first() -> None:
    films = [film("S1", "baseline"), film("S1", "baseline", repeat=2), film("S1", "month 3"), film("S1", "month 6")]
    pairs = [(pair.kind, pair.baseline.name, pair.followup.name) for pair in pairs_of(films, STUDY)]
    assert pairs == [
        ("repeat", "S1_baseline_HAND_L_PA_1", "S1_baseline_HAND_L_PA_2"),
        ("change", "S1_baseline_HAND_L_PA_1", "S1_month-3_HAND_L_PA_1"),
        ("change", "S1_baseline_HAND_L_PA_1", "S1_month-6_HAND_L_PA_1"),
    ]


def test_where_the_first_exposure_failed_the_next_takes_its_place() -> None:
    pairs = pairs_of([film("S1", "baseline", repeat=2), film("S1", "month 3", repeat=3)], STUDY)
    assert [(pair.baseline.repeat, pair.followup.repeat) for pair in pairs] == [(2, 3)]


def test_without_a_baseline_there_is_no_change() -> None:
    assert pairs_of([film("S1", "month 3"), film("S1", "month 6")], STUDY) == ()


def test_missing_films_and_a_film_of_the_wrong_side_are_reported() -> None:
    films = [film("S1", visit) for visit in ("baseline", "month 6")] + [film("S1", "month 3", "R")]
    reported = gaps(films, STUDY)
    assert "S1: no film of L HAND PA at month 3." in reported
    assert "S1: no film of R HAND PA at baseline." in reported


def test_dates_outside_the_window_are_reported() -> None:
    films = [
        film("S1", "baseline", date="2026-01-01"),
        film("S1", "month 3", date="2026-04-02"),
        film("S1", "month 6", date="2026-09-01"),
    ]
    (reported,) = gaps(films, STUDY)
    assert "243 days after baseline, outside the window of month 6 (182 ± 14 days)" in reported
