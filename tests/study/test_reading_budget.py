"""A worker that is stuck in a film ends, and the film then fails with the reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from calcimeasure.errors import FilmError
from calcimeasure.study.reading_budget import forget_stuck_films, reading_budget

# As in a worker: a process with a parent that replaces it.
STUCK = """
import multiprocessing, sys, time
from pathlib import Path
from calcimeasure.study import reading_budget
multiprocessing.parent_process = multiprocessing.current_process
reading_budget.MOST_PROCESSOR_S = 0.3
with reading_budget.reading_budget(Path(sys.argv[1]), "film.dcm"):
    while True:
        time.process_time()
"""


def test_a_stuck_worker_ends_and_its_film_is_given_up(tmp_path: Path) -> None:
    results = tmp_path / "films" / "S1" / "film"
    ended = subprocess.run([sys.executable, "-c", STUCK, str(results)], check=False, timeout=250)
    assert ended.returncode == 1
    with pytest.raises(FilmError, match=r"film\.dcm: reading it took longer"), reading_budget(results, "film.dcm"):
        pass
    forget_stuck_films(tmp_path / "films")
    with reading_budget(results, "film.dcm"):
        pass
