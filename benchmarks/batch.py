"""Films a second, memory a worker, speed-up and overhead of `study run`, on films of a folder or simulated ones.

    python benchmarks/batch.py [--films FOLDER] [--subjects 6] [--spacing 0.115]

The same study is run with one process and with two, from nothing each time, and its tables compared byte by byte. The
last column is the time of the batch with one process over the time that the same pieces of work take one after the
other in this process: what the engine itself costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

# Before numpy is imported: one thread a process, as workers have it.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))


class PeakOfChildren:
    """The largest resident memory of any one child process while the block runs, in MiB."""

    def __enter__(self) -> PeakOfChildren:
        self.mib = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._ended.wait(0.1):
            for child in me.children(recursive=True):
                try:
                    self.mib = max(self.mib, child.memory_info().rss / 2**20)
                except psutil.NoSuchProcess:
                    continue

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def tables(study: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((study / "results" / "tables").iterdir())}


def one_after_the_other(study: Path) -> float:
    """Do the study's work in this process, without the engine, and return the seconds it takes."""
    from calcimeasure.study.state import Study
    from calcimeasure.study.work import do_pair, do_reading

    state = Study(study)
    # The first film pays for imports and for the models that are loaded once.
    do_reading(state.reading_work(state.series[0]))
    started = time.perf_counter()
    for series in state.series:
        work = state.reading_work(series)
        for pair in state.pair_works(work, do_reading(work)):
            do_pair(pair)
    return time.perf_counter() - started


def batch(films: Path, folder: Path, workers: int) -> tuple[Path, dict[str, Any]]:
    from calcimeasure.study.export import export_study
    from calcimeasure.study.init import init_study
    from calcimeasure.study.runner import run_study

    study = folder / f"workers{workers}"
    count = len(init_study(films, study, keep_ids=True).films)
    with PeakOfChildren() as peak:
        started = time.perf_counter()
        state = run_study(study, workers=workers)
        seconds = time.perf_counter() - started
    export_study(study, state)
    return study, {"films": count, "seconds": seconds, "mib": peak.mib}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path)
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--spacing", type=float, default=0.115)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = asked.films
        if films is None:
            films = folder / "films"
            command = [sys.executable, "-m", "calcimeasure", "simulate", "study", "--out", str(films)]
            command += ["--subjects", str(asked.subjects), "--spacing", str(asked.spacing)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        one, first = batch(films, folder, 1)
        two, second = batch(films, folder, 2)
        alone = one_after_the_other(two)
        same = "yes" if tables(one) == tables(two) else "NO"
    print("| workers | films | seconds | films a second | MiB a worker | speed-up | same bytes | over its stages |")
    print("|---|---|---|---|---|---|---|---|")
    for workers, row in ((1, first), (2, second)):
        speed_up = first["seconds"] / row["seconds"]
        over = f"{row['seconds'] / alone:.2f}" if workers == 1 else ""
        print(
            f"| {workers} | {row['films']} | {row['seconds']:.1f} | {row['films'] / row['seconds']:.2f} | "
            f"{row['mib']:.0f} | {speed_up:.2f} | {same} | {over} |"
        )


if __name__ == "__main__":
    main()
