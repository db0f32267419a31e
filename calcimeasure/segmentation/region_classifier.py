"""The network's second look: each region judged as a whole, by what it and its surroundings look like.

The probability map alone is sure of itself where it should not be: it was taught pixel by pixel. Boosted trees over
figures of the whole region, fitted to films that neither they nor the network were trained on, give the probability
that the region is a piece of a deposit.
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
from calcimeasure.boxes import box_at, pad_box, paste_masks
from calcimeasure.models.inference import open_session
from calcimeasure.segmentation.map_regions import Region

MODEL_FILE, SETTINGS_FILE = "judge.onnx", "network.json"
REGION_FEATURE_NAMES = (
    *("logit", "peak_logit", "core_logit", "sure_share", "halo"),
    *("near_mass", "far_mass", "near_parts", "classical_logit"),
    *("log_area", "elongation", "fill", "depth"),
    *("grey", "bright_grey", "texture", "detail", "bone"),
    *("ring_grey", "ring_bone", "contrast", "contrast_to_spread", "over_ring", "peak_over_ring"),
)
_SUREST = 1e-4
_CLEAR, _SURE = 0.3, 0.9
# Cells of 0.2 mm about a region: its halo, what is near and what is farther, and the ring that it is seen against.
_HALO, _NEAR, _FAR, _RING, _WIDE_RING = 4.0, 10.0, 15.0, (2.0, 8.0), (2.0, 12.0)
_LEAST_RING = 12
# Of the ring only cells that the map does not take for a deposit.
_UNLIKELY = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionContext:
    """What is known of every cell of the network's grid.

    Attributes
    ----------
    probability
        float32, (rows, cols): the network's map.
    inputs
        float32, (2, rows, cols): what it saw.
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
    def parts(self) -> NDArray[np.int32]:
        """What holds together in the map, numbered from 1."""
        return components(self.probability >= _CLEAR)[0]


def region_features(region: Region, cells: RegionContext) -> NDArray[np.float64]:
    """Return the figures of one region on the network's grid, in the order of `REGION_FEATURE_NAMES`."""
    own = box_at(region.corner, region.mask.shape)
    reach = round(_FAR)
    window = pad_box(own, (reach, reach), cells.probability.shape)
    mask = paste_masks(window, (own, region.mask))
    apart = distance_to(mask)
    sure = _of_map(mask, apart, cells.probability[window])
    near = np.unique(cells.parts[window][(apart > 0.0) & (apart <= _NEAR)])
    rows, cols = region.mask.shape
    area = float(region.mask.sum())
    figures = {
        **sure,
        "near_parts": math.log1p(np.count_nonzero(near)),
        "classical_logit": _logit(float(cells.classical[window][mask].max())),
        "log_area": math.log(area),
        "elongation": max(rows, cols) / math.sqrt(area),
        "fill": area / region.mask.size,
        "depth": float(cells.depth[window][mask].min()),
        **_of_greys(mask, apart, window, cells),
    }
    return np.array([figures[name] for name in REGION_FEATURE_NAMES])


def _of_map(mask: NDArray[np.bool_], apart: NDArray[np.float32], probability: NDArray[np.float32]) -> dict[str, float]:
    """Return what the map says of a region and of what lies about it, in one window."""
    own = probability[mask]
    inside = depth_inside(mask)[mask]

    def mass_to(reach: float) -> float:
        return math.log1p(float(probability[(apart > 0.0) & (apart <= reach)].sum()))

    return {
        "logit": _logit(float(own[own >= np.median(own)].mean())),
        "peak_logit": _logit(float(own.max())),
        "core_logit": _logit(float(own[inside >= 0.5 * inside.max()].mean())),
        "sure_share": float((own >= _SURE).mean()),
        "halo": mass_to(_HALO) - 0.5 * math.log1p(own.size),
        "near_mass": mass_to(_NEAR),
        "far_mass": mass_to(_FAR),
    }


def _of_greys(
    mask: NDArray[np.bool_], apart: NDArray[np.float32], window: tuple[slice, slice], cells: RegionContext
) -> dict[str, float]:
    """Return how bright a region is, by itself and against the ring about it, in one window."""
    grey, bone = cells.inputs[0][window], cells.bone[window]
    own = grey[mask].astype(np.float64)
    ring = (apart > _RING[0]) & (apart <= _RING[1]) & (cells.probability[window] < _UNLIKELY)
    if ring.sum() < _LEAST_RING:
        ring = (apart > _WIDE_RING[0]) & (apart <= _WIDE_RING[1])
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
    held = min(max(probability, _SUREST), 1.0 - _SUREST)
    return math.log(held / (1.0 - held))


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionClassifier:
    """Boosted trees over the figures of a region.

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
        """Return one probability a row of figures."""
        if not len(rows):
            return np.zeros(0)
        (answer,) = self.session.run(None, {"features": rows.astype(np.float32)})
        return np.asarray(answer[:, 0], dtype=np.float64)


@lru_cache(maxsize=1)
def load_region_classifier() -> RegionClassifier:
    """Return the model that ships with the network."""
    folder = resources.files("calcimeasure.models").joinpath("weights")
    stored = json.loads(folder.joinpath(SETTINGS_FILE).read_text(encoding="utf-8"))
    if tuple(stored["features"]) != REGION_FEATURE_NAMES:
        raise ValueError("the network's judge was fitted to other figures; run training/network.py again")
    return RegionClassifier(session=open_session(MODEL_FILE), threshold=float(stored["threshold"]))
