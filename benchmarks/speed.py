"""Milliseconds a stage for one pair of 2500 x 2000 films: `python benchmarks/speed.py`.

`--method classical` measures the segmenter that needs no trained network. The pair is simulated (seed 7, seven
deposits, 0.115 mm) and written as uncompressed DICOM before the clock starts. The stages are those that
`calcimeasure.compare` itself names as it goes; reading comes before them, and tables, pictures, page and DICOM after
them. One warm-up run is not counted; of the repeats the table shows the fastest and the median wall time and the least
processor time, which a busy machine adds little to.

The floor is what any program has to do with two such films, measured in the same run: decode both, one Gaussian of
sigma 3 and one connected-component labelling of each, with SciPy and, the harder comparison, with OpenCV. Cold figures
are whole processes, imports and all; peak memory is that of a process that compares and writes.
"""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder holds a statistics.py, which is not the standard library's

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

SHAPE, SPACING_MM, SEED, DEPOSITS = (2500, 2000), 0.115, 7, 7
AIM_S, AIM_GB = {"classical": 3.0, "network": 5.0}, {"classical": 1.0, "network": 1.5}
AIM_FLOOR, AIM_COLD_S, AIM_HELP_S, AIM_IMPORT_S = 8.0, 5.0, 0.4, 0.25

