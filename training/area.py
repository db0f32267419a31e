"""Make `calcimeasure/measurement/area_calibration.json`: from simulated deposits to the calibration of their area.

    python training/area.py simulate --folder DATA --deposits 6000
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
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from area_fit import Array, Groups, Network, ratio_loss, shift_loss, spread_loss
from deposit_patches import (
    Backdrop,
    Patch,
    random_processing,
    random_settings,
    render_patch,
    rough_mask,
)
from numpy.typing import NDArray

from calcimeasure.measurement.edge_calibration import SMALLEST_SHARE
from calcimeasure.measurement.edge_description import DESCRIPTOR_NAMES
from calcimeasure.measurement.edge_model import Crop, describe_crop, half_width_px, margin_px
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit

FIRST_SEED = 10_000_000
CHUNK = 250
KINDS = tuple(kind.value for kind in DepositKind)
BACKDROPS = tuple(backdrop.value for backdrop in Backdrop)
SIZE_EDGES_MM = (1.0, 2.0, 4.0, 8.0)
CNR_EDGES = (5.0, 12.0)
SIZES = ("0.8-1", "1-2", "2-4", "4-8", "8-14")
FILMS = 3
HEAD = 7
HIDDEN = (28, 16)
SPREAD_HIDDEN = 12
LARGEST_Z = 6.0
PULL = 3.0  # how much a group's mean weighs against its spread
TARGET = Path(__file__).resolve().parents[1] / "calcimeasure" / "measurement" / "area_calibration.json"


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
    diameter = float(np.exp(rng.uniform(np.log(0.8), np.log(14.0))))
    settings = random_settings(rng)
    deposit = make_deposit(kind, diameter_mm=diameter, thickness_mm=1.0, rng=rng)
    ratio = float(np.exp(rng.uniform(-0.7, 0.7)))
    stretch = rotation(rng.uniform(0, np.pi)) @ np.diag([ratio, 1.0]) if rng.random() < 0.5 else np.eye(2) * ratio**0.5
    changed = replace(
        settings,
        cnr=settings.cnr * float(np.exp(rng.uniform(-0.4, 0.4))),
        psf_sigma_px=settings.psf_sigma_px * float(np.exp(rng.normal(0, 0.03))),
    )
    if rng.random() < 0.3:
        changed = random_processing(changed, rng)
    for visit, matrix in ((settings, np.eye(2)), (settings, np.eye(2)), (changed, stretch)):
        posed = deposit.moved(rotation(np.radians(rng.uniform(-12, 12))) @ matrix, np.zeros(2))
        patch = render_patch(posed, visit, rng, backdrop_rng=np.random.default_rng([seed, 1]))
        crop = crop_around(patch, rough_mask(patch, rng))
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


def load(folder: Path) -> Array:
    return np.concatenate([np.load(path) for path in sorted(folder.glob("chunk_????.npy"))]).astype(np.float64)


def strata(rows: Array) -> tuple[Groups, Groups]:
    """Return the group of kind, size and contrast, and that of backdrop, size and contrast, of every row."""
    size = np.searchsorted(SIZE_EDGES_MM, rows[:, 2])
    contrast = np.searchsorted(CNR_EDGES, rows[:, 3])
    cell = size * (len(CNR_EDGES) + 1) + contrast
    return rows[:, 0].astype(int) * 100 + cell, rows[:, 1].astype(int) * 100 + cell


def spread_by_group(error: Array, groups: Groups, least: float) -> Array:
    spread = np.ones(len(error))
    for group in np.unique(groups):
        here = groups == group
        spread[here] = max(float(np.quantile(np.abs(error[here]), 0.68)), least)
    return spread


def fit(folder: Path, target: Path, steps: int) -> None:
    rows = load(folder)
    standard = standardisation(rows[:, HEAD:])
    values = standardised(rows[:, HEAD:], standard)
    networks, residual, log_se = fit_film(rows, values, steps)
    area = rows[:, 5] + rows[:, 6] * networks["shift"](values)[:, 0]
    pairs = pair_rows(rows, values, area)
    more, pair_residual, pair_log_se = fit_pair(pairs, steps)
    networks.update(more)
    write(target, rows, standard, networks)
    report(rows, rows[:, 6] * residual / rows[:, 4], rows[:, 6] * np.exp(log_se) / rows[:, 4])
    report_pairs(pairs, pair_residual, np.exp(pair_log_se))


def standardisation(values: Array) -> dict[str, Array]:
    centre = np.median(values, axis=0)
    low, high = np.quantile(values, [0.1587, 0.8413], axis=0)
    scale = np.maximum((high - low) / 2, 1e-3)
    lowest, highest = (np.quantile(values, [0.001, 0.999], axis=0) - centre) / scale
    return {
        "centre": np.round(centre, 6),
        "scale": np.round(scale, 6),
        "lowest": np.round(np.maximum(lowest, -6.0), 3),
        "highest": np.round(np.minimum(highest, 6.0), 3),
    }


def standardised(values: Array, standard: dict[str, Array]) -> Array:
    return np.clip((values - standard["centre"]) / standard["scale"], standard["lowest"], standard["highest"])


def halves(deposit: Groups) -> Iterator[tuple[NDArray[np.bool_], bool]]:
    """Yield the rows to fit to: each half, then all. Standard errors come from what a half was not fitted to."""
    fold = deposit % 2
    yield fold == 0, False
    yield fold == 1, False
    yield np.ones(len(fold), bool), True


def fit_film(rows: Array, values: Array, steps: int) -> tuple[dict[str, Network], Array, Array]:
    """Return the networks of a film alone, and of every row the shift's error and log standard error in pixels."""
    groupings = strata(rows)
    truth, contour, length = rows[:, 4], rows[:, 5], rows[:, 6]
    wanted = np.clip((truth - contour) / length, -4.0, 12.0)
    rng = np.random.default_rng(FIRST_SEED)
    networks: dict[str, Network] = {}
    residual = np.zeros(len(rows))
    for used, final in halves(np.arange(len(rows)) // FILMS):
        network = Network.random((values.shape[1], *HIDDEN, 1), rng)
        to_relative = (length / truth)[used]
        spread = np.full(int(used.sum()), 0.1)
        here = tuple(groups[used] for groups in groupings)
        for share, pull in ((0.3, 0.0), (0.2, PULL), (0.5, PULL)):
            loss = shift_loss(wanted[used], to_relative / spread, here, pull)
            network.train(values[used], loss, rng, steps=int(steps * share), rate=0.01)
            error = to_relative * (network(values[used])[:, 0] - wanted[used])
            spread = spread_by_group(error, here[0], 0.005)
        if final:
            networks["shift"] = network
        else:
            residual[~used] = network(values[~used])[:, 0] - wanted[~used]
    deposit = np.arange(len(rows)) // FILMS
    networks["log_se"], log_se = fit_spread(values, residual**2, groupings[1], deposit, steps)
    films = (length * residual).reshape(-1, FILMS)
    between = ((films[:, :2] @ [1, -1]) / np.sqrt(2))[:, None] / length.reshape(-1, FILMS)[:, :2]
    repeated = (np.arange(len(rows)) % FILMS) < 2
    networks["log_se_repeat"], _ = fit_spread(
        values[repeated], between.ravel() ** 2, groupings[1][repeated], deposit[repeated], steps
    )
    return networks, residual, log_se


def fit_spread(values: Array, squared: Array, groups: Groups, deposit: Groups, steps: int) -> tuple[Network, Array]:
    """Return the network of a log standard deviation, and its answers for the deposits it was not fitted to.

    What it does not hold for those, it is widened by.
    """
    squared = np.maximum(squared, 1e-8)
    answers = np.zeros(len(squared))
    for used, final in halves(deposit):
        rng = np.random.default_rng(FIRST_SEED + 1)
        network = Network.random((values.shape[1], SPREAD_HIDDEN, 1), rng)
        network.biases[-1][:] = 0.5 * np.log(np.median(squared[used]))
        for pull, rate in ((0.0, 0.01), (0.3, 0.003)):
            loss = spread_loss(squared[used], groups[used], pull)
            network.train(values[used], loss, rng, steps=int(0.3 * steps), rate=rate, decay=1e-3)
        if not final:
            answers[~used] = network(values[~used])[:, 0]
    widening = 0.5 * np.log(np.mean(np.minimum(squared * np.exp(-2 * answers), LARGEST_Z**2)))
    print(f"standard errors widened by the factor {np.exp(widening):.2f}")
    network.biases[-1] += np.float32(widening)
    return network, answers + widening


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Two films of a deposit each, described as the product does.

    `differences` are second less first, `common` their mean, `certainty` what the standard error is fitted to.
    """

    differences: Array
    common: Array
    certainty: Array
    wanted: Array
    head: Array
    deposit: Groups


def pair_rows(rows: Array, values: Array, area: Array) -> Pairs:
    area = np.maximum(area, SMALLEST_SHARE * rows[:, 5])
    logs = np.column_stack([np.log(area), np.log(np.maximum(rows[:, 5], 0.1))])
    films = np.column_stack([logs, values]).reshape(-1, FILMS, values.shape[1] + 2)
    truth = np.log(rows[:, 4]).reshape(-1, FILMS)
    head = rows[:, :HEAD].reshape(-1, FILMS, HEAD)
    parts = []
    for first, second in ((0, 1), (0, 2), (2, 1)):
        difference, common = films[:, second] - films[:, first], 0.5 * (films[:, second] + films[:, first])[:, 2:]
        number = np.arange(len(films))
        parts.append((difference, common, truth[:, second] - truth[:, first], head[:, first], number))
    differences, common, wanted, heads, deposit = (np.concatenate(part) for part in zip(*parts, strict=True))
    certainty = np.column_stack([common, np.abs(differences)])
    return Pairs(
        differences=differences, common=common, certainty=certainty, wanted=wanted, head=heads, deposit=deposit
    )


def fit_pair(pairs: Pairs, steps: int) -> tuple[dict[str, Network], Array, Array]:
    """Return the networks of a pair of films, and of every pair the log ratio's error and log standard error."""
    kinds, backdrops = strata(pairs.head)
    groupings = (kinds, backdrops)
    rng = np.random.default_rng(FIRST_SEED + 2)
    networks: dict[str, Network] = {}
    residual = np.zeros(len(pairs.wanted))
    for used, final in halves(pairs.deposit):
        network = Network.random((pairs.common.shape[1], *HIDDEN, pairs.differences.shape[1]), rng)
        network.biases[-1][:2] = 0.3, 0.7
        here = tuple(groups[used] for groups in groupings)
        differences, wanted, common = pairs.differences[used], pairs.wanted[used], pairs.common[used]
        spread = np.full(len(wanted), 0.1)
        for share, pull in ((0.4, 0.0), (0.2, PULL), (0.4, PULL)):
            loss = ratio_loss(differences, wanted, 1 / spread, here, pull)
            network.train(common, loss, rng, steps=int(steps * share), rate=0.005, decay=1e-4)
            error = (differences * network(common)).sum(axis=1) - wanted
            spread = spread_by_group(error, kinds[used], 0.005)
        if final:
            networks["pair_weights"] = network
        else:
            rest = ~used
            residual[rest] = (pairs.differences[rest] * network(pairs.common[rest])).sum(axis=1) - pairs.wanted[rest]
    networks["pair_log_se"], log_se = fit_spread(pairs.certainty, residual**2, backdrops, pairs.deposit, steps)
    return networks, residual, log_se


def write(target: Path, rows: Array, standard: dict[str, Array], networks: dict[str, Network]) -> None:
    record = {
        "made_by": "training/area.py",
        "deposits": len(rows) // FILMS,
        "descriptors": list(DESCRIPTOR_NAMES),
        **{name: vector.tolist() for name, vector in standard.items()},
        "networks": {name: network.record() for name, network in networks.items()},
    }
    target.write_text(
        json.dumps(record, separators=(",", ":")).replace("]},{", "]},\n{").replace('],"', '],\n"') + "\n"
    )


def report(rows: Array, error: Array, se: Array) -> None:
    """Print how well the half that was not fitted to is measured."""
    size = np.searchsorted(SIZE_EDGES_MM, rows[:, 2])
    films = error.reshape(-1, FILMS)
    between = np.repeat((films[:, 0] - films[:, 1]) / np.sqrt(2), FILMS)
    for title, column, words in (("kind", 0, KINDS), ("backdrop", 1, BACKDROPS)):
        for index, word in enumerate(words):
            for cell, name in enumerate(SIZES):
                here = (rows[:, column] == index) & (size == cell)
                e, s, b = error[here], se[here], between[here]
                print(
                    f"{title:8s} {word:10s} {name:6s} n {here.sum():5d}  median {100 * np.median(e):+6.1f} %  "
                    f"spread {100 * np.quantile(np.abs(e - np.median(e)), 0.68):5.1f} %  "
                    f"repeat {100 * np.quantile(np.abs(b), 0.68):5.1f} %  z SD {np.std(e / s):.2f}"
                )


def report_pairs(pairs: Pairs, error: Array, se: Array) -> None:
    """Print the error of the log ratio, alone and together, unchanged and changed, and the slope on the truth."""
    size = np.searchsorted(SIZE_EDGES_MM, pairs.head[:, 2])
    apart = pairs.differences[:, 0] - pairs.wanted
    unchanged = np.abs(pairs.wanted) < 0.002
    for index, word in enumerate(KINDS):
        for cell, name in enumerate(SIZES):
            here = (pairs.head[:, 0] == index) & (size == cell)
            same, other = here & unchanged, here & ~unchanged
            slope = np.polyfit(pairs.wanted[other], (error + pairs.wanted)[other], 1)[0]
            print(
                f"pair {word:10s} {name:6s} unchanged: apart {100 * np.std(apart[same]):5.1f} % "
                f"together {100 * np.std(error[same]):5.1f} %   changed: apart {100 * np.std(apart[other]):5.1f} % "
                f"together {100 * np.std(error[other]):5.1f} %  slope {slope:.2f}  "
                f"z SD {np.std(error[here] / se[here]):.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("simulate")
    first.add_argument("--folder", type=Path, required=True)
    first.add_argument("--deposits", type=int, default=6_000)
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
