"""How a detector's signal becomes a film that some clinic exported: tone curves, sharpening, 8 bits, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.simulation.smoothing import blurred

LOWEST_SIGNAL = 2e-3


@dataclass(frozen=True, kw_only=True)
class Tones:
    """What is done to one film.

    Attributes
    ----------
    black
        Where black lies between air (0) and the thinnest limb (1); below 0 air is grey.
    headroom
        Above the limb's brightest, as a share of its range; below 0 bone is clipped.
    flattened
        Share of the broad differences that is taken out.
    sharpened
        (gain, width in mm) of each unsharp mask.
    curve
        ``gamma``, ``sigmoid`` or ``straight``.
    bend
        Logarithm of the exponent, or steepness of the sigmoid.
    equalised
        Limit of a contrast-limited equalisation; 0 for none.
    bits
        8 or 12.
    jpeg_quality
        0 for none.
    """

    black: float
    headroom: float
    flattened: float
    sharpened: tuple[tuple[float, float], ...]
    curve: str
    bend: float
    equalised: float
    bits: int
    jpeg_quality: int


def draw_tones(rng: np.random.Generator) -> Tones:
    """Return what a machine and an export do to a film."""
    strong = rng.random() < 0.3
    gain = float(rng.uniform(0.5, 1.6) if strong else rng.uniform(0, 0.5))
    curve = str(rng.choice(["gamma", "sigmoid", "straight"], p=(0.4, 0.4, 0.2)))
    bits = int(rng.choice([8, 12], p=(0.65, 0.35)))
    return Tones(
        black=float(rng.uniform(-0.3, 0.45)),
        headroom=float(rng.uniform(-0.05, 0.5)),
        flattened=float(rng.uniform(0, 0.55)) if rng.random() < 0.5 else 0.0,
        sharpened=((gain, float(rng.uniform(0.5, 2.5))), (float(rng.uniform(0, 0.5)), float(rng.uniform(0.2, 0.5)))),
        curve=curve,
        bend=float(rng.uniform(-0.5, 0.5) if curve == "gamma" else rng.uniform(2.0, 5.5)),
        equalised=float(rng.uniform(1.0, 3.5)) if rng.random() < 0.2 else 0.0,
        bits=bits,
        jpeg_quality=int(rng.integers(45, 96)) if bits == 8 and rng.random() < 0.7 else 0,
    )


def toned(
    signal: NDArray[np.float32], field: NDArray[np.bool_], limb: NDArray[np.bool_], tones: Tones, spacing: float
) -> NDArray[np.float32]:
    """Return the film from 0 to 1, more attenuation larger.

    Parameters
    ----------
    signal
        Share of the open beam.
    field, limb
        Where the beam reaches the film, and where the limb lies: what the range is taken from.
    """
    attenuation: NDArray[np.float32] = -np.log(np.maximum(signal, np.float32(LOWEST_SIGNAL)))
    shown = attenuation
    if tones.flattened:
        step = max(round(2.0 / spacing), 1)
        size = (max(signal.shape[1] // step, 2), max(signal.shape[0] // step, 2))
        small = cv2.resize(np.where(field, attenuation, np.float32(0)), size, interpolation=cv2.INTER_AREA)
        broad = cv2.resize(blurred(small, 18.0 / (step * spacing)), signal.shape[::-1], interpolation=cv2.INTER_LINEAR)
        shown = shown - np.float32(tones.flattened) * (broad - broad.mean())
    for gain, width in tones.sharpened:
        shown = shown + np.float32(gain) * (attenuation - blurred(attenuation, width / spacing))
    inside, air = shown[limb & field][::7], shown[field & ~limb][::7]
    thinnest, brightest = np.percentile(inside, (8, 99.7))
    darkest = float(np.median(air)) if air.size > 50 else float(thinnest) - 0.5
    black = darkest + tones.black * (float(thinnest) - darkest)
    white = float(brightest) + tones.headroom * (float(brightest) - black)
    value = np.clip((shown - np.float32(black)) / np.float32(max(white - black, 1e-3)), 0, 1)
    if tones.curve == "gamma":
        value = value ** np.float32(np.exp(tones.bend))
    elif tones.curve == "sigmoid":
        low, high = (1 / (1 + np.exp(tones.bend * s)) for s in (0.5, -0.5))
        value = (1 / (1 + np.exp(-tones.bend * (value - 0.5))) - low) / (high - low)
    if tones.equalised:
        grain = np.rint(np.clip(value, 0, 1) * 65535).astype(np.uint16)
        value = cv2.createCLAHE(tones.equalised, (8, 8)).apply(grain).astype(np.float32) / np.float32(65535)
    return np.asarray(np.clip(value, 0, 1), np.float32)


def exported(value: NDArray[np.float32], tones: Tones) -> NDArray[np.uint16]:
    """Return whole numbers of so many bits, through JPEG where the export was one."""
    stored = np.rint(np.clip(value, 0, 1) * (2**tones.bits - 1)).astype(np.uint16)
    if tones.jpeg_quality:
        _, packed = cv2.imencode(".jpg", stored.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, tones.jpeg_quality])
        stored = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE).astype(np.uint16)
    return np.asarray(stored)
