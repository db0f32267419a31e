"""The pair's self-check: synthetic follow-ups of this very baseline, with known changes, through the same pipeline.

Each found deposit is made larger or smaller in the picture by a smooth radial stretch about its centre; the film is
then moved, given another exposure and new noise, and compared with the baseline as the real follow-up was. What comes
out is reported beside the smallest detectable change: it is what this patient's film, with its own deposits and noise,
allows when everything else is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.deposits import DepositLabels, Finding
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph

if TYPE_CHECKING:
    from calcimeasure.change.change_records import Comparison

TRUE_RATIOS = (1.0, 1.25, 0.80)
# Beyond the deposit the stretch fades to none over this many radii.
FADE_RADII = 1.2
FADE_LEAST_PX = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A radial stretch of the picture: inside `radius_px` of the centre by `factor`, fading to none outside."""

    row: float
    col: float
    radius_px: float
    factor: float


def self_check(
    baseline: FilmMeasurement,
    compare_with: Callable[[Radiograph], Comparison],
    rng: np.random.Generator,
    ratios: tuple[float, ...] = TRUE_RATIOS,
) -> dict[str, Any]:
    """Return what the pipeline makes of known changes on this film.

    Parameters
    ----------
    baseline
        The film, measured.
    compare_with
        Compares the baseline with a follow-up, as the real pair was compared.
    rng
        Decides the pose, exposure and noise of the synthetic follow-ups.
    ratios
        Requested area ratios; what each film really shows is computed from the stretch.

    Returns
    -------
    dict
        ``synthetic_followups``; lists ``true_change_percent``, ``measured_change_percent`` (None where there is no
        verdict on a change) and ``verdict``; ``largest_error_percent``.
    """
    from calcimeasure.simulation import simulate_followup_of

    if not any(deposit.finding is Finding.CALCINOSIS for deposit in baseline.deposits):
        return {"synthetic_followups": 0, "reason": "no deposits on the baseline film"}
    true, measured, verdicts = [], [], []
    for ratio in ratios:
        changed, true_ratio = resized_deposits(baseline.film, baseline.labels, ratio)
        followup, _ = simulate_followup_of(changed, rng, anatomy=baseline.anatomy)
        comparison = compare_with(followup)
        true.append(round(100.0 * (true_ratio - 1.0), 2))
        got = comparison.total_area_change_percent
        measured.append(None if got is None else round(got, 2))
        verdicts.append(comparison.verdict.value)
    errors = [abs(got - wanted) for got, wanted in zip(measured, true, strict=True) if got is not None]
    return {
        "synthetic_followups": len(ratios),
        "true_change_percent": true,
        "measured_change_percent": measured,
        "verdict": verdicts,
        "largest_error_percent": round(max(errors), 2) if errors else None,
    }


def resized_deposits(film: Radiograph, labels: DepositLabels, ratio: float) -> tuple[Radiograph, float]:
    """Return the film with every deposit's area changed, and the ratio of their total areas that it really shows.

    Parameters
    ----------
    film, labels
        The film and its deposits.
    ratio
        Requested area ratio of each deposit.
    """
    stretches = [_stretch(labels.mask(deposit.label), ratio) for deposit in labels.deposits]
    rows, cols = _sources(film.shape, stretches)
    pixels = cv2.remap(np.asarray(film.pixels), cols, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    counted = [d.label for d in labels.deposits if d.finding is Finding.CALCINOSIS]
    before = np.isin(labels.image, counted).astype(np.float32)
    after = cv2.remap(before, cols, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    shown = float(after.sum(dtype=np.float64) / before.sum(dtype=np.float64))
    low, high = float(film.pixels.min()), float(film.pixels.max())
    made = replace(film, pixels=np.clip(pixels, low, high).astype(np.float32), sha256="", path=None)
    return made, shown


def _stretch(mask: NDArray[np.bool_], ratio: float) -> Stretch:
    at = np.argwhere(mask)
    centre = at.mean(axis=0)
    radius = float(np.hypot(*(at - centre).T).max()) + 2.0
    return Stretch(row=float(centre[0]), col=float(centre[1]), radius_px=radius, factor=float(np.sqrt(ratio)))


def _sources(shape: tuple[int, int], stretches: list[Stretch]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return for each pixel the (row, column) that its value comes from."""
    rows = np.repeat(np.arange(shape[0], dtype=np.float32)[:, np.newaxis], shape[1], axis=1)
    cols = np.repeat(np.arange(shape[1], dtype=np.float32)[np.newaxis, :], shape[0], axis=0)
    for stretch in stretches:
        core = stretch.radius_px * max(stretch.factor, 1.0)
        fade = max(FADE_RADII * stretch.radius_px, FADE_LEAST_PX)
        reach = int(np.ceil(core + fade))
        box = tuple(
            slice(max(0, int(at) - reach), min(size, int(at) + reach + 1))
            for at, size in zip((stretch.row, stretch.col), shape, strict=True)
        )
        down = np.arange(box[0].start, box[0].stop)[:, np.newaxis] - stretch.row
        across = np.arange(box[1].start, box[1].stop)[np.newaxis, :] - stretch.col
        away = np.hypot(down, across)
        part = np.clip((core + fade - away) / fade, 0.0, 1.0)
        weight = part * part * (3.0 - 2.0 * part) * (1.0 / stretch.factor - 1.0)
        rows[box] += (weight * down).astype(np.float32)
        cols[box] += (weight * across).astype(np.float32)
    return rows, cols
