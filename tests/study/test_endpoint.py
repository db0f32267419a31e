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


def gone(number: int, before: float, after: float = 0.0, **fields: object) -> SubjectChange:
    """A patient with a burden of zero at one visit (or both)."""
    known: dict[str, object] = {
        "baseline_area_mm2": before,
        "followup_area_mm2": after,
        "limit_of_detection_mm2": 0.8,
        "log_ratio": None,
        "log_ratio_se": None,
        "verdict": "indeterminate",
    }
    return replace(patient(number, 0.0), **known | fields)  # type: ignore[arg-type]


def test_a_burden_of_zero_lies_below_its_limit_and_is_analysed() -> None:
    result = analyse((*FOUR, gone(5, 40.0)), STUDY)
    assert result.mean_ratio is not None
    assert (result.mean_ratio.patients, result.mean_ratio.censored) == (5, 1)
    assert result.zeros is not None
    assert list(result.zeros["patients"]) == [5, 5, 5, 4]
    assert result.mean_ratio.ratio == pytest.approx(result.zeros["ratio"][1])
    text = " ".join(result.sentences)
    assert "5 patients, 1 of them known only by a bound" in text
    assert "A burden of zero (1 patient) counts as one below its limit of detection, not as a number" in text
    assert "With half that limit the mean change would be" in text


def test_without_a_known_limit_the_smallest_burden_stands_for_it() -> None:
    result = analyse((*FOUR, gone(5, 40.0, limit_of_detection_mm2=None)), STUDY)
    (bounded,) = result.results[0].analysed.bounded
    # The smallest burden measured is 40 x 0.97.
    assert bounded.log_ratio == pytest.approx(math.log(0.97))
    assert "the smallest burden of the study, 38.8 mm², for no limit is declared" in " ".join(result.sentences)


def test_a_drug_that_dissolves_half_the_burdens_is_seen() -> None:
    # The numbers of tests/statistics/test_censored.py, worked with R's survreg: 0.17 times (0.03 to 0.64).
    before = (10, 12, 15, 20, 25, 30, 40, 55, 11, 13, 16, 19, 26, 31, 42, 50)
    after = (0, 0, 0, 0, 24, 31, 39, 56, 11.2, 12.8, 16.3, 18.7, 26.4, 30.5, 42.9, 49.6)
    changes = []
    for number, (one, two) in enumerate(zip(before, after, strict=True), start=1):
        arm = "drug" if number <= 8 else "placebo"
        areas = {"baseline_area_mm2": float(one), "arm": arm}
        if two == 0:
            changes.append(gone(number, float(one), **areas))
        else:
            changes.append(patient(number, 0.0, followup_area_mm2=float(two), log_ratio=math.log(two / one), **areas))
    lost = (patient(17, 0.0), patient(18, 0.0, arm="drug", log_ratio=None, verdict="not_evaluable", reason="No film."))
    arms = {change.subject: change.arm for change in (*changes, lost[1])}
    settings = replace(STUDY, analysis=replace(STUDY.analysis, primary="change", arms=arms, reference_arm="placebo"))
    result = analyse((*changes, *lost), settings)
    text = " ".join(result.sentences)
    assert (
        "burden in drug was 0.17 times that in placebo (95 % interval 0.03 to 0.64; 8, 4 of them with a burden of "
        "zero, in drug, 8 in placebo): a difference is shown, p = 0.013"
    ) in text
    assert "By ranks of change, a patient in drug fell against one in placebo with a chance of 79 %" in text
    # Nobody vanishes without a word.
    assert "No arm is declared for S017" in text
    assert "In no comparison: S018 (No film)" in text


