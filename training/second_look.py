"""The network's second look: each region judged as a whole, fitted to films that the network was not trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimeasure.segmentation.judge import FEATURE_NAMES, SETTINGS_FILE, describe
from calcimeasure.segmentation.network import Evidence, candidates, probability_map
from calcimeasure.segmentation.regions import Region
from calcimeasure.segmentation.specks import doubted


def fit_judge(paths: list[Path], model: Path, most_false: float) -> None:
    """Fit the logistic model of whole regions and write it beside the network.

    The threshold is the lowest that leaves at most `most_false` false regions a film.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    films = [_judged_regions(path, session) for path in paths]
    rows = np.vstack([film.rows for film in films])
    real = np.concatenate([film.real for film in films])
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    standard = np.clip((rows - mean) / scale, -3.0, 3.0)
    weights = _logistic(np.hstack([np.ones((len(rows), 1)), standard, standard**2]), real.astype(float))
    chance = 1 / (1 + np.exp(-np.hstack([np.ones((len(rows), 1)), standard, standard**2]) @ weights))
    of_films = np.split(chance, np.cumsum([len(film.real) for film in films])[:-1])
    chance = np.concatenate([doubted(film.regions, own, film.shape) for film, own in zip(films, of_films, strict=True)])
    false = np.sort(chance[~real])[::-1]
    allowed = int(most_false * len(films))
    threshold = float(np.clip(false[allowed] + 1e-4 if allowed < len(false) else 0.3, 0.2, 0.7))
    kept = chance >= threshold
    print(f"{len(films)} films, {real.sum()} real regions of {len(real)}; threshold {threshold:.3f}")
    print(f"{kept[real].mean():.3f} of the real ones kept, {(kept & ~real).sum() / len(films):.2f} false a film")
    stored = {
        "features": FEATURE_NAMES,
        "mean": mean.round(6).tolist(),
        "scale": scale.round(6).tolist(),
        "weights": weights.round(6).tolist(),
        "threshold": round(threshold, 4),
    }
    model.with_name(SETTINGS_FILE).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judged:
    """A film's regions on cells of a shape, the figures of each, and whether it lies on a deposit."""

    regions: list[Region]
    shape: tuple[int, ...]
    rows: NDArray[np.float64]
    real: NDArray[np.bool_]


def _judged_regions(path: Path, session: object) -> _Judged:
    """Return what is to be judged of a film."""
    with np.load(path, allow_pickle=False) as stored:
        film = {name: stored[name] for name in stored.files}
    factor = (float(film["factor"][0]), float(film["factor"][1]))
    regions = []
    for number, probability in enumerate(film["probabilities"], start=1):
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
    evidence = Evidence(
        inputs=film["inputs"].astype(np.float32),
        factor=factor,
        limb=film["limb"],
        bone=film["bone"],
        classical=regions,
    )
    found, cells = candidates(evidence, probability_map(evidence.inputs, evidence.limb, session=session))
    truth = film["truth"] > 64
    on_truth = []
    for region in found:
        rows, cols = region.mask.shape
        here = truth[region.corner[0] : region.corner[0] + rows, region.corner[1] : region.corner[1] + cols]
        on_truth.append(here[region.mask].mean() >= 0.1)
    rows = np.array([describe(region, cells) for region in found]).reshape(len(found), len(FEATURE_NAMES))
    return _Judged(regions=found, shape=evidence.limb.shape, rows=rows, real=np.array(on_truth, dtype=bool))


def _logistic(terms: NDArray[np.float64], answer: NDArray[np.float64], ridge: float = 1.0) -> NDArray[np.float64]:
    """Return the weights of a ridge-penalised logistic regression, by Newton's steps; the first term is the bias."""
    penalty = ridge * np.diag([0.0, *np.ones(terms.shape[1] - 1)])
    weights = np.zeros(terms.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-terms @ weights))
        slope = terms.T @ (answer - chance) - penalty @ weights
        curvature = (terms * (chance * (1 - chance))[:, None]).T @ terms + penalty
        weights = weights + np.linalg.solve(curvature, slope)
    return weights
