"""Warnings are values: each code has its row in docs/warnings.md, and the records carry it."""

from __future__ import annotations

import re
from pathlib import Path

from calcimeasure.notices import Notice, NoticeCode, NoticeScope, TimePoint, notice_records, unique_notices

PAGE = Path(__file__).parents[1] / "docs" / "warnings.md"


def test_the_page_lists_every_code_under_its_scope() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), flags=re.M | re.S))
    assert list(sections) == [str(scope) for scope in NoticeScope]
    for scope in NoticeScope:
        rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", sections[scope], flags=re.M)
        assert [code for code, _, _ in rows] == [code.value for code in NoticeCode if code.scope is scope]
        assert all(cause.endswith(".") and remedy.endswith(".") for _, cause, remedy in rows)


def test_codes_are_snake_case_and_named_alike() -> None:
    assert all(re.fullmatch(r"[a-z][a-z_]+", code.value) and code.name == code.value.upper() for code in NoticeCode)


def test_a_sentence_is_kept_once_with_the_code_it_had_first() -> None:
    noisy = Notice(NoticeCode.FILM_NOISY, "The picture is very noisy.")
    saved = Notice(NoticeCode.SAVED_WITH_LABELS, "The picture is very noisy.")
    assert unique_notices(noisy, saved) == (noisy,)
    assert str(noisy) == f"{noisy}" == "The picture is very noisy."


def test_the_record_of_a_notice() -> None:
    notices = (Notice(NoticeCode.SAME_FILM, "Same."), Notice(NoticeCode.FILM_NOISY, "Noisy.", TimePoint.FOLLOWUP))
    assert notice_records(notices) == [
        {"code": "same_film", "film": None, "text": "Same."},
        {"code": "film_noisy", "film": "followup", "text": "Noisy."},
    ]
