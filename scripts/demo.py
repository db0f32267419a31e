"""`make demo`: compare the sample pairs, print a table of verdicts and where the pages are."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import calcimeasure as cm
from calcimeasure.comparison import verdict_sentence
from calcimeasure.films.samples import SAMPLE_PAIRS, sample_images_folder
from calcimeasure.results import write_comparison


def main(out: Path) -> None:
    """Write one folder of results a pair under `out`."""
    samples = sample_images_folder()
    rows = []
    for name in SAMPLE_PAIRS:
        started = time.perf_counter()
        pair = samples / name
        change = cm.compare(cm.read_film(pair / "baseline.dcm"), cm.read_film(pair / "followup.dcm"))
        write_comparison(change, out / name, overwrite=True)
        truth = json.loads((pair / "truth.json").read_text(encoding="utf-8"))
        rows.append((name, change, truth, time.perf_counter() - started))

    print("\ncalcimeasure on its two sample pairs (simulated hands, so the truth is known)\n")
    for name, change, truth, elapsed_s in rows:
        print(f"{name}  ({elapsed_s:.1f} s)")
        print(f"  verdict   {change.verdict}")
        print(f"  truth     {100 * (truth['total_area_ratio'] - 1):+.0f} %")
        print(f"  answer    {verdict_sentence(change)}")
        print(f"  page      {out / name / 'report.html'}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