def test_nothing_is_pooled_over_two_arms() -> None:
    falls = [patient(n, -23.0 - n, arm="drug", verdict="decrease", detectable=True) for n in range(1, 7)]
    rises = [patient(n, 30.0 + n, arm="placebo", verdict="increase", detectable=True) for n in range(7, 13)]
    arms = {change.subject: change.arm for change in (*falls, *rises)}
    settings = replace(STUDY, analysis=replace(STUDY.analysis, arms=arms, reference_arm="placebo"))
    result = analyse((*falls, *rises), settings)
    text = " ".join(result.sentences)
    assert "changed by less than the margin" not in text
    assert (result.mean_ratio, result.unchanged, result.changed) == (None, None, None)
    assert [one.arm for one in result.results] == ["placebo", "drug"]
    # Geometric means by hand: products of the six ratios of each arm.
    for one, percents in zip(
        result.results, ([30.0 + n for n in range(7, 13)], [-23.0 - n for n in range(1, 7)]), strict=True
    ):
        assert one.mean_ratio is not None
        expected = math.prod(1.0 + percent / 100.0 for percent in percents) ** (1 / 6)
        assert one.mean_ratio.ratio == pytest.approx(expected)
        assert f"The geometric mean change of area in {one.arm} was {100 * (expected - 1):+.1f} %" in text
    assert "of 12 patients" not in text


def test_no_deposits_at_either_visit_show_nothing_about_change() -> None:
    three = tuple(patient(n, percent, verdict="increase") for n, percent in ((1, 20.0), (2, 22.5), (3, 25.0)))
    empty = tuple(gone(n, 0.0, verdict="no_deposits") for n in range(4, 13))
    with_empty, without = analyse((*three, *empty), STUDY), analyse(three, STUDY)
    assert with_empty.mean_ratio == without.mean_ratio
    assert with_empty.unchanged == without.unchanged
    assert with_empty.unchanged is not None
    assert (with_empty.unchanged.count, with_empty.unchanged.total) == (0, 3)
    assert "9 more had no deposits at either visit, which shows nothing about change" in with_empty.sentences[0]
    nothing = analyse(empty, STUDY)
    assert "no patient with deposits is evaluable" in nothing.sentences[0]


def test_a_constant_in_place_of_zero_makes_no_significance() -> None:
    # Nine burdens of 0.3 to 0.7 mm² fall to zero, where 0.8 mm² could be hidden: no film can tell.
    nine = [gone(n, 0.25 + 0.05 * n) for n in range(1, 10)]
    result = analyse(nine, STUDY)
    assert result.mean_ratio is None
    signs = result.results[0].signs
    assert signs is not None
    assert (signs.unknown, signs.p_two_sided) == (9, 1.0)
    text = " ".join(result.sentences)
    assert "No mean change is given" in text
    assert "p < 0.001" not in text
    # With two measured beside them the nine still add nothing.
    both = analyse((patient(10, 3.0), patient(11, -2.0), *nine), STUDY).mean_ratio
    alone = analyse((patient(10, 3.0), patient(11, -2.0)), STUDY).mean_ratio
    assert both is not None
    assert alone is not None
    assert both.p_no_change == pytest.approx(alone.p_no_change, abs=0.05)


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


def test_from_ten_patients_on_a_bootstrap_t_interval_stands_beside() -> None:
    # Nine that hardly change and one that grows: skewed. The t interval's 90 % ends lie as far from the mean on both
    # sides; the bootstrap-t's upper end lies farther.
    skewed = [patient(n, float(n % 3 - 1)) for n in range(1, 10)] + [patient(10, 60.0)]
    result = analyse(skewed, STUDY).results[0]
    assert result.skewness is not None
    assert result.mean_ratio is not None
    assert result.skewness.interval[1] > result.mean_ratio.interval_90[1]
    assert "bootstrap-t interval" in " ".join(analyse(skewed, STUDY).sentences)
    assert analyse(skewed[:9], STUDY).results[0].skewness is None


def test_a_change_of_nothing_has_no_sign_and_no_direction() -> None:
    text = " ".join(analyse((patient(1, 0.01), patient(2, -0.02), patient(3, 0.0)), STUDY).sentences)
    assert "of area was 0.0 % (95 % interval 0.0 to 0.0 %" in text
    # Of three patients two have a direction: 1 / 2^2.
    assert "With 2 patients whose change has a direction no exact test of change can fall below p = 0.25" in text
