"""Variance components of readers from every reading, balanced or not: items and readers crossed, repeats within.

x = mean + item + reader + item:reader + error, by restricted maximum likelihood (Patterson and Thompson, Biometrika
1971;58:545), as R's `lmer(x ~ 1 + (1 | item) + (1 | reader) + (1 | item:reader))`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, numbers
from calcimeasure.statistics.laws import normal_quantile

MOST_READINGS = 3000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderComponents:
    """What measurements vary by, in the square of their unit (of logarithms: relative).

    Attributes
    ----------
    interaction_variance
        Of items as readers see them; None where no reader measured an item twice: it is part of `error_variance` then.
    reproducibility_coefficient
        1.96 sqrt(2) times the root of reader, interaction and error variance: two readings by two readers differ by
        less 95 times in 100.
    repeatability_coefficient
        The same from the error variance alone: two readings by one reader.
    reader_means
        Each reader's mean over the mean of all readers, as a difference, from the items that both measured.
    """

    items: int
    readers: int
    readings: int
    item_variance: float
    reader_variance: float
    interaction_variance: float | None
    error_variance: float
    repeatability_coefficient: float
    reproducibility_coefficient: float
    reader_means: dict[str, float]


def reader_components(values: ArrayLike, items: Sequence[object], readers: Sequence[object]) -> ReaderComponents:
    """Return variance components of readings.

    Parameters
    ----------
    values
        One a reading; logarithms for relative components.
    items, readers
        What was measured, and by whom, one a reading.

    Raises
    ------
    UsageError
        With fewer than two items or readers, or more readings than are worth a dense matrix.
    """
    y = numbers(values, name="values")
    cells = list(zip(map(str, items), map(str, readers), strict=True))
    item, reader, cell = _codes([one for one, _ in cells]), _codes([one for _, one in cells]), _codes(cells)
    counts = [int(codes.max()) + 1 for codes in (item, reader, cell)]
    if y.size != len(cells) or min(counts[:2]) < 2:
        raise UsageError("readers are compared on two items and two readers at least", where="readers")
    if y.size > MOST_READINGS:
        raise UsageError(f"{y.size} readings are more than {MOST_READINGS}", remedy="Give a sample of the items.")
    has_repeats = counts[2] < y.size
    factors = [item, reader, *([cell] if has_repeats else [])]
    squares, error = _restricted_likelihood(y, factors)
    interaction = squares[2] if has_repeats else None
    factor = normal_quantile(0.975) * math.sqrt(2.0)
    names = list(dict.fromkeys(one for _, one in cells))
    return ReaderComponents(
        items=counts[0],
        readers=counts[1],
        readings=y.size,
        item_variance=squares[0],
        reader_variance=squares[1],
        interaction_variance=interaction,
        error_variance=error,
        repeatability_coefficient=factor * math.sqrt(error),
        reproducibility_coefficient=factor * math.sqrt(squares[1] + (interaction or 0.0) + error),
        reader_means=dict(zip(names, _reader_means(y, item, reader), strict=True)),
    )


def _codes(names: Sequence[object]) -> np.ndarray:
    known = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names])


def _restricted_likelihood(y: Floats, factors: Sequence[np.ndarray]) -> tuple[list[float], float]:
    """Return the variance of each factor, and of the error."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize

    same = [(codes[:, None] == codes[None, :]).astype(np.float64) for codes in factors]
    ones = np.ones((y.size, 1))

    def parts(roots: Floats) -> tuple[float, float]:
        """Return the restricted deviance and the error variance, given roots of the ratios to it."""
        covariance = np.eye(y.size) + sum(root * root * block for root, block in zip(roots, same, strict=True))
        factored = cho_factor(covariance, lower=True)
        weights = cho_solve(factored, ones)
        information = float((ones * weights).sum())
        residual = y - float(weights[:, 0] @ y) / information
        error = float(residual @ cho_solve(factored, residual)) / (y.size - 1)
        log_determinant = 2.0 * float(np.log(np.diag(factored[0])).sum())
        return log_determinant + math.log(information) + (y.size - 1) * math.log(max(error, 1e-300)), error

    def deviance(roots: Floats) -> float:
        return parts(roots)[0]

    bounds = [(0.0, 1e4)] * len(same)
    # The surface is flat: a quick descent, then a simplex that needs no derivative to the end.
    start = minimize(deviance, np.full(len(same), 1.0), method="L-BFGS-B", bounds=bounds)
    best = minimize(
        deviance, start.x, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-8, "fatol": 1e-12, "maxfev": 4000}
    )
    error = parts(best.x)[1]
    return [float(root) ** 2 * error for root in best.x], error


def _reader_means(y: Floats, item: np.ndarray, reader: np.ndarray) -> list[float]:
    """Return each reader's level by least squares with the items' own, about the mean of all readers."""
    design = np.column_stack(
        [
            *[(item == code).astype(float) for code in range(int(item.max()) + 1)],
            *[(reader == code).astype(float) for code in range(1, int(reader.max()) + 1)],
        ]
    )
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    levels = np.concatenate([[0.0], coefficients[int(item.max()) + 1 :]])
    return [float(level) for level in levels - levels.mean()]
