"""A study whose work is stubbed, run as a program of its own: for tests that kill it, and its workers.

    python stub_study.py STUDY WORKERS [cluster]

Each piece of work takes a few hundredths of a second and writes what real work writes. `log.txt` beside the study
gets a line when work on a film begins and when it is finished. STUB_DIES_AT in the environment names a film at which
the worker dies; with STUB_DIES_ONCE, a file's path, only while that file is not there.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from calcimeasure.study import study_runner
from calcimeasure.study.data_dictionary import PAIRS
from calcimeasure.study.result_store import write_mark, write_whole
from calcimeasure.study.study_runner import run_study
from calcimeasure.study.study_work import PairWork, ReadWork

SECONDS = 0.03
PAIR_COLUMNS = [column.name for column in PAIRS]


def log(work: ReadWork | PairWork, line: str) -> None:
    study = next(parent for parent in work.mark.parents if parent.name == "results").parent
    with (study.parent / "log.txt").open("a") as file:
        file.write(line + "\n")


def read(work: ReadWork) -> dict[str, Any]:
    films = {}
    for one in work.films:
        log(work, f"begin {one.row.name}")
        if one.row.name == os.environ.get("STUB_DIES_AT"):
            once = os.environ.get("STUB_DIES_ONCE")
            if once is None:
                os._exit(9)
            if not Path(once).exists():
                Path(once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SECONDS)
        digest = one.sha256 or "0" * 64
        area = int(digest[:4], 16) / 1000.0
        record = {
            "film_id": digest[:16],
            "sha256": digest,
            "pixel_spacing_mm": [0.1, 0.1],
            "spacing_basis": "detector",
            "total_area_mm2": area,
            "total_area_se_mm2": 0.1,
            "total_area_px": 100.0 * area,
            "total_area_se_px": 10.0,
            "deposits": [],
            "warnings": [],
        }
        write_whole(one.folder / "measurement.json", digest.encode())
        films[one.row.name] = {"status": "ok", "read_by": "program", "record": record}
    mark = {"key": work.key, "films": films}
    write_mark(work.mark, mark)
    for one in work.films:
        log(work, f"done {one.row.name}")
    return mark


def pair(work: PairWork) -> dict[str, Any]:
    time.sleep(SECONDS)
    empty = dict.fromkeys(name for name in PAIR_COLUMNS if name not in ("sentence", "verdict"))
    empty |= {"ci95_percent": None, "ci90_percent": None}
    mark = empty | {
        "key": work.key,
        "kind": work.pair.kind,
        "baseline": work.pair.baseline.name,
        "followup": work.pair.followup.name,
        "status": "ok",
        "baseline_common_area_mm2": 1.0,
        "followup_common_area_mm2": 1.0,
        "log_ratio": 0.0,
        "log_ratio_se": 0.05,
        "verdict": "no_change",
        "sentence": "No change.",
        "reasons": [],
        "warnings": [],
        "links": [],
    }
    write_whole(work.folder / "comparison.json", b"{}")
    write_mark(work.mark, mark)
    return mark


def main() -> None:
    # Not above: each worker imports this file, and has no use for it.
    from calcimeasure.study.study_export import export_study

    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        sys.path.insert(0, str(Path(__file__).parent))
        import stub_study as stub
        from distributed import LocalCluster

        # A cluster's workers find functions by the name of their module, which is not this program's.
        study_runner.read_series_work, study_runner.compare_pair_work = stub.read, stub.pair
        with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as local:
            export_study(folder, run_study(folder, scheduler=local.scheduler_address))
        return
    study_runner.read_series_work, study_runner.compare_pair_work = read, pair
    export_study(folder, run_study(folder, workers=workers))


if __name__ == "__main__":
    main()
