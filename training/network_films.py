"""The films that the network and its second look learn from: simulated ones, and real ones with deposits put in."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import calcimeasure as cm
from calcimeasure.anatomy import find_anatomy
from calcimeasure.models.network_input import network_input
from calcimeasure.models.working_grid import WORKING_SPACING_MM
from calcimeasure.segmentation.network_segmenter import classical_regions

PARTS, SHARES = ("hand", "hands", "forearm", "elbow", "knee"), (0.7, 0.06, 0.08, 0.08, 0.08)
SPACINGS_MM = (WORKING_SPACING_MM, 0.15)

Film = tuple[cm.Radiograph, NDArray[np.uint16]]


Sample = dict[str, NDArray[np.generic]]
MakeFilm = Callable[[np.random.Generator], Film]
MakeSample = Callable[[cm.Radiograph, NDArray[np.uint16]], Sample | None]


FIRST_SIMULATED_SEED = 0
FIRST_INSERTED_SEED = 50_000


def arguments(about: str, *, films: int, insertions: int, steps: int, model: str) -> argparse.ArgumentParser:
    """Return the options of both networks' scripts, with each one's defaults."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--work", type=Path, required=True, help="folder for films and checkpoints")
    parser.add_argument("--films", type=int, default=films, help="simulated films")
    parser.add_argument("--insertions", type=int, default=insertions, help="films made from the real ones")
    parser.add_argument("--real", type=Path, help="folder of real films (see the model card)")
    parser.add_argument("--steps", type=int, default=steps, help="training steps in all")
    parser.add_argument("--workers", type=int, default=2, help="processes that make films")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calcimeasure/models/weights") / model)
    return parser


def training_films(options: argparse.Namespace) -> list[Path]:
    """Return the films that a network is trained on, made where they are missing."""
    work, real, workers = options.work, usable_films(options.real), options.workers
    seeds = range(FIRST_SIMULATED_SEED, FIRST_SIMULATED_SEED + options.films)
    paths = make_films(work / "simulated", seeds, simulated, training_sample, workers)
    if real:
        seeds = range(FIRST_INSERTED_SEED, FIRST_INSERTED_SEED + options.insertions)
        paths += make_films(work / "inserted", seeds, partial(inserted, real=real), training_sample, workers)
    return paths


def make_films(folder: Path, seeds: range, make: MakeFilm, sample_of: MakeSample, workers: int) -> list[Path]:
    """Write a film a seed as small arrays; those already there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool:
        made = list(pool.map(partial(_make_film, folder, make, sample_of), seeds, chunksize=4))
    return [path for path in made if path is not None]


def _make_film(folder: Path, make: MakeFilm, sample_of: MakeSample, seed: int) -> Path | None:
    path = folder / f"{seed}.npz"
    if not path.exists():
        cv2.setNumThreads(1)
        sample = sample_of(*make(np.random.default_rng(seed)))
        if sample is None:
            return None
        part = folder / f"{seed}.part.npz"
        np.savez_compressed(part, **sample)
        part.replace(path)
    return path


def training_sample(film: cm.Radiograph, truth: NDArray[np.uint16]) -> Sample | None:
    """Return what the network is trained on: input, truth and limb."""
    anatomy = find_anatomy(film)
    if anatomy.limb_count == 0:
        return None
    seen = network_input(film, anatomy)
    return {
        "inputs": seen.inputs.astype(np.float16),
        "truth": _on_grid(truth, seen.inputs, seen.factor),
        "limb": seen.limb,
    }


def judged_sample(film: cm.Radiograph, truth: NDArray[np.uint16]) -> Sample | None:
    """Return what the judge is fitted to, but for the network's own map."""
    anatomy = find_anatomy(film)
    if anatomy.limb_count == 0:
        return None
    seen = network_input(film, anatomy)
    labels = np.zeros(seen.limb.shape, np.uint16)
    ranked = sorted(classical_regions(film, anatomy), key=lambda region: region.probability)
    for number, region in enumerate(ranked, start=1):
        rows, cols = region.mask.shape
        labels[region.corner[0] : region.corner[0] + rows, region.corner[1] : region.corner[1] + cols][region.mask] = (
            number
        )
    return {
        "inputs": seen.inputs.astype(np.float16),
        "truth": _on_grid(truth, seen.inputs, seen.factor),
        "limb": seen.limb,
        "bone": seen.bone,
        "classical": labels,
        "probabilities": np.array([region.probability for region in ranked]),
        "factor": np.array(seen.factor),
    }


def _on_grid(truth: NDArray[np.uint16], inputs: NDArray[np.float32], factor: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the share of each cell that lies on a deposit, 255 for all of it."""
    size = (round(truth.shape[1] / factor[1]), round(truth.shape[0] / factor[0]))
    share = cv2.resize((truth > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = np.pad(share, ((0, inputs.shape[1] - size[1]), (0, inputs.shape[2] - size[0])))
    return (small * 255).astype(np.uint8)


def simulated(rng: np.random.Generator) -> Film:
    """Return a simulated film and its truth, in any style of bones, film and deposits but those left out."""
    from calcimeasure.simulation import simulate_film

    part = str(rng.choice(PARTS, p=SHARES))
    spacing = float(rng.choice(SPACINGS_MM, p=(0.6, 0.4))) if rng.random() < 0.5 else None
    simulated = simulate_film(rng, part=part, spacing_mm=spacing, style="any", deposit_style="any")
    return simulated.film, simulated.labels.image


def inserted(rng: np.random.Generator, real: list[Path]) -> Film:
    """Return a real film with deposits inserted, or (three in ten) as it is: what is on it is no calcinosis.

    Every other one is shown as another visit would: there are few real films, and each was processed in one way.
    """
    from calcimeasure.simulation import insert_deposits, insert_pair, simulate_followup_of

    path = real[int(rng.integers(len(real)))]
    film = cm.read_film(path)
    if not film.spacing.known:
        film = cm.read_film(path, spacing_mm=float(rng.uniform(0.17, 0.26)))
    later = bool(rng.random() < 0.5)
    if rng.random() < 0.3:
        return simulate_followup_of(film, rng)[0] if later else film, np.zeros(film.shape, np.uint16)
    made = insert_pair(film, rng).followup if later else insert_deposits(film, rng)
    return made.film, made.labels.image


def usable_films(folder: Path | None) -> list[Path]:
    """Return the real films that may serve as backgrounds: none that is calcified, and none that is held out."""
    if folder is None:
        return []
    held_out = Path(__file__).with_name("held_out.txt").read_text(encoding="utf-8").split()
    limbs = sorted(path for path in (folder / "limbs").glob("synpic*.jpg") if path.name not in held_out)
    return [*limbs, folder / "dicom" / "hand_pa_adult_cr_j2k.dcm"]
