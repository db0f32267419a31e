"""`report_html`: the page of a compared pair."""

from __future__ import annotations

from collections.abc import Mapping

from calcimeasure.comparison.records import Comparison


def report_html(comparison: Comparison, record: Mapping[str, object]) -> str:
    """Return the page as text."""
    from html import escape

    from calcimeasure.comparison.sentence import verdict_sentence

    return f"<!doctype html><title>calcimeasure</title><p>{escape(verdict_sentence(comparison))}</p>\n"
