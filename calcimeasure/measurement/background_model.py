"""The background under a deposit, predicted from the ring of film around it by a Gaussian process.

The ring is averaged over small cells. The covariance may be stretched along the ring's structure, so that a bone edge
that enters the deposit on one side and leaves it on the other continues underneath. Stretch and length are weighted by
the ring's marginal likelihood (Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, chapters 2 and
5). The process also gives the standard error of the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from calcimeasure.errors import FilmError

MOST_CELLS = 120
MOST_CELLS_FIRST_LOOK = 70
FEWEST_CELLS = 6
# (length across, length along) the ring's structure, in units of the ring's characteristic length.
_STRETCHES = ((0.35, 0.35), (1.2, 1.2), (0.2, 1.5), (0.2, 6.0), (0.6, 6.0))
_STRETCHES_FIRST_LOOK = ((1.2, 1.2), (0.2, 6.0))
_LIKELIHOOD_RANGE = 3.0
_OUTLIER_SD = 4.0
KEPT_BITS = 20
_TREND_VARIANCE = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """The background of one crop.

    Attributes
    ----------
    values
        Predicted background, the crop's shape.
    noise_sd
        Standard deviation of the film's noise from pixel to pixel, from the ring.
    structure_sd
        Standard deviation of the ring's cells about trend and process: how well such a background can be predicted.
    prediction_se
        Mean standard error of the prediction under the deposit.
    """

    values: NDArray[np.float32]
    noise_sd: float
    structure_sd: float
    prediction_se: float


def predict_background(
    crop: NDArray[np.float32],
    ring: NDArray[np.bool_],
    target: NDArray[np.bool_],
    length: float,
    *,
    corner: tuple[int, int] = (0, 0),
    first_look: bool = False,
) -> Background:
    """Return the background of a crop, predicted from its ring.

    Parameters
    ----------
    crop
        Canonical pixels, square.
    ring
        True where the crop shows background only.
    target
        True where the background is needed; elsewhere it is extrapolated coarsely.
    length
        Characteristic length in pixels: about the deposit's half width plus the ring's.
    corner
        First row and column of the crop on the film: cells lie on the film's grid, so that the crop's size does not
        matter.
    first_look
        Coarser and faster, with fewer stretches: enough for finding the deposit's outline.
    """
    noise_sd = _noise_sd(crop, ring)
    cells = _cells(crop, ring, corner, MOST_CELLS_FIRST_LOOK if first_look else MOST_CELLS)
    if len(cells.value) < FEWEST_CELLS:
        level = float(np.median(crop[ring])) if ring.any() else float(np.quantile(crop, 0.1))
        values = np.full(crop.shape, level, np.float32)
        return Background(values=values, noise_sd=noise_sd, structure_sd=noise_sd, prediction_se=noise_sd)
    processes = _fit(cells, length, noise_sd, _STRETCHES_FIRST_LOOK if first_look else _STRETCHES)
    return _predict(processes, _grid(target, ring, corner, cells.size), target, noise_sd)


def _noise_sd(crop: NDArray[np.float32], ring: NDArray[np.bool_]) -> float:
    """Return the noise from second differences along rows and columns, which ramps and curved bone leave alone."""
    differences = [
        np.abs(lines[1:-1] - 0.5 * (lines[:-2] + lines[2:]))[inside[1:-1]]
        for lines, inside in ((crop, ring), (crop.T, ring.T))
    ]
    values = np.concatenate(differences)
    if values.size < 8:
        return float(np.std(crop) * 0.1)
    return float(np.median(values) / 0.6745 / np.sqrt(1.5))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cells:
    row: NDArray[np.float64]
    col: NDArray[np.float64]
    value: NDArray[np.float64]
    count: NDArray[np.float64]
    size: int


def _cells(crop: NDArray[np.float32], ring: NDArray[np.bool_], corner: tuple[int, int], most: int) -> _Cells:
    """Return ring pixels averaged over square cells, about `most` of them."""
    pixels = int(ring.sum())
    size = max(2, int(np.ceil(np.sqrt(pixels / most))))
    while True:
        cells = _cells_of_size(crop, ring, corner, size)
        if len(cells.value) <= most * 1.15:
            return cells
        size += 1


def _cells_of_size(crop: NDArray[np.float32], ring: NDArray[np.bool_], corner: tuple[int, int], size: int) -> _Cells:
    rows, cols = np.nonzero(ring)
    values = crop[rows, cols].astype(np.float64)
    above, left = (at % size for at in corner)
    width = -(-(crop.shape[1] + left) // size)
    key = ((rows + above) // size) * width + (cols + left) // size
    length = width * (-(-(crop.shape[0] + above) // size))
    count = np.bincount(key, minlength=length)
    kept = count >= max(1, size * size // 3)
    number = np.maximum(count, 1)

    def mean(weights: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return (np.bincount(key, weights=weights, minlength=length) / number)[kept]

    return _Cells(row=mean(rows), col=mean(cols), value=mean(values), count=count[kept].astype(np.float64), size=size)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Process:
    """A fitted Gaussian process in the ring's own axes, lengths in units of `scale`; `share` is its weight."""

    points: NDArray[np.float64]
    centre: NDArray[np.float64]
    rotation: NDArray[np.float64]
    scale: float
    lengths: tuple[float, float]
    amplitude: float
    inverse: NDArray[np.float64]
    weights: NDArray[np.float64]
    mean: float
    structure_sd: float
    share: float


