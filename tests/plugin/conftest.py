"""The plugin's tests: small films on a ViewerModel for logic, the real window under a display for the rest."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("NAPARI_CONFIG", "")
with warnings.catch_warnings():
    # napari's and npe2's own imports warn about pydantic; imported once here, they are silent afterwards.
    warnings.simplefilter("ignore")
    HAS_NAPARI = all(importlib.util.find_spec(name) for name in ("napari", "qtpy", "pytestqt"))
    if HAS_NAPARI:
        import napari
        import napari.layers
        from napari.components import ViewerModel

SMALL_FILMS = Path(__file__).resolve().parent.parent / "review" / "conftest.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(str(item.path)).parent == Path(__file__).parent:
            # What napari, vispy and Qt warn of is theirs; our own code is under `error` everywhere else.
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def small_films() -> Any:
    """The functions that draw small films, from the tests of readings."""
    spec = importlib.util.spec_from_file_location("small_films", SMALL_FILMS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def review_input(small_films: Any) -> Any:
    """Three deposits on the baseline, the same and a fourth on the follow-up."""
    return small_films.build_review_input()


@pytest.fixture
def model() -> Any:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def viewer(qapp: Any) -> Iterator[Any]:
    """A viewer with its window."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        pytest.skip("no display: install Xvfb (apt-get install xvfb) or set DISPLAY")
    made = napari.Viewer(show=True)
    made.window.resize(1150, 720)
    settle()
    yield made
    made.close()
    settle()


def settle(rounds: int = 8) -> None:
    """Let the window catch up with what was done."""
    from qtpy.QtTest import QTest

    for _ in range(rounds):
        QTest.qWait(15)


@pytest.fixture
def catch_up() -> Callable[[], None]:
    """The function that lets the window catch up."""
    return settle


class Answers:
    """Answers questions in a reader's place, and remembers what was asked."""

    def __init__(self, **said: Any) -> None:
        self.said = said
        self.asked: list[str] = []

    def reader(self, suggestion: str) -> str:
        self.asked.append("reader")
        return self.said.get("reader", "R1")

    def go_on(self, draft: Any) -> str:
        self.asked.append("go on")
        return self.said.get("go_on", "go on")

    def locked(self, problem: str) -> str:
        self.asked.append("locked")
        return self.said.get("locked", "look only")

    def leave(self, *, unsaved: bool) -> str:
        self.asked.append("leave")
        return self.said.get("leave", "save")

    def sign(self, sentence: str) -> bool:
        self.asked.append("sign")
        return self.said.get("sign", True)

    def length(self, pixels: float) -> float | None:
        self.asked.append("length")
        return self.said.get("length", 10.0)


@pytest.fixture
def answers() -> Callable[..., Answers]:
    """The class that answers for a reader."""
    return Answers


class SmallCase:
    """A case of films in memory."""

    def __init__(self, review_input: Any, root: Path, *, read_first: bool = False) -> None:
        self.review_input = review_input
        self.root = root
        self.title = "small films"
        self.read_first = read_first

    def open(self, progress: Any = None) -> Any:
        return self.review_input

    def status(self, reader: str) -> str:
        return "unread"


@pytest.fixture
def small_case(review_input: Any, tmp_path: Path) -> SmallCase:
    """The small films as a case that is kept in a folder of this test."""
    return SmallCase(review_input, tmp_path)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
