"""What is said of a pair beside its verdict: once, and with what can be done about it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from calcimeasure.change.burden_change import METHOD_WARNING, PROCESSING_WARNING
from calcimeasure.change.identity_check import OTHER_PATIENT
from calcimeasure.change.pair_warnings import film_warnings, processing_warnings, refusal_reasons, spacing_warnings
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Spacing, SpacingBasis
from calcimeasure.registration.registration_records import Registration

MM = Spacing(row_mm=0.2, col_mm=0.2, basis=SpacingBasis.USER)
SIDE = "The films differ in side (L at baseline, R at follow-up)."


def film(*warnings: str, spacing: Spacing = MM) -> Any:
    notices = tuple(Notice(NoticeCode.FILM_NOISY, text) for text in warnings)
    return SimpleNamespace(warnings=notices, film=SimpleNamespace(spacing=spacing))


def test_force_is_no_cure_for_two_patients() -> None:
    told = " ".join(refusal_reasons((OTHER_PATIENT, SIDE)))
    assert told.startswith(f"{OTHER_PATIENT} {SIDE} A change from one person to another means nothing")
    assert "--force" not in told


def test_a_header_that_errs_can_be_put_right() -> None:
    told = refusal_reasons((SIDE,))
    assert told[0] == SIDE
    assert "--followup-side" in told[1]
    assert "--force compares the films as they are" in told[1]


def test_what_concerns_both_films_is_said_once() -> None:
    told = film_warnings(film("Grey is odd.", "Cut off."), film("Grey is odd.", "Too dark."))
    assert [(str(one), one.film) for one in told] == [
        ("Both films: Grey is odd.", None),
        ("Baseline film: Cut off.", "baseline"),
        ("Follow-up film: Too dark.", "followup"),
    ]
    assert {one.code for one in told} == {NoticeCode.FILM_NOISY}


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("first_has", [True, False])
def test_the_film_without_a_spacing_is_named_with_its_option(first_has: bool, applied: bool) -> None:
    films = (film(spacing=MM), film(spacing=Spacing()))
    [told] = spacing_warnings(
        *(films if first_has else films[::-1]), Registration(status="ok", scale=1.0, scale_applied=applied)
    )
    which, option = ("follow-up", "--followup-spacing") if first_has else ("baseline", "--baseline-spacing")
    assert told.text.startswith(f"The {which} film has no pixel spacing")
    assert f"Give the spacing with {option} MM." in told.text
    assert ("brought to one size by the bones" in told.text) is applied


@pytest.mark.parametrize("spacing", [MM, Spacing()])
def test_two_films_that_are_alike_in_it_are_not_warned_of(spacing: Spacing) -> None:
    assert spacing_warnings(film(spacing=spacing), film(spacing=spacing), Registration(status="ok")) == ()


def test_a_difference_of_processing_is_one_sentence() -> None:
    [first, second] = processing_warnings("the texture of the noise differs", (PROCESSING_WARNING, METHOD_WARNING))
    assert "processed: the texture of the noise differs; the intervals are wider." in first.text
    assert first.code is NoticeCode.PROCESSING_DIFFERS
    assert second == METHOD_WARNING
    assert processing_warnings(None, (METHOD_WARNING,)) == (METHOD_WARNING,)
