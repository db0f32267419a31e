"""The coarse search for the similarity (rotation, translation, scale) between two films.

Masked normalised cross-correlation over all translations at once (Padfield 2012, IEEE Trans. Image Process. 21:2706)
for each rotation and scale tried, on images of a few millimetres a cell. The best few are refined by block matching.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from calcimeasure.registration.registration_image import FloatImage, RegistrationImage, normalize, resize

QUARTER_ROTATIONS_DEG = (0.0, 90.0, 180.0, 270.0)
ROTATIONS_ABOUT_DEG = (-24.0, -16.0, -8.0, 0.0, 8.0, 16.0, 24.0)
COARSE_SIDE = 84
"""Cells along the long side of the coarse images: 3 to 4 mm for a hand."""
CLEARLY_BEST = 0.12
"""A similarity that leads by this much in correlation has no rivals worth refining."""
MIN_OVERLAP = 0.4
"""Share of the limb that has to fall into the other film's field for a translation to count."""
MIN_VARIANCE = 0.02
COARSE_MEAN_SIGMA = 4.0
COARSE_DEVIATION_SIGMA = 8.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Similarity:
    """A similarity from the fixed image's cells to the moving image's: ``x2 = translation + scale R(rotation) x1``.

    Attributes
    ----------
    rotation_rad
        With ``R = [[cos, -sin], [sin, cos]]`` acting on (row, col).
    scale
        Moving cells to a fixed cell.
    translation
        (row, col) of where the fixed image's cell (0, 0) lies on the moving image.
    score
        The correlation, 0 to 1.
    """

    rotation_rad: float
    scale: float
    translation: tuple[float, float]
    score: float = 0.0

    @property
    def linear(self) -> NDArray[np.float64]:
        """(2, 2): rotation and scale."""
        cos, sin = self.scale * np.cos(self.rotation_rad), self.scale * np.sin(self.rotation_rad)
        return np.array([[cos, -sin], [sin, cos]])

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where (row, col) points of the fixed image lie on the moving image."""
        mapped: NDArray[np.float64] = points @ self.linear.T + np.asarray(self.translation)
        return mapped

    def on_finer_grid(self, cell_1: tuple[float, float], cell_2: tuple[float, float]) -> Similarity:
        """Return the same between finer images, of whose (rows, columns) a cell of this one's holds so many."""
        scale = self.scale * float(np.sqrt(cell_2[0] * cell_2[1] / (cell_1[0] * cell_1[1])))
        # The center of the finer image's first cell, on the coarse grid, and back on the other side.
        corner = (0.5 / np.asarray(cell_1)) - 0.5
        start = (self.apply(corner[None])[0] + 0.5) * np.asarray(cell_2) - 0.5
        translation = (float(start[0]), float(start[1]))
        return Similarity(rotation_rad=self.rotation_rad, scale=scale, translation=translation, score=self.score)

    def differs(self, other: Similarity) -> bool:
        """Return whether two are further apart than refinement would bridge."""
        rotation = abs((self.rotation_rad - other.rotation_rad + np.pi) % (2 * np.pi) - np.pi)
        return bool(rotation > np.deg2rad(20.0) or abs(np.log(self.scale / other.scale)) > 0.15)


@dataclass(frozen=True, kw_only=True, eq=False)
class CoarseImage:
    """A registration image a few millimetres a cell, normalised over a reach that suits that size.

    Attributes
    ----------
    image, mask
        Values (0 outside the field), and 1 where they count.
    cell
        (rows, columns) of the registration image in one cell.
    """

    image: FloatImage
    mask: FloatImage
    cell: tuple[float, float]


def coarse_similarities(
    fixed: RegistrationImage, moving: RegistrationImage, limb: NDArray[np.bool_], scales: tuple[float, ...], count: int
) -> list[Similarity]:
    """Return the similarities that lay a limb of the fixed image best on the moving one; one if it leads clearly.

    Parameters
    ----------
    fixed, moving
        Images of the same cell size.
    limb
        True on the limb of `fixed` that is searched for; its surroundings help a little way.
    scales
        Tried, moving over fixed.
    count
        How many at most; no two have the same rotation.
    """
    coarse_1, coarse_2 = coarse_images(fixed, moving, limb)
    if coarse_1.mask.sum() < 16:
        return []
    found: list[Similarity] = []
    for scale in scales:
        search = _TranslationSearch(coarse_1, coarse_2, scale)
        for quarter in QUARTER_ROTATIONS_DEG:
            found.extend(filter(None, (search.best(np.deg2rad(quarter + about)) for about in ROTATIONS_ABOUT_DEG)))
    found.sort(key=lambda one: -one.score)
    chosen: list[Similarity] = []
    for candidate in found:
        if len(chosen) < count and all(candidate.differs(other) for other in chosen):
            chosen.append(candidate)
    rivals = [candidate for candidate in chosen if candidate.score > chosen[0].score - CLEARLY_BEST]
    refined = sorted((_refine(one, coarse_1, coarse_2) for one in rivals), key=lambda one: -one.score)
    return [one.on_finer_grid(coarse_1.cell, coarse_2.cell) for one in refined]


