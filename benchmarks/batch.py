"""Films a second, memory a worker, speed-up and overhead of `study run`, on films of a folder or simulated ones.

    python benchmarks/batch.py [--films FOLDER] [--subjects 6] [--spacing 0.115]

The same study is run with one process and with two, from nothing each time, and its tables compared byte by byte. The
last column is the processor time of the batch with one process over that of the same pieces of work one after the other
in this process: what the engine itself costs. Beside the seconds by the clock stand those of the processor and how many
cores that makes: with fewer than the workers, something else had the machine, and the speed-up is that of a busy one.
"""

from __future__ import annotations

import argparse
import os
import resource
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
    """Do the study's work in this process, without the engine, and return the processor seconds it takes."""
    from calcimeasure.study.study_state import Study
    from calcimeasure.study.study_work import compare_pair_work, read_series_work

    state = Study(study)
    # The first film pays for imports and for the models that are loaded once.
    read_series_work(state.reading_work(state.series[0]))
    started = time.process_time()
    for series in state.series:
        work = state.reading_work(series)
        for pair in state.pair_works(work, read_series_work(work)):
            compare_pair_work(pair)
    return time.process_time() - started


def batch(films: Path, folder: Path, workers: int) -> tuple[Path, dict[str, Any]]:
    from calcimeasure.study.study_export import export_study
    from calcimeasure.study.study_init import init_study
    from calcimeasure.study.study_runner import run_study

    study = folder / f"workers{workers}"
    count = len(init_study(films, study, keep_ids=True).films)
    with PeakOfChildren() as peak:
        started, worked = time.perf_counter(), processor_seconds()
        state = run_study(study, workers=workers)
        seconds, processor = time.perf_counter() - started, processor_seconds() - worked
    export_study(study, state)
    return study, {"films": count, "seconds": seconds, "processor": processor, "mib": peak.mib}


def processor_seconds() -> float:
    """Return what this process and its children that ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path)
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--spacing", type=float, default=0.115)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = options.films
        if films is None:
            films = folder / "films"
            command = [sys.executable, "-m", "calcimeasure", "simulate", "study", "--out", str(films)]
            command += ["--subjects", str(options.subjects), "--spacing", str(options.spacing)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        one, first = batch(films, folder, 1)
        two, second = batch(films, folder, 2)
        alone = one_after_the_other(two)
        same = "yes" if tables(one) == tables(two) else "NO"
    head = "workers | films | seconds | processor s | cores had | films a second | MiB a worker | speed-up | same bytes"
    print(f"| {head} | over its stages |")
    print("|---" * 10 + "|")
    for workers, row in ((1, first), (2, second)):
        cells = [
            str(workers),
            str(row["films"]),
            f"{row['seconds']:.1f}",
            f"{row['processor']:.1f}",
            f"{row['processor'] / row['seconds']:.2f}",
            f"{row['films'] / row['seconds']:.2f}",
            f"{row['mib']:.0f}",
            f"{first['seconds'] / row['seconds']:.2f}",
            same,
            f"{row['processor'] / alone:.2f}" if workers == 1 else "",
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