def _fit(cells: _Cells, length: float, noise_sd: float, stretches: tuple[tuple[float, float], ...]) -> list[_Process]:
    """Return the likely processes given the ring's cells, with the weight of each."""
    points = np.column_stack([cells.row, cells.col])
    centre = points.mean(axis=0)
    rotation = _structure_axes(cells)
    scale = float(max(length, 2.0))
    mean = float(np.median(cells.value))
    value = cells.value - mean
    local = _rotated(points - centre, rotation) / scale
    amplitude = float(max(_detrended_variance(local, value), (0.3 * noise_sd) ** 2, 1e-12))
    # Neighbouring pixels share noise, so a cell's mean is noisier than its count says.
    nugget = np.maximum((1.6 * noise_sd) ** 2 / cells.count, 1e-4 * amplitude)
    trials = []
    for lengths in stretches:
        covariance = _covariance(local, local, lengths, amplitude) + np.diag(nugget)
        factor = _factor(covariance)
        solved = lapack.dpotrs(factor, value, lower=1)[0]
        likelihood = -0.5 * float(value @ solved) - float(np.log(np.diagonal(factor)).sum())
        trials.append((likelihood, lengths, covariance, factor))
    best = max(trial[0] for trial in trials)
    # Likely ones are averaged rather than the likeliest taken: a ring of a few other pixels must not tip the choice.
    kept = [trial for trial in trials if trial[0] > best - _LIKELIHOOD_RANGE]
    total = sum(np.exp(trial[0] - best) for trial in kept)
    processes = []
    for likelihood, lengths, covariance, factor in kept:
        inverse, residual_z = _without_outliers(covariance, factor, value, amplitude)
        processes.append(
            _Process(
                points=local,
                centre=centre,
                rotation=rotation,
                scale=scale,
                lengths=lengths,
                amplitude=amplitude,
                inverse=inverse,
                weights=inverse @ value,
                mean=mean,
                structure_sd=float(np.sqrt(np.mean(np.clip(residual_z, -4, 4) ** 2))),
                share=float(np.exp(likelihood - best) / total),
            )
        )
    return processes


