"""Make `calcimeasure/measurement/area_calibration.json`: from simulated deposits to the calibration of their area.

    python training/area.py simulate --folder DATA --deposits 24000
    python training/area.py fit --folder DATA

`simulate` draws deposits of every kind on every backdrop, films each twice, describes their edges as the product
does, and keeps the descriptions in chunks; a chunk that is there already is not made again, so that it can be stopped
and resumed. `fit` fits the networks. Seeds 10 000 000 and up belong to this script alone: tests, benchmarks and
validation use smaller ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from area_fit import Network, shift_loss, spread_loss
from numpy.typing import NDArray

from calcimeasure.measurement.area import Crop, describe_crop, half_width_px, margin_px
from calcimeasure.measurement.edge import DESCRIPTOR_NAMES
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from calcimeasure.simulation.patches import Backdrop, Patch, random_settings, render_patch

FIRST_SEED = 10_000_000
CHUNK = 500
KINDS = tuple(kind.value for kind in DepositKind)
BACKDROPS = tuple(backdrop.value for backdrop in Backdrop)
SIZE_EDGES_MM = (1.0, 2.0, 4.0, 8.0)
CNR_EDGES = (5.0, 9.0)
HEAD = 7
HIDDEN = (28, 16)
TARGET = Path(__file__).resolve().parents[1] / "calcimeasure" / "measurement" / "area_calibration.json"


def segmenter_mask(patch: Patch, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask as segmenters and readers make them: some level of the shadow, too tight or too loose, uneven."""
    soft = cv2.GaussianBlur(patch.coverage, (0, 0), rng.uniform(0.6, 1.6))
    waves = cv2.GaussianBlur(rng.standard_normal(soft.shape, dtype=np.float32), (0, 0), 2.0) * 7.0
    level = np.clip(0.5 + 0.15 * rng.normal(), 0.2, 0.8)
    mask = (soft + 0.06 * waves * (soft > 0.02) > level).astype(np.uint8)
    steps = int(rng.choice([-2, -1, -1, 0, 0, 0, 1, 1, 2]))
    if steps:
        size = 2 * abs(steps) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        changed = cv2.dilate(mask, disc) if steps > 0 else cv2.erode(mask, disc)
        mask = changed if changed.any() else mask
    if not mask.any():
        mask = (patch.coverage >= 0.5 * patch.coverage.max()).astype(np.uint8)
    return mask.astype(bool)


def crop_around(patch: Patch, mask: NDArray[np.bool_]) -> Crop:
    margin = margin_px(half_width_px(mask))
    rows, cols = np.nonzero(mask)
    window = (
        slice(max(int(rows.min()) - margin, 0), int(rows.max()) + margin + 1),
        slice(max(int(cols.min()) - margin, 0), int(cols.max()) + margin + 1),
    )
    own = np.ascontiguousarray(mask[window])
    return Crop(
        pixels=np.ascontiguousarray(patch.pixels[window]), mask=own, others=np.zeros_like(own), valid=np.ones_like(own)
    )


def films_of(seed: int) -> Iterator[tuple[list[float], Crop]]:
    """Yield three films of one deposit: two alike, and one at which it has grown, shrunk or thinned.

    With each come the numbers of its kind and backdrop, its diameter, contrast to noise and true area.
    """
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(KINDS))
    diameter = float(np.exp(rng.uniform(np.log(0.8), np.log(20.0))))
    settings = random_settings(rng)
    deposit = make_deposit(kind, diameter_mm=diameter, thickness_mm=1.0, rng=rng)
    ratio = float(np.exp(rng.uniform(-0.7, 0.7)))
    stretch = rotation(rng.uniform(0, np.pi)) @ np.diag([ratio, 1.0]) if rng.random() < 0.5 else np.eye(2) * ratio**0.5
    changed = replace(
        settings,
        cnr=settings.cnr * float(np.exp(rng.uniform(-0.4, 0.4))),
        psf_sigma_px=settings.psf_sigma_px * float(np.exp(rng.normal(0, 0.03))),
    )
    for visit, matrix in ((settings, np.eye(2)), (settings, np.eye(2)), (changed, stretch)):
        posed = deposit.moved(rotation(np.radians(rng.uniform(-12, 12))) @ matrix, np.zeros(2))
        patch = render_patch(posed, visit, rng, backdrop_rng=np.random.default_rng([seed, 1]))
        crop = crop_around(patch, segmenter_mask(patch, rng))
        size = float(np.sqrt(posed.area_mm2 * 4 / np.pi))
        yield [KINDS.index(kind), BACKDROPS.index(visit.backdrop), size, visit.cnr, patch.area_px], crop


def rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def described(head: list[float], crop: Crop) -> NDArray[np.float64]:
    """Return one row: the numbers of the film, contour area and length, description."""
    edge = describe_crop(crop).edge
    return np.array([*head, edge.contour_area_px, edge.contour_length_px, *edge.descriptors])


def simulate(folder: Path, deposits: int, part: int, parts: int) -> None:
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for chunk in range(part, -(-deposits // CHUNK), parts):
        target = folder / f"chunk_{chunk:04d}.npy"
        if target.exists():
            continue
        seeds = range(FIRST_SEED + chunk * CHUNK, FIRST_SEED + (chunk + 1) * CHUNK)
        rows = [described(head, crop) for seed in seeds for head, crop in films_of(seed)]
        temporary = target.with_suffix(".part.npy")
        np.save(temporary, np.array(rows).astype(np.float32))
        temporary.rename(target)
        print(target.name, flush=True)


def load(folder: Path) -> NDArray[np.float64]:
    return np.concatenate([np.load(path) for path in sorted(folder.glob("chunk_????.npy"))]).astype(np.float64)


def strata(rows: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of kind, size and contrast, and that of backdrop, size and contrast, of every row."""
    size = np.searchsorted(SIZE_EDGES_MM, rows[:, 2])
    contrast = np.searchsorted(CNR_EDGES, rows[:, 3])
    cell = size * (len(CNR_EDGES) + 1) + contrast
    return rows[:, 0].astype(int) * 100 + cell, rows[:, 1].astype(int) * 100 + cell


def spread_by_group(error: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    spread = np.ones(len(error))
    for group in np.unique(groups):
        here = groups == group
        spread[here] = max(np.quantile(np.abs(error[here]), 0.68), 0.005)
    return spread


def fit(folder: Path, target: Path, steps: int) -> None:
    rows = load(folder)
    kinds, backdrops = strata(rows)
    truth, contour, length = rows[:, 4], rows[:, 5], rows[:, 6]
    centre, scale, lowest, highest = standardisation(rows[:, HEAD:])
    values = np.clip((rows[:, HEAD:] - centre) / scale, lowest, highest)
    wanted = np.clip((truth - contour) / length, -4.0, 12.0)
    rng = np.random.default_rng(FIRST_SEED)
    networks = {}
    # Residuals for the standard errors come from halves that the shift was not fitted to.
    fold = (np.arange(len(rows)) // 2) % 2
    residual = np.zeros(len(rows))
    for held_out in (0, 1, None):
        used = np.ones(len(rows), bool) if held_out is None else fold != held_out
        network = fit_shift(values[used], wanted[used], (length / truth)[used], kinds[used], rng, steps)
        if held_out is None:
            networks["shift"] = network
        else:
            residual[~used] = network(values[~used]) - wanted[~used]
    networks["log_se"] = fit_spread(values, residual**2, kinds, backdrops, rng, steps)
    between = np.repeat((length * residual).reshape(-1, 2) @ [1, -1] / np.sqrt(2), 2) / length
    networks["log_se_repeat"] = fit_spread(values, between**2, kinds, backdrops, rng, steps)
    record = {
        "made_by": "training/area.py",
        "deposits": len(rows) // 2,
        "descriptors": list(DESCRIPTOR_NAMES),
        "centre": np.round(centre, 6).tolist(),
        "scale": np.round(scale, 6).tolist(),
        "lowest": np.round(lowest, 3).tolist(),
        "highest": np.round(highest, 3).tolist(),
        "networks": {name: network.record() for name, network in networks.items()},
    }
    target.write_text(json.dumps(record, indent=None, separators=(",", ":")).replace('],"', '],\n"') + "\n")
    report(
        rows, length * residual / truth, length * np.exp(networks["log_se"](values)) / truth, between * length / truth
    )


def standardisation(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    centre = np.median(values, axis=0)
    low, high = np.quantile(values, [0.1587, 0.8413], axis=0)
    scale = np.maximum((high - low) / 2, 1e-3)
    lowest, highest = (np.quantile(values, [0.001, 0.999], axis=0) - centre) / scale
    return centre, scale, np.maximum(lowest, -6.0), np.minimum(highest, 6.0)


def fit_shift(
    values: NDArray[np.float64],
    wanted: NDArray[np.float64],
    to_relative: NDArray[np.float64],
    groups: NDArray[np.int64],
    rng: np.random.Generator,
    steps: int,
) -> Network:
    network = Network.random((values.shape[1], *HIDDEN, 1), rng)
    spread = np.full(len(wanted), 0.1)
    for share, pull in ((0.3, 0.0), (0.2, 1.0), (0.5, 2.0)):
        network.train(
            values, shift_loss(wanted, to_relative, spread, groups, pull), steps=int(steps * share), rate=0.01
        )
        spread = spread_by_group(to_relative * (network(values) - wanted), groups)
    return network


def fit_spread(
    values: NDArray[np.float64],
    squared: NDArray[np.float64],
    kinds: NDArray[np.int64],
    backdrops: NDArray[np.int64],
    rng: np.random.Generator,
    steps: int,
) -> Network:
    network = Network.random((values.shape[1], *HIDDEN, 1), rng)
    squared = np.maximum(squared, 1e-8)
    network.biases[-1][:] = 0.5 * np.log(np.median(squared))
    network.train(values, spread_loss(squared, backdrops, 0.0), steps=int(0.4 * steps), rate=0.01)
    network.train(values, spread_loss(squared, backdrops, 0.3), steps=int(0.4 * steps), rate=0.005)
    return network


def report(
    rows: NDArray[np.float64], error: NDArray[np.float64], se: NDArray[np.float64], between: NDArray[np.float64]
) -> None:
    """Print how well the half that was not fitted to is measured."""
    size = np.searchsorted(SIZE_EDGES_MM, rows[:, 2])
    names = ("0.8-1", "1-2", "2-4", "4-8", "8-20")
    for title, column, words in (("kind", 0, KINDS), ("backdrop", 1, BACKDROPS)):
        for index, word in enumerate(words):
            for cell, name in enumerate(names):
                here = (rows[:, column] == index) & (size == cell)
                e, s, b = error[here], se[here], between[here]
                print(
                    f"{title:8s} {word:10s} {name:6s} n {here.sum():5d}  median {100 * np.median(e):+6.1f} %  "
                    f"spread {100 * np.quantile(np.abs(e - np.median(e)), 0.68):5.1f} %  "
                    f"repeat {100 * np.quantile(np.abs(b), 0.68):5.1f} %  z SD {np.std(e / s):.2f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("simulate")
    first.add_argument("--folder", type=Path, required=True)
    first.add_argument("--deposits", type=int, default=24_000)
    first.add_argument("--part", type=int, default=0, help="which of --parts this process makes")
    first.add_argument("--parts", type=int, default=1)
    second = commands.add_parser("fit")
    second.add_argument("--folder", type=Path, required=True)
    second.add_argument("--target", type=Path, default=TARGET)
    second.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    if options.command == "simulate":
        simulate(options.folder, options.deposits, options.part, options.parts)
    else:
        fit(options.folder, options.target, options.steps)


if __name__ == "__main__":
    main()
