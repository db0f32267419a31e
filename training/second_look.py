"""The network's second look: each region judged as a whole, fitted to films that the network was not trained on."""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from boosted import ensemble
from numpy.typing import NDArray

from calcimeasure.models.network_input import NetworkInput
from calcimeasure.segmentation.isolated_penalty import penalise_isolated
from calcimeasure.segmentation.network_segmenter import probability_map, region_candidates
from calcimeasure.segmentation.probability_map_regions import Region
from calcimeasure.segmentation.region_classifier import (
    MODEL_FILE,
    REGION_FEATURE_NAMES,
    SETTINGS_FILE,
    RegionClassifier,
    region_features,
)

SETTINGS = {"max_iter": 500, "learning_rate": 0.04, "max_leaf_nodes": 12, "min_samples_leaf": 25}
SETTINGS |= {"l2_regularization": 3.0, "max_features": 0.4, "early_stopping": False, "random_state": 0}
FOLDS = 5
# What a region counts: specks decide little of a burden, and the films that matter are real.
SMALL_CELLS, SMALL_WEIGHT, REAL_WEIGHT = 25, 0.4, 2.0
LARGE_CELLS = 50  # 2 mm2


def fit_judge(
    kinds: list[tuple[list[Path], float]],
    model: Path,
    *,
    most_false: float,
    workers: int,
    classical: bool = True,
) -> None:
    """Fit the boosted trees that classify whole regions and write them next to the network.

    The threshold is the lowest that leaves at most `most_false` false regions a film, each film judged by trees that
    were fitted to others.
    """
    paths = [path for kind, _ in kinds for path in kind]
    weights = [weight for kind, weight in kinds for _ in kind]
    with ProcessPoolExecutor(workers) as pool:
        judged = list(pool.map(partial(judged_regions, model, classical=classical), paths, chunksize=4))
    weighed = [(film, weight) for film, weight in zip(judged, weights, strict=True) if film.regions]
    fit_to(weighed, model, most_false)


def fit_to(weighed: list[tuple[Judged, float]], model: Path, most_false: float) -> None:
    """Fit the trees to films with regions, each with its weight, and write them and the threshold; see `fit_judge`."""
    films = [film for film, _ in weighed]
    rows = np.vstack([film.rows for film in films]).astype(np.float32)
    real = np.concatenate([film.real for film in films])
    count = [len(film.real) for film in films]
    cells = np.array([region.mask.sum() for film in films for region in film.regions])
    weights = np.repeat([weight for _, weight in weighed], count) * np.where(cells < SMALL_CELLS, SMALL_WEIGHT, 1.0)
    # A real background stands for several films: all of them are judged by trees that never saw it.
    fold_of = np.repeat([film.fold for film in films], count)
    chance = np.zeros(len(rows))
    for fold in range(FOLDS):
        others = fold_of != fold
        if others.all():
            continue
        trees = _fitted(rows[others], real[others], weights[others])
        chance[~others] = trees.predict_proba(rows[~others])[:, 1]
    of_films = np.split(chance, np.cumsum(count)[:-1])
    of_films = [penalise_isolated(film.regions, own, film.shape) for film, own in zip(films, of_films, strict=True)]
    chance = np.concatenate(of_films)
    due = np.array([weight for _, weight in weighed])
    order = np.argsort(chance[~real])[::-1]
    passed = np.cumsum(np.repeat(due, count)[~real][order]) / due.sum()
    allowed = int(np.searchsorted(passed, most_false))
    false = chance[~real][order]
    threshold = float(np.clip(false[allowed] + 1e-4 if allowed < len(false) else 0.3, 0.2, 0.7))
    print(f"{len(films)} films, {real.sum()} real regions of {len(real)}; threshold {threshold:.3f}")
    kept = chance >= threshold
    for weight in sorted(set(due)):
        own = np.repeat(due == weight, count)
        large = own & real & (cells >= LARGE_CELLS)
        print(
            f"films of weight {weight:g}: {kept[own & real].mean():.3f} of the real regions kept, "
            f"{kept[large].mean():.3f} of those of 2 mm2 and more; "
            f"{(kept & ~real & own).sum() / (due == weight).sum():.2f} false a film"
        )
    _write(_fitted(rows, real, weights), rows, model.with_name(MODEL_FILE))
    stored = {"features": REGION_FEATURE_NAMES, "threshold": round(threshold, 2)}
    model.with_name(SETTINGS_FILE).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def _fitted(rows: NDArray[np.float32], real: NDArray[np.bool_], weights: NDArray[np.float64]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**SETTINGS).fit(rows, real, sample_weight=weights)


