"""How far apart the processing signatures of two films are, processed alike and processed anew.

    python benchmarks/processing.py --pairs 20

The tolerances of `calcimeasure.change.processing_check` stand above what pairs processed alike show.
"""

from __future__ import annotations

import argparse

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change.processing_check import SHARPNESS_TOLERANCE, TEXTURE_TOLERANCE, processing_signature
from calcimeasure.simulation import simulate_pair

FIRST_SEED = 900


def differences(seed: int, *, alike: bool, spacing_mm: float) -> tuple[float, float]:
    pair = simulate_pair(np.random.default_rng(seed), spacing_mm=spacing_mm, same_processing=alike, deposits=3)
    before, after = (
        processing_signature(side.film, find_anatomy(side.film)) for side in (pair.baseline, pair.followup)
    )
    texture = sharpness = np.nan
    if before.noise_correlation is not None and after.noise_correlation is not None:
        texture = abs(before.noise_correlation - after.noise_correlation)
    if before.edge_energy and after.edge_energy:
        sharpness = abs(float(np.log(after.edge_energy / before.edge_energy)))
    return texture, sharpness


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--spacing", type=float, default=0.2)
    options = parser.parse_args()
    print(f"{'processing':<12}{'sign':<12}{'median':>8}{'largest':>9}{'tolerance':>11}{'warned':>7}")
    for alike, name in ((True, "alike"), (False, "anew")):
        seeds = range(FIRST_SEED, FIRST_SEED + options.pairs)
        found = np.array([differences(seed, alike=alike, spacing_mm=options.spacing) for seed in seeds])
        for column, sign, tolerance in ((0, "texture", TEXTURE_TOLERANCE), (1, "sharpness", SHARPNESS_TOLERANCE)):
            known = found[:, column][np.isfinite(found[:, column])]
            if known.size == 0:
                print(f"{name:<12}{sign:<12}{'-':>8}{'-':>9}{tolerance:>11.2f}{'-':>6}")
                continue
            warned = np.mean(known > tolerance)
            print(f"{name:<12}{sign:<12}{np.median(known):>8.3f}{known.max():>9.3f}{tolerance:>11.2f}{warned:>7.0%}")


if __name__ == "__main__":
    main()
