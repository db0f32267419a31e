"""The coarse search: which turn, shift and size lays one picture on the other.

Masked normalised cross-correlation over all shifts at once (Padfield 2012, IEEE Trans. Image Process. 21:2706) for
each turn and size tried, on pictures of a few millimetres a cell. The best few are handed on to be refined.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from calcimeasure.registration.registration_image import FloatImage, RegistrationImage, normalise, resize

QUARTER_ROTATIONS_DEG = (0.0, 90.0, 180.0, 270.0)
ROTATIONS_ABOUT_DEG = (-24.0, -16.0, -8.0, 0.0, 8.0, 16.0, 24.0)
COARSE_SIDE = 84
"""Cells along the long side of the coarse pictures: 3 to 4 mm for a hand."""
CLEARLY_BEST = 0.12
"""A pose that leads by this much in correlation has no rivals worth refining."""
SMALLEST_OVERLAP = 0.4
"""Share of the limb that has to fall into the other film's field for a shift to count."""
LEAST_VARIANCE = 0.02
MEAN_SIGMA_COARSE = 4.0
SPREAD_SIGMA_COARSE = 8.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Similarity:
    """A similarity from the first picture's cells to the second's: ``x2 = shift + scale R(turn) x1``.

    Attributes
    ----------
    rotation_rad
        Turn, with ``R = [[cos, -sin], [sin, cos]]`` acting on (row, col).
    scale
        Cells of the second a cell of the first.
    translation
        (row, col) of where the first picture's cell (0, 0) lies on the second.
    score
        Correlation that it reached, 0 to 1.
    """

    rotation_rad: float
    scale: float
    translation: tuple[float, float]
    score: float = 0.0

    @property
    def linear(self) -> NDArray[np.float64]:
        """(2, 2): turn and scale."""
        cos, sin = self.scale * np.cos(self.rotation_rad), self.scale * np.sin(self.rotation_rad)
        return np.array([[cos, -sin], [sin, cos]])

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where (row, col) points of the first picture lie on the second."""
        mapped: NDArray[np.float64] = points @ self.linear.T + np.asarray(self.translation)
        return mapped


def coarse_similarities(
    first: RegistrationImage, second: RegistrationImage, limb: NDArray[np.bool_], scales: tuple[float, ...], count: int
) -> list[Similarity]:
    """Return the poses that lay a limb of the first picture best on the second, best first; one if it leads clearly.

    Parameters
    ----------
    first, second
        Reduced pictures of the same cell size.
    limb
        True on the limb of `first` that is looked for; its surroundings help a little way.
    scales
        Sizes tried, second over first.
    count
        How many poses at most; no two are the same turn.
    """
    shrink = max(1.0, max(*first.image.shape, *second.image.shape) / COARSE_SIDE)
    picture_1, field_1 = _coarse(first, shrink)
    picture_2, field_2 = _coarse(second, shrink)
    near = cv2.dilate(limb.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25)))
    mask_1 = field_1 * (resize(near.astype(np.float32), (field_1.shape[0], field_1.shape[1])) > 0.3)
    if mask_1.sum() < 16:
        return []
    searches = {scale: _Search(picture_1, mask_1, picture_2, field_2, scale) for scale in scales}
    found: list[Similarity] = []
    for search in searches.values():
        for quarter in QUARTER_ROTATIONS_DEG:
            found.extend(filter(None, (search.best(np.deg2rad(quarter + about)) for about in ROTATIONS_ABOUT_DEG)))
    found.sort(key=lambda pose: -pose.score)
    chosen: list[Similarity] = []
    for pose in found:
        if all(_differ(pose, other) for other in chosen):
            chosen.append(pose)
        if len(chosen) == count:
            break
    rivals = [pose for pose in chosen if pose.score > chosen[0].score - CLEARLY_BEST]
    chosen = [_climbed(pose, picture_1, mask_1, picture_2, field_2) for pose in rivals]
    chosen.sort(key=lambda pose: -pose.score)
    cell_1 = (first.image.shape[0] / picture_1.shape[0], first.image.shape[1] / picture_1.shape[1])
    cell_2 = (second.image.shape[0] / picture_2.shape[0], second.image.shape[1] / picture_2.shape[1])
    return [_on_finer(pose, cell_1, cell_2) for pose in chosen]


def _climbed(
    pose: Similarity, picture_1: FloatImage, mask_1: FloatImage, picture_2: FloatImage, mask_2: FloatImage
) -> Similarity:
    """Return the pose after trying smaller changes of turn and size about it."""
    for rotation_step, size_step in ((np.deg2rad(4.0), 0.05), (np.deg2rad(2.0), 0.025)):
        start = pose
        for size in (-size_step, 0.0, size_step):
            search = _Search(picture_1, mask_1, picture_2, mask_2, float(start.scale * np.exp(size)))
            for rotation in (-rotation_step, 0.0, rotation_step):
                trial = search.best(start.rotation_rad + rotation)
                if trial is not None and trial.score > pose.score:
                    pose = trial
    return pose


class _Search:
    """Correlation of one masked picture with another over all shifts, for one size and any turn."""

    def __init__(
        self, picture_1: FloatImage, mask_1: FloatImage, picture_2: FloatImage, mask_2: FloatImage, scale: float
    ) -> None:
        self.picture_2, self.mask_2, self.scale = picture_2, mask_2, scale
        self.shape_1 = picture_1.shape
        # The second picture is resampled onto a square canvas of the first's cells, large enough for every turn.
        self.side = int(np.ceil(np.hypot(*picture_2.shape) / scale)) + 2
        extent = (picture_1.shape[0] + self.side, picture_1.shape[1] + self.side)
        self.padded = (scipy.fft.next_fast_len(extent[0], real=True), scipy.fft.next_fast_len(extent[1], real=True))
        values = picture_1 * mask_1
        self.total = float(mask_1.sum())
        stack = np.stack([mask_1, values, values * picture_1])
        self.first = np.conj(scipy.fft.rfft2(stack, self.padded))

    def best(self, rotation: float) -> Similarity | None:
        """Return the best pose for one turn, None where nothing overlaps enough or nothing fits."""
        linear = Similarity(rotation_rad=rotation, scale=self.scale, translation=(0.0, 0.0)).linear
        centre_2 = (np.array(self.picture_2.shape) - 1) / 2
        centre = (self.side - 1) / 2
        translation = centre_2 - linear @ np.array([centre, centre])
        # cv2 speaks (x, y): the same matrix with both axes exchanged.
        matrix = np.array([[linear[1, 1], linear[1, 0], translation[1]], [linear[0, 1], linear[0, 0], translation[0]]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.side, self.side)
        values = cv2.warpAffine(self.picture_2 * self.mask_2, matrix, size, flags=how)
        mask = cv2.warpAffine(self.mask_2, matrix, size, flags=how)
        mask = np.asarray(mask > 0.9, np.float32)
        values = np.asarray(values, np.float32) * mask
        second = scipy.fft.rfft2(np.stack([mask, values, values * values]), self.padded)
        products = np.stack(
            [
                self.first[0] * second[0],
                self.first[1] * second[0],
                self.first[0] * second[1],
                self.first[2] * second[0],
                self.first[0] * second[2],
                self.first[1] * second[1],
            ]
        )
        number, sum_1, sum_2, square_1, square_2, cross = scipy.fft.irfft2(products, self.padded)
        number = np.maximum(number, 1.0)
        variance_1 = square_1 - sum_1 * sum_1 / number
        variance_2 = square_2 - sum_2 * sum_2 / number
        covariance = cross - sum_1 * sum_2 / number
        share = number / self.total
        # Even ground correlates with nothing; its tiny variance is rounding.
        usable = (share > SMALLEST_OVERLAP) & (np.minimum(variance_1, variance_2) > LEAST_VARIANCE * number)
        spread = np.sqrt(np.where(usable, variance_1 * variance_2, 1.0))
        score = np.where(usable, covariance / spread * np.minimum(share, 1.0) ** 0.25, -1.0)
        row, col = np.unravel_index(int(np.argmax(score)), score.shape)
        if score[row, col] <= 0:
            return None
        lag_row = row if row < self.side else row - self.padded[0]
        lag_col = col if col < self.side else col - self.padded[1]
        start = translation + linear @ np.array([lag_row, lag_col], dtype=np.float64)
        return Similarity(
            rotation_rad=rotation,
            scale=self.scale,
            translation=(float(start[0]), float(start[1])),
            score=float(score[row, col]),
        )


def _coarse(reduced: RegistrationImage, shrink: float) -> tuple[FloatImage, FloatImage]:
    """Return the picture and field a few millimetres a cell, normalised over a reach that suits that size."""
    shape = (max(8, round(reduced.image.shape[0] / shrink)), max(8, round(reduced.image.shape[1] / shrink)))
    field = (resize(reduced.field, shape) > 0.95).astype(np.float32)
    limbs = resize((reduced.limbs > 0).astype(np.float32), shape) > 0.5
    raw = resize(reduced.raw, shape)
    picture = normalise(raw, field, limbs, mean_sigma=MEAN_SIGMA_COARSE, spread_sigma=SPREAD_SIGMA_COARSE)
    return picture * field, field


def _differ(pose: Similarity, other: Similarity) -> bool:
    """Whether two poses are further apart than refining would mend."""
    rotation = abs((pose.rotation_rad - other.rotation_rad + np.pi) % (2 * np.pi) - np.pi)
    size = abs(np.log(pose.scale / other.scale))
    return bool(rotation > np.deg2rad(20.0) or size > 0.15)


def _on_finer(pose: Similarity, cell_1: tuple[float, float], cell_2: tuple[float, float]) -> Similarity:
    """Return the pose between the finer pictures whose cells the coarse ones gather."""
    scale = pose.scale * float(np.sqrt(cell_2[0] * cell_2[1] / (cell_1[0] * cell_1[1])))
    # The centre of the finer picture's first cell, on the coarse grid, and back on the other side.
    corner = (0.5 / np.asarray(cell_1)) - 0.5
    start = (pose.apply(corner[None])[0] + 0.5) * np.asarray(cell_2) - 0.5
    return Similarity(
        rotation_rad=pose.rotation_rad, scale=scale, translation=(float(start[0]), float(start[1])), score=pose.score
    )
