"""From an edge's descriptors to the distance between the reference contour and the edge of the shadow.

Small networks, fitted to simulated deposits by `training/area.py` (`area_calibration.json`), predict for one edge the
mean distance to the footprint's edge, its standard error, and the part of that error that another film of the same
deposit would not share; for two films (`pair_*`), the weights of the differences of the descriptors in the log ratio.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.edge_description import DESCRIPTOR_NAMES, Edge

CALIBRATION_FILE = "area_calibration.json"
SMALLEST_SHARE = 0.1
LARGEST_SHIFT_PX = 14.0
LOWEST_LOG_SE, HIGHEST_LOG_SE = -6.0, 2.0
# Areas are rounded: sums of many products differ in their last digits with the machine's load.
AREA_DECIMALS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class AreaEstimate:
    """The footprint area of one deposit.

    Attributes
    ----------
    area_px
        Footprint area.
    se_px
        Standard error from all sources.
    se_repeat_px
        The part that differs from film to film of the same deposit (noise, place within the pixel, background); the
        rest is the deposit's own shape and cancels in a ratio.
    """

    area_px: float
    se_px: float
    se_repeat_px: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer of a network."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the layer's sums for one vector, added up in a fixed order."""
        return np.asarray((self.weights * values[:, None]).sum(axis=0) + self.bias)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """The fitted networks with the range of descriptors that they were fitted to.

    Attributes
    ----------
    centre, scale
        Descriptors are standardised as ``(value - centre) / scale``.
    lowest, highest
        Standardised descriptors are kept within these.
    networks
        The layers, tanh between them, for ``shift`` (pixels), ``log_se`` and ``log_se_repeat`` (log pixels) of one
        film, ``pair_weights`` and ``pair_log_se`` (log of a log ratio) of two.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    networks: dict[str, tuple[Layer, ...]]

    def standardised(self, descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return standardised descriptors, clipped to the fitted range."""
        return np.clip((descriptors - self.centre) / self.scale, self.lowest, self.highest)

    def output(self, name: str, standardised: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the output of one network for one deposit."""
        *hidden, last = self.networks[name]
        values = standardised
        for layer in hidden:
            values = np.tanh(layer(values))
        return last(values)


@cache
def load_calibration() -> Calibration:
    """Return the calibration that ships with the package."""
    text = resources.files("calcimeasure.measurement").joinpath(CALIBRATION_FILE).read_text(encoding="utf-8")
    return calibration_from(json.loads(text))


def calibration_from(record: dict[str, object]) -> Calibration:
    """Return a calibration from its record.

    Raises
    ------
    ValueError
        When it was fitted to other descriptors than this version makes.
    """
    if tuple(record["descriptors"]) != DESCRIPTOR_NAMES:  # type: ignore[arg-type]
        raise ValueError("the area calibration was fitted to other descriptors; run training/area.py again")
    networks = {
        name: tuple(
            Layer(weights=np.array(layer["weights"], float), bias=np.array(layer["bias"], float)) for layer in layers
        )
        for name, layers in record["networks"].items()  # type: ignore[attr-defined]
    }
    vectors = {name: np.array(record[name], float) for name in ("centre", "scale", "lowest", "highest")}
    return Calibration(networks=networks, **vectors)


def estimate_area(edge: Edge, calibration: Calibration | None = None) -> AreaEstimate:
    """Return the footprint area within an edge.

    Parameters
    ----------
    edge
        Contour and descriptors.
    calibration
        The shipped one when None.
    """
    calibration = load_calibration() if calibration is None else calibration
    standardised = calibration.standardised(edge.descriptors)
    shift = float(np.clip(calibration.output("shift", standardised)[0], -LARGEST_SHIFT_PX, LARGEST_SHIFT_PX))
    area = edge.contour_area_px + edge.contour_length_px * shift
    area = max(area, SMALLEST_SHARE * edge.contour_area_px, 0.1)
    se = edge.contour_length_px * bounded_exp(calibration.output("log_se", standardised)[0])
    repeat = edge.contour_length_px * bounded_exp(calibration.output("log_se_repeat", standardised)[0])
    return AreaEstimate(
        area_px=round(area, AREA_DECIMALS),
        se_px=round(se, AREA_DECIMALS),
        se_repeat_px=round(min(repeat, se), AREA_DECIMALS),
    )


def bounded_exp(value: float) -> float:
    """Return the standard error of a log standard error, clipped to the range of the training data."""
    return float(np.exp(np.clip(value, LOWEST_LOG_SE, HIGHEST_LOG_SE)))
