"""Small windows of one picture, laid on another: correlation and its improvement, all windows at once.

A window is a Gaussian-weighted disc about a node of the first picture. On the second it has a state: where its centre
lies and how it is turned (its size is the pair's). States are improved by inverse compositional Gauss-Newton steps
(Baker and Matthews 2004, Int. J. Comput. Vis. 56:221) on the normalised picture, whose derivatives are those of the
first picture and so are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.registration_image import FloatImage

States = NDArray[np.float64]
"""(nodes, 3): row and column of the window's centre on the second picture, and its turn in radians."""

LINES_PER_REMAP = 1 << 14


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """The windows of the first picture.

    Attributes
    ----------
    centres
        float64, (nodes, 2): (row, col) on the first picture.
    offsets
        float32, (samples, 2): sample positions about a centre.
    weights
        float32, (samples,): sum to 1.
    template
        float32, (nodes, samples): weighted mean 0, weighted mean square 1; 0 where the window holds no pattern.
    contrast
        float64, (nodes,): weighted spread of the picture in the window before that.
    derivative
        float32, (nodes, samples, 3): of the template by row, column and turn, without what gain and offset explain.
    information
        float64, (nodes, 3, 3): weighted products of the derivatives.
    """

    centres: NDArray[np.float64]
    offsets: NDArray[np.float32]
    weights: NDArray[np.float32]
    template: NDArray[np.float32]
    contrast: NDArray[np.float64]
    derivative: NDArray[np.float32]
    information: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.centres)


def cut_blocks(picture: FloatImage, centres: NDArray[np.float64], *, sigma: float, stride: int = 1) -> Blocks:
    """Return the windows of `picture` about `centres`.

    Parameters
    ----------
    picture
        The first picture.
    centres
        (nodes, 2) positions.
    sigma
        Spread of the Gaussian weight in cells; the disc reaches to twice that.
    stride
        Cells between samples.
    """
    offsets = _disc(2.0 * sigma, stride)
    weights = np.asarray(np.exp(-0.5 * (offsets**2).sum(axis=1) / sigma**2), np.float32)
    weights /= weights.sum()
    derivative_row, derivative_col = gradients(picture)
    places = np.asarray(centres[:, None, :] + offsets, np.float32)
    values = sample_bilinear(picture, places)
    by_row, by_col = sample_bilinear(derivative_row, places), sample_bilinear(derivative_col, places)
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
        centres=centres,
        offsets=offsets,
        weights=weights,
        template=np.asarray(template, np.float32),
        contrast=np.asarray(contrast, np.float64),
        derivative=derivative,
        information=np.asarray(information, np.float64),
    )


def correlate_blocks(
    windows: Blocks, nodes: NDArray[np.intp], states: States, picture: FloatImage, scale: float
) -> NDArray[np.float64]:
    """Return the weighted correlation of windows with the second picture in the states given, -1 to 1."""
    values = _standardised(windows, states, picture, scale)
    result: NDArray[np.float64] = np.einsum(
        "ns,ns,s->n", values, windows.template[nodes], windows.weights, optimize=True
    )
    return result


def refine_blocks(
    windows: Blocks,
    nodes: NDArray[np.intp],
    states: States,
    picture: FloatImage,
    scale: float,
    *,
    steps: int,
    spread: tuple[float, float],
    prior: States | None = None,
) -> tuple[States, NDArray[np.float64]]:
    """Return the states after Gauss-Newton steps, each kept only where it raises the correlation, and the correlations.

    Parameters
    ----------
    windows, nodes, states, picture, scale
        As for `correlate_blocks`.
    steps
        How many steps.
    spread
        Prior standard deviation of a state about where it started: cells of the second picture, radians. It holds a
        window back along directions in which its pattern says nothing (along a shaft).
    prior
        Where the prior is centred, if not on `states`.
    """
    noise = 0.15
    precision = noise * np.array([(scale / spread[0]) ** 2, (scale / spread[0]) ** 2, 1.0 / spread[1] ** 2])
    inverse = np.linalg.inv(windows.information[nodes] + np.diag(precision))
    centre = states if prior is None else prior
    values = _standardised(windows, states, picture, scale)
    best = _correlation(windows, nodes, values)
    states = states.copy()
    for _ in range(steps):
        error = values - windows.template[nodes]
        pull = ((error * windows.weights)[:, None, :] @ windows.derivative[nodes])[:, 0].astype(np.float64)
        pull += precision * _in_first(states - centre, states[:, 2], scale)
        step = np.einsum("npq,nq->np", inverse, pull)
        # Inverse compositional: the window's own displacement is undone, turned into the second picture's frame.
        trial = states - _in_second(step, states[:, 2], scale)
        values_trial = _standardised(windows, trial, picture, scale)
        score = _correlation(windows, nodes, values_trial)
        better = score > best
        states[better], best[better], values[better] = trial[better], score[better], values_trial[better]
        if not better.any():
            break
    return states, best


