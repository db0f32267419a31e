"""How a patch may look otherwise: tone, sharpness, enhancement, resolution, compression and noise, drawn at random.

Grey values are those of the network's input: soft tissue near 0, bone near 1. Every change keeps both levels, because
the input is scaled to them on each film.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]


def changed_look(grey: Grey, rng: np.random.Generator) -> Grey:
    """Return the patch as another machine, export or exposure would show it."""
    x = grey
    if rng.random() < 0.5:
        x = toned(x, float(rng.normal(0, 0.45)))
    if rng.random() < 0.3:
        x = _blurred(x, float(rng.uniform(0.3, 1.6)))
    if rng.random() < 0.35:
        x = x + np.float32(rng.uniform(0.1, 1.5)) * (x - _blurred(x, float(np.exp(rng.uniform(0.0, 2.3)))))
    if rng.random() < 0.2:
        x = coarser(x, float(rng.uniform(1.2, 3.0)))
    x = x * np.float32(np.exp(rng.normal(0, 0.15))) + np.float32(rng.normal(0, 0.08))
    x = x + noise(x.shape, rng)
    if rng.random() < 0.12:
        x = compressed(x, int(rng.integers(25, 92)))
    return np.clip(x, -2.0, 4.0)


def toned(x: Grey, bend: float) -> Grey:
    """Return the greys along an exponential tone curve that keeps 0 and 1."""
    if abs(bend) < 1e-3:
        return x
    return np.asarray(np.expm1(bend * np.clip(x, -2.0, 4.0)) / np.expm1(bend), np.float32)


def coarser(x: Grey, factor: float) -> Grey:
    """Return the patch as an export of fewer pixels shows it."""
    size = (max(8, round(x.shape[1] / factor)), max(8, round(x.shape[0] / factor)))
    small = cv2.resize(x, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, x.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    """Return grain: white, or correlated over a few cells."""
    grain = rng.standard_normal(shape, dtype=np.float32)
    if rng.random() < 0.5:
        grain = _blurred(grain, float(rng.uniform(0.4, 1.5)))
        grain /= max(float(grain.std()), 1e-6)
    return np.float32(abs(rng.normal(0, 0.035))) * grain


def compressed(x: Grey, quality: int) -> Grey:
    """Return the patch after 8 bits and JPEG."""
    low, high = float(x.min()), float(x.max())
    scale = 255.0 / max(high - low, 1e-6)
    _, coded = cv2.imencode(".jpg", ((x - low) * scale).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) / scale + low, np.float32)


def _blurred(x: Grey, sigma: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)
