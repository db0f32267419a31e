"""The fitting half of `training/area.py`: small networks in plain numpy, full batches, the same numbers every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Loss = Callable[[Array], tuple[float, Array]]


@dataclass
class Network:
    """Layers with tanh between them and one output."""

    weights: list[Array]
    biases: list[Array]
    _first: list[Array] = field(default_factory=list)
    _second: list[Array] = field(default_factory=list)
    _step: int = 0

    @classmethod
    def random(cls, sizes: tuple[int, ...], rng: np.random.Generator) -> Network:
        weights = [rng.normal(0, 1 / np.sqrt(n), (n, m)) for n, m in zip(sizes[:-1], sizes[1:], strict=True)]
        weights[-1] *= 0.1
        return cls(weights, [np.zeros(m) for m in sizes[1:]])

    def __call__(self, values: Array) -> Array:
        return self._forward(values)[-1][:, 0]

    def _forward(self, values: Array) -> list[Array]:
        layers = [values]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            layers.append(np.tanh(layers[-1] @ weight + bias))
        layers.append(layers[-1] @ self.weights[-1] + self.biases[-1])
        return layers

    def train(self, values: Array, loss: Loss, *, steps: int, rate: float, decay: float = 1e-5) -> float:
        """Follow Adam with a rate that falls to nothing along a half cosine."""
        value = np.inf
        for step in range(steps):
            layers = self._forward(values)
            value, slope = loss(layers[-1][:, 0])
            gradients = self._backward(layers, slope[:, None])
            self._adam(gradients, 0.5 * rate * (1 + np.cos(np.pi * step / steps)), decay)
        return value

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
        for p, g, m, v in zip(parameters, gradients, self._first, self._second, strict=True):
            g = g + decay * p  # noqa: PLW2901
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= rate * (m / (1 - 0.9**self._step)) / (np.sqrt(v / (1 - 0.999**self._step)) + 1e-9)  # noqa: PLW2901

    def record(self) -> list[dict[str, list[object]]]:
        return [
            {"weights": np.round(w, 5).tolist(), "bias": np.round(b, 5).tolist()}
            for w, b in zip(self.weights, self.biases, strict=True)
        ]


def shift_loss(target: Array, to_relative: Array, spread: Array, groups: NDArray[np.int64], pull: float) -> Loss:
    """Return the loss of the shift: pseudo-Huber of the relative area error, and the squared mean of each group.

    The second part is what keeps a kind of deposit from being measured too large so that another may be measured too
    small: it asks each group of kind, size and contrast to be right on average.
    """
    scale = to_relative / spread
    number = len(target)
    count = np.bincount(groups)
    present = np.maximum(count, 1)

    def loss(output: Array) -> tuple[float, Array]:
        error = scale * (output - target)
        root = np.sqrt(1 + (error / 3) ** 2)
        means = np.bincount(groups, weights=np.clip(error, -4, 4), minlength=len(count)) / present
        inside = np.abs(error) < 4
        value = float((9 * (root - 1)).mean() + pull * (count * means**2).sum() / number)
        slope = error / root + pull * 2 * means[groups] * inside
        return value, slope * scale / number

    return loss


def spread_loss(squared: Array, groups: NDArray[np.int64], pull: float) -> Loss:
    """Return the negative log likelihood of a log standard deviation, and how far each group's z is from 1."""
    number = len(squared)
    count = np.bincount(groups)
    present = np.maximum(count, 1)

    def loss(output: Array) -> tuple[float, Array]:
        output = np.clip(output, -8, 4)
        z2 = np.minimum(squared * np.exp(-2 * output), 25.0)
        means = np.log(np.maximum(np.bincount(groups, weights=z2, minlength=len(count)) / present, 1e-3))
        value = float((0.5 * z2 + output).mean() + pull * (count * means**2).sum() / number)
        slope = 1 - z2 - pull * 4 * means[groups] * z2 / np.exp(means)[groups]
        return value, slope / number

    return loss
