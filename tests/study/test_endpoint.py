"""The declared endpoint: what may be said of a cohort, and what may not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from calcimeasure.study.endpoint import NO_EFFECT, analyse
from calcimeasure.study.settings import Analysis, StudySettings, Visit
from calcimeasure.study.subjects import SubjectChange

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
    assert "4 were shown to be unchanged within -20 to +25 %" in text
    assert "0 showed a detectable change (95 % interval 0 to 60 %" in text
    assert "equivalence is shown" in text
    assert "could have detected a mean increase" in text
    assert "p = 0.125" in text
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
    result = analyse((*FOUR, gone), STUDY, limit_of_detection_mm2=0.8)
    assert len(result.ratios) == 4
    assert result.zeros is not None
    assert list(result.zeros["patients"]) == [5, 5, 5, 4]


def test_one_patient_and_nobody() -> None:
    one = analyse(FOUR[:1], STUDY)
    assert one.mean_ratio is None
    assert "1 patient" in one.sentences[0]
    nobody = analyse((), STUDY)
    assert nobody.sentences[0] == "No patient is evaluable at month 3."
