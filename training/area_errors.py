"""Fit how far off an area may be, from what the outline network foresees, on simulated pairs.

    python training/area_errors.py --work WORK     # run again to go on where it stopped

Every deposit of every pair is measured on both films, as found by the program and as clicked. The relative standard
error of an area is taken as exp(gain + power x log_error), likewise the part of it that the other film of the same
deposit does not share; both are fitted by the likelihood of Student's t with the degrees of freedom of the interval.
The two lines are written into `outlines.json` next to the network. Seeds 300000 up belong to development.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t as student

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change.intervals import IntervalModel
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.coverage_area import load_error_law
from calcimeasure.segmentation import segment
from calcimeasure.simulation import simulate_pair
from calcimeasure.validation.film_scoring import score_film
from calcimeasure.validation.pair_job import segment_clicked
from calcimeasure.validation.scenarios import plan_of, scenarios

FIRST_SEED = 300_000
LEAST_MM2 = 0.3
OUT = Path("calcimeasure/models/weights/outlines.json")


def rows_of_pair(work: Path, number: int) -> list[dict[str, Any]]:
    """Return a row for each deposit of one pair on each film and in each way of finding it."""
    path = work / "area_errors" / f"{number}.json"
    if path.exists():
        return list(json.loads(path.read_text(encoding="utf-8")))
    cv2.setNumThreads(1)
    scenario = scenarios(number + 1, FIRST_SEED)[number]
    rng = np.random.default_rng(scenario.seed)
    pair = simulate_pair(rng, plan=plan_of(scenario, rng), spacing_mm=0.15)
    law, rows = load_error_law(), []
    for name, side, truth in (
        ("baseline", pair.baseline, pair.truth.baseline),
        ("followup", pair.followup, pair.truth.followup),
    ):
        anatomy = find_anatomy(side.film)
        identity = {deposit.label: deposit.identity for deposit in truth.deposits}
        for way, labels in (
            ("automatic", segment(side.film)),
            ("assisted", segment_clicked(side.film, side.labels.image, rng)),
        ):
            measured = measure_film(side.film, labels, anatomy=anatomy)
            scored, _ = score_film(truth, side.labels.image, measured)
            rows += [
                {
                    "film": name,
                    "way": way,
                    "identity": identity[row["label"]],
                    "area_mm2": row["area_mm2"],
                    "background": row["background"],
                    "log_ratio": float(np.log(row["area_ratio"])),
                    "foreseen": (float(np.log(row["relative_se"])) - law.gain) / law.power,
                }
                for row in scored
                if row["area_ratio"] and row["in_field"] and row["area_mm2"] >= LEAST_MM2
            ]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(path)
    return rows


def line_of(errors: NDArray[np.float64], foreseen: tuple[NDArray[np.float64], ...]) -> tuple[float, float]:
    """Return (gain, power) under which errors whose variance is the sum of one or two films' are likeliest."""
    freedom = IntervalModel().degrees_of_freedom

    def unlikely(line: NDArray[np.float64]) -> float:
        se = np.sqrt(sum(np.exp(2 * (line[0] + line[1] * one)) for one in foreseen))
        return float(-(student.logpdf(errors / se, freedom) - np.log(se)).sum())

    best = minimize(unlikely, np.array([0.3, 1.0]), method="Nelder-Mead")
    return round(float(best.x[0]), 3), round(float(best.x[1]), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=160)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        found = list(pool.map(partial(rows_of_pair, options.work), range(options.pairs)))
    rows = [{"pair": number, **row} for number, pair in enumerate(found) for row in pair]
    gain, power = line_of(np.array([row["log_ratio"] for row in rows]), (np.array([row["foreseen"] for row in rows]),))
    first = {(row["pair"], row["way"], row["identity"]): row for row in rows if row["film"] == "baseline"}
    both = [
        (first[key], row)
        for row in rows
        if row["film"] == "followup" and (key := (row["pair"], row["way"], row["identity"])) in first
    ]
    change = np.array([after["log_ratio"] - before["log_ratio"] for before, after in both])
    sides = tuple(np.array([pair[side]["foreseen"] for pair in both]) for side in (0, 1))
    repeat_gain, repeat_power = line_of(change, sides)
    se = np.sqrt(sum(np.exp(2 * (repeat_gain + repeat_power * one)) for one in sides))
    within = float((np.abs(change) <= student.ppf(0.975, IntervalModel().degrees_of_freedom) * se).mean())
    print(f"{len(rows)} areas; of {len(both)} deposits' changes {within:.3f} lie within the 95 % interval")
    record = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    record["error_law"] = {"gain": gain, "power": power, "repeat_gain": repeat_gain, "repeat_power": repeat_power}
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(record["error_law"])


if __name__ == "__main__":
    main()
