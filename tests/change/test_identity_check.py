"""Which pairs are refused, which are warned of."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.change.identity_check import check_identity
from calcimeasure.radiograph import GreyScale, Identity, Radiograph

FULL = {"patient_key": "p1", "side": "L", "body_part": "HAND", "view": "PA", "study_date": "2026-01-01"}


def film(**identity: object) -> Radiograph:
    return Radiograph(
        pixels=np.zeros((4, 4), np.float32), grey=GreyScale(lowest=0, highest=1), identity=Identity(**identity)
    )


def test_two_films_that_agree_are_neither_refused_nor_warned_of() -> None:
    check = check_identity(film(**FULL), film(**{**FULL, "study_date": "2026-04-01"}))
    assert (check.contradictions, check.warnings) == ((), ())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("side", "R", "differ in side (L at baseline, R at follow-up)"),
        ("side", "B", "differ in side"),
        ("body_part", "FOOT", "differ in body part (HAND at baseline, FOOT at follow-up)"),
        ("view", "LAT", "differ in view"),
    ],
)
def test_what_is_stated_on_both_and_differs_is_a_contradiction(field: str, value: str, words: str) -> None:
    check = check_identity(film(**FULL), film(**{**FULL, field: value}))
    assert len(check.contradictions) == 1
    assert words in check.contradictions[0]


def test_another_patient_is_a_contradiction_whose_text_holds_no_identifier() -> None:
    check = check_identity(film(**FULL), film(**{**FULL, "patient_key": "p2"}))
    assert check.contradictions == ("The headers name different patients.",)


def test_what_is_missing_is_warned_of_and_never_refused() -> None:
    check = check_identity(film(**FULL), film(**{**FULL, "side": None, "view": None}))
    assert check.contradictions == ()
    assert [str(warning) for warning in check.warnings] == [
        "The follow-up film does not say its side and view: taken to be the same."
    ]
    assert (check.warnings[0].code, check.warnings[0].film) == ("identity_missing", "followup")


def test_two_bare_films_give_one_warning() -> None:
    check = check_identity(film(), film())
    assert [str(warning) for warning in check.warnings] == [
        "Neither film says its patient, body part, side and view: taken to be the same."
    ]
    assert check.warnings[0].film is None


def test_a_followup_before_its_baseline_is_warned_of() -> None:
    check = check_identity(film(**FULL), film(**{**FULL, "study_date": "2025-12-31"}))
    assert [str(warning) for warning in check.warnings] == [
        "The follow-up film is dated before the baseline film: check the order."
    ]
