"""How much of every cell a deposit covers, and its footprint area as the sum: what the outline network says of a mask.

The mask only says which structure is meant; the network (`learned.outlines`) was taught on simulated deposits, sharp
and thinning, in soft tissue and over bone, to answer with the share of each cell that the shadow of the deposit covers
before blur and noise. So the edge is modelled, not cut at a threshold, and the sum needs no outline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box
from calcimeasure.measurement.edge_calibration import AREA_DECIMALS, AreaEstimate
from calcimeasure.models.network_input import DIVISOR, NetworkInput
from calcimeasure.models.outline_network import REACH_CELLS, predict_coverage, territory

# What else is known within this of a mask is shown to the network: twice a territory's reach.
KNOWN_CELLS = 2 * REACH_CELLS
_MARGIN_CELLS = 40
AREA_SCALE = 0.98
"""The sum of the shares comes out right on simulated films and 3 to 6 % too large for deposits put into real ones
(development seeds), whose tone curves flatten towards white. A clinic's film lies between, and so does this."""
_SMALLEST_AREA_PX = 0.1
_LEAST_SHARE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """What one deposit covers.

    Attributes
    ----------
    share
        float32, (rows, cols): the share of each cell that the deposit covers, 0 beyond its territory.
    first
        Row and column of the first cell.
    factor
        (rows, columns) film pixels a cell.
    log_error
        Logarithm of the relative error of the area, as the network foresees it.
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
    """From the error that the network foresees to standard errors; fitted by `training/area_errors.py`.

    Attributes
    ----------
    gain, power
        Relative standard error of an area: ``exp(gain + power * log_error)``.
    repeat_gain, repeat_power
        The same of what another film of the same deposit would not share.
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


def context_radius_px(seen: NetworkInput) -> tuple[int, int]:
    """Return how many (rows, columns) around a mask what else is known can change what the mask's deposit covers."""
    return (int(KNOWN_CELLS * seen.factor[0]), int(KNOWN_CELLS * seen.factor[1]))


def deposit_coverage(
    seen: NetworkInput,
    mask: NDArray[np.bool_],
    others: NDArray[np.bool_],
    corner: tuple[int, int],
    *,
    mirrored: bool = False,
    parallel: bool = False,
) -> Coverage | None:
    """Return what the deposit that a mask points at covers; None for an empty mask.

    Parameters
    ----------
    seen
        The film as the networks see it.
    mask, others
        bool, film pixels of one window: the deposit, and other deposits beside it.
    corner
        Film row and column of the window's first pixel.
    mirrored, parallel
        As for `predict_coverage`.
    """
    if not mask.any():
        return None
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    spans, near = [], []
    for filled, start, step, reach in zip((rows, cols), corner, seen.factor, context_radius_px(seen), strict=True):
        low = int((filled[0] + start) / step) - _MARGIN_CELLS
        high = int(np.ceil((filled[-1] + 1 + start) / step)) + _MARGIN_CELLS
        spans.append((low, -(-(high - low) // DIVISOR) * DIVISOR))
        near.append(slice(max(int(filled[0]) - reach, 0), int(filled[-1]) + reach + 1))
    first = (spans[0][0], spans[1][0])
    maps = [_overlap(first[axis], spans[axis][1], seen.factor[axis], corner[axis], mask.shape[axis]) for axis in (0, 1)]
    meant = _on_cells(mask, maps)
    shown = np.zeros_like(others)  # what lies farther away is to change nothing
    shown[near[0], near[1]] = others[near[0], near[1]]
    known = _on_cells(shown, maps) & ~meant
    pointed = np.stack([meant, known]).astype(np.float32)
    share, log_error = predict_coverage(seen, pointed, first, mirrored=mirrored, parallel=parallel)
    share = np.where(territory(meant, known) & _on_film(seen, first, share.shape), share, np.float32(0.0))
    total = float(share.sum(dtype=np.float64))
    foreseen = float((share * log_error).sum(dtype=np.float64)) / total if total > 0 else 0.0
    return Coverage(share=share, first=first, factor=seen.factor, log_error=foreseen)


def coverage_outline(coverage: Coverage, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], Box]:
    """Return the coverage as an outline on the film's pixels, of as many pixels as its area says, and where it lies.

    Parameters
    ----------
    coverage
        Of a deposit.
    shape
        Of the film.
    """
    filled = [np.flatnonzero((coverage.share > _LEAST_SHARE).any(axis=axis)) for axis in (1, 0)]
    if not filled[0].size:
        return np.zeros((0, 0), dtype=np.bool_), (slice(0, 0), slice(0, 0))
    box = tuple(
        slice(
            min(max(int((first + cells[0] - 1) * step), 0), size),
            min(max(int(np.ceil((first + cells[-1] + 2) * step)), 0), size),
        )
        for cells, first, step, size in zip(filled, coverage.first, coverage.factor, shape, strict=True)
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


def _on_film(seen: NetworkInput, first: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, cols = (
        (start + np.arange(size) >= 0) & (start + np.arange(size) < cells)
        for start, size, cells in zip(first, shape, seen.cells, strict=True)
    )
    return np.asarray(rows[:, None] & cols[None, :])


def _overlap(first: int, cells: int, step: float, start: int, pixels: int) -> NDArray[np.float32]:
    """Return how much of each cell each pixel of an axis makes up: (cells, pixels)."""
    low = ((first + np.arange(cells)) * step)[:, None]
    pixel = (start + np.arange(pixels))[None, :]
    shared = np.minimum(low + step, pixel + 1.0) - np.maximum(low, pixel)
    return np.asarray(np.clip(shared, 0.0, None) / step, dtype=np.float32)


def _on_cells(mask: NDArray[np.bool_], maps: list[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Return the cells that a mask covers by half; the fullest ones of a mask smaller than that."""
    share = maps[0] @ mask.astype(np.float32) @ maps[1].T
    fullest = float(share.max(initial=0.0))
    return np.asarray(share >= min(0.5, 0.9 * fullest)) if fullest > 0 else np.zeros(share.shape, dtype=np.bool_)
