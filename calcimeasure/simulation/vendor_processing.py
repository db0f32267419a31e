"""What a vendor makes of the detector's signal: logarithm, compression of the range, sharpening, a curve, and bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.limb_parts import part_named
from calcimeasure.simulation.smoothing import blurred, gaussian_blur, resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.simulation.rays import Grid

LOWEST_SIGNAL = 2e-3
BROAD_GRID_MM = 2.0
CURVE_STEPS = 65536
LIMB_FROM, METAL_FROM = 0.5, 4.4
"""Attenuation between which a limb lies: less is air, more is metal, lead or what a shutter leaves."""
LIMB_PERCENTILE, ROOM_ABOVE = 99.0, 0.25


@dataclass(frozen=True, kw_only=True)
class Processing:
    """How the signal becomes stored values.

    Attributes
    ----------
    compression, compression_mm
        How much of what is broader than so many mm is taken out.
    edge_gain, edge_mm
        Unsharp mask.
    fine_gain, fine_mm
        A second, finer band: multi-frequency processing.
    toe, shoulder
        Bend of the curve at its dark and its bright end; 0 is straight.
    black, white
        Logarithmic attenuation that becomes the lowest and the highest value.
    bits
        8 to 14.
    monochrome1
        Whether larger stored values are darker.
    shuttered
        Whether the outside of the collimated field is blackened.
    """

    compression: float = 0.2
    compression_mm: float = 20.0
    edge_gain: float = 0.3
    edge_mm: float = 0.8
    fine_gain: float = 0.2
    fine_mm: float = 0.25
    toe: float = 0.0
    shoulder: float = 0.2
    black: float = -0.12
    white: float = 2.4
    bits: int = 12
    monochrome1: bool = False
    shuttered: bool = True


def draw_processing(
    rng: np.random.Generator, *, near: Processing | None = None, bits: int | None = None, part: str = "hand"
) -> Processing:
    """Return a vendor's look.

    Parameters
    ----------
    near
        The other visit's: kept as it was six times in ten.
    bits
        Drawn when None.
    part
        What is filmed: a thicker part needs a wider range.
    """
    if near is not None and rng.random() < 0.6:
        return near
    strong = rng.random() < 0.3
    return Processing(
        compression=float(rng.uniform(0, 0.5)),
        compression_mm=float(rng.uniform(12, 35)),
        edge_gain=float(rng.uniform(0.4, 1.0) if strong else rng.uniform(0, 0.4)),
        edge_mm=float(rng.uniform(0.5, 2.0)),
        fine_gain=float(rng.uniform(0, 0.6) if strong else rng.uniform(0, 0.3)),
        fine_mm=float(rng.uniform(0.2, 0.4)),
        toe=float(rng.uniform(0, 0.5)),
        shoulder=float(rng.uniform(0, 0.6)),
        black=float(rng.uniform(-0.3, -0.05)) + part_named(part).darker,
        white=float(rng.uniform(2.0, 3.0)) * part_named(part).range_factor,
        bits=int(rng.choice([8, 10, 12, 12, 12, 14])) if bits is None else bits,
        monochrome1=bool(rng.random() < 0.3),
        shuttered=bool(rng.random() < 0.75),
    )


def process(
    signal: NDArray[np.float32],
    field: NDArray[np.bool_] | None,
    processing: Processing,
    grid: Grid,
    *,
    ranged: bool = False,
) -> NDArray[np.uint16]:
    """Return canonical values (more attenuation is larger) of the whole range of bits.

    Parameters
    ----------
    signal
        Share of the open beam.
    field
        True inside the collimation; None without one.
    ranged
        Whether the bright end follows the film where `processing.white` would clip the limb, as machines find their
        range from each film's histogram. A hand's attenuation varies little; that of a thick limb, with dose, scatter
        and girth, by more than any one range.
    """
    spacing = grid[1]
    attenuation: NDArray[np.float32] = -np.log(np.maximum(signal, np.float32(LOWEST_SIGNAL)))
    shown = attenuation.copy()
    if processing.compression > 0:
        broad = _broad(attenuation, field, processing.compression_mm, grid)
        shown = shown - np.float32(processing.compression) * (broad - broad.mean())
    for gain, width_mm in ((processing.edge_gain, processing.edge_mm), (processing.fine_gain, processing.fine_mm)):
        if gain > 0:
            shown = shown + np.float32(gain) * (attenuation - gaussian_blur(attenuation, width_mm, spacing))
    highest = 2**processing.bits - 1
    white = _white(shown, attenuation, field, processing.white) if ranged else processing.white
    steps = (shown - np.float32(processing.black)) * np.float32((CURVE_STEPS - 1) / (white - processing.black))
    step = np.clip(steps, 0, CURVE_STEPS - 1).astype(np.uint16)
    table = np.rint(curve(np.linspace(0, 1, CURVE_STEPS), processing) * highest).astype(np.uint16)
    stored = table[step]
    if field is not None and processing.shuttered:
        stored[~field] = 0
    return np.asarray(stored)


def curve(value: NDArray[np.float64], processing: Processing) -> NDArray[np.float64]:
    """Return the tone curve at values of 0 to 1: rising everywhere, 0 to 0 and 1 to 1."""
    dark, bright = 1 - processing.toe, 1 - processing.shoulder
    # Hermite: the slopes at the two ends are what toe and shoulder leave of 1.
    square = value * value
    cube = square * value
    return np.asarray((cube - 2 * square + value) * dark + (3 * square - 2 * cube) + (cube - square) * bright)


def _white(
    shown: NDArray[np.float32], attenuation: NDArray[np.float32], field: NDArray[np.bool_] | None, white: float
) -> float:
    """Return what becomes the highest value: as set, or so far out that the limb has room above it for calcium."""
    limb = (attenuation > LIMB_FROM) & (attenuation < METAL_FROM)
    if field is not None:
        limb &= field
    return max(white, float(np.percentile(shown[limb], LIMB_PERCENTILE)) + ROOM_ABOVE) if limb.any() else white


def _broad(
    attenuation: NDArray[np.float32], field: NDArray[np.bool_] | None, reach_mm: float, grid: Grid
) -> NDArray[np.float32]:
    shape, spacing = grid
    step = max(int(BROAD_GRID_MM / max(spacing)), 1)
    source = attenuation if field is None else np.where(field, attenuation, np.float32(0))
    small = resized(source, (max(shape[0] // step, 2), max(shape[1] // step, 2)), cv2.INTER_AREA)
    return resized(blurred(small, reach_mm / (step * max(spacing))), shape, cv2.INTER_LINEAR)
