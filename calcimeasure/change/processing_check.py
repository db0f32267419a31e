"""Were two films processed alike? Edge enhancement and noise reduction move outlines, so a pair must be checked.

Three signs are compared: the headers' declarations, the texture of the noise in soft tissue, and the edge sharpness of
the bones. Each is a property of one film.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.radiograph import Radiograph

# Well above what pairs simulated with one processing show (benchmarks/processing.py prints it).
TEXTURE_TOLERANCE = 0.20
SHARPNESS_TOLERANCE = 0.25

_TILE = 32
_RESIDUAL_SIGMA_PX = 2.0
_EDGE_SIGMA_MM = 0.6
_FEWEST_TILES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessingSignature:
    """How one film's processing shows.

    Attributes
    ----------
    noise_correlation
        Correlation of neighbouring pixels of the noise in soft tissue, -1 to 1; None where there is too little.
    edge_energy
        Root mean square of fine detail along bone edges over the contrast of bone; None without bone.
    """

    noise_correlation: float | None
    edge_energy: float | None


def processing_differs(
    baseline: Radiograph, followup: Radiograph, baseline_anatomy: Anatomy, followup_anatomy: Anatomy
) -> str | None:
    """Return in words how the processing of two films clearly differs, or None."""
    reasons = []
    before_intent, after_intent = baseline.grey.processing_intent, followup.grey.processing_intent
    if before_intent and after_intent and before_intent != after_intent:
        reasons.append(f"the headers declare {before_intent} and {after_intent}")
    before = processing_signature(baseline, baseline_anatomy)
    after = processing_signature(followup, followup_anatomy)
    if _same_cell_spacing(baseline, followup) and _apart(
        before.noise_correlation, after.noise_correlation, TEXTURE_TOLERANCE
    ):
        reasons.append("the texture of the noise differs")
    if (
        before.edge_energy
        and after.edge_energy
        and abs(np.log(after.edge_energy / before.edge_energy)) > SHARPNESS_TOLERANCE
    ):
        reasons.append("the edges of the bones are enhanced differently")
    return "; ".join(reasons) or None


@cache_per_film
def processing_signature(film: Radiograph, anatomy: Anatomy) -> ProcessingSignature:
    """Measure the noise texture and edge sharpness of one film, once a film."""
    return ProcessingSignature(
        noise_correlation=_noise_correlation(film.pixels, anatomy), edge_energy=_edge_energy(film, anatomy)
    )


def _apart(before: float | None, after: float | None, tolerance: float) -> bool:
    return before is not None and after is not None and abs(before - after) > tolerance


def _same_cell_spacing(baseline: Radiograph, followup: Radiograph) -> bool:
    if baseline.spacing.row_mm is None or followup.spacing.row_mm is None:
        return baseline.shape == followup.shape
    return bool(abs(np.log(baseline.spacing.row_mm / followup.spacing.row_mm)) < 0.05)


def _noise_correlation(pixels: NDArray[np.float32], anatomy: Anatomy) -> float | None:
    """Return the lag-1 correlation of the high-pass residual over the flattest soft-tissue tiles."""
    soft = (anatomy.limbs > 0) & ~anatomy.bone & anatomy.field
    soft = cv2.erode(soft.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    correlations, energies = [], []
    for row, col in _tile_origins(soft, anatomy.step, pixels.shape):
        tile = np.array(pixels[row : row + _TILE, col : col + _TILE])
        residual = tile - cv2.GaussianBlur(tile, (0, 0), _RESIDUAL_SIGMA_PX)
        residual = residual[4:-4, 4:-4].astype(np.float64)
        energy = float((residual**2).mean())
        if energy > 0:
            along = (residual[:, 1:] * residual[:, :-1]).mean() + (residual[1:] * residual[:-1]).mean()
            correlations.append(float(along / (2 * energy)))
            energies.append(energy)
    if len(correlations) < _FEWEST_TILES:
        return None
    flattest = np.argsort(energies, kind="stable")[: max(_FEWEST_TILES, len(energies) // 2)]
    return float(np.median(np.asarray(correlations)[flattest]))


def _tile_origins(soft: NDArray[np.bool_], step: int, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    cells = max(1, -(-_TILE // step))
    fully = cv2.erode(
        soft.astype(np.uint8),
        np.ones((cells, cells), np.uint8),
        anchor=(0, 0),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    origins = [
        (int(row) * step, int(col) * step) for row, col in np.argwhere(fully) if row % cells == 0 and col % cells == 0
    ]
    return [(r, c) for r, c in origins if r + _TILE <= shape[0] and c + _TILE <= shape[1]]


def _edge_energy(film: Radiograph, anatomy: Anatomy) -> float | None:
    """Return the energy of detail finer than 0.6 mm along bone edges, relative to the contrast of bone."""
    limb = (anatomy.limbs > 0) & anatomy.field
    bone, soft = limb & anatomy.bone, limb & ~anatomy.bone
    if bone.sum() < 100 or soft.sum() < 100:
        return None
    sigma = _EDGE_SIGMA_MM / film.spacing.row_mm if film.spacing.row_mm is not None else 4.0
    detail = film.pixels - cv2.GaussianBlur(np.asarray(film.pixels), (0, 0), sigma)
    rim = cv2.morphologyEx(bone.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(bool) & limb
    on_rim = np.asarray(anatomy.on_film(rim), dtype=bool)
    small = film.pixels[:: anatomy.step, :: anatomy.step]
    contrast = float(np.median(small[bone]) - np.median(small[soft]))
    if contrast <= 0 or not on_rim.any():
        return None
    return float(np.sqrt(np.mean(np.square(detail[on_rim], dtype=np.float64))) / contrast)