def _write(trees: Any, rows: NDArray[np.float32], path: Path) -> None:
    """Write the trees as ONNX, and check that they give what scikit-learn gives."""
    import onnxruntime

    path.write_bytes(ensemble(trees, len(REGION_FEATURE_NAMES), "calcimeasure-judge").SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    gap = np.abs(RegionClassifier(session=session, threshold=0.5)(rows) - trees.predict_proba(rows)[:, 1])
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, largest difference from scikit-learn {gap.max():.1e}")
    if np.quantile(gap, 0.999) > 1e-4:
        raise SystemExit("the exported trees do not give what the fitted ones give")


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A film's regions on cells of a shape, the figures of each, whether it lies on a deposit, and the film's fold."""

    name: str
    fold: int
    regions: list[Region]
    shape: tuple[int, ...]
    rows: NDArray[np.float64]
    real: NDArray[np.bool_]


def judged_regions(model: Path, path: Path, *, classical: bool) -> Judged:
    """Return what is to be judged of a film."""
    cv2.setNumThreads(1)
    with np.load(path, allow_pickle=False) as stored:
        film = {name: stored[name] for name in stored.files}
    factor = (float(film["factor"][0]), float(film["factor"][1]))
    regions = []
    for number, probability in enumerate(film["probabilities"] if classical else (), start=1):
        mask = film["classical"] == number
        if mask.any():
            (top, bottom), (left, right) = ((int(c.min()), int(c.max()) + 1) for c in np.nonzero(mask))
            regions.append(
                Region(
                    mask=mask[top:bottom, left:right],
                    corner=(top, left),
                    probability=float(probability),
                    factor=factor,
                )
            )
    limb = film["limb"]
    seen = NetworkInput(
        inputs=film["inputs"].astype(np.float32), factor=factor, limb=limb, bone=film["bone"], cells=limb.shape
    )
    found, cells = region_candidates(seen, regions, _probability(seen, model, path))
    truth = film["truth"] > 64
    on_truth = []
    for region in found:
        rows, cols = region.mask.shape
        here = truth[region.corner[0] : region.corner[0] + rows, region.corner[1] : region.corner[1] + cols]
        on_truth.append(here[region.mask].mean() >= 0.1)
    rows = np.array([region_features(region, cells) for region in found]).reshape(len(found), len(REGION_FEATURE_NAMES))
    return Judged(
        name=f"{path.parent.name}/{path.name}",
        fold=zlib.crc32((str(film["origin"]) or path.name).encode()) % FOLDS,
        regions=found,
        shape=limb.shape,
        rows=rows,
        real=np.array(on_truth, dtype=bool),
    )


def _probability(seen: NetworkInput, model: Path, path: Path) -> NDArray[np.float32]:
    """Return the network's map of a film, kept beside it until the network changes."""
    kept = path.with_suffix(".map.npy")
    if kept.exists() and kept.stat().st_mtime > model.stat().st_mtime:
        return np.load(kept, allow_pickle=False)
    probability = probability_map(seen.inputs, seen.limb, session=_opened(model))
    np.save(kept, probability)
    return probability


@lru_cache(maxsize=1)
def _opened(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
