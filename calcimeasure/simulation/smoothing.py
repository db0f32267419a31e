"""Small typed image operations that the simulator shares: blur, resize, smooth noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMPULSE_SIZE = 65


def blurred(image: NDArray[np.float32], sigma: float, sigma_along: float | None = None) -> NDArray[np.float32]:
    """Return a Gaussian blur in pixels; `sigma_along` down the rows where it differs. Edges are replicated."""
    along = sigma if sigma_along is None else sigma_along
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), sigmaX=sigma, sigmaY=along, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def gaussian_blur(image: NDArray[np.float32], sigma_mm: float, spacing_mm: tuple[float, float]) -> NDArray[np.float32]:
    """Return the image blurred by a Gaussian given in mm, edges replicated."""
    if sigma_mm <= 0:
        return image
    return blurred(image, sigma_mm / spacing_mm[1], sigma_mm / spacing_mm[0])


def resized(image: NDArray[np.float32], shape: tuple[int, int], interpolation: int) -> NDArray[np.float32]:
    """Return the image at another (rows, columns)."""
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=interpolation), np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    """Return noise of unit deviation, smooth over `sigma` pixels, drawn on a coarse grid."""
    step = max(int(sigma / 2), 1)
    coarse_shape = (shape[0] // step + 4, shape[1] // step + 4)
    coarse = blurred(rng.standard_normal(coarse_shape, dtype=np.float32), max(sigma / step, 0.5))
    fine = resized(coarse, (coarse_shape[0] * step, coarse_shape[1] * step), cv2.INTER_CUBIC)
    return np.asarray(fine[: shape[0], : shape[1]] / max(float(coarse.std()), 1e-6), np.float32)


def correlated_noise(
    shape: tuple[int, int], rng: np.random.Generator, correlation_mm: float, spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Return noise of unit standard deviation in a pixel with a Gaussian correlation."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if correlation_mm <= 0:
        return noise
    impulse = np.zeros((IMPULSE_SIZE, IMPULSE_SIZE), np.float32)
    impulse[IMPULSE_SIZE // 2, IMPULSE_SIZE // 2] = 1
    spread = np.float32(np.linalg.norm(gaussian_blur(impulse, correlation_mm, spacing_mm)))
    return np.asarray(gaussian_blur(noise, correlation_mm, spacing_mm) / spread, np.float32)


def signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance to the edge in pixels, positive inside; half a pixel at the pixels next to it."""
    mask = inside.astype(np.uint8)
    within, beyond = _exact_distance(mask), _exact_distance(1 - mask)
    return np.asarray(np.where(inside, within - 0.5, 0.5 - beyond), np.float32)


def _exact_distance(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    # OpenCV's last digit depends on the number of threads; squared distances on a grid are whole numbers.
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.sqrt(np.rint(np.square(distance, dtype=np.float64))))
