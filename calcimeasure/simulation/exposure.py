"""From thicknesses to the detector's signal: Beer-Lambert, heel effect, scatter, blur, quantum and electronic noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.attenuation import beam, transmission
from calcimeasure.simulation.limb_parts import part_named
from calcimeasure.simulation.smoothing import blurred, gaussian_blur, resized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from calcimeasure.simulation.rays import Grid

SCATTER_GRID_MM = 3.0
FINE_SHARE = 0.7  # of the quantum noise goes through the detector's blur; the rest stays white


@dataclass(frozen=True, kw_only=True)
class XrayExposure:
    """The settings of one exposure.

    Attributes
    ----------
    voltage_kv
        Tube voltage.
    source_distance_mm
        From the source to the detector.
    quanta_per_mm2
        Detected quanta in the open beam, times the detector's efficiency.
    scatter_share
        Scatter over primary behind the thickest parts.
    scatter_reach_mm
        Standard deviation of its spread.
    psf_sigma_mm
        Blur of detector and focal spot.
    noise_correlation_mm
        Correlation of the quantum noise.
    electronic_share
        Electronic noise as a share of the open beam's quantum noise.
    heel_share, heel_deg
        Fall of the intensity across the film and its direction.
    corner_share
        Fall of the intensity from the middle to the corners.
    """

    voltage_kv: float = 52.0
    source_distance_mm: float = 1050.0
    quanta_per_mm2: float = 60_000.0
    scatter_share: float = 0.12
    scatter_reach_mm: float = 18.0
    psf_sigma_mm: float = 0.12
    noise_correlation_mm: float = 0.09
    electronic_share: float = 0.15
    heel_share: float = 0.06
    heel_deg: float = 0.0
    corner_share: float = 0.1


def draw_exposure(rng: np.random.Generator, *, near: XrayExposure | None = None, part: str = "hand") -> XrayExposure:
    """Return settings as hospitals use them for limbs.

    Parameters
    ----------
    near
        The other visit's: the same room half of the time, and then much the same settings.
    part
        What is filmed: a thicker part has a harder beam and a higher dose.
    """
    chosen = part_named(part)
    if near is not None and rng.random() < 0.5:
        return replace(
            near,
            voltage_kv=float(np.clip(near.voltage_kv + rng.normal(0, 1), 45, 78)),
            quanta_per_mm2=float(near.quanta_per_mm2 * np.exp(rng.normal(0, 0.15))),
            source_distance_mm=float(np.clip(near.source_distance_mm + rng.normal(0, 10), 980, 1200)),
        )
    return XrayExposure(
        voltage_kv=float(rng.uniform(46, 62)) + chosen.harder_kv,
        source_distance_mm=float(rng.uniform(1000, 1150)),
        quanta_per_mm2=float(np.exp(rng.uniform(np.log(25_000), np.log(140_000)))) * chosen.dose_factor,
        scatter_share=float(rng.uniform(0.03, 0.25)),
        scatter_reach_mm=float(rng.uniform(10, 25)),
        psf_sigma_mm=float(rng.uniform(0.08, 0.17)),
        noise_correlation_mm=float(rng.uniform(0.05, 0.13)),
        electronic_share=float(rng.uniform(0.05, 0.3)),
        heel_share=float(rng.uniform(0.0, 0.12)),
        corner_share=float(rng.uniform(0.0, 0.2)),
        heel_deg=float(rng.choice([0.0, 90.0, 180.0, 270.0]) + rng.normal(0, 5)),
    )


def expose(
    thickness_mm: Mapping[str, NDArray[np.float32]], exposure: XrayExposure, grid: Grid, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the detector's signal as a share of the open beam's, with noise.

    Parameters
    ----------
    thickness_mm
        Material to its thickness along the ray.
    grid
        ((rows, columns), (row, column) spacing in mm).
    """
    primary = transmission(thickness_mm, beam(exposure.voltage_kv))
    signal = primary + scatter(primary, exposure, grid)
    signal = signal * heel(exposure, grid)
    signal = gaussian_blur(signal, exposure.psf_sigma_mm, grid[1])
    return signal + noise(signal, exposure, grid, rng)


def scatter(primary: NDArray[np.float32], exposure: XrayExposure, grid: Grid) -> NDArray[np.float32]:
    """Return the scatter behind the limb: what the limb took out of the beam, spread wide."""
    shape, spacing = grid
    step = max(int(SCATTER_GRID_MM / max(spacing)), 1)
    small = resized(1 - primary, (max(shape[0] // step, 2), max(shape[1] // step, 2)), cv2.INTER_AREA)
    spread = blurred(small, exposure.scatter_reach_mm / (step * max(spacing)))
    return resized(spread * np.float32(exposure.scatter_share * 0.5), shape, cv2.INTER_LINEAR)


def heel(exposure: XrayExposure, grid: Grid) -> NDArray[np.float32]:
    """Return the intensity of the beam over the film, 1 in its middle."""
    shape, _ = grid
    direction = np.deg2rad(exposure.heel_deg)
    along = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] ** 2
    across = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :] ** 2
    fall = np.float32(exposure.corner_share / 2) * (along + across)
    row = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None] * np.float32(np.sin(direction))
    col = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None, :] * np.float32(np.cos(direction))
    return np.asarray(1 + np.float32(exposure.heel_share) * (row + col) - fall, np.float32)


def noise(
    signal: NDArray[np.float32], exposure: XrayExposure, grid: Grid, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return quantum noise, in part correlated by the detector's blur, and electronic noise."""
    shape, spacing = grid
    quanta = exposure.quanta_per_mm2 * spacing[0] * spacing[1]
    white = rng.standard_normal(shape, dtype=np.float32)
    shaped = gaussian_blur(white, exposure.noise_correlation_mm, spacing)
    variance = np.maximum(signal, 1e-4) + np.float32(exposure.electronic_share**2)
    mixed = np.float32(FINE_SHARE) * shaped + np.float32(np.sqrt(1 - FINE_SHARE)) * white * np.float32(0.5)
    return np.asarray(np.sqrt(variance / np.float32(quanta)) * mixed)
