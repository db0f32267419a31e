"""Values in a notebook: a heading, a small table and sentences as HTML, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape


def summary_html(heading: str, rows: Mapping[str, object], sentences: Iterable[object] = ()) -> str:
    """Return a heading with a table of two columns and a list of sentences below."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    items = "".join(f"<li>{escape(str(sentence))}</li>" for sentence in sentences)
    return f"<div><b>{escape(heading)}</b><table>{cells}</table>{f'<ul>{items}</ul>' if items else ''}</div>"
