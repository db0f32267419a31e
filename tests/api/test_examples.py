"""The examples of the public docstrings run, and the lazy table of public names is complete."""

from __future__ import annotations

import doctest
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import calcimeasure as cm

NAMES = [name for name in cm.__all__ if not name.startswith("_")]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(cm, name))]
# docs/python.md shows both in a segmenter of one's own, which test_python_page.py runs.
WITHOUT_EXAMPLE = {"Proposals", "Segmenter"}


@pytest.fixture(scope="module")
def cached() -> dict[str, object]:
    """The slow functions, each pair of films segmented and compared once for all examples."""
    return {name: cache(getattr(cm, name)) for name in ("sample_pair", "segment", "compare")}


# Their examples align two films.
SLOW = {"Comparison", "compare"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLOW])
def test_examples_run(name: str, cached: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    thing = getattr(cm, name)
    for slow, function in cached.items():
        monkeypatch.setattr(cm, slow, function, raising=False)
    monkeypatch.chdir(tmp_path)
    names = {**vars(inspect.getmodule(thing)), "cm": cm, "np": np}
    tests = [test for test in doctest.DocTestFinder().find(thing, name, globs=names) if test.examples]
    assert tests or name in WITHOUT_EXAMPLE, f"{name} has no example"
    for test in tests:
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
        assert failed.failed == 0, test.name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_slow_examples_run(
    name: str, cached: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    test_examples_run(name, cached, monkeypatch, tmp_path)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_takes_returns_and_raises(name: str) -> None:
    function = getattr(cm, name)
    text = inspect.getdoc(function) or ""
    wanted = {"Parameters", "Returns", "Raises", "Examples"}
    if inspect.signature(function).return_annotation == "None":
        wanted.remove("Returns")
    assert all(f"\n{section}\n---" in text for section in wanted)
    section = re.split("\n(?:Returns|Raises)\n", text.split("Parameters\n----------\n")[1])[0]
    described = {word for line in section.splitlines() if not line.startswith(" ") for word in line.split(", ")}
    assert set(inspect.signature(function).parameters) <= described


def test_all_dir_and_the_lazy_table_agree() -> None:
    assert dir(cm) == sorted(cm.__all__)
    assert set(cm._HOME) == set(cm.__all__) - {"__version__"}
    for name in cm.__all__:
        assert getattr(cm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'mesure'"):
        cm.mesure  # noqa: B018


def test_names_for_type_checkers_are_those_of_the_lazy_table() -> None:
    source = Path(cm.__file__).read_text(encoding="utf-8").split("if TYPE_CHECKING:")[1].split("__version__")[0]
    imported = {
        name.strip(): line.split(" import ")[0].split("from ")[1]
        for line in source.splitlines()
        if " import " in line
        for name in line.split(" import ")[1].split(",")
    }
    assert imported == cm._HOME


def test_import_loads_no_heavy_library() -> None:
    heavy = ["numpy", "scipy", "SimpleITK", "skimage", "matplotlib", "pandas", "pydicom"]
    code = f"import sys, calcimeasure; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
