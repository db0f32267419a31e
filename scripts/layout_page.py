"""Write the tree of packages and modules into the page on the design: `python scripts/layout_page.py`.

Packages are in the order in which a comparison runs through them, each module with the first line of its docstring.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- layout: begin -->", "<!-- layout: end -->"
PACKAGES = ("io", "anatomy", "models", "registration", "segmentation", "measurement", "change", "export",
            "export/report", "export/dicom", "review", "study", "pacs", "statistics", "simulation", "validation",
            "cli")  # fmt: skip


def layout() -> str:
    """Return the tree as the page shows it."""
    lines = ["```", "calcimeasure/", *_modules(ROOT / "calcimeasure", "  ")]
    for package in PACKAGES:
        lines += [f"  {package}/", *_modules(ROOT / "calcimeasure" / package, "    ")]
    lines += ["plugins/napari_calcimeasure/", *_modules(ROOT / "plugins" / "napari_calcimeasure", "  "), "```"]
    return "\n".join(lines)


def _modules(folder: Path, indent: str) -> list[str]:
    paths = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    return [f"{indent}{path.name:<{30 - len(indent)}} {_first_line(path)}" for path in paths]


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0].rstrip(".")


def main() -> None:
    """Replace the text between the page's two marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{layout()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
