"""The design page has every package and module."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_is_in_the_layout() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    tree = page.split("<!-- layout: begin -->")[1].split("<!-- layout: end -->")[0]
    listed = {line.split()[0] for line in tree.splitlines() if line.strip()}
    modules = {
        path.name
        for folder in ("calcimeasure", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if path.stem != "__init__"
    }
    assert modules - listed == set(), "run python scripts/layout_page.py"
    assert {name for name in listed if name.endswith(".py")} - modules == set(), "run python scripts/layout_page.py"
