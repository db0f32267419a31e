"""Styles of films: beyond a vendor's usual processing, what else becomes of a film before somebody reads it.

``standard`` leaves everything as it is. ``any`` draws for each film: more or less scatter, bent tone curves, unsharp
masks that leave halos, coarse pixels enlarged again, film scanned with grain, vignetting and dust, and JPEG of 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.bone_styles import ANY, STANDARD
from calcimeasure.simulation.smoothing import correlated_noise, gaussian_blur, resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.simulation.exposure import XrayExposure
    from calcimeasure.simulation.rays import Grid

FILM_STYLES = (STANDARD, ANY)
COARSE_MM = (0.15, 0.6)
USUAL_SHARE = 0.25  # of the films of `any` that are left as they are
LATER_SAME = 0.6  # of second visits are finished as the first
BYTE = 255


@dataclass(frozen=True, kw_only=True)
class FilmFinish:
    """What becomes of a processed film; the default is nothing.

    Attributes
    ----------
    scatter_factor
        On the exposure's scatter.
    tone_power
        Exponent of the tone curve: above 1 is darker.
    halo_gain, halo_mm
        An unsharp mask after the tone curve, and its width.
    pixel_mm
        Spacing of the coarse pixels it is brought to and enlarged from again; 0 for none.
    grain, grain_mm
        Standard deviation of the grain of scanned film as a share of the range, and its size.
    vignette
        Fall of the light from the middle to the corners of the scan as a share of the range.
    dust
        How many specks and hairs lie on the scanned film.
    jpeg_quality
        Of a JPEG of 8 bits; 0 for none.
    """

    scatter_factor: float = 1.0
    tone_power: float = 1.0
    halo_gain: float = 0.0
    halo_mm: float = 1.0
    pixel_mm: float = 0.0
    grain: float = 0.0
    grain_mm: float = 0.1
    vignette: float = 0.0
    dust: int = 0
    jpeg_quality: int = 0


PLAIN = FilmFinish()


def draw_finish(rng: np.random.Generator, style: str, *, near: FilmFinish | None = None) -> FilmFinish:
    """Return how a film is finished; nothing is drawn for ``standard``.

    Parameters
    ----------
    near
        That of the other visit: kept six times in ten.
    """
    if style == STANDARD:
        return PLAIN
    if near is not None and rng.random() < LATER_SAME:
        return near
    if rng.random() < USUAL_SHARE:
        return PLAIN
    scanned = rng.random() < 0.25
    halo = rng.random() < 0.3
    return FilmFinish(
        scatter_factor=float(np.exp(rng.uniform(np.log(0.4), np.log(3.5)))),
        tone_power=float(np.exp(rng.normal(0, 0.25))) if rng.random() < 0.6 else 1.0,
        halo_gain=float(rng.uniform(0.4, 2.0)) if halo else 0.0,
        halo_mm=float(rng.uniform(0.3, 3.0)),
        pixel_mm=float(np.exp(rng.uniform(*np.log(COARSE_MM)))) if rng.random() < 0.35 else 0.0,
        grain=float(rng.uniform(0.004, 0.03)) if scanned else 0.0,
        grain_mm=float(rng.uniform(0.04, 0.2)),
        vignette=float(rng.uniform(0.0, 0.2)) if scanned else 0.0,
        dust=int(rng.integers(0, 60)) if scanned else 0,
        jpeg_quality=int(rng.integers(30, 96)) if rng.random() < 0.45 else 0,
    )


def draw_spacing(rng: np.random.Generator) -> float:
    """Return the pixel spacing in mm of an exported film: half of them fine, half much coarser."""
    low, high = (COARSE_MM[0], 0.2) if rng.random() < 0.5 else (0.2, COARSE_MM[1])
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def scattered(exposure: XrayExposure, finish: FilmFinish) -> XrayExposure:
    """Return the exposure with the finish's scatter."""
    return replace(exposure, scatter_share=exposure.scatter_share * finish.scatter_factor)


def finish_film(
    canonical: NDArray[np.uint16], finish: FilmFinish, highest: int, grid: Grid, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Return canonical values of a film after its finish; the same array, and nothing drawn, where there is none.

    Parameters
    ----------
    canonical
        Values from 0 to `highest`.
    """
    if replace(finish, scatter_factor=1.0, halo_mm=1.0, grain_mm=0.1) == PLAIN:
        return canonical
    shape, spacing = grid
    film = canonical.astype(np.float32) / np.float32(highest)
    if finish.tone_power != 1.0:
        film = np.power(film, np.float32(finish.tone_power))
    if finish.pixel_mm > max(spacing):
        size = (
            max(round(shape[0] * spacing[0] / finish.pixel_mm), 2),
            max(round(shape[1] * spacing[1] / finish.pixel_mm), 2),
        )
        film = resized(film, size, cv2.INTER_AREA)
        spacing = (shape[0] * spacing[0] / size[0], shape[1] * spacing[1] / size[1])
    if finish.grain or finish.vignette or finish.dust:
        film = _scanned(film, finish, spacing, rng)
    if finish.halo_gain > 0:
        film = film + np.float32(finish.halo_gain) * (film - gaussian_blur(film, finish.halo_mm, spacing))
    film = np.clip(film, 0, 1)
    if finish.jpeg_quality:
        film = _jpeg(film, finish.jpeg_quality)
    if film.shape != shape:
        film = np.clip(resized(film, shape, cv2.INTER_CUBIC), 0, 1)
    return np.asarray(np.rint(film * np.float32(highest)), np.uint16)


def _jpeg(film: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    _, encoded = cv2.imencode(".jpg", np.rint(film * BYTE).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(BYTE)


def _scanned(
    film: NDArray[np.float32], finish: FilmFinish, spacing: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a film as a scanner sees it: uneven light, grain that is strongest in the middle of the scale, dust."""
    rows, cols = film.shape
    y, x = np.linspace(-1, 1, rows, dtype=np.float32)[:, None], np.linspace(-1, 1, cols, dtype=np.float32)[None]
    centre_y, centre_x = (np.float32(rng.normal(0, 0.25)) for _ in range(2))
    fall = np.float32(finish.vignette / 2) * ((y - centre_y) ** 2 + (x - centre_x) ** 2)
    grain = correlated_noise(film.shape, rng, finish.grain_mm, spacing) * np.float32(finish.grain)
    result = film + fall + grain * (np.float32(0.35) + np.float32(2.6) * film * (1 - film))
    specks = np.zeros(film.shape, np.uint8)
    for _ in range(finish.dust):
        place = np.array([rng.uniform(0, cols), rng.uniform(0, rows)])
        if rng.random() < 0.8:
            reach = max(float(rng.uniform(0.05, 0.35)) / min(spacing), 0.5)
            cv2.circle(specks, _fixed(place), round(reach * 16), int(rng.integers(60, 256)), -1, cv2.LINE_AA, 4)
        else:
            steps = np.cumsum(rng.normal(0, 0.5, 24))
            line = place + np.cumsum(np.stack([np.cos(steps), np.sin(steps)], axis=1), axis=0) * 0.3 / min(spacing)
            cv2.polylines(
                specks, [np.rint(line * 16).astype(np.int32)], False, int(rng.integers(60, 200)), 1, cv2.LINE_AA, 4
            )
    bright = np.float32(rng.choice([-0.5, 0.6]))
    return np.asarray(result + bright * specks.astype(np.float32) / np.float32(BYTE), np.float32)


def _fixed(place: NDArray[np.float64]) -> tuple[int, int]:
    return int(place[0] * 16), int(place[1] * 16)
