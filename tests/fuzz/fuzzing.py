"""Run damaged inputs in processes of their own, and count what came of them.

`python tests/fuzz/fuzzing.py FIRST COUNT` prints the figures of `docs/security.md`.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

WORKER = Path(__file__).with_name("fuzz_worker.py")
MOST_CPU_S, MOST_MB = 20.0, 1500.0
# An input that is silent for so long is stuck, on however busy a machine.
SILENT_S = 240.0


@dataclass(kw_only=True)
class FuzzFigures:
    """What came of the inputs: counts, and every input that went wrong."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mb: float = 0.0


def fuzz(first: int, count: int) -> FuzzFigures:
    """Open the inputs of some seeds; a process that dies or hangs is a fault of its input."""
    figures = FuzzFigures()
    following = first
    while following < first + count:
        following = _run_worker(following, first + count - following, figures)
    return figures


def _run_worker(first: int, count: int, figures: FuzzFigures) -> int:
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(first), str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_collect, args=(process.stdout, lines), daemon=True).start()
    errors: list[str] = []
    drain = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    drain.start()
    current: dict[str, object] = {}
    while True:
        try:
            line = lines.get(timeout=SILENT_S)
        except queue.Empty:
            process.kill()
            line = None
        if line is None:
            break
        record = json.loads(line)
        if "outcome" in record:
            _count(current, record, figures)
            current = {}
        else:
            current = record
    process.wait()
    drain.join(timeout=5)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    if not current:
        if process.returncode:
            raise RuntimeError(f"the worker failed: {''.join(errors[-5:])}")
        return first + count
    figures.inputs += 1
    figures.outcomes["ended the process"] += 1
    figures.faults.append(f"{current}: ended the process ({process.returncode})")
    return int(str(current["seed"])) + 1


def _collect(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _count(current: dict[str, object], record: dict[str, object], figures: FuzzFigures) -> None:
    outcome, cpu_s, peak_mb = str(record["outcome"]), float(str(record["cpu_s"])), float(str(record["peak_mb"]))
    figures.inputs += 1
    figures.outcomes[outcome.partition(":")[0]] += 1
    figures.slowest_s = max(figures.slowest_s, cpu_s)
    grown = peak_mb > MOST_MB >= figures.peak_mb
    figures.peak_mb = max(figures.peak_mb, peak_mb)
    if outcome.startswith("unnamed") or cpu_s > MOST_CPU_S or grown:
        figures.faults.append(f"{current}: {outcome}, {cpu_s} s, {peak_mb:.0f} MB")


def main() -> None:
    figures = fuzz(int(sys.argv[1]), int(sys.argv[2]))
    print(f"{figures.inputs} inputs: {dict(figures.outcomes)}")
    print(f"slowest {figures.slowest_s:.1f} s of processor time, largest memory {figures.peak_mb:.0f} MB")
    print("\n".join(figures.faults))


if __name__ == "__main__":
    main()