def coarse_images(
    fixed: RegistrationImage, moving: RegistrationImage, limb: NDArray[np.bool_]
) -> tuple[CoarseImage, CoarseImage]:
    """Return both images a few millimetres a cell; the fixed one's mask is limited to the limb and a little around."""
    shrink = max(1.0, max(*fixed.image.shape, *moving.image.shape) / COARSE_SIDE)
    around = cv2.dilate(limb.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25)))
    coarse = []
    for one, region in ((fixed, around.astype(np.float32)), (moving, np.ones(moving.image.shape, np.float32))):
        rows, cols = one.image.shape
        shape = (max(8, round(rows / shrink)), max(8, round(cols / shrink)))
        field = (resize(one.field, shape) > 0.95).astype(np.float32)
        limbs = resize((one.limbs > 0).astype(np.float32), shape) > 0.5
        raw = resize(one.raw, shape)
        values = normalize(raw, field, limbs, mean_sigma=COARSE_MEAN_SIGMA, deviation_sigma=COARSE_DEVIATION_SIGMA)
        mask = field * (resize(region, shape) > 0.3)
        coarse.append(CoarseImage(image=values * field, mask=mask, cell=(rows / shape[0], cols / shape[1])))
    return coarse[0], coarse[1]


def _refine(start: Similarity, fixed: CoarseImage, moving: CoarseImage) -> Similarity:
    """Return the best after smaller steps of rotation and scale about the similarity found."""
    best = start
    for rotation_step, log_scale_step in ((np.deg2rad(4.0), 0.05), (np.deg2rad(2.0), 0.025)):
        start = best
        for log_scale in (-log_scale_step, 0.0, log_scale_step):
            search = _TranslationSearch(fixed, moving, float(start.scale * np.exp(log_scale)))
            for rotation in (-rotation_step, 0.0, rotation_step):
                trial = search.best(start.rotation_rad + rotation)
                if trial is not None and trial.score > best.score:
                    best = trial
    return best


class _TranslationSearch:
    """Correlation of one masked image with another over all translations, for one scale and any rotation."""

    def __init__(self, fixed: CoarseImage, moving: CoarseImage, scale: float) -> None:
        self.moving, self.scale = moving, scale
        # The moving image is resampled onto a square of fixed cells that holds it at every rotation.
        self.side = int(np.ceil(np.hypot(*moving.image.shape) / scale)) + 2
        extent = (fixed.image.shape[0] + self.side, fixed.image.shape[1] + self.side)
        self.padded = (scipy.fft.next_fast_len(extent[0], real=True), scipy.fft.next_fast_len(extent[1], real=True))
        self.total = float(fixed.mask.sum())
        values = fixed.image * fixed.mask
        self.fixed = np.conj(scipy.fft.rfft2(np.stack([fixed.mask, values, values * fixed.image]), self.padded))

    def best(self, rotation_rad: float) -> Similarity | None:
        """Return the best similarity of one rotation, None where nothing overlaps enough or correlates."""
        linear = Similarity(rotation_rad=rotation_rad, scale=self.scale, translation=(0.0, 0.0)).linear
        center = (np.array(self.moving.image.shape) - 1) / 2
        translation = center - linear @ np.full(2, (self.side - 1) / 2)
        values, mask = self._resampled_moving(linear, translation)
        transformed = scipy.fft.rfft2(np.stack([mask, values, values * values]), self.padded)
        products = np.stack(
            [self.fixed[i] * transformed[j] for i, j in ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1))]
        )
        number, sum_1, sum_2, square_1, square_2, cross = scipy.fft.irfft2(products, self.padded)
        number = np.maximum(number, 1.0)
        variance_1 = square_1 - sum_1 * sum_1 / number
        variance_2 = square_2 - sum_2 * sum_2 / number
        covariance = cross - sum_1 * sum_2 / number
        share = number / self.total
        # Even ground correlates with nothing; its tiny variance is rounding.
        usable = (share > MIN_OVERLAP) & (np.minimum(variance_1, variance_2) > MIN_VARIANCE * number)
        deviations = np.sqrt(np.where(usable, variance_1 * variance_2, 1.0))
        score = np.where(usable, covariance / deviations * np.minimum(share, 1.0) ** 0.25, -1.0)
        row, col = np.unravel_index(int(np.argmax(score)), score.shape)
        if score[row, col] <= 0:
            return None
        lag_row = row if row < self.side else row - self.padded[0]
        lag_col = col if col < self.side else col - self.padded[1]
        start = translation + linear @ np.array([lag_row, lag_col], dtype=np.float64)
        return Similarity(
            rotation_rad=rotation_rad,
            scale=self.scale,
            translation=(float(start[0]), float(start[1])),
            score=float(score[row, col]),
        )

    def _resampled_moving(
        self, linear: NDArray[np.float64], translation: NDArray[np.float64]
    ) -> tuple[FloatImage, FloatImage]:
        """Return the moving image and its mask, rotated and scaled onto the square."""
        # OpenCV's points are (x, y): the same matrix with both axes exchanged.
        matrix = np.column_stack([linear[::-1, ::-1], translation[::-1]])
        both = np.dstack([self.moving.image * self.moving.mask, self.moving.mask])
        warped = cv2.warpAffine(both, matrix, (self.side, self.side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        inside = np.asarray(warped[..., 1] > 0.9, np.float32)
        return np.asarray(warped[..., 0] * inside, np.float32), inside
