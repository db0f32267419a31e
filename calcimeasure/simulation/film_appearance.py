"""What a film that somebody else took looks like: how sharp, how noisy, and what attenuation does to its greys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.smoothing import blurred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.anatomy.anatomy_records import Anatomy
    from calcimeasure.radiograph import Radiograph

# Contrast of a limb's bone against soft tissue, as thickness of pure hydroxyapatite.
BONE_CONTRAST_MM = 1.2
CALCIUM_PER_MM = 0.5
SHARPEST_PX, BLUNTEST_PX = 0.4, 3.0
WINDOW = 9
WIDEST_CORRELATION_PX = 1.2  # beyond it, anatomy is taken for noise
LARGEST_SAMPLE = 1_500_000
MAD_TO_SD = 1.4826


@dataclass(frozen=True, kw_only=True)
class FilmLook:
    """How a film renders what is in the beam.

    Attributes
    ----------
    grey_per_mm
        Rise of the canonical value by 1 mm of thin hydroxyapatite.
    floor, ceiling
        Canonical values that the film's tone curve runs between.
    blur_px
        Standard deviation of its sharpness.
    noise_sd
        Of one pixel in soft tissue, canonical values.
    noise_correlation_px
        Standard deviation of the Gaussian that correlates it.
    """

    grey_per_mm: float
    floor: float
    ceiling: float
    blur_px: float
    noise_sd: float
    noise_correlation_px: float


def look_of(film: Radiograph, anatomy: Anatomy) -> FilmLook:
    """Return an estimate of a film's look, from its own bones, edges and noise."""
    pixels = film.pixels
    limb = np.asarray(anatomy.on_film(anatomy.limbs > 0), bool)
    bone = np.asarray(anatomy.on_film(anatomy.bone), bool) & limb
    field = np.asarray(anatomy.on_film(anatomy.field), bool)
    inside = limb if limb.any() else np.ones(film.shape, bool)
    soft = inside & ~bone
    low, high = (float(v) for v in np.percentile(_thinned(pixels[inside]), [0.5, 99.7]))
    soft_level = float(np.median(_thinned(pixels[soft]))) if soft.any() else low
    bone_level = float(np.median(_thinned(pixels[bone]))) if bone.any() else high
    contrast = max(bone_level - soft_level, 0.15 * (high - low), 1e-6)
    floor = float(np.percentile(_thinned(pixels[field]), 0.5)) if field.any() else float(pixels.min())
    sd, correlation = _noise(pixels, soft if soft.any() else inside)
    return FilmLook(
        grey_per_mm=contrast / BONE_CONTRAST_MM,
        floor=floor,
        ceiling=min(
            max(float(np.percentile(_thinned(pixels[inside]), 99.97)), high + 0.35 * (high - floor)),
            max(film.grey.highest, float(pixels.max())),
        ),
        blur_px=_sharpness(pixels, inside, sd),
        noise_sd=sd,
        noise_correlation_px=correlation,
    )


def _thinned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[:: max(values.size // LARGEST_SAMPLE, 1)]


def _noise(pixels: NDArray[np.float32], where: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the noise's standard deviation and correlation from second differences, which anatomy hardly touches."""
    second = pixels[1:-1, 2:] - 2 * pixels[1:-1, 1:-1] + pixels[1:-1, :-2]
    broad = pixels[1:-1, 4:] - 2 * pixels[1:-1, 2:-2] + pixels[1:-1, :-4]
    mask = where[1:-1, 1:-1]
    near = MAD_TO_SD * float(np.median(np.abs(_thinned(second[mask]))))
    far = MAD_TO_SD * float(np.median(np.abs(_thinned(broad[mask[:, 1:-1]]))))
    # White noise gives the same at both distances, correlated noise less at the near one. For a correlation
    # exp(-d² / 4s²) the variance of a second difference over d is 6 - 8 c(d) + 2 c(2d).
    ratio = (near / far) ** 2 if far > 0 else 1.0
    widths = np.linspace(0.0, WIDEST_CORRELATION_PX, 61)[1:]
    model = _second_variance(1.0, widths) / _second_variance(2.0, widths)
    width = float(widths[int(np.argmin(np.abs(model - ratio)))]) if ratio < model[0] else 0.0
    variance = _second_variance(1.0, np.array([max(width, 0.05)]))[0]
    return max(near / float(np.sqrt(variance)), 1e-6), width


def _second_variance(step: float, width: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.exp(-(step**2) / (4 * width**2))
    far = np.exp(-((2 * step) ** 2) / (4 * width**2))
    return np.asarray(6 - 8 * near + 2 * far)


def _sharpness(pixels: NDArray[np.float32], where: NDArray[np.bool_], noise_sd: float) -> float:
    """Return the blur of the steepest edges in the limb: a step's slope is its height over sqrt(2 pi) sigma."""
    smooth = blurred(pixels, 0.5)
    kernel = np.ones((WINDOW, WINDOW), np.uint8)
    height = cv2.dilate(smooth, kernel) - cv2.erode(smooth, kernel)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8)
    steep = where & (height > max(8 * noise_sd, float(np.percentile(_thinned(height[where]), 97))))
    if int(steep.sum()) < 100:
        return 1.0
    share = float(np.percentile(_thinned(slope[steep] / height[steep]), 98))
    measured = 1 / (np.sqrt(2 * np.pi) * max(share, 1e-3))
    # The estimate's own smoothing, and that of the difference over two pixels, are taken off.
    return float(np.clip(np.sqrt(max(measured**2 - 0.5**2 - 0.5, 0.0)), SHARPEST_PX, BLUNTEST_PX))
