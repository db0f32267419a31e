"""How large the bones are on one film against the other: the ruler that both films carry.

Each window over bone is fitted again with its size free; windows are small enough to lie on one or two bones, so that
spread fingers do not pass for growth. The pair's scale is the robust mean of their logarithms, and its error comes from
leaving out one part of the limb after another: what differs between bones (a tilted hand, a bent finger, a joint that
opened) is in it, what all share is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.block_correlation import gradients, sample_bilinear
from calcimeasure.registration.block_matching import BlockMatches
from calcimeasure.registration.registration_image import FloatImage, RegistrationImage

WINDOW_SIGMA = 11.0
ROUNDS = 3
LEAST_BONE = 0.35
"""Share of a window's weight that has to lie on bone."""
LARGEST_LOG = 0.08
"""Windows that differ from the whole by more than this factor have slipped."""
BLOCK = 44.0
"""Cells (about 22 mm) of the parts that are left out in turn."""
LEAST_BLOCKS = 5
LEAST_SE = 0.002
"""What the edges of bone move by with exposure and processing, as a share of its size."""
WELL_DETERMINED_SE = 0.006
ADULT_YEARS = 18.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BoneScale:
    """Size of the second picture's bones over the first's, in cells, with its standard error (both as logarithms)."""

    log_scale: float
    log_se: float
    windows: int


def measure_bone_scale(first: RegistrationImage, second: RegistrationImage, matches: BlockMatches) -> BoneScale | None:
    """Return the bones' size on the second picture over the first, None where too little bone is matched.

    Parameters
    ----------
    first, second
        Reduced pictures.
    matches
        Where the windows of the first lie on the second.

    Notes
    -----
    With ``l_i`` the log size of window i, fitted by least squares together with its shift, turn, gain and offset, the
    scale is ``exp(m)``, m being Tukey's biweight mean of the l_i. Its standard error is that of the delete-one-block
    jackknife over parts of the limb 22 mm wide, ``sqrt((B-1)/B sum (m_-b - m)^2)``, and `LEAST_SE` is added in
    quadrature for what processing does to all edges alike.
    """
    bone = first.bone & (first.limbs > 0)
    weight = np.asarray(cv2.dilate(bone.astype(np.uint8), np.ones((5, 5), np.uint8)), np.float32) * first.field
    keep = np.flatnonzero(matches.good)
    offsets = _offsets()
    share = sample_bilinear(weight, matches.first[keep][:, None, :] + offsets) @ _falling(offsets)
    keep = keep[share > LEAST_BONE]
    if len(keep) == 0:
        return None
    logs, spread = _fitted_logs(first.image, second, weight, matches, keep)
    plausible = np.isfinite(logs) & (np.abs(logs - np.median(logs)) < LARGEST_LOG)
    logs, spread, places = logs[plausible], spread[plausible], matches.first[keep][plausible]
    block = np.floor(places / BLOCK).astype(np.intp)
    _, number = np.unique(block, axis=0, return_inverse=True)
    number = number.ravel()
    blocks = int(number.max(initial=-1)) + 1
    if blocks < LEAST_BLOCKS:
        return None
    middle = biweight_mean(logs, spread)
    left_out = np.array([biweight_mean(logs[number != k], spread[number != k]) for k in range(blocks)])
    variance = (blocks - 1) / blocks * float(((left_out - middle) ** 2).sum()) + LEAST_SE**2
    return BoneScale(
        log_scale=float(np.log(matches.scale) + middle), log_se=float(np.sqrt(variance)), windows=len(logs)
    )


def biweight_mean(values: NDArray[np.float64], spread: NDArray[np.float64]) -> float:
    """Return Tukey's biweight mean (constant 6) of values with standard errors `spread`."""
    centre = float(np.median(values))
    deviation = max(float(np.median(np.abs(values - centre))), 1e-4)
    precision = 1.0 / (spread**2 + deviation**2)
    for _ in range(20):
        u = (values - centre) / (6.0 * deviation)
        weight = np.where(np.abs(u) < 1, (1 - u**2) ** 2, 0.0) * precision
        if weight.sum() <= 0:
            return centre
        centre = float((weight * values).sum() / weight.sum())
    return centre


