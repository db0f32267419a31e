"""How long a reader waits in the viewer: `python benchmarks/interaction.py`, p50 and p95 of each thing a hand does.

The real viewer on a simulated pair of 2500 x 2000 films with 60 deposits each (their true outlines, so that the table
is as long whatever the segmenter finds). Needs the viewer extra and a display; without one:
`xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/interaction.py`.

A time runs from the input to when labels, table and verdict show the result. Redrawing the canvas afterwards is
reported apart: on a software renderer it costs more than everything else, on a graphics card next to nothing.
Processor time is given beside the wall time, because a busy machine adds little to it. "Blocked" is the longest time
that the window's event loop stood still from asking for a pair until it can be read, and while films were searched
again in the background. The first opening of a process loads libraries too, and is given apart.
"""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder holds a statistics.py, which is not the standard library's

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NAPARI_CONFIG", "")

import numpy as np

SHAPE, SPACING_MM, SEED, DEPOSITS = (2500, 2000), 0.115, 11, 60
WINDOW = (1500, 940)
AIMS_MS = {"open a pair": 6000, "click-to-segment": 150, "brush stroke": 100, "undo": 100, "row click": 100}
AIM_BLOCKED_MS = 100
TICK_MS, POLL_MS = 5, 2


@dataclass(kw_only=True)
class Times:
    """Milliseconds of one thing, one entry a repeat."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    redraw: list[float] = field(default_factory=list)


class Pulse:
    """A tick every few milliseconds in the window's thread; the longest pause is how long it was blocked."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.longest_ms = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest_ms = max(self.longest_ms, 1000 * (now - self._last))
        self._last = now

    def restart(self) -> None:
        """Begin a new measurement."""
        self._last, self.longest_ms = time.perf_counter(), 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="of each thing")
    parser.add_argument("--opens", type=int, default=3, help="how often the pair is opened, segmenter and all")
    parser.add_argument("--method", default="auto", help="segmenter of the opening")
    parser.add_argument("--films", type=Path, help="keep the films in this folder, and use them if they are there")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        films = make_films(arguments.films or Path(scratch) / "films")
        figures = measure(films, Path(scratch), arguments)
    report(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def make_films(folder: Path) -> tuple[Path, ...]:
    """Return the paths of two films, with their true label images beside them."""
    paths = tuple(folder / f"{visit}.dcm" for visit in ("baseline", "followup"))
    if not all(path.exists() for path in paths):
        from calcimeasure.simulation import ChangePlan, FilmFormat, simulate_pair, write_dicom

        folder.mkdir(parents=True, exist_ok=True)
        pair = simulate_pair(
            np.random.default_rng(SEED),
            plan=ChangePlan(area_ratio=1.1, spread=0.1, touched=0.5),
            deposits=DEPOSITS,
            film_format=FilmFormat(shape=SHAPE, spacing_mm=(SPACING_MM, SPACING_MM)),
        )
        for film, path in zip((pair.baseline, pair.followup), paths, strict=True):
            write_dicom(film, path)
            np.save(path.with_suffix(".npy"), film.labels.image)
    return paths


def measure(films: tuple[Path, ...], scratch: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW)
    QApplication.processEvents()
    pulse = Pulse()
    opening, blocked, first_s = opened_from_files(viewer, films, scratch, arguments, pulse)
    controller = opened_with_truth(viewer, films, scratch)
    figures: dict[str, Any] = {"open a pair": as_figures(opening)}
    for name, times in worked(controller, arguments.repeats).items():
        figures[name] = as_figures(times)
    figures["deposits"] = {visit.value: len(known) for visit, known in controller.session.state.deposits.items()}
    figures["first_opening_s"] = round(first_s, 1)
    figures["blocked_ms"] = {
        "opening": round(blocked[False]),
        "opening, software redraw and all": round(blocked[True]),
        "searching again": round(searched(controller, pulse)),
    }
    controller.session.close(keep=False)
    return figures


def opened_from_files(
    viewer: Any, films: tuple[Path, ...], scratch: Path, arguments: argparse.Namespace, pulse: Pulse
) -> tuple[Times, dict[bool, float], float]:
    """Return the times from asking for a pair to both films with deposits, table and verdict on the screen.

    And the longest standstill from the beginning to the end of an opening, with the canvas drawn and without; and the
    seconds of the first opening of the process.
    """
    from napari_calcimeasure.review_controller import open_review
    from napari_calcimeasure.worklist import cases_of

    times, blocked, first_s = Times(), {False: 0.0, True: 0.0}, 0.0
    canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001 - napari has no public way to the canvas
    for number in range(1 + 2 * arguments.opens):  # the first one loads libraries; every second one draws nothing
        drawn = number % 2 == 1
        canvas.setUpdatesEnabled(drawn)
        cases = cases_of(list(films), out=scratch / f"open{number}", options={"method": arguments.method})
        started, processor = time.perf_counter(), time.process_time()
        controller = open_review(viewer, cases, reader="R1", ours=True)
        pulse.restart()
        wait_until_open(controller)
        pump()
        spent_s = time.perf_counter() - started
        first_s = first_s or spent_s
        if drawn:
            times.wall.append(1000 * spent_s)
            times.processor.append(1000 * (time.process_time() - processor))
            times.redraw.append(redrawn(viewer))
        if number:
            blocked[drawn] = max(blocked[drawn], pulse.longest_ms)
        controller.leave()  # nothing was edited: nothing is asked
        controller.shut()
    canvas.setUpdatesEnabled(True)
    return times, blocked, first_s


def opened_with_truth(viewer: Any, films: tuple[Path, ...], scratch: Path) -> Any:
    """Return a controller with the same films and all their true deposits."""
    from calcimeasure.deposits import from_label_image
    from calcimeasure.io import read_film
    from calcimeasure.notices import TimePoint
    from calcimeasure.review.review_input import pair_review_input
    from napari_calcimeasure.review_controller import open_review
    from napari_calcimeasure.worklist import ReviewCase

    class Known(ReviewCase):
        """A case whose deposits are known."""

        def open(self, progress: Callable[[str], None] | None = None) -> Any:
            read = {visit: read_film(path) for visit, path in self.paths.items()}
            labels = {
                visit: from_label_image(
                    np.load(path.with_suffix(".npy")), film_sha256=read[visit].sha256, method="truth", confidence=0.9
                )
                for visit, path in self.paths.items()
            }
            return pair_review_input(*read.values(), labels=labels, progress=progress)

    case = Known(title="truth", root=scratch / "truth", paths=dict(zip(TimePoint, films, strict=True)))
    controller = open_review(viewer, [case], reader="R1", ours=True)
    wait_until_open(controller)
    return controller


def worked(controller: Any, repeats: int) -> dict[str, Times]:
    """Return the times of what a hand does, each on another deposit and taken back afterwards."""
    from calcimeasure.notices import TimePoint

    visit, layers, commands, panel = TimePoint.FOLLOWUP, controller.layers, controller.commands, controller.panel
    live = layers.session.live[visit]
    numbers = sorted(layers.session.state.deposits[visit], key=lambda n: -live.row(n).area_px)[:repeats]
    found = {number: live.row(number) for number in numbers}
    places = {number: (row.centroid_row, row.centroid_col) for number, row in found.items()}
    times = {name: Times() for name in AIMS_MS if name != "open a pair"}
    layer = layers.labels[visit]
    for number in numbers:
        index = panel.table.proxy.mapFromSource(panel.table.links.index(row_of(layers, visit, number), 0))
        timed(times["row click"], controller.viewer, lambda index=index: panel.table.clicked.emit(index))

        layers.selection.choose(visit, number)
        commands.delete()
        before = len(layers.session.actions)
        commands.background.run("warm", lambda: None)
        wait_until(lambda: not commands.background.busy)
        timed(
            times["click-to-segment"], controller.viewer, lambda number=number: clicked(commands, visit, places[number])
        )
        if len(layers.session.actions) > before:
            commands.undo()
        commands.undo()

        layers.selection.choose(visit, number)
        layer.mode, layer.brush_size = "paint", 12
        row, col = places[number][0], places[number][1] + float(np.sqrt(found[number].area_px / np.pi))  # at its edge

        def stroke(number: int = number, row: float = row, col: float = col) -> None:
            with layer.block_history():
                for step in range(0, 30, 3):
                    layer.paint((row + step, col), number, refresh=False)

        done = len(layers.session.actions)
        timed(times["brush stroke"], controller.viewer, stroke)
        if len(layers.session.actions) > done:
            timed(times["undo"], controller.viewer, commands.undo)
    return times


def row_of(layers: Any, visit: Any, number: int) -> int:
    return next(k for k, row in enumerate(layers.rows) if number in row.deposits.get(visit, ()))


def clicked(commands: Any, visit: Any, place: tuple[float, float]) -> None:
    commands.click(visit, place)
    wait_until(lambda: not commands.background.busy)


def searched(controller: Any, pulse: Pulse) -> float:
    """Return how long the window stood still, at most, while the films were searched again in the background."""
    pulse.restart()
    controller.commands.detect_again()
    wait_until(lambda: not controller.background.busy)
    return pulse.longest_ms


def timed(times: Times, viewer: Any, action: Callable[[], None]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    action()
    times.wall.append(1000 * (time.perf_counter() - wall))
    times.processor.append(1000 * (time.process_time() - processor))
    times.redraw.append(redrawn(viewer))


def redrawn(viewer: Any) -> float:
    """Return what it costs to draw the canvas once."""
    started = time.perf_counter()
    viewer.window._qt_viewer.canvas.native.repaint()  # noqa: SLF001 - napari has no public way to the canvas
    spent = 1000 * (time.perf_counter() - started)
    pump()
    return spent


def pump() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    time.sleep(0.0005)


def wait_until(condition: Callable[[], bool], limit_s: float = 300.0) -> None:
    """Let the window live as it does for a reader, asleep between its events, until something has come about."""
    from qtpy.QtCore import QEventLoop, QTimer

    if condition():
        return
    loop, timer, until = QEventLoop(), QTimer(), time.perf_counter() + limit_s

    def look() -> None:
        if condition() or time.perf_counter() > until:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(POLL_MS)
    loop.exec()
    timer.stop()
    if not condition():
        raise SystemExit("the viewer did not answer within five minutes")


def wait_until_open(controller: Any) -> None:
    wait_until(lambda: controller.session is not None or "could not" in controller.frame.message.text())
    if controller.session is None:
        raise SystemExit(controller.frame.message.text())


def as_figures(times: Times) -> dict[str, float]:
    def at(values: list[float], share: float) -> float:
        return round(float(np.percentile(values, share)), 1)

    return {
        "p50_ms": at(times.wall, 50),
        "p95_ms": at(times.wall, 95),
        "processor_p50_ms": at(times.processor, 50),
        "redraw_p50_ms": at(times.redraw, 50),
        "repeats": len(times.wall),
    }


def report(figures: dict[str, Any]) -> None:
    print(f"{'':18} {'p50':>7} {'p95':>7} {'aim p95':>8} {'processor p50':>14} {'redraw p50':>11}   ms")
    for name, aim in AIMS_MS.items():
        one = figures[name]
        cells = (one["p50_ms"], one["p95_ms"], aim, one["processor_p50_ms"], one["redraw_p50_ms"])
        print(f"{name:18} {cells[0]:7.0f} {cells[1]:7.0f} {cells[2]:8d} {cells[3]:14.0f} {cells[4]:11.0f}")
    print(f"the first opening of the process took {figures['first_opening_s']} s")
    for name, longest in figures["blocked_ms"].items():
        print(f"blocked while {name}: at most {longest} ms (aim {AIM_BLOCKED_MS})")
    print("deposits:", ", ".join(f"{visit} {count}" for visit, count in figures["deposits"].items()))


if __name__ == "__main__":
    sys.exit(main())
