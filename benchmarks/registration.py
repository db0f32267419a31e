"""How well and how fast two visits are aligned: simulated pairs of one limb, and films of different limbs.

    python benchmarks/registration.py --pairs 12 --strangers 12

Pairs differ in spread, flexion, tilt, place, exposure and processing. The error is that of the deposits' centres (what
both visits show in full), so that it holds what a tilt shifts deposits against the bone beside them. A quarter of the
pairs has the follow-up turned by a quarter.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import map_points
from calcimeasure.registration.film_registration import register
from calcimeasure.simulation import ChangePlan, SimulatedPair, simulate_pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12, help="pairs of one limb, a part")
    parser.add_argument("--strangers", type=int, default=12, help="pairs of different limbs")
    parser.add_argument("--parts", default="hand", help="comma-separated: hand,hands,forearm,elbow,knee")
    parser.add_argument("--spacing", type=float, default=0.2, help="mm a pixel")
    parser.add_argument("--first-seed", type=int, default=400_000)
    options = parser.parse_args()
    parts = options.parts.split(",")
    print(f"{'part':8} {'aligned':>9} {'median mm':>10} {'95 % mm':>8} {'max mm':>7} {'scale z-SD':>10} {'CPU s':>6}")
    films = []
    for part in parts:
        rows = [one_pair(options.first_seed + k, part, options.spacing) for k in range(options.pairs)]
        films += [row["film"] for row in rows]
        errors = np.concatenate([row["errors"] for row in rows if row["ok"]] or [np.zeros(0)])
        z = [row["z"] for row in rows if row["z"] is not None]
        told = np.percentile(errors, [50, 95, 100]) if errors.size else [np.nan] * 3
        spread = np.sqrt(np.mean(np.square(z))) if z else np.nan
        aligned = f"{sum(row['ok'] for row in rows)}/{len(rows)}"
        seconds = np.median([row["seconds"] for row in rows])
        print(f"{part:8} {aligned:>9} {told[0]:10.2f} {told[1]:8.2f} {told[2]:7.2f} {spread:10.2f} {seconds:6.2f}")
    refused, tried = strangers(films, options.strangers, options.first_seed)
    print(f"different limbs refused: {refused}/{tried}")


def one_pair(seed: int, part: str, spacing_mm: float) -> dict[str, object]:
    pair = simulate_pair(np.random.default_rng(seed), plan=ChangePlan(area_ratio=1.0), part=part, spacing_mm=spacing_mm)
    quarters = 1 if seed % 4 == 0 else 0
    baseline, followup = pair.baseline.film, turned(pair.followup.film, quarters)
    anatomies = find_anatomy(baseline), find_anatomy(followup)
    start = time.process_time()
    registration, alignment = register(baseline, followup, *anatomies)
    seconds = time.process_time() - start
    result = {"film": baseline, "ok": alignment is not None, "seconds": seconds, "errors": np.zeros(0), "z": None}
    if alignment is None:
        print(f"  {part} {seed}: {registration.status}: {registration.reason}")
        return result
    before, after = shown_twice(pair)
    places = map_points(alignment, before)
    expected = after if not quarters else np.stack([pair.followup.film.shape[1] - 1 - after[:, 1], after[:, 0]], axis=1)
    result["errors"] = np.hypot(*(places - expected).T) * spacing_mm
    if registration.scale is not None and registration.scale_se:
        expected_scale = true_size(pair.followup.truth) / true_size(pair.baseline.truth)
        result["z"] = float(np.log(registration.scale / expected_scale)) * registration.scale / registration.scale_se
    return result


def shown_twice(pair: SimulatedPair) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the deposits that both films show in full."""
    later = {deposit.identity: deposit for deposit in pair.followup.truth.deposits if deposit.in_field > 0.99}
    both = [(d, later[d.identity]) for d in pair.baseline.truth.deposits if d.identity in later and d.in_field > 0.99]
    centres = [[(d.centroid_row, d.centroid_col) for d in side] for side in zip(*both, strict=True)] or [[], []]
    return np.reshape(centres[0], (-1, 2)), np.reshape(centres[1], (-1, 2))


def true_size(truth: object) -> float:
    """Magnification at the limb's height, shortened by tilt as bone and flat deposits are."""
    distance = truth.exposure["source_distance_mm"]
    return distance / (distance - truth.pose["height_mm"]) * np.sqrt(np.cos(np.deg2rad(truth.pose["tilt_deg"])))


def turned(film: Radiograph, quarters: int) -> Radiograph:
    if not quarters:
        return film
    pixels = np.ascontiguousarray(np.rot90(film.pixels, quarters))
    return replace(film, pixels=pixels, sha256="", padding=None)


def strangers(films: list[Radiograph], count: int, seed: int) -> tuple[int, int]:
    rng = np.random.default_rng(seed)
    refused = tried = 0
    while tried < count and len(films) > 1:
        one, other = rng.choice(len(films), 2, replace=False)
        registration, _ = register(films[one], films[other], find_anatomy(films[one]), find_anatomy(films[other]))
        if registration.status == "ok":
            print(f"  films {one} and {other} of different subjects pass (scale +- {registration.scale_se:.4f})")
        refused += registration.status != "ok"
        tried += 1
    return refused, tried


if __name__ == "__main__":
    main()
