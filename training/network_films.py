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
from patches import Groups
from real_films import learnable

import calcimeasure as cm
from calcimeasure.anatomy import find_anatomy
from calcimeasure.errors import FilmError
from calcimeasure.models.network_input import network_input
from calcimeasure.models.working_grid import WORKING_SPACING_MM, nominal_spacing_mm
from calcimeasure.segmentation.network_segmenter import classical_regions

PARTS, SHARES = ("hand", "hands", "forearm", "elbow", "knee"), (0.7, 0.06, 0.08, 0.08, 0.08)
SPACINGS_MM = (WORKING_SPACING_MM, 0.15)

Film = tuple[cm.Radiograph, NDArray[np.uint16]]


Sample = dict[str, NDArray[np.generic]]
MakeFilm = Callable[[np.random.Generator], Film]
MakeSample = Callable[[cm.Radiograph, NDArray[np.uint16]], Sample | None]


FIRST_SIMULATED_SEED = 0
FIRST_STYLED_SEED = 20_000
FIRST_INSERTED_SEED = 50_000
FIRST_MESH_SEED = 100_000
# Of the real films every fourth case serves the second look, the others the networks.
SECOND_LOOK_EVERY = 4
# How often a patch without a deposit is taken from a simulated, a real and a mesh film.
SIMULATED_WEIGHT, STYLED_WEIGHT, REAL_WEIGHT, MESH_WEIGHT = 0.05, 0.2, 0.5, 0.25


def arguments(about: str, *, films: int, insertions: int, steps: int, model: str) -> argparse.ArgumentParser:
    """Return the options of both networks' scripts, with each one's defaults."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--work", type=Path, required=True, help="folder for films and checkpoints")
    parser.add_argument("--films", type=int, default=films, help="simulated films")
    parser.add_argument("--insertions", type=int, default=insertions, help="films made from the real ones")
    parser.add_argument("--styled-films", type=int, default=200, help="simulated films of other looks")
    parser.add_argument("--real", type=Path, help="folder of real films (see the model card)")
    parser.add_argument("--meshes", type=Path, help="folder of the bones' meshes (see the model card)")
    parser.add_argument("--mesh-films", type=int, default=240, help="films made from the meshes")
    parser.add_argument("--steps", type=int, default=steps, help="training steps in all")
    parser.add_argument("--start-from", type=Path, help="exported network whose weights the training starts from")
    parser.add_argument("--workers", type=int, default=2, help="processes that make films")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calcimeasure/models/weights") / model)
    return parser


def training_films(options: argparse.Namespace) -> Groups:
    """Return the films that a network is trained on, made where they are missing, each kind with its weight."""
    work, workers = options.work, options.workers
    seeds = range(FIRST_SIMULATED_SEED, FIRST_SIMULATED_SEED + options.films)
    groups = [(make_films(work / "simulated", seeds, simulated, training_sample, workers), SIMULATED_WEIGHT)]
    seeds = range(FIRST_STYLED_SEED, FIRST_STYLED_SEED + options.styled_films)
    groups.append((make_films(work / "styled", seeds, styled, training_sample, workers), STYLED_WEIGHT))
    real = real_films_of(options.real)[0]
    if real:
        seeds = range(FIRST_INSERTED_SEED, FIRST_INSERTED_SEED + options.insertions)
        made = make_films(work / "inserted", seeds, partial(inserted, real=real), training_sample, workers)
        groups.append((made, REAL_WEIGHT))
    if options.meshes is not None:
        seeds = range(FIRST_MESH_SEED, FIRST_MESH_SEED + options.mesh_films)
        made = make_films(work / "meshes", seeds, partial(of_meshes, meshes=options.meshes), training_sample, workers)
        groups.append((made, MESH_WEIGHT))
    return groups


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
        try:
            sample = sample_of(*make(np.random.default_rng(seed)))
        except FilmError as error:  # a background without a limb, or one that cannot be read
            print(f"{folder.name} {seed} is left out: {error}", flush=True)
            return None
        if sample is None:
            return None
        part = folder / f"{seed}.part.npz"
        np.savez_compressed(part, **sample)
        part.replace(path)
    return path


def training_sample(film: cm.Radiograph, truth: NDArray[np.uint16]) -> Sample | None:
    """Return what the network is trained on: grey values, truth and limb."""
    anatomy = find_anatomy(film)
    if anatomy.limb_count == 0:
        return None
    seen = network_input(film, anatomy)
    return {
        "grey": seen.inputs[0].astype(np.float16),
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
        "origin": np.array(film.path.name if film.path is not None else ""),
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
    """Return a simulated film of the usual look and its truth."""
    from calcimeasure.simulation import simulate_film

    part = str(rng.choice(PARTS, p=SHARES))
    simulated = simulate_film(rng, part=part, spacing_mm=float(rng.choice(SPACINGS_MM, p=(0.6, 0.4))))
    return simulated.film, simulated.labels.image


def styled(rng: np.random.Generator) -> Film:
    """Return a simulated film and its truth, in any style of bones, film and deposits but those left out."""
    from calcimeasure.simulation import simulate_film

    made = simulate_film(
        rng,
        part=str(rng.choice(PARTS, p=SHARES)),
        style="any",
        deposit_style="any",
        spacing_mm=None if rng.random() < 0.4 else float(rng.choice(SPACINGS_MM, p=(0.6, 0.4))),
    )
    return made.film, made.labels.image


def inserted(rng: np.random.Generator, real: list[Path]) -> Film:
    """Return a real film with deposits inserted, or (four in ten) as it is: what is on it is no calcinosis.

    Every other one is shown as another visit would: there are few real films, and each was processed in one way. A film
    without spacing is taken to be as large as the product takes it, and a little more or less.
    """
    from calcimeasure.simulation import insert_deposits, insert_pair, simulate_followup_of

    path = real[int(rng.integers(len(real)))]
    film = cm.read_film(path)
    if not film.spacing.known:
        usual = nominal_spacing_mm(film, find_anatomy(film))[0]
        film = cm.read_film(path, spacing_mm=usual * float(np.exp(rng.normal(0.0, 0.2))))
    later = bool(rng.random() < 0.5)
    if rng.random() < 0.4:
        return simulate_followup_of(film, rng)[0] if later else film, np.zeros(film.shape, np.uint16)
    made = insert_pair(film, rng).followup if later else insert_deposits(film, rng)
    return made.film, made.labels.image


def of_meshes(rng: np.random.Generator, meshes: Path) -> Film:
    """Return a hand made from the bones' meshes, and its truth."""
    from mesh_hands import load_meshes, mesh_hand

    return mesh_hand(rng, load_meshes(meshes))


def real_films_of(folder: Path | None) -> tuple[list[Path], list[Path]]:
    """Return the real films that serve as backgrounds for the networks, and those for the second look."""
    if folder is None:
        return [], []
    numbered = list(enumerate(learnable(folder), start=1))
    first = [path for number, case in numbered if number % SECOND_LOOK_EVERY for path in case]
    second = [path for number, case in numbered if number % SECOND_LOOK_EVERY == 0 for path in case]
    return [*first, folder / "dicom" / "hand_pa_adult_cr_j2k.dcm"], second
