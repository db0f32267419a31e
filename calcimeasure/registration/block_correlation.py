"""Blocks of the fixed image on the moving image: correlation and its refinement, all blocks at once.

A block is a Gaussian-weighted disc about a node of the fixed image. On the moving image it has a state: where its
center lies and its rotation (its scale is the pair's). States are refined by inverse compositional Gauss-Newton steps
(Baker and Matthews 2004, Int. J. Comput. Vis. 56:221) on the normalised images, whose derivatives are those of the
fixed image and so are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.registration_image import FloatImage

States = NDArray[np.float64]
"""(n, 3): row and column of the block's center on the moving image, and its rotation in radians."""

NOISE = 0.15
MIN_DEVIATION = 0.05
LINES_PER_REMAP = 1 << 14


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """The blocks of the fixed image.

    Attributes
    ----------
    centers
        float64, (n, 2): (row, col) on the fixed image.
    offsets
        float32, (samples, 2): sample positions about a center.
    weights
        float32, (samples,): sum to 1.
    template
        float32, (n, samples): weighted mean 0, weighted mean square 1; 0 where the block has no contrast.
    contrast
        float64, (n,): weighted standard deviation of the image in the block before that.
    derivative
        float32, (n, samples, 3): of the template by row, column and rotation, without what gain and offset explain.
    information
        float64, (n, 3, 3): weighted products of the derivatives.
    """

    centers: NDArray[np.float64]
    offsets: NDArray[np.float32]
    weights: NDArray[np.float32]
    template: NDArray[np.float32]
    contrast: NDArray[np.float64]
    derivative: NDArray[np.float32]
    information: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.centers)

    def selected(self, keep: NDArray[np.bool_]) -> Blocks:
        """Return some of the blocks."""
        names = ("centers", "template", "contrast", "derivative", "information")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def with_every_second_sample(self) -> Blocks:
        """Return the blocks with half the samples along both axes: enough to choose a start."""
        keep = (self.offsets % 2 == 0).all(axis=1)
        weights = self.weights[keep] / self.weights[keep].sum()
        template = self.template[:, keep]
        template = template - (template @ weights)[:, None]
        template /= np.maximum(np.sqrt((template**2) @ weights), 1e-6)[:, None]
        derivative = self.derivative[:, keep]
        return replace(self, offsets=self.offsets[keep], weights=weights, template=template, derivative=derivative)


def cut_blocks(image: FloatImage, centers: NDArray[np.float64], *, sigma: float) -> Blocks:
    """Return the blocks of `image` about (n, 2) centers, discs of twice the Gaussian weight's `sigma` (in cells)."""
    offsets = disc_offsets(int(2.0 * sigma))
    weights = np.asarray(np.exp(-0.5 * (offsets**2).sum(axis=1) / sigma**2), np.float32)
    weights /= weights.sum()
    places = np.asarray(centers[:, None, :] + offsets, np.float32)
    values = sample_bilinear(image, places)
    by_row, by_col = (sample_bilinear(derivative, places) for derivative in gradients(image))
    mean = values @ weights
    contrast = np.sqrt(np.maximum(((values - mean[:, None]) ** 2) @ weights, 0.0))
    safe = np.maximum(contrast, np.float32(1e-6))[:, None]
    template = (values - mean[:, None]) / safe
    by_rotation = by_col * offsets[:, 0] - by_row * offsets[:, 1]
    derivative = np.stack([by_row, by_col, by_rotation], axis=-1) / safe[..., None]
    derivative = derivative - np.einsum("nsp,s->np", derivative, weights)[:, None, :]
    shared = np.einsum("nsp,ns,s->np", derivative, template, weights)
    derivative = derivative - template[..., None] * shared[:, None, :]
    information = np.einsum("nsp,nsq,s->npq", derivative, derivative, weights, optimize=True)
    return Blocks(
        centers=centers,
        offsets=offsets,
        weights=weights,
        template=np.asarray(template, np.float32),
        contrast=np.asarray(contrast, np.float64),
        derivative=derivative,
        information=np.asarray(information, np.float64),
    )


def correlate_blocks(
    blocks: Blocks, index: NDArray[np.intp], states: States, image: FloatImage, scale: float
) -> NDArray[np.float64]:
    """Return the weighted correlation of blocks with the moving image, -1 to 1.

    Parameters
    ----------
    blocks
        All blocks of the fixed image.
    index
        (m,): the block of each state.
    states
        (m, 3).
    image
        The moving image.
    scale
        Moving cells to a fixed cell.
    """
    return _correlation(blocks, index, _standardized(blocks, states, image, scale))