def _without_outliers(
    covariance: NDArray[np.float64], factor: NDArray[np.float64], value: NDArray[np.float64], amplitude: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the inverse covariance with bright outliers left out, and each cell's leave-one-out residual in SDs."""
    inverse = _inverse(factor)
    residual_z = (inverse @ value) / np.sqrt(np.diagonal(inverse))
    outlier = residual_z > _OUTLIER_SD
    if outlier.any() and outlier.mean() < 0.35:
        inverse = _inverse(_factor(covariance + np.diag(np.where(outlier, 1e4 * amplitude, 0.0))))
        residual_z = (inverse @ value) / np.sqrt(np.diagonal(inverse))
    return inverse, np.asarray(residual_z, dtype=np.float64)


def _factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower Cholesky factor."""
    factor, failed = lapack.dpotrf(covariance, lower=1)
    if failed:
        raise FilmError("the background around a deposit holds values that cannot be measured")
    return np.asarray(factor, dtype=np.float64)


def _inverse(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of the matrix with this lower Cholesky factor."""
    lower = np.tril(lapack.dpotri(factor, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).T, dtype=np.float64)


def _structure_axes(cells: _Cells) -> NDArray[np.float64]:
    """Return unit vectors (columns) across and along the structure, from differences between neighbouring cells."""
    row_gap = cells.row[:, None] - cells.row[None, :]
    col_gap = cells.col[:, None] - cells.col[None, :]
    squared = row_gap**2 + col_gap**2
    near = (squared < (1.9 * cells.size) ** 2) & (squared > 0)
    first, second = np.nonzero(np.triu(near))
    if first.size < 3:
        return np.eye(2)
    weight = (cells.value[first] - cells.value[second]) / squared[first, second]
    rows, cols = row_gap[first, second] * weight, col_gap[first, second] * weight
    steep_rows, steep_cols, both = float((rows**2).sum()), float((cols**2).sum()), float((rows * cols).sum())
    across = 0.5 * np.arctan2(2 * both, steep_rows - steep_cols)
    return np.array([[np.cos(across), -np.sin(across)], [np.sin(across), np.cos(across)]])


def _rotated(points: NDArray[np.float64], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rotated points; written out, because a matrix product's rounding depends on the memory layout."""
    return np.asarray(points[:, :1] * rotation[0] + points[:, 1:] * rotation[1])


def _detrended_variance(local: NDArray[np.float64], value: NDArray[np.float64]) -> float:
    design = np.column_stack([np.ones(len(value)), local])
    gram = design.T @ design + 1e-9 * np.eye(3)
    residual = value - design @ np.linalg.solve(gram, design.T @ value)
    return float(np.mean(residual**2))


def _covariance(
    first: NDArray[np.float64], second: NDArray[np.float64], lengths: tuple[float, float], amplitude: float
) -> NDArray[np.float64]:
    """Return the process's covariance: Matérn 3/2, stretched along the structure, over a broad linear trend."""
    trend = _TREND_VARIANCE * (1.0 + first @ second.T)
    return np.asarray(amplitude * (_matern(first, second, lengths) + trend), dtype=np.float64)


def _matern(
    first: NDArray[np.float64], second: NDArray[np.float64], lengths: tuple[float, float]
) -> NDArray[np.float32]:
    """Return Matérn 3/2 correlations; single precision is plenty and twice as fast."""
    stretch = np.sqrt(3.0) / np.array(lengths)
    near, far = (first * stretch).astype(np.float32), (second * stretch).astype(np.float32)
    across = np.subtract.outer(near[:, 0], far[:, 0])
    along = np.subtract.outer(near[:, 1], far[:, 1])
    # NumPy's exp, not OpenCV's: the latter's last digit depends on where in memory the array lies.
    distance = np.sqrt(across * across + along * along)
    return np.asarray(np.exp(-distance) * (1.0 + distance), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Grid:
    """The coarse places at which a background is predicted: the film's grid, over target and ring."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    step: int
    chosen: NDArray[np.int64]
    under_target: NDArray[np.int64]


def _grid(target: NDArray[np.bool_], ring: NDArray[np.bool_], corner: tuple[int, int], cell_size: int) -> _Grid:
    step = max(1, (2 * cell_size) // 3)
    rows, cols = (
        np.arange(-(first % step), length + step, step) for first, length in zip(corner, target.shape, strict=True)
    )
    wanted = cv2.dilate((target | ring).astype(np.uint8), np.ones((2 * step + 1, 2 * step + 1), np.uint8))
    at_row, at_col = np.clip(rows, 0, target.shape[0] - 1), np.clip(cols, 0, target.shape[1] - 1)
    chosen = np.flatnonzero(wanted[np.ix_(at_row, at_col)])
    under = np.flatnonzero(target[np.ix_(at_row, at_col)].ravel()[chosen])
    return _Grid(rows=rows, cols=cols, step=step, chosen=chosen, under_target=under)


def _predict(processes: list[_Process], grid: _Grid, target: NDArray[np.bool_], noise_sd: float) -> Background:
    """Return the mean of the processes' predictions, enlarged to the crop."""
    first = processes[0]
    places = np.column_stack([grid.rows[grid.chosen // grid.cols.size], grid.cols[grid.chosen % grid.cols.size]])
    local = _rotated(places - first.centre, first.rotation) / first.scale
    sample = local[grid.under_target[:: max(1, grid.under_target.size // 16)]]
    predicted, variance = np.zeros(len(local)), 0.0
    for process in processes:
        predicted += process.share * _mean_at(process, local)
        if len(sample):
            variance += process.share * _variance_at(process, sample) * process.structure_sd**2
    size = float(np.sqrt(first.amplitude))
    coarse = np.full(grid.rows.size * grid.cols.size, first.mean, np.float32)
    coarse[grid.chosen] = _cut(predicted, size) + first.mean
    structure = sum(process.share * process.structure_sd for process in processes)
    return Background(
        values=_enlarged(coarse.reshape(grid.rows.size, grid.cols.size), grid, target.shape),
        noise_sd=noise_sd,
        structure_sd=float(_cut(structure, 1.0)),
        prediction_se=float(_cut(np.sqrt(variance), size)) if len(sample) else noise_sd,
    )


def _mean_at(process: _Process, local: NDArray[np.float64]) -> NDArray[np.float64]:
    rough = _matern(local, process.points, process.lengths)
    slopes = process.weights @ process.points
    trend = process.weights.sum() + local[:, 0] * slopes[0] + local[:, 1] * slopes[1]
    return np.asarray(process.amplitude * (rough @ process.weights + _TREND_VARIANCE * trend), dtype=np.float64)


def _variance_at(process: _Process, local: NDArray[np.float64]) -> float:
    """Return the mean variance of the prediction at some places."""
    cross = _covariance(local, process.points, process.lengths, process.amplitude)
    explained = ((cross @ process.inverse) * cross).sum(axis=1)
    prior = process.amplitude * (1.0 + _TREND_VARIANCE * (1.0 + (local**2).sum(axis=1)))
    return float(np.maximum(prior - explained, 0.0).mean())


def _cut(values: NDArray[np.float64] | float, size: float) -> NDArray[np.float64]:
    """Return values cut far above the digits that change with the number of threads of the linear algebra."""
    quantum = 2.0 ** (np.floor(np.log2(size)) - KEPT_BITS)
    return np.asarray(np.round(np.asarray(values) / quantum) * quantum)


def _enlarged(coarse: NDArray[np.float32], grid: _Grid, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the coarse prediction at every pixel of the crop, linearly between the grid's places."""
    rows = ((np.arange(shape[0]) - grid.rows[0]) / grid.step).astype(np.float32)
    cols = ((np.arange(shape[1]) - grid.cols[0]) / grid.step).astype(np.float32)
    map_col, map_row = np.meshgrid(cols, rows)
    return np.asarray(cv2.remap(coarse, map_col, map_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