Seconds = dict[str, tuple[float, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--method", choices=sorted(AIM_S), default="network")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--films", type=Path, help="keep the two films in this folder, and use them if they are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        films = make_films(arguments.films or Path(scratch))
        figures = measure(films, Path(scratch), repeats=arguments.repeats, method=arguments.method)
    report(figures, arguments.method)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def make_films(folder: Path) -> tuple[Path, Path]:
    paths = (folder / "baseline.dcm", folder / "followup.dcm")
    if not all(path.exists() for path in paths):
        from calcimeasure.simulation import ChangePlan, FilmFormat, simulate_pair, write_dicom

        folder.mkdir(parents=True, exist_ok=True)
        pair = simulate_pair(
            np.random.default_rng(SEED),
            plan=ChangePlan(area_ratio=1.2, spread=0.1, touched=0.5, new=1),
            deposits=DEPOSITS,
            film_format=FilmFormat(shape=SHAPE, spacing_mm=(SPACING_MM, SPACING_MM)),
        )
        for film, path in zip((pair.baseline, pair.followup), paths, strict=True):
            write_dicom(film, path)
    return paths


def measure(films: tuple[Path, Path], scratch: Path, *, repeats: int, method: str) -> dict[str, Any]:
    runs = [one_run(films, scratch / f"run{number}", method) for number in range(repeats + 1)][1:]
    floors = [floor(films) for _ in range(repeats + 1)][1:]
    stages = {
        name: {
            "fastest_ms": 1000 * min(run[name][0] for run in runs),
            "median_ms": 1000 * float(np.median([run[name][0] for run in runs])),
            "processor_ms": 1000 * min(run[name][1] for run in runs),
        }
        for name in runs[0]
    }
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "stages": stages,
        "floor_ms": 1000 * min(one["opencv"][0] for one in floors),
        "floor_scipy_ms": 1000 * min(one["scipy"][0] for one in floors),
        "floor_processor_ms": 1000 * min(one["opencv"][1] for one in floors),
        "floor_scipy_processor_ms": 1000 * min(one["scipy"][1] for one in floors),
        "self_check_ms": self_check_ms(films, method),
        **cold(films, scratch, method),
    }


class Clock:
    """Wall and processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: Seconds = {}
        self._open: tuple[str, float, float] | None = None

    def begin(self, stage: str | None) -> None:
        """End the stage that runs, and begin the next."""
        wall, processor = time.perf_counter(), time.process_time()
        if self._open is not None:
            name, wall_0, processor_0 = self._open
            before = self.seconds.get(name, (0.0, 0.0))
            self.seconds[name] = (before[0] + wall - wall_0, before[1] + processor - processor_0)
        self._open = None if stage is None else (stage, wall, processor)


@contextmanager
def clocked() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.begin(None)


def one_run(films: tuple[Path, Path], folder: Path, method: str) -> Seconds:
    """Return the seconds of each stage of one comparison, from the files to the folder."""
    from calcimeasure.change import compare
    from calcimeasure.export.csv_tables import comparison_deposits_csv, links_csv
    from calcimeasure.export.dicom import write_comparison_dicom
    from calcimeasure.export.film_picture import display_measured
    from calcimeasure.export.json_records import comparison_record, record_text
    from calcimeasure.export.outline_marks import pair_marks
    from calcimeasure.export.overlay import draw_overlay
    from calcimeasure.export.report.report_page import report_html
    from calcimeasure.io import read_film
    from calcimeasure.io.label_images import labels_tiff

    folder.mkdir(parents=True)
    with clocked() as clock:
        clock.begin("Reading")
        baseline, followup = (read_film(path) for path in films)
        comparison = compare(baseline, followup, method=method, progress=clock.begin)
        clock.begin("Tables and label images")
        record = comparison_record(comparison)
        (folder / "comparison.json").write_text(record_text(record))
        (folder / "deposits.csv").write_text(comparison_deposits_csv(comparison))
        (folder / "links.csv").write_text(links_csv(comparison))
        sides = {"baseline": comparison.baseline, "followup": comparison.followup}
        for name, side in sides.items():
            (folder / f"{name}.tif").write_bytes(labels_tiff(side.labels, side.film.spacing))
        clock.begin("Pictures (overlay.png)")
        shown = (display_measured(comparison.baseline), display_measured(comparison.followup))
        for name, picture, marks in zip(sides, shown, pair_marks(comparison), strict=True):
            (folder / f"{name}.png").write_bytes(draw_overlay(picture, marks))
        clock.begin("HTML")
        (folder / "report.html").write_text(report_html(comparison, record, shown=shown))
        clock.begin("DICOM (--dicom)")
        write_comparison_dicom(comparison, folder)
    return clock.seconds


def self_check_ms(films: tuple[Path, Path], method: str) -> float:
    """Return what --self-check adds to a comparison; it is not part of the usual run."""
    from calcimeasure.change import compare
    from calcimeasure.io import read_film

    pair = [read_film(path) for path in films]
    took = []
    for check in (False, True):
        start = time.perf_counter()
        compare(*pair, method=method, self_check=check)
        took.append(time.perf_counter() - start)
    return 1000 * (took[1] - took[0])


def floor(films: tuple[Path, Path]) -> Seconds:
    """Return wall and processor seconds of decoding, blurring and labelling both films, with OpenCV and with SciPy."""
    import pydicom

    def decoded() -> list[np.ndarray]:
        return [pydicom.dcmread(path).pixel_array.astype(np.float32) for path in films]

    def with_opencv() -> None:
        for pixels in decoded():
            smooth = cv2.GaussianBlur(pixels, (0, 0), 3.0)
            cv2.connectedComponents((smooth > pixels.mean()).astype(np.uint8))

    def with_scipy() -> None:
        for pixels in decoded():
            smooth = ndimage.gaussian_filter(pixels, 3.0)
            ndimage.label(smooth > pixels.mean())

    with clocked() as clock:
        clock.begin("scipy")
        with_scipy()
        clock.begin("opencv")
        with_opencv()
    return clock.seconds


def wall(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cold(films: tuple[Path, Path], scratch: Path, method: str) -> dict[str, Any]:
    """Return seconds and memory of whole processes."""
    python = [sys.executable]
    out = iter(range(100))

    def compare_once() -> object:
        command = [*python, "-m", "calcimeasure", "compare", *map(str, films), "--quiet", "--method", method]
        return subprocess.run([*command, "--out", str(scratch / f"cold{next(out)}")], check=False, capture_output=True)

    def run(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([*python, *words], check=True, capture_output=True)

    def fastest(work: Callable[[], object], times: int) -> float:
        return min(wall(work) for _ in range(times))

    numpy_s = fastest(run("-c", "import numpy"), 5)
    figures: dict[str, Any] = {
        "cold_compare_s": fastest(compare_once, 3),
        "peak_gb": peak_gb(films, scratch, method),
        "help_s": fastest(run("-m", "calcimeasure", "--help"), 5),
        "import_s": fastest(run("-c", "import numpy, calcimeasure"), 5) - numpy_s,
        "import_numpy_s": numpy_s,
    }
    return figures


def peak_gb(films: tuple[Path, Path], scratch: Path, method: str) -> float:
    """Return the peak memory of one process that compares and writes, as it says itself when it ends.

    Asked from outside (getrusage), a child's figure starts from what this program held when it was started.
    """
    code = (
        "import atexit, pathlib, sys; status = pathlib.Path('/proc/self/status');"
        "atexit.register(lambda: print(status.read_text().split('VmHWM:')[1].split()[0]));"
        "from calcimeasure.__main__ import main; main()"
    )
    words = ["compare", *map(str, films), "--quiet", "--method", method, "--out", str(scratch / "peak")]
    done = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) * 1024 / 1e9


def report(figures: dict[str, Any], method: str) -> None:
    stages = figures["stages"]
    usual = [name for name in stages if not name.startswith("DICOM")]
    print(f"one pair of {SHAPE[0]} x {SHAPE[1]} films, {method} method, warm, {figures['cores']} cores\n")
    print(f"{'stage':34}{'fastest ms':>12}{'median ms':>12}{'processor ms':>14}")
    for name, row in stages.items():
        print(f"{name:34}{row['fastest_ms']:12.0f}{row['median_ms']:12.0f}{row['processor_ms']:14.0f}")
    print(f"{'Self-check (--self-check)':34}{figures['self_check_ms']:12.0f}")
    columns = (("fastest_ms", 12), ("median_ms", 12), ("processor_ms", 14))
    total = {key: sum(stages[name][key] for name in usual) for key, _ in columns}
    print("-" * 72)
    print(f"{'all but DICOM and self-check':34}" + "".join(f"{total[key]:{width}.0f}" for key, width in columns))
    for name, key in (("floor (SciPy)", "floor_scipy"), ("floor (OpenCV)", "floor")):
        print(f"{name:34}{figures[f'{key}_ms']:12.0f}{'':12}{figures[f'{key}_processor_ms']:14.0f}")
    print()
    for name, value, aim, unit in (
        ("a pair, warm", total["fastest_ms"] / 1000, AIM_S[method], "s"),
        ("times the floor (SciPy)", total["fastest_ms"] / figures["floor_scipy_ms"], AIM_FLOOR, ""),
        ("times the floor (OpenCV)", total["fastest_ms"] / figures["floor_ms"], AIM_FLOOR, ""),
        ("peak memory of a process", figures["peak_gb"], AIM_GB[method], "GB"),
        ("calcimeasure compare, cold", figures["cold_compare_s"], AIM_COLD_S, "s"),
        ("calcimeasure --help", figures["help_s"], AIM_HELP_S, "s"),
        ("import beyond numpy's", figures["import_s"], AIM_IMPORT_S, "s"),
    ):
        met = "met" if value <= aim else "MISSED"
        print(f"{name:34}{value:10.2f} {unit:3} aim {aim:g} {unit:3} {met}")


if __name__ == "__main__":
    sys.exit(main())
