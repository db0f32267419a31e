"""Damaged files of every kind end in a result or a named error, within bounds of time and memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzzing import MOST_CPU_S, MOST_MB, FuzzFigures, fuzz


def assert_held(figures: FuzzFigures, inputs: int) -> None:
    assert figures.faults == []
    assert figures.inputs == inputs
    assert figures.slowest_s <= MOST_CPU_S
    assert figures.peak_mb <= MOST_MB
    # Damage that is always refused, or never, would test little.
    assert min(figures.outcomes["read"], figures.outcomes["refused"]) > inputs / 20


def test_500_damaged_files() -> None:
    assert_held(fuzz(0, 500), 500)


@pytest.mark.slow
def test_20000_damaged_files() -> None:
    assert_held(fuzz(100_000, 20_000), 20_000)
