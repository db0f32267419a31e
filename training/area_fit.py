"""The fitting half of `training/area.py`: small networks in plain numpy, the same numbers every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Groups = NDArray[np.int64]
Loss = Callable[[Array, Groups], Array]
CLIP = 4.0
BATCH = 4096


@dataclass
class Network:
    """Layers with tanh between them."""

    weights: list[Array]
    biases: list[Array]
    _first: list[Array] = field(default_factory=list)
    _second: list[Array] = field(default_factory=list)
    _step: int = 0

    @classmethod
    def random(cls, sizes: tuple[int, ...], rng: np.random.Generator) -> Network:
        """Return a network whose answers are small at first."""
        weights = [rng.normal(0, 1 / np.sqrt(n), (n, m)).astype(np.float32) for n, m in pairwise(sizes)]
        weights[-1] *= np.float32(0.1)
        return cls(weights, [np.zeros(m, np.float32) for m in sizes[1:]])

    def __call__(self, values: Array) -> Array:
        """Return the answers, a row for every row."""
        return self._forward(values.astype(np.float32))[-1].astype(np.float64)

    def _forward(self, values: Array) -> list[Array]:
        layers = [values]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            layers.append(np.tanh(layers[-1] @ weight + bias))
        layers.append(layers[-1] @ self.weights[-1] + self.biases[-1])
        return layers

    def train(
        self,
        values: Array,
        loss: Loss,
        rng: np.random.Generator,
        *,
        steps: int,
        rate: float,
        decay: float = 1e-5,
    ) -> None:
        """Follow Adam over random batches with a rate that falls to nothing along a half cosine.

        `loss` takes the answers and the numbers of their rows, and returns the slope.
        """
        values = values.astype(np.float32)
        for step in range(steps):
            rows = rng.integers(0, len(values), BATCH)
            layers = self._forward(values[rows])
            slope = loss(layers[-1], rows).astype(np.float32)
            self._adam(self._backward(layers, slope), 0.5 * rate * (1 + np.cos(np.pi * step / steps)), decay)

    def _backward(self, layers: list[Array], slope: Array) -> list[Array]:
        gradients: list[Array] = []
        for index in range(len(self.weights) - 1, -1, -1):
            gradients += [slope.sum(axis=0), layers[index].T @ slope]
            if index:
                slope = (slope @ self.weights[index].T) * (1 - layers[index] ** 2)
        return gradients[::-1]

    def _adam(self, gradients: list[Array], rate: float, decay: float) -> None:
        parameters = [p for pair in zip(self.weights, self.biases, strict=True) for p in pair]
        if not self._first:
            self._first = [np.zeros_like(p) for p in parameters]
            self._second = [np.zeros_like(p) for p in parameters]
        self._step += 1
        for index, (parameter, slope) in enumerate(zip(parameters, gradients, strict=True)):
            gradient = slope + decay * parameter
            self._first[index] += 0.1 * (gradient - self._first[index])
            self._second[index] += 0.001 * (gradient**2 - self._second[index])
            first = self._first[index] / (1 - 0.9**self._step)
            second = self._second[index] / (1 - 0.999**self._step)
            np.subtract(parameter, rate * first / (np.sqrt(second) + 1e-9), out=parameter, casting="same_kind")

    def record(self) -> list[dict[str, list[object]]]:
        """Return the numbers, rounded to what the product reads."""
        return [
            {"weights": np.round(w, 5).tolist(), "bias": np.round(b, 5).tolist()}
            for w, b in zip(self.weights, self.biases, strict=True)
        ]


def error_slope(error: Array, factor: Array, groupings: tuple[Groups, ...], pull: float) -> Array:
    """Return the slope of the loss of standardised errors: pseudo-Huber, and the squared mean of each group.

    The second part is what keeps one kind of deposit from being measured too large so that another may be measured too
    small: it asks that in each group the mean of error times factor be nothing. The square is the product of the means
    of two halves of the batch, so that chance does not count as a mean.
    """
    slope = error / np.sqrt(1 + (error / 3) ** 2)
    clipped = np.clip(error, -CLIP, CLIP) * factor
    inside = (np.abs(error) < CLIP) * factor
    half = len(error) // 2
    for groups in groupings:
        number = int(groups.max()) + 1
        for own, other in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            count = np.bincount(groups[other], minlength=number)
            means = np.bincount(groups[other], weights=clipped[other], minlength=number) / np.maximum(count, 1)
            slope[own] += pull * 2 * means[groups[own]] * inside[own]
    return slope / len(error)


def shift_loss(wanted: Array, to_standard: Array, groupings: tuple[Groups, ...], pull: float) -> Loss:
    """Return the loss of a shift; `to_standard` turns its error into standard deviations of the area."""

    def loss(output: Array, rows: Groups) -> Array:
        here = to_standard[rows]
        error = here * (output[:, 0] - wanted[rows])
        slope = error_slope(error, np.ones(len(rows)), tuple(groups[rows] for groups in groupings), pull)
        return (slope * here)[:, None]

    return loss


def ratio_loss(
    differences: Array, wanted: Array, to_standard: Array, groupings: tuple[Groups, ...], pull: float
) -> Loss:
    """Return the loss of a log ratio that is the sum of differences, each with the weight that the network gives.

    The groups' part asks that no true change be made smaller or larger on average: a slope of 1 in every group.
    """
    factor = wanted / float(np.std(wanted))

    def loss(output: Array, rows: Groups) -> Array:
        here, difference = to_standard[rows], differences[rows]
        error = here * ((difference * output).sum(axis=1) - wanted[rows])
        slope = error_slope(error, factor[rows], tuple(groups[rows] for groups in groupings), pull)
        return (slope * here)[:, None] * difference

    return loss


def spread_loss(squared: Array, groups: Groups, pull: float) -> Loss:
    """Return the negative log likelihood of a log standard deviation, and how far each group's z is from 1."""

    def loss(output: Array, rows: Groups) -> Array:
        answer = np.clip(output[:, 0], -9, 4)
        z2 = np.minimum(squared[rows] * np.exp(-2 * answer), 36.0)
        here = groups[rows]
        count = np.maximum(np.bincount(here), 1)
        mean_z2 = np.maximum(np.bincount(here, weights=z2) / count, 1e-3)
        slope = 1 - z2 - pull * 4 * (np.log(mean_z2) / mean_z2)[here] * z2
        return (slope / len(rows))[:, None]

    return loss
