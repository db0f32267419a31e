"""The second stage of the learned method: each region classified from features of itself and its surroundings.

The probability map alone is over-confident: it was trained pixel by pixel. Boosted trees over features of the entire
region, fitted to films that the network was not trained on, give the probability that it is a piece of a deposit.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import components, depth_inside, distance_to
from calcimeasure.boxes import pad_box, paste_masks
from calcimeasure.models.inference import open_session
from calcimeasure.segmentation.probability_map_regions import Region

MODEL_FILE, SETTINGS_FILE = "judge.onnx", "network.json"
REGION_FEATURE_NAMES = (
    *("logit", "peak_logit", "core_logit", "sure_share", "halo"),
    *("near_mass", "far_mass", "near_parts", "classical_logit"),
    *("log_area", "elongation", "fill", "depth"),
    *("grey", "bright_grey", "texture", "detail", "bone"),
    *("ring_grey", "ring_bone", "contrast", "contrast_to_spread", "over_ring", "peak_over_ring"),
)
_LEAST_PROBABILITY = 1e-4
_CLEAR, _CERTAIN = 0.3, 0.9
# Cells of 0.2 mm about a region: its halo, what is near and what is farther, and the ring that it is seen against.
_HALO, _NEAR, _FAR, _RING, _WIDE_RING = 4.0, 10.0, 15.0, (2.0, 8.0), (2.0, 12.0)
_LEAST_RING = 12
# Of the ring only cells that the map does not take for a deposit.
_UNLIKELY = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionContext:
    """What the features of a region are computed from, for every cell of the network's grid.

    Attributes
    ----------
    probability
        float32, (rows, cols): the network's map.
    inputs
        float32, (2, rows, cols): its input.
    limb, bone
        bool, (rows, cols).
    classical
        float32, (rows, cols): probability of the classical candidate that covers the cell; 0 where none does.
    """

    probability: NDArray[np.float32]
    inputs: NDArray[np.float32]
    limb: NDArray[np.bool_]
    bone: NDArray[np.bool_]
    classical: NDArray[np.float32]

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """How far inside the limb each cell lies, in cells."""
        return depth_inside(self.limb)

    @cached_property
    def components(self) -> NDArray[np.int32]:
        """The connected components of the map, numbered from 1."""
        return components(self.probability >= _CLEAR)[0]


def region_features(region: Region, cells: RegionContext) -> NDArray[np.float64]:
    """Return the features of one region on the network's grid, in the order of `REGION_FEATURE_NAMES`."""
    reach = round(_FAR)
    window = pad_box(region.box, (reach, reach), cells.probability.shape)
    mask = paste_masks(window, (region.box, region.mask))
    distance = distance_to(mask)
    of_map = _of_map(mask, distance, cells.probability[window])
    near = np.unique(cells.components[window][(distance > 0.0) & (distance <= _NEAR)])
    rows, cols = region.mask.shape
    area = float(region.mask.sum())
    features = {
        **of_map,
        "near_parts": math.log1p(np.count_nonzero(near)),
        "classical_logit": _logit(float(cells.classical[window][mask].max())),
        "log_area": math.log(area),
        "elongation": max(rows, cols) / math.sqrt(area),
        "fill": area / region.mask.size,
        "depth": float(cells.depth[window][mask].min()),
        **_of_greys(mask, distance, window, cells),
    }
    return np.array([features[name] for name in REGION_FEATURE_NAMES])


def _of_map(
    mask: NDArray[np.bool_], distance: NDArray[np.float32], probability: NDArray[np.float32]
) -> dict[str, float]:
    """Return the map's features of a region and its surroundings, in one window."""
    own = probability[mask]
    inside = depth_inside(mask)[mask]

    def mass_to(reach: float) -> float:
        return math.log1p(float(probability[(distance > 0.0) & (distance <= reach)].sum()))

    return {
        "logit": _logit(float(own[own >= np.median(own)].mean())),
        "peak_logit": _logit(float(own.max())),
        "core_logit": _logit(float(own[inside >= 0.5 * inside.max()].mean())),
        "sure_share": float((own >= _CERTAIN).mean()),
        "halo": mass_to(_HALO) - 0.5 * math.log1p(own.size),
        "near_mass": mass_to(_NEAR),
        "far_mass": mass_to(_FAR),
    }


def _of_greys(
    mask: NDArray[np.bool_], distance: NDArray[np.float32], window: tuple[slice, slice], cells: RegionContext
) -> dict[str, float]:
    """Return the brightness of a region, by itself and against the ring about it, in one window."""
    grey, bone = cells.inputs[0][window], cells.bone[window]
    own = grey[mask].astype(np.float64)
    ring = (distance > _RING[0]) & (distance <= _RING[1]) & (cells.probability[window] < _UNLIKELY)
    if ring.sum() < _LEAST_RING:
        ring = (distance > _WIDE_RING[0]) & (distance <= _WIDE_RING[1])
    around = grey[ring].astype(np.float64) if ring.any() else own
    contrast = float(own.mean() - np.median(around))
    return {
        "grey": float(own.mean()),
        "bright_grey": float(np.percentile(own, 95)),
        "texture": float(own.std()),
        "detail": float(cells.inputs[1][window][mask].max()),
        "bone": float(bone[mask].mean()),
        "ring_grey": float(np.median(around)),
        "ring_bone": float(bone[ring].mean()) if ring.any() else 0.0,
        "contrast": contrast,
        "contrast_to_spread": contrast / (float(around.std()) + 0.02),
        "over_ring": float(own.mean() - np.percentile(around, 90)),
        "peak_over_ring": float(own.max() - around.max()),
    }


def _logit(probability: float) -> float:
    clipped = min(max(probability, _LEAST_PROBABILITY), 1.0 - _LEAST_PROBABILITY)
    return math.log(clipped / (1.0 - clipped))


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionClassifier:
    """Boosted trees over the features of a region.

    Attributes
    ----------
    session
        Of ONNX Runtime.
    threshold
        Probability from which a region is accepted.
    """

    session: Any
    threshold: float

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability a row of features."""
        if not len(rows):
            return np.zeros(0)
        (output,) = self.session.run(None, {"features": rows.astype(np.float32)})
        return np.asarray(output[:, 0], dtype=np.float64)


@lru_cache(maxsize=1)
def load_region_classifier() -> RegionClassifier:
    """Return the model that ships with the network."""
    folder = resources.files("calcimeasure.models").joinpath("weights")
    stored = json.loads(folder.joinpath(SETTINGS_FILE).read_text(encoding="utf-8"))
    if tuple(stored["features"]) != REGION_FEATURE_NAMES:
        raise ValueError("the region classifier was fitted to other features; run training/network.py again")
    return RegionClassifier(session=open_session(MODEL_FILE), threshold=float(stored["threshold"]))
