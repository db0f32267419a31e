"""Train the classifier of the classical method, and export it to ONNX.

    pip install scikit-learn onnx          # training only
    python training/classical.py --work WORK [--real FOLDER]

Resumable: the candidates of every film are kept in WORK and not made again. Three steps:

1. candidates with their truth, from simulated films and, where a folder of real limb films is given, from those: as
   they are (negatives) and with deposits inserted. Every third real film by sorted name is held out, and films named
   ``calcified_*`` are not used at all.
2. a gradient-boosted classifier on them, exported to ONNX and checked against scikit-learn.
3. the threshold, chosen on simulated films of other seeds, and the figures for the model card.

Seeds: 200000-249999 train, 250000-254999 choose the threshold and the calibration, 255000-259999 give the figures.
None of them belong to `calcimeasure validate`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from boosted import ensemble
from insertion import insert_deposits
from numpy.typing import NDArray

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.image_filters import components
from calcimeasure.io import read_film
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.candidate_classifier import MODEL_FILE, SETTINGS_FILE, BoostedScorer
from calcimeasure.segmentation.candidate_features import FEATURE_NAMES, describe_cuts
from calcimeasure.segmentation.candidates import Cut, find_cuts, place_on_film
from calcimeasure.segmentation.classical_input import ClassicalInput, classical_input
from calcimeasure.segmentation.classical_segmenter import ClassicalSegmenter

TRAIN_SEED, CHOOSE_SEED, REPORT_SEED = 200_000, 250_000, 255_000
SPACINGS_MM = (0.115, 0.15, 0.175, 0.2, 0.2)
DEPOSITS = (0, 15)  # tried for on a simulated film, the last one excluded: more than patients have, to learn more
REAL_SPACING_MM = 0.2
OVERLAP_NONE, OVERLAP_FULL = 0.12, 0.5  # the outline is drawn anew afterwards: a rough fit is a find
HELD_OUT_EVERY = 3
MODELS = Path(__file__).resolve().parent.parent / "calcimeasure" / "models" / "weights"
SETTINGS = {"max_iter": 240, "learning_rate": 0.09, "max_leaf_nodes": 24, "min_samples_leaf": 60}
SETTINGS |= {"l2_regularization": 1.0, "max_features": 0.5, "early_stopping": False, "random_state": 0}
NEGATIVES_A_DEPOSIT = 60  # candidates that touch no deposit, for each that does; the rest add time and little else
PART_CREDIT = 0.6
FALSE_PIECES_A_FILM = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="where candidates are kept between runs")
    parser.add_argument("--real", type=Path, help="folder of real limb films")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="more real films without deposits, as DICOM")
    parser.add_argument("--films", type=int, default=150, help="simulated films to train on")
    parser.add_argument("--insertions", type=int, default=2, help="times that deposits are inserted in each real film")
    parser.add_argument("--judged", type=int, default=30, help="simulated films for the threshold, and for the figures")
    parser.add_argument("--keep-model", action="store_true", help="only choose the threshold again, and report")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    kept, held_out = real_films(options.real)
    kept += options.more
    jobs = [(options.work, "simulated", seed, None) for seed in range(TRAIN_SEED, TRAIN_SEED + options.films)]
    jobs += [(options.work, "negative", 0, path) for path in kept]
    jobs += [(options.work, "inserted", rotation, path) for path in kept for rotation in range(options.insertions)]
    with ProcessPoolExecutor(options.workers, initializer=_be_modest) as pool:
        files = [file for file in pool.map(collect, jobs) if file is not None]
    print(f"{len(files)} films, {time.monotonic() - started:.0f} s")
    options.models.mkdir(exist_ok=True)
    model_file = options.models / MODEL_FILE
    if options.keep_model and model_file.exists():
        print(f"kept {model_file.name}")
    else:
        features, quality = load(files)
        print(f"{len(features)} candidates, {int((quality >= 1).sum())} of them deposits", flush=True)
        export(fit(features, quality), features, model_file)
    write_settings(options.models / SETTINGS_FILE, threshold=0.5, knots=None)
    print(f"fitted after {time.monotonic() - started:.0f} s", flush=True)
    choose(options.models, options.workers, options.judged)
    report(options.models, held_out, options.workers, options.judged)
    print(f"done after {time.monotonic() - started:.0f} s")


def _be_modest() -> None:
    cv2.setNumThreads(1)
    os.nice(5)


def real_films(folder: Path | None) -> tuple[list[Path], list[Path]]:
    """Return the real films to train on and those held out."""
    if folder is None:
        return [], []
    paths = [path for path in sorted(folder.glob("*.jpg")) if not path.name.startswith("calcified")]
    held_out = paths[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    return [path for path in paths if path not in held_out], held_out


# --- candidates -----------------------------------------------------------------------------------------------------


def collect(job: tuple[Path, str, int, Path | None]) -> Path | None:
    """Keep the candidates of one film in a file; return it, or None where the film gives none."""
    work, kind, seed, path = job
    file = work / f"{kind}-{seed if path is None else f'{path.stem}-{seed}'}.npz"
    if file.exists():
        return file
    made = make_film(kind, seed, path)
    if made is None:
        return None
    film, truth = made
    anatomy = find_anatomy(film)
    if anatomy.limb_count == 0:
        return None
    working = classical_input(film, anatomy)
    cuts = find_cuts(working)
    rows = describe_cuts(working, cuts)
    fits = np.concatenate([fit_of(working, cut, truth) for cut in cuts], axis=1)
    features = np.concatenate(rows).astype(np.float32)
    partial = file.with_suffix(".partial.npz")
    np.savez_compressed(partial, features=features, fits=fits.astype(np.float32))
    partial.replace(file)
    return file


def make_film(kind: str, seed: int, path: Path | None) -> tuple[Radiograph, NDArray[np.uint16]] | None:
    """Return a film and the label image of its deposits."""
    if kind == "simulated":
        from calcimeasure.simulation import simulate_film

        rng = np.random.default_rng(seed)
        deposits = int(rng.integers(*DEPOSITS))
        made = simulate_film(rng, deposits=deposits, spacing_mm=float(rng.choice(SPACINGS_MM)))
        return made.film, made.labels.image
    assert path is not None  # noqa: S101
    film = read_film(path, spacing_mm=REAL_SPACING_MM if path.suffix == ".jpg" else None)
    if kind == "negative":
        return film, np.zeros(film.shape, dtype=np.uint16)
    return insert_deposits(film, np.random.default_rng([TRAIN_SEED, seed, sum(path.stem.encode())]))


def fit_of(working: ClassicalInput, cut: Cut, truth: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return three rows: how well each candidate fits a deposit or one connected piece of one.

    They are the best intersection over union; then, for the target that holds most of the candidate, the share of the
    candidate inside it and the share of it that the candidate covers.
    """
    rows, cols = cut.labels.shape
    (row, col), factor = place_on_film(working, cut, (slice(0, rows), slice(0, cols)))
    at = [
        np.minimum(((np.arange(cells) + first + 0.5) * pixels).astype(int), size - 1)
        for cells, first, pixels, size in zip((rows, cols), (row, col), factor, truth.shape, strict=True)
    ]
    deposits = truth[np.ix_(*at)].astype(np.int32)
    pieces, _ = components(deposits > 0)
    area = np.bincount(cut.labels.ravel(), minlength=cut.count + 1)[1:]
    best, inside, covered = np.zeros(cut.count), np.zeros(cut.count), np.zeros(cut.count)
    for targets in (deposits, pieces):
        both = (cut.labels > 0) & (targets > 0)
        if not both.any():
            continue
        count = int(targets.max()) + 1
        sizes = np.bincount(targets.ravel(), minlength=count)
        pairs, shared = np.unique(cut.labels[both].astype(np.int64) * count + targets[both], return_counts=True)
        who, which = pairs // count - 1, pairs % count
        np.maximum.at(best, who, shared / (area[who] + sizes[which] - shared))
        np.maximum.at(inside, who, shared / area[who])
        np.maximum.at(covered, who, shared / sizes[which])
    return np.stack([best, inside, covered])


