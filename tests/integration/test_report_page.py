"""The report in a real browser: it opens from the disk, fetches nothing, complains of nothing, and shows pictures."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calcimeasure.export import write_comparison

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTH, HEIGHT = 1280, 4000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What a browser found on opening a page."""

    dom: str
    console: list[str]
    requests: list[str]


def open_page(page: Path, folder: Path, *, fragment: str = "", screenshot: Path | None = None) -> Visit:
    """Open a page from the disk; requests are those that Chromium's own log says a page on the disk made."""
    log = folder / "net.json"
    what = f"--screenshot={screenshot}" if screenshot else "--dump-dom"
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
        "--v=0", f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--virtual-time-budget=5000",
        # A picture that is still being decoded on a busy machine is waited for.
        "--run-all-compositor-stages-before-draw",
        f"--window-size={WIDTH},{HEIGHT}", what, page.as_uri() + fragment,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    console = re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)
    return Visit(dom=done.stdout, console=console, requests=page_requests(log))


def page_requests(log: Path) -> list[str]:
    text = log.read_text("utf-8")
    try:
        events = json.loads(text)["events"]
    except json.JSONDecodeError:  # cut short: Chromium was gone before it closed the list
        events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
    found = [event.get("params", {}) for event in events]
    return [params["url"] for params in found if "file:" in params.get("network_isolation_key", "") and "url" in params]


def pairs() -> Any:
    """Return the hand-built pairs of the unit tests."""
    path = Path(__file__).parents[1] / "fixtures" / "drawn_pairs.py"
    spec = importlib.util.spec_from_file_location("hand_built_pairs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "out"
    return write_comparison(pairs().draw_pair(height=700), folder) / "report.html"


def test_the_observer_sees_what_a_page_does(tmp_path: Path) -> None:
    page = tmp_path / "loud.html"
    page.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("boom")</script>')
    visit = open_page(page, tmp_path)
    assert visit.requests == ["http://127.0.0.1:9/x.png"]
    assert any("boom" in line for line in visit.console)


def test_it_opens_quietly_and_flickers(report: Path, tmp_path: Path) -> None:
    visit = open_page(report, tmp_path, fragment="#flicker")
    assert visit.requests == []
    assert visit.console == []
    flips = re.search(r'data-flips="(\d+)"', visit.dom)
    assert flips is not None
    assert int(flips.group(1)) >= 3
    assert re.search(r'data-shown="(baseline|followup)"', visit.dom)
    assert 'aria-pressed="true"' in visit.dom


def test_what_a_file_says_cannot_fetch(report: Path, tmp_path: Path) -> None:
    """Even markup that got into the page could not leave it."""
    page = tmp_path / "report.html"
    inserted = '<img src="http://127.0.0.1:9/x.png"><script>document.title = "owned"</script>'
    page.write_text(report.read_text("utf-8").replace("</main>", inserted + "</main>"), "utf-8")
    visit = open_page(page, tmp_path)
    assert visit.requests == []
    assert "<title>owned" not in visit.dom
    assert any("Content Security Policy" in line for line in visit.console)


def test_pictures_are_not_flat_and_the_two_sides_differ(report: Path, tmp_path: Path) -> None:
    shots = {}
    for side in ("baseline", "followup"):
        shot = tmp_path / f"{side}.png"
        visit = open_page(report, tmp_path, fragment=f"#show-{side}", screenshot=shot)
        assert visit.console == []
        with Image.open(shot) as image:
            shots[side] = np.asarray(image.convert("L"), dtype=int)
    first, second = shots["baseline"], shots["followup"]
    assert first.shape == (HEIGHT, WIDTH)
    dark = first < 8  # the ground of the films
    assert 0.05 < dark.mean() < 0.6
    rows = np.flatnonzero(dark.mean(axis=1) > 0.2)
    films = first[rows.min() : rows.min() + 400]
    assert films.std() > 30
    changed = np.abs(first - second) > 40
    assert np.count_nonzero(changed) > 200
    # Only the laid-over view answers to the button.
    where = np.flatnonzero(changed.any(axis=1))
    assert np.ptp(where) < 900
