"""Seconds a simulated film: ``python benchmarks/simulation.py [--repeats N]``.

Drawing the subject (bones, places of the deposits) and rendering its film are timed apart, at the sizes that matter:
a full film of a hand, the coarser film of training and validation, and one of every other part.
"""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder holds a statistics.py

import argparse
import resource
import time

import numpy as np

from calcimeasure.simulation import insert_deposits, insert_pair
from calcimeasure.simulation.formats import format_at
from calcimeasure.simulation.simulated_film import draw_sitting, render_film

CASES = (("hand", 0.115), ("hand", 0.2), ("hands", 0.2), ("forearm", 0.2), ("elbow", 0.2), ("knee", 0.2))
AIM_S = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{'part':<10}{'pixels':>13}{'draw s':>9}{'render s':>10}{'film s':>9}{'cpu s':>8}")
    for part, spacing_mm in CASES:
        draw_s, render_s, cpu_s = (
            np.median(column) for column in zip(*(once(part, spacing_mm, seed) for seed in range(repeats)), strict=True)
        )
        rows, cols = format_at(spacing_mm, part=part).shape
        total = draw_s + render_s
        mark = (
            "" if (part, spacing_mm) != CASES[0] else f"   aim {AIM_S:.0f} s: {'met' if total <= AIM_S else 'missed'}"
        )
        print(f"{part:<10}{rows:>6} x {cols:<4}{draw_s:>9.2f}{render_s:>10.2f}{total:>9.2f}{cpu_s:>8.2f}{mark}")
    film = render_film(draw_sitting(np.random.default_rng(1), deposits=0), np.random.default_rng(1)).film
    for name, work in (("insert", insert_deposits), ("insert pair", insert_pair)):
        start = time.perf_counter()
        work(film, np.random.default_rng(2), count=6)
        print(f"{name} into {film.shape[0]} x {film.shape[1]}: {time.perf_counter() - start:.2f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def once(part: str, spacing_mm: float, seed: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(seed)
    start, cpu = time.perf_counter(), time.process_time()
    sitting = draw_sitting(rng, part=part, deposits=6, film_format=format_at(spacing_mm, part=part))
    drawn = time.perf_counter()
    render_film(sitting, rng)
    return drawn - start, time.perf_counter() - drawn, time.process_time() - cpu


if __name__ == "__main__":
    main()
