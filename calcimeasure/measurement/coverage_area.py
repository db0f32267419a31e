"""The footprint area of a deposit from the outline network: the sum of the share of each cell that it covers.

The mask only points at a structure. The network was trained on simulated deposits, sharp and tapering, in soft tissue
and over bone, to predict the share of each cell that the deposit's shadow covers before blur and noise. The edge is
modelled, not thresholded, and the sum needs no outline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box, bounding_box, pad_box
from calcimeasure.measurement.edge_calibration import AREA_DECIMALS, AreaEstimate
from calcimeasure.models.network_input import DIVISOR, NetworkInput
from calcimeasure.models.outline_network import TERRITORY_RADIUS_CELLS, predict_coverage, territory

CONTEXT_RADIUS_CELLS = 2 * TERRITORY_RADIUS_CELLS
_MARGIN_CELLS = 40
AREA_SCALE = 0.98
"""The sum of the shares is unbiased on simulated films and 3 to 6 % too large for deposits inserted into real ones
(development seeds), whose tone curves flatten towards white. Clinical films lie between, and so does this factor."""
_SMALLEST_AREA_PX = 0.1
_LEAST_SHARE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """The coverage of one deposit.

    Attributes
    ----------
    share
        float32, (rows, cols): the share of each cell that the deposit covers, 0 beyond its territory.
    first
        Row and column of the first cell.
    factor
        (rows, columns) film pixels a cell.
    log_error
        Logarithm of the relative error of the area, as the network predicts it.
    """

    share: NDArray[np.float32]
    first: tuple[int, int]
    factor: tuple[float, float]
    log_error: float

    @property
    def area_px(self) -> float:
        """The footprint area in film pixels: the sum of the shares, times `AREA_SCALE`."""
        return AREA_SCALE * float(self.share.sum(dtype=np.float64)) * self.factor[0] * self.factor[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorLaw:
    """From the error that the network predicts to standard errors; fitted by `training/area_errors.py`.

    Attributes
    ----------
    gain, power
        Relative standard error of an area: ``exp(gain + power * log_error)``.
    repeat_gain, repeat_power
        The same for the part of the error that another film of the same deposit would not share.
    """

    gain: float
    power: float
    repeat_gain: float
    repeat_power: float

    def estimate(self, coverage: Coverage) -> AreaEstimate:
        """Return the area with its standard errors."""
        area = max(coverage.area_px, _SMALLEST_AREA_PX)
        whole = float(np.exp(self.gain + self.power * coverage.log_error))
        repeat = min(float(np.exp(self.repeat_gain + self.repeat_power * coverage.log_error)), whole)
        return AreaEstimate(
            area_px=round(area, AREA_DECIMALS),
            se_px=round(whole * area, AREA_DECIMALS),
            se_repeat_px=round(repeat * area, AREA_DECIMALS),
        )


@cache
def load_error_law() -> ErrorLaw:
    """Return the law that ships with the network."""
    file = resources.files("calcimeasure.models").joinpath("weights", "outlines.json")
    return ErrorLaw(**json.loads(file.read_text(encoding="utf-8"))["error_law"])


def context_radius_px(inputs: NetworkInput) -> tuple[int, int]:
    """Return the radius in pixels (rows, columns) within which other masks affect a deposit's coverage."""
    return (int(CONTEXT_RADIUS_CELLS * inputs.factor[0]), int(CONTEXT_RADIUS_CELLS * inputs.factor[1]))


