"""The declared endpoint: what may be said of a cohort, and what may not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from calcimeasure.study.cohort_sentences import NO_EFFECT
from calcimeasure.study.endpoint import analyse
from calcimeasure.study.study_settings import Analysis, StudySettings, Visit
from calcimeasure.study.subject_burden import SubjectChange

STUDY = StudySettings(
    visits=(Visit(name="baseline", day=0, window_days=14), Visit(name="month 3", day=91, window_days=14)),
    analysis=Analysis(primary_visit="month 3"),
)


def patient(number: int, percent: float, se: float = 0.03, **fields: object) -> SubjectChange:
    ratio = 1.0 + percent / 100.0
    values: dict[str, object] = {
        "subject": f"S{number:03d}",
        "arm": "",
        "visit": "month 3",
        "limbs": 1,
        "baseline_area_mm2": 40.0,
        "followup_area_mm2": 40.0 * ratio,
        "log_ratio": math.log(ratio),
        "log_ratio_se": se,
        "verdict": "no_change",
        "detectable": False,
    }
    return SubjectChange(**(values | fields))  # type: ignore[arg-type]


FOUR = (patient(1, 2.0), patient(2, -3.0), patient(3, 1.0), patient(4, 0.5))


def test_four_patients_of_one_arm() -> None:
    result = analyse(FOUR, STUDY)
    assert result.changed is not None
    # 0 of 4 changed still allows 60 %.
    assert result.changed.interval[1] == pytest.approx(0.602, abs=0.001)
    assert result.mean_ratio is not None
    assert result.mean_ratio.equivalent
    assert result.sign_flip is not None
    assert result.sign_flip.smallest_p_two_sided == 0.125
    text = " ".join(result.sentences)
    assert "of 4 patients, 4 were shown to have no change beyond -20 to +25 % (95 % interval 40 to 100 %" in text
    assert "0 showed a detectable change (95 % interval 0 to 60 %" in text
    assert "that the mean changed by less than the margin is shown (two one-sided tests, p < 0.001)" in text
    assert "rests on log ratios being normal" in text
    assert "could have detected a mean increase" in text
    assert "p = 0.0625 one-sided or 0.125 two-sided" in text
    assert NO_EFFECT in text


def test_the_indeterminate_stay_in_the_denominator_and_the_not_evaluable_do_not() -> None:
    changes = (
        *FOUR[:2],
        patient(3, 20.0, 0.3, verdict="indeterminate"),
        patient(4, 0.0, log_ratio=None, verdict="not_evaluable"),
    )
    result = analyse(changes, STUDY)
    assert result.unchanged is not None
    assert (result.unchanged.count, result.unchanged.total) == (2, 3)
    assert result.verdicts == {"indeterminate": 1, "no_change": 2, "not_evaluable": 1}
    assert "(1 more is not evaluable)" in result.sentences[0]


def test_arms_are_compared_by_log_burden() -> None:
    changes = [
        patient(n, 30.0 if n % 2 else 0.0, arm="placebo" if n % 2 else "drug", baseline_area_mm2=10.0 + n)
        for n in range(1, 13)
    ]
    changes = [
        replace(c, followup_area_mm2=(c.baseline_area_mm2 or 0.0) * math.exp((c.log_ratio or 0.0) + 0.01 * (n % 3)))
        for n, c in enumerate(changes)
    ]
    settings = replace(
        STUDY,
        analysis=replace(STUDY.analysis, arms={c.subject: c.arm for c in changes}, reference_arm="placebo"),
    )
    (effect,) = analyse(changes, settings).arms
    assert effect.ratio == pytest.approx(1 / 1.3, rel=0.02)
    assert NO_EFFECT not in analyse(changes, settings).sentences


def test_zeros_get_a_sensitivity_analysis() -> None:
    gone = patient(5, 0.0, followup_area_mm2=0.0, log_ratio=None, log_ratio_se=None, verdict="indeterminate")
    without = analyse((*FOUR, gone), STUDY)
    assert without.zeros is None
    assert without.mean_ratio is not None
    assert without.mean_ratio.patients == 4
    result = analyse((*FOUR, replace(gone, limit_of_detection_mm2=0.8)), STUDY)
    assert len(result.ratios) == 4
    assert result.zeros is not None
    assert list(result.zeros["patients"]) == [5, 5, 5, 4]
    # The mean is the analysis with half the limit of detection.
    assert result.mean_ratio is not None
    assert result.mean_ratio.patients == 5
    assert result.mean_ratio.ratio == pytest.approx(result.zeros["ratio"][1])
    assert "1 of them with half the limit of detection" in " ".join(result.sentences)


def test_what_stands_for_zero_is_never_more_than_the_other_visit_shows() -> None:
    small = patient(
        5,
        0.0,
        baseline_area_mm2=3.0,
        followup_area_mm2=0.0,
        log_ratio=None,
        log_ratio_se=None,
        verdict="indeterminate",
        limit_of_detection_mm2=60.0,
    )
    result = analyse((*FOUR, small), STUDY)
    assert result.mean_ratio is not None
    # Half of 3 mm², not half of 60: gone is no growth.
    logs = [change.log_ratio or 0.0 for change in FOUR] + [math.log(0.5)]
    assert result.mean_ratio.ratio == pytest.approx(math.exp(sum(logs) / 5))


def test_a_declared_population_is_all_that_is_counted() -> None:
    settings = replace(STUDY, analysis=replace(STUDY.analysis, population=("S001", "S002")))
    result = analyse((*FOUR[:3], patient(4, 90.0, verdict="increase", detectable=True)), settings)
    assert result.unchanged is not None
    assert result.changed is not None
    assert (result.unchanged.total, result.changed.count) == (2, 0)
    assert result.others == ("S003", "S004")
    assert "counted nowhere" in result.sentences[-1]


def test_a_change_within_the_margin_that_is_detectable_is_reported() -> None:
    changes = (*FOUR[:3], patient(4, 12.0, detectable=True))
    sentence, chance, *_ = analyse(changes, STUDY).sentences
    assert "if none of the 4 had changed, 0.2 would be expected to show a change by chance" in chance
    assert "though 1 of them did change detectably" in sentence
    assert "1 showed a detectable change" in sentence


def test_a_primary_analysis_of_change_tests_change() -> None:
    settings = replace(STUDY, analysis=replace(STUDY.analysis, primary="change"))
    assert "a change of the mean is not shown (t test, p = 0.9" in " ".join(analyse(FOUR, settings).sentences)


def test_the_bootstrap_and_the_mixed_model_wait_for_twenty_patients() -> None:
    many = [patient(n, float(n % 5 - 2)) for n in range(1, 21)]
    deposits = [(f"S{n:03d}", 0.01 * ((n + k) % 7 - 3)) for n in range(1, 21) for k in (0, 3)]
    result = analyse(many, STUDY, deposits=deposits)
    assert [one.method.split(",")[0] for one in result.clustered] == ["bootstrap over patients", "mixed model"]
    assert result.mean_ratio is not None
    assert result.clustered[0].ratio == pytest.approx(result.mean_ratio.ratio)
    again = analyse(many, STUDY, deposits=deposits)
    assert again.clustered == result.clustered
    assert analyse(many[:19], STUDY, deposits=deposits[:38]).clustered == ()


def test_one_patient_and_nobody() -> None:
    one = analyse(FOUR[:1], STUDY)
    assert one.mean_ratio is None
    assert "1 patient" in one.sentences[0]
    nobody = analyse((), STUDY)
    assert nobody.sentences[0] == "No patient is evaluable at month 3."