def refine_blocks(
    blocks: Blocks,
    index: NDArray[np.intp],
    states: States,
    image: FloatImage,
    scale: float,
    *,
    steps: int,
    prior_sd: tuple[float, float],
) -> tuple[States, NDArray[np.float64]]:
    """Return the states after Gauss-Newton steps, each kept only where it raises the correlation, and the correlations.

    Parameters
    ----------
    blocks, index, states, image, scale
        As for `correlate_blocks`.
    steps
        How many steps.
    prior_sd
        Standard deviation of a state about its start: moving cells, radians. It holds a block back along directions
        without information (along a shaft).
    """
    precision = NOISE * np.array([(scale / prior_sd[0]) ** 2, (scale / prior_sd[0]) ** 2, 1.0 / prior_sd[1] ** 2])
    inverse = np.linalg.inv(blocks.information[index] + np.diag(precision))
    start = states
    values = _standardized(blocks, states, image, scale)
    best = _correlation(blocks, index, values)
    states = states.copy()
    for _ in range(steps):
        error = values - blocks.template[index]
        pull = ((error * blocks.weights)[:, None, :] @ blocks.derivative[index])[:, 0].astype(np.float64)
        pull += precision * _rotated(states - start, -states[:, 2], 1.0 / scale)
        step = np.einsum("npq,nq->np", inverse, pull)
        # Inverse compositional: the block's own displacement is undone, rotated into the moving image's frame.
        trial = states - _rotated(step, states[:, 2], scale)
        values_trial = _standardized(blocks, trial, image, scale)
        score = _correlation(blocks, index, values_trial)
        better = score > best
        states[better], best[better], values[better] = trial[better], score[better], values_trial[better]
        if not better.any():
            break
    return states, best


def map_blocks(blocks: Blocks, states: States, scale: float) -> NDArray[np.float32]:
    """Return where the samples of blocks in `states` lie on the moving image: (n, samples, 2)."""
    cos, sin = scale * np.cos(states[:, 2]), scale * np.sin(states[:, 2])
    cos, sin = np.asarray(cos[:, None], np.float32), np.asarray(sin[:, None], np.float32)
    row, col = blocks.offsets[:, 0], blocks.offsets[:, 1]
    center = np.asarray(states, np.float32)
    places = np.empty((len(states), len(row), 2), np.float32)
    places[..., 0] = center[:, :1] + cos * row - sin * col
    places[..., 1] = center[:, 1:2] + sin * row + cos * col
    return places


def gradients(image: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Return the image's derivatives by row and by column (Scharr's filter)."""
    by_row = cv2.Scharr(image, cv2.CV_32F, 0, 1, scale=1 / 32)
    by_col = cv2.Scharr(image, cv2.CV_32F, 1, 0, scale=1 / 32)
    return np.asarray(by_row, np.float32), np.asarray(by_col, np.float32)


def sample_bilinear(image: FloatImage, places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the image at (row, col) positions, linearly interpolated, 0 outside; `places` is (..., 2)."""
    flat = np.asarray(places, np.float32).reshape(-1, 2)
    # remap takes at most 32767 rows and columns, so a list is folded into lines.
    width = 512
    lines = -(-len(flat) // width)
    folded: NDArray[np.float32] = np.zeros((2, lines, width), np.float32)
    folded.reshape(2, -1)[:, : len(flat)] = flat.T
    result: NDArray[np.float32] = np.empty((lines, width), np.float32)
    for start in range(0, lines, LINES_PER_REMAP):
        piece = slice(start, start + LINES_PER_REMAP)
        result[piece] = cv2.remap(
            image, folded[1, piece], folded[0, piece], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
    return result.ravel()[: len(flat)].reshape(places.shape[:-1])


def disc_offsets(radius: int, stride: int = 1) -> NDArray[np.float32]:
    """Return the (row, col) offsets of a disc's samples, `stride` cells apart: (samples, 2)."""
    row, col = np.mgrid[-radius : radius + 1 : stride, -radius : radius + 1 : stride]
    inside = row**2 + col**2 <= radius**2
    return np.asarray(np.stack([row[inside], col[inside]], axis=1), np.float32)


def rotation_matrices(
    rotation_rad: NDArray[np.float64], scale: float | NDArray[np.float64] = 1.0
) -> NDArray[np.float64]:
    """Return (n, 2, 2) matrices of rotations and scales."""
    cos, sin = scale * np.cos(rotation_rad), scale * np.sin(rotation_rad)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def _correlation(blocks: Blocks, index: NDArray[np.intp], values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray((values * blocks.template[index]) @ blocks.weights, np.float64)


def _standardized(blocks: Blocks, states: States, image: FloatImage, scale: float) -> NDArray[np.float32]:
    """Return the moving image in the blocks, weighted mean 0 and mean square 1."""
    values = sample_bilinear(image, map_blocks(blocks, states, scale))
    values -= (values @ blocks.weights)[:, None]
    deviation = np.sqrt((values * values) @ blocks.weights)
    # A block on an even ground matches nothing; dividing by its tiny deviation would make noise look like pattern.
    values /= np.maximum(deviation, np.float32(MIN_DEVIATION))[:, None]
    return values


def _rotated(step: NDArray[np.float64], rotation_rad: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return (row, col, rotation) steps with their translation rotated and scaled."""
    cos, sin = scale * np.cos(rotation_rad), scale * np.sin(rotation_rad)
    return np.stack([cos * step[:, 0] - sin * step[:, 1], sin * step[:, 0] + cos * step[:, 1], step[:, 2]], axis=1)