def deposit_coverage(
    inputs: NetworkInput,
    mask: NDArray[np.bool_],
    others: NDArray[np.bool_],
    corner: tuple[int, int],
    *,
    mirrored: bool = False,
) -> Coverage | None:
    """Return the coverage of the deposit that a mask points at; None for an empty mask.

    Parameters
    ----------
    inputs
        The film on the network's grid.
    mask, others
        bool, film pixels of one window: the deposit, and other deposits beside it.
    corner
        Film row and column of the window's first pixel.
    mirrored
        As for `predict_coverage`.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    low = [
        int((side.start + at) / step) - _MARGIN_CELLS for side, at, step in zip(box, corner, inputs.factor, strict=True)
    ]
    high = [
        int(np.ceil((side.stop + at) / step)) + _MARGIN_CELLS
        for side, at, step in zip(box, corner, inputs.factor, strict=True)
    ]
    first = (low[0], low[1])
    cells = [-(-(end - start) // DIVISOR) * DIVISOR for start, end in zip(low, high, strict=True)]
    weights = [_overlap(first[k], cells[k], inputs.factor[k], corner[k], mask.shape[k]) for k in (0, 1)]
    own = _on_cells(mask, weights)
    near = np.zeros_like(others)  # masks farther away must not change the coverage
    context = pad_box(box, context_radius_px(inputs), mask.shape)
    near[context] = others[context]
    rest = _on_cells(near, weights) & ~own
    share, log_error = predict_coverage(inputs, np.stack([own, rest]).astype(np.float32), first, mirrored=mirrored)
    share = np.where(territory(own, rest) & _on_film(inputs, first, share.shape), share, np.float32(0.0))
    total = float(share.sum(dtype=np.float64))
    mean_log_error = float((share * log_error).sum(dtype=np.float64)) / total if total > 0 else 0.0
    return Coverage(share=share, first=first, factor=inputs.factor, log_error=mean_log_error)


def coverage_outline(coverage: Coverage, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], Box]:
    """Return the coverage as a mask on the film's pixels, with as many pixels as its area, and the mask's box.

    Parameters
    ----------
    coverage
        Of a deposit.
    shape
        Of the film.
    """
    cells = bounding_box(coverage.share > _LEAST_SHARE)
    if cells is None:
        return np.zeros((0, 0), dtype=np.bool_), (slice(0, 0), slice(0, 0))
    box = tuple(
        slice(
            min(max(int((first + side.start - 1) * step), 0), size),
            min(max(int(np.ceil((first + side.stop + 1) * step)), 0), size),
        )
        for side, first, step, size in zip(cells, coverage.first, coverage.factor, shape, strict=True)
    )
    rows, cols = (
        ((np.arange(side.start, side.stop) + 0.5) / step - 0.5 - first).astype(np.float32)
        for side, step, first in zip(box, coverage.factor, coverage.first, strict=True)
    )
    across, down = np.meshgrid(cols, rows)
    share = cv2.remap(coverage.share, across, down, cv2.INTER_LINEAR, borderValue=0)
    wanted = int(np.clip(round(coverage.area_px), 1, share.size)) if share.size else 0
    if not wanted:
        return np.zeros(share.shape, dtype=np.bool_), (box[0], box[1])
    level = max(float(np.partition(share.ravel(), share.size - wanted)[share.size - wanted]), _LEAST_SHARE)
    return np.asarray(share >= level), (box[0], box[1])


def _on_film(inputs: NetworkInput, first: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, cols = (
        (start + np.arange(size) >= 0) & (start + np.arange(size) < cells)
        for start, size, cells in zip(first, shape, inputs.cells, strict=True)
    )
    return np.asarray(rows[:, None] & cols[None, :])


def _overlap(first: int, cells: int, step: float, start: int, pixels: int) -> NDArray[np.float32]:
    """Return how much of each cell each pixel of an axis makes up: (cells, pixels)."""
    low = ((first + np.arange(cells)) * step)[:, None]
    pixel = (start + np.arange(pixels))[None, :]
    shared = np.minimum(low + step, pixel + 1.0) - np.maximum(low, pixel)
    return np.asarray(np.clip(shared, 0.0, None) / step, dtype=np.float32)


def _on_cells(mask: NDArray[np.bool_], weights: list[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Return the cells that a mask covers by half; the fullest ones of a mask smaller than that."""
    share = weights[0] @ mask.astype(np.float32) @ weights[1].T
    fullest = float(share.max(initial=0.0))
    return np.asarray(share >= min(0.5, 0.9 * fullest)) if fullest > 0 else np.zeros(share.shape, dtype=np.bool_)
