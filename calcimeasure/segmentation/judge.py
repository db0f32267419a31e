"""The network's second look: each region judged by what it looks like, and by what the classical method says of it.

The probability map alone is sure of itself where it should not be: it was taught pixel by pixel. A logistic model of a
few figures of the whole region, fitted to films that neither it nor the network was trained on, gives the probability
that the region is a piece of a deposit.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from calcimeasure.segmentation.regions import Region

SETTINGS_FILE = "network.json"
FEATURE_NAMES = ("logit", "peak_logit", "log_area", "grey", "detail", "bone", "classical_logit", "elongation")
_SUREST = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """What is known of every cell of the network's grid.

    Attributes
    ----------
    probability
        float32, (rows, cols): the network's map.
    inputs
        float32, (2, rows, cols): what it saw.
    bone
        bool, (rows, cols).
    classical
        float32, (rows, cols): probability of the classical candidate that covers the cell; 0 where none does.
    """

    probability: NDArray[np.float32]
    inputs: NDArray[np.float32]
    bone: NDArray[np.bool_]
    classical: NDArray[np.float32]


def describe(region: Region, cells: Cells) -> NDArray[np.float64]:
    """Return the figures of one region on the network's grid, in the order of `FEATURE_NAMES`."""
    rows, cols = region.mask.shape
    box = (slice(region.corner[0], region.corner[0] + rows), slice(region.corner[1], region.corner[1] + cols))
    inside = region.mask
    probability = cells.probability[box][inside]
    area = float(inside.sum())
    return np.array(
        [
            _logit(float(probability[probability >= np.median(probability)].mean())),
            _logit(float(probability.max())),
            math.log(area),
            float(cells.inputs[0][box][inside].mean()),
            float(cells.inputs[1][box][inside].max()),
            float(cells.bone[box][inside].mean()),
            _logit(float(cells.classical[box][inside].max())),
            max(rows, cols) / math.sqrt(area),
        ]
    )


def _logit(probability: float) -> float:
    held = min(max(probability, _SUREST), 1.0 - _SUREST)
    return math.log(held / (1.0 - held))


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A logistic model of the standardised figures and their squares.

    Attributes
    ----------
    mean, scale
        One a figure.
    weights
        Bias, one a figure, one a figure squared.
    threshold
        Probability from which a region is accepted.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    threshold: float

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability a row of figures."""
        # Figures beyond what it was fitted to are taken for the farthest that it knows: squares do not go on for ever.
        standard = np.clip((rows - self.mean) / self.scale, -3.0, 3.0)
        evidence = self.weights[0] + np.hstack([standard, standard**2]) @ self.weights[1:]
        return np.asarray(1.0 / (1.0 + np.exp(-evidence)))


@lru_cache(maxsize=1)
def load_judge() -> Judge:
    """Return the model that ships with the network."""
    stored = json.loads(
        resources.files("calcimeasure.learned").joinpath("models", SETTINGS_FILE).read_text(encoding="utf-8")
    )
    if tuple(stored["features"]) != FEATURE_NAMES:
        raise ValueError("the network's judge was fitted to other figures; run training/network.py again")
    return Judge(
        mean=np.array(stored["mean"]),
        scale=np.array(stored["scale"]),
        weights=np.array(stored["weights"]),
        threshold=float(stored["threshold"]),
    )
