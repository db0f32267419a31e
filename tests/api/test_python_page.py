"""What docs/python.md promises exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np

import calcimeasure as cm

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_public_name_is_on_the_page_and_every_name_of_the_page_is_public() -> None:
    table = PAGE.split("## All public names")[1]
    listed = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert listed == set(cm.__all__) - {"__version__"}
    used = {node.attr for code in CODE for node in ast.walk(ast.parse(code)) if _is_public_name(node)}
    assert used <= set(cm.__all__)


def _is_public_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cm"


def test_the_segmenter_of_the_page_runs() -> None:
    pixels = np.full((200, 120), 1000.0) + np.random.default_rng(2).normal(size=(200, 120))
    pixels[50:60, 50:60] = pixels[90:100, 50:60] = 4000.0
    film = cm.film_from_array(pixels, spacing_mm=0.2)
    code = next(code for code in CODE if "class Threshold" in code).split("change = ")[0]
    names = {"cm": cm, "film": film}
    exec(code, names)  # noqa: S102
    assert len(names["labels"]) == 2
