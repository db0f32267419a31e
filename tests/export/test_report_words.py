"""Numbers as people read them."""

from __future__ import annotations

import pytest

from calcimeasure.change.change_records import Link, LinkStatus
from calcimeasure.export.report import wording
from calcimeasure.radiograph import Identity
from calcimeasure.registration.registration_records import Registration


def plain(text: str) -> str:
    return text.replace("\u2212", "-").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (12.4, 0, "+12 %"),
        (-0.4, 0, "0 %"),
        (-0.4, 1, "-0.4 %"),
        (-33.3, 0, "-33 %"),
        (None, 0, "\u2013"),
        (0.0, 1, "0 %"),
    ],
)
def test_signed_percent(value: float | None, digits: int, expected: str) -> None:
    assert plain(wording.signed_percent(value, digits)) == expected


def test_interval_and_margin() -> None:
    assert plain(wording.interval_percent((-3.1, 7.9))) == "-3 to +8 %"
    assert plain(wording.margin((0.8, 1.25))) == "-20 to +25 %"
    assert wording.interval_percent(None) == wording.NONE


@pytest.mark.parametrize(
    ("mm2", "px", "expected"),
    [
        (0.034, 3.0, "0.03 mm²"),
        (4.567, 3.0, "4.57 mm²"),
        (45.67, 3.0, "45.7 mm²"),
        (456.7, 3.0, "457 mm²"),
        (None, 31.2, "31 px²"),
        (None, None, "\u2013"),
    ],
)
def test_area(mm2: float | None, px: float | None, expected: str) -> None:
    assert plain(wording.area(mm2, px)) == expected


def test_typographic_leaves_words_and_dates_alone() -> None:
    text = wording.typographic("It fell by -20 % on the follow-up of 2024-03-01, not -5.5 %.")
    assert text == "It fell by \u221220\u202f% on the follow-up of 2024-03-01, not \u22125.5\u202f%."


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("2024-01-01", "2024-01-02", "1 day apart"),
        ("2024-01-01", "2024-04-01", "91 days apart, about 3 months"),
        ("2024-04-01", "2024-01-01", "91 days apart, about 3 months, the follow-up first"),
        (None, "2024-01-01", ""),
        ("in spring", "2024-01-01", ""),
    ],
)
def test_time_between(first: str | None, second: str | None, expected: str) -> None:
    assert wording.time_between(Identity(study_date=first), Identity(study_date=second)) == expected


def test_what_is_shown() -> None:
    assert wording.what_is_shown(Identity(body_part="HAND", side="L", view="PA")) == "Hand, left, PA view"
    assert wording.what_is_shown(Identity(side="B")) == "both sides"
    assert wording.what_is_shown(Identity()) == ""


def test_every_status_has_words() -> None:
    for status in LinkStatus:
        assert wording.status_words(Link(status=status, baseline_labels=(1, 2), followup_labels=(3,)))


def test_alignment() -> None:
    said = plain(wording.alignment_words(Registration(status="ok", scale=1.004, scale_se=0.002, rms_px=3.2)))
    assert said == (
        "The bones lie within 3.20 pixels (root mean square). "
        "Bones on the follow-up are 1.004 ± 0.002 (standard error) times as large; the change is not corrected for it."
    ).replace("3.20", "3.2")
    assert "could not be aligned: no bone" in wording.alignment_words(Registration(status="failed", reason="no bone"))