def map_blocks(windows: Blocks, states: States, scale: float) -> NDArray[np.float32]:
    """Return where the samples of windows in `states` lie on the second picture: (nodes, samples, 2)."""
    cos, sin = scale * np.cos(states[:, 2]), scale * np.sin(states[:, 2])
    cos, sin = np.asarray(cos[:, None], np.float32), np.asarray(sin[:, None], np.float32)
    row, col = windows.offsets[:, 0], windows.offsets[:, 1]
    centre = np.asarray(states, np.float32)
    places = np.empty((len(states), len(row), 2), np.float32)
    places[..., 0] = centre[:, :1] + cos * row - sin * col
    places[..., 1] = centre[:, 1:2] + sin * row + cos * col
    return places


def gradients(picture: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Return the picture's derivatives by row and by column (Scharr's filter)."""
    by_row = cv2.Scharr(picture, cv2.CV_32F, 0, 1, scale=1 / 32)
    by_col = cv2.Scharr(picture, cv2.CV_32F, 1, 0, scale=1 / 32)
    return np.asarray(by_row, np.float32), np.asarray(by_col, np.float32)


def sample_bilinear(picture: FloatImage, places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the picture at (row, col) positions, linearly interpolated, 0 outside; `places` is (..., 2)."""
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
            picture, folded[1, piece], folded[0, piece], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
    return result.ravel()[: len(flat)].reshape(places.shape[:-1])


def _correlation(windows: Blocks, nodes: NDArray[np.intp], values: NDArray[np.float32]) -> NDArray[np.float64]:
    product = (values * windows.template[nodes]) @ windows.weights
    return np.asarray(product, np.float64)


def _standardised(windows: Blocks, states: States, picture: FloatImage, scale: float) -> NDArray[np.float32]:
    """Return the second picture in the windows, weighted mean 0 and mean square 1."""
    values = sample_bilinear(picture, map_blocks(windows, states, scale))
    values -= (values @ windows.weights)[:, None]
    spread = np.sqrt((values * values) @ windows.weights)
    # A window on an even ground matches nothing; dividing by its tiny spread would make noise look like pattern.
    values /= np.maximum(spread, np.float32(0.05))[:, None]
    return values


def _in_second(step: NDArray[np.float64], rotation: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    cos, sin = scale * np.cos(rotation), scale * np.sin(rotation)
    return np.stack([cos * step[:, 0] - sin * step[:, 1], sin * step[:, 0] + cos * step[:, 1], step[:, 2]], axis=1)


def _in_first(step: NDArray[np.float64], rotation: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    cos, sin = np.cos(rotation) / scale, np.sin(rotation) / scale
    return np.stack([cos * step[:, 0] + sin * step[:, 1], -sin * step[:, 0] + cos * step[:, 1], step[:, 2]], axis=1)


def _disc(radius: float, stride: int) -> NDArray[np.float32]:
    reach = int(radius // stride)
    row, col = np.mgrid[-reach : reach + 1, -reach : reach + 1] * float(stride)
    inside = row**2 + col**2 <= radius**2
    return np.asarray(np.stack([row[inside], col[inside]], axis=1), np.float32)
