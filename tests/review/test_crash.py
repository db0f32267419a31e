"""A reading survives the death of the program: whole, and at most five seconds behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_sessions.py")
MOST_BEHIND_S = 5.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the kills are made in forked processes")


def kill_sessions(folder: Path, count: int, seed: int, autosave_s: float, longest_s: float) -> list[dict[str, object]]:
    arguments = [str(folder), str(count), str(seed), str(autosave_s), str(longest_s)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    reported = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert reported.returncode == 0, reported.stderr
    return [json.loads(line) for line in reported.stdout.splitlines()]


def check(results: list[dict[str, object]], count: int) -> None:
    assert len(results) == count
    assert all(result["killed"] for result in results), "a reader ended before it was killed"
    assert all(result["whole"] for result in results), results
    assert max(result["behind_s"] for result in results) <= MOST_BEHIND_S
    assert sum(result["edits"] for result in results) > count, "the readers hardly worked"


def test_ten_readers_killed_at_random_moments(tmp_path: Path) -> None:
    check(kill_sessions(tmp_path, 10, 1, 0.1, 1.0), 10)


@pytest.mark.slow
def test_fifty_readers_killed_at_random_moments(tmp_path: Path) -> None:
    check(kill_sessions(tmp_path, 50, 1000, 1.5, 12.0), 50)