def applies(baseline: Radiograph, followup: Radiograph, log_se: float) -> bool:
    """Return whether the change is corrected by a scale of that standard error.

    It is when the scale is known to 0.6 % or better (1.2 % of an area, less than heights above the detector differ by
    from visit to visit) and no film is known to be of a person under 18, whose bones grow. An unknown age counts as
    adult.
    """
    ages = [film.identity.age_years for film in (baseline, followup)]
    grown = all(age is None or age >= ADULT_YEARS for age in ages)
    return grown and log_se <= WELL_DETERMINED_SE


def _fitted_logs(
    picture: FloatImage, second: RegistrationImage, weight: FloatImage, matches: BlockMatches, keep: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each window's log size over the pair's, and its standard error."""
    offsets = _offsets()
    places = matches.first[keep][:, None, :] + offsets
    by_row, by_col = (sample_bilinear(part, places) for part in gradients(picture))
    values = sample_bilinear(picture, places)
    row, col = offsets[:, 0], offsets[:, 1]
    falling = sample_bilinear(weight, places) * _falling(offsets)
    model = np.stack(
        [by_row, by_col, by_col * row - by_row * col, by_row * row + by_col * col, values, np.ones_like(values)], -1
    )
    state = np.column_stack([matches.second[keep], matches.rotation_rad[keep], np.zeros(len(keep))])
    ridge = np.diag([1e-6, 1e-6, 1e-4, 1e-4, 1e-6, 1e-6])
    spread = np.full(len(keep), np.inf)
    for _ in range(ROUNDS):
        error, used = _difference(values, second, state, offsets, matches.scale)
        used = used * falling
        # A deposit that came or went must not stretch the bone.
        robust = used / (1.0 + error * error) ** 2
        weighted = model * robust[..., None]
        normal = np.einsum("nsp,nsq->npq", weighted, model, optimize=True).astype(np.float64) + ridge
        pull = np.einsum("nsp,ns->np", weighted, error, optimize=True).astype(np.float64)
        step = np.linalg.solve(normal, pull[..., None])[..., 0]
        left = error - np.einsum("nsp,np->ns", model, step, optimize=True)
        noise = (robust * left**2).sum(axis=1) / np.maximum(robust.sum(axis=1), 1e-9)
        spread = np.sqrt(noise * np.linalg.inv(normal)[:, 3, 3])
        state = _moved(state, np.clip(step, -3.0, 3.0), matches.scale)
    return state[:, 3], spread


def _difference(
    values: NDArray[np.float32],
    second: RegistrationImage,
    state: NDArray[np.float64],
    offsets: NDArray[np.float32],
    scale: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return second minus first in the windows, and where the second shows anything."""
    size = scale * np.exp(state[:, 3])
    cos, sin = (size * np.cos(state[:, 2]))[:, None], (size * np.sin(state[:, 2]))[:, None]
    row, col = offsets[:, 0], offsets[:, 1]
    places = np.stack([state[:, :1] + cos * row - sin * col, state[:, 1:2] + sin * row + cos * col], axis=-1)
    return sample_bilinear(second.image, places) - values, np.asarray(
        sample_bilinear(second.field, places) > 0.99, np.float32
    )


def _moved(state: NDArray[np.float64], step: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return the states after each window's own motion is undone (inverse compositional)."""
    size = scale * np.exp(state[:, 3])
    cos, sin = size * np.cos(state[:, 2]), size * np.sin(state[:, 2])
    moved = state.copy()
    moved[:, 0] -= cos * step[:, 0] - sin * step[:, 1]
    moved[:, 1] -= sin * step[:, 0] + cos * step[:, 1]
    moved[:, 2] -= step[:, 2]
    moved[:, 3] = np.clip(moved[:, 3] - step[:, 3], -0.5, 0.5)
    return moved


def _offsets() -> NDArray[np.float32]:
    reach = int(2 * WINDOW_SIGMA)
    row, col = np.mgrid[-reach : reach + 1 : 2, -reach : reach + 1 : 2]
    inside = row**2 + col**2 <= reach**2
    return np.asarray(np.stack([row[inside], col[inside]], axis=1), np.float32)


def _falling(offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    weight = np.exp(-0.5 * (offsets**2).sum(axis=1) / WINDOW_SIGMA**2)
    return np.asarray(weight / weight.sum(), np.float32)