def load(files: list[Path]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features and how good a find each candidate is, 0 to 1."""
    parts = [np.load(file) for file in files]
    return np.concatenate([p["features"] for p in parts]), quality_of(
        np.concatenate([p["fits"] for p in parts], axis=1)
    )


def quality_of(fits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 for an outline that fits, less for a rough one and for a part that lies wholly inside a deposit."""
    overlap, inside, covered = fits
    whole = np.clip((overlap - OVERLAP_NONE) / (OVERLAP_FULL - OVERLAP_NONE), 0, 1)
    part = PART_CREDIT * np.clip((inside - 0.6) / 0.3, 0, 1) * np.clip(covered / 0.25, 0, 1)
    return np.asarray(np.maximum(whole, part))


# --- classifier -----------------------------------------------------------------------------------------------------


def fit(features: NDArray[np.float32], quality: NDArray[np.float32]) -> Any:
    """Return the classifier: its probability grows with how well a candidate's outline fits a deposit."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    touching = quality > 0
    keep = touching | (np.random.default_rng(0).random(len(quality)) < NEGATIVES_A_DEPOSIT * touching.mean())
    features, quality = features[keep], quality[keep]
    partly = (quality > 0) & (quality < 1)
    rows = np.concatenate([features, features[partly]])
    target = np.concatenate([quality > 0, np.zeros(int(partly.sum()))]).astype(int)
    weight = np.concatenate([np.where(partly, quality, 1.0), 1 - quality[partly]])
    return HistGradientBoostingClassifier(**SETTINGS).fit(rows, target, sample_weight=weight)


def export(model: Any, features: NDArray[np.float32], path: Path) -> None:
    """Write the classifier as ONNX, and check that it gives what scikit-learn gives."""
    path.write_bytes(ensemble(model, len(FEATURE_NAMES), "calcimeasure-classical").SerializeToString())
    sample = features[:: max(1, len(features) // 20000)]
    scorer = BoostedScorer(path.read_bytes(), {"features": FEATURE_NAMES, "threshold": 0.5})
    gap = np.abs(scorer(sample.astype(np.float64)) - model.predict_proba(sample)[:, 1])
    print(f"ONNX: {path.stat().st_size / 1e6:.1f} MB, largest difference from scikit-learn {gap.max():.1e}")
    if np.quantile(gap, 0.999) > 1e-4:
        raise SystemExit("the exported classifier does not give what the trained one gives")


def write_settings(path: Path, *, threshold: float, knots: list[list[float]] | None) -> None:
    record = {"features": FEATURE_NAMES, "threshold": threshold, "calibration": knots or [[0.0, 0.0], [1.0, 1.0]]}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


# --- threshold and figures ------------------------------------------------------------------------------------------


def judged_pieces(job: tuple[Path, str, int, Path | None]) -> dict[str, NDArray[np.float64]]:
    """Return, for one film, every piece's probability and truth, and every deposit's area and best piece."""
    models, kind, seed, path = job
    made = make_film(kind, seed, path)
    assert made is not None  # noqa: S101
    film, truth = made
    scorer = BoostedScorer(
        (models / MODEL_FILE).read_bytes(), json.loads((models / SETTINGS_FILE).read_text(encoding="utf-8"))
    )
    anatomy = find_anatomy(film)
    proposals = ClassicalSegmenter(scorer=scorer).propose(film, anatomy)
    count = len(proposals)
    pixels = np.bincount(proposals.image.ravel(), minlength=count + 1)[1:]
    inside = np.bincount(proposals.image[truth > 0], minlength=count + 1)[1:]
    area_mm2 = film.spacing.pixel_area_mm2 or 0.0
    deposits = []
    for number in range(1, int(truth.max()) + 1):
        mask = truth == number
        covered = np.bincount(proposals.image[mask], minlength=count + 1)[1:]
        mine = covered > 0.25 * pixels
        order = np.argsort(-proposals.probabilities)
        found = np.cumsum(np.where(mine, covered, 0)[order]) >= 0.3 * mask.sum()
        best = float(proposals.probabilities[order][np.argmax(found)]) if found.any() else 0.0
        deposits.append((mask.sum() * area_mm2, best))
    return {
        "probability": proposals.probabilities,
        "true": (inside > 0.25 * pixels).astype(float),
        "piece_mm2": pixels * area_mm2,
        "deposits": np.array(deposits).reshape(-1, 2),
    }


def judge(jobs: list[tuple[Path, str, int, Path | None]], workers: int) -> dict[str, NDArray[np.float64]]:
    with ProcessPoolExecutor(workers, initializer=_be_modest) as pool:
        films = list(pool.map(judged_pieces, jobs))
    return {key: np.concatenate([film[key] for film in films]) for key in films[0]}


def choose(models: Path, workers: int, films: int) -> None:
    """Choose the calibration and the threshold on films that were not trained on."""
    jobs: list[tuple[Path, str, int, Path | None]]
    jobs = [(models, "simulated", seed, None) for seed in range(CHOOSE_SEED, CHOOSE_SEED + films)]
    judged = judge(jobs, workers)
    knots = calibration(judged["probability"], judged["true"])
    false = np.sort(judged["probability"][judged["true"] < 0.5])[::-1]
    allowed = round(FALSE_PIECES_A_FILM * films)
    raw = float(false[min(allowed, false.size - 1)]) + 1e-6 if false.size else 0.5
    raw = float(np.clip(raw, 0.05, 0.9))
    threshold = float(np.interp(raw, *np.array(knots).T))
    write_settings(models / SETTINGS_FILE, threshold=round(threshold, 4), knots=knots)
    large = judged["deposits"][judged["deposits"][:, 0] >= 2.0]
    print(f"threshold {raw:.3f} (calibrated {threshold:.3f}): sensitivity from 2 mm2 {(large[:, 1] >= raw).mean():.2f}")


def calibration(probability: NDArray[np.float64], true: NDArray[np.float64]) -> list[list[float]]:
    """Return (raw, calibrated) knots: the share of true pieces near each raw probability, made to rise."""
    from sklearn.isotonic import IsotonicRegression

    spread = np.log(np.clip(probability, 1e-4, 1 - 1e-4) / (1 - np.clip(probability, 1e-4, 1 - 1e-4)))
    # A few made-up pieces at both ends keep the curve from reaching 0 or 1, which no finite sample shows.
    spread = np.concatenate([spread, [-9.2, -9.2, 9.2, 9.2]])
    rising = IsotonicRegression(y_min=0.001, y_max=0.999).fit(spread, np.concatenate([true, [0, 0, 1, 1]]))
    grid = np.linspace(-6, 6, 25)
    values = np.maximum.accumulate(np.convolve(np.pad(rising.predict(grid), 2, mode="edge"), np.ones(5) / 5, "valid"))
    values = values + np.linspace(0, 1e-3, values.size)
    raw = 1 / (1 + np.exp(-grid))
    return [
        [0.0, 0.0],
        *([round(float(a), 6), round(float(min(b, 0.9995)), 6)] for a, b in zip(raw, values, strict=True)),
        [1.0, 1.0],
    ]


def report(models: Path, held_out: list[Path], workers: int, films: int) -> None:
    """Print the figures of the model card."""
    settings = json.loads((models / SETTINGS_FILE).read_text(encoding="utf-8"))
    threshold = settings["threshold"]
    sources: list[tuple[str, list[tuple[Path, str, int, Path | None]]]]
    sources = [("simulated hands", [(models, "simulated", s, None) for s in range(REPORT_SEED, REPORT_SEED + films)])]
    if held_out:
        sources.append(("held-out real films", [(models, "negative", 0, path) for path in held_out]))
    for name, jobs in sources:
        judged = judge(jobs, workers)
        false = (judged["probability"] >= threshold) & (judged["true"] < 0.5)
        line = f"{name}: {len(jobs)} films, {false.sum() / len(jobs):.2f} false pieces a film"
        for low, high in ((0.0, 2.0), (2.0, 5.0), (5.0, 20.0), (20.0, np.inf), (2.0, np.inf)):
            area, best = judged["deposits"].T
            these = best[(area >= low) & (area < high)]
            if these.size:
                line += f"; {low:g}-{high:g} mm2: {(these >= threshold).mean():.2f} of {these.size}"
        print(line)


if __name__ == "__main__":
    main()
