"""How large the bones are on one film against the other: a length standard that both films carry.

Each block over bone is fitted again with its scale free; blocks are small enough to lie on one or two bones, so that
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
from calcimeasure.registration.block_correlation import disc_offsets, gradients, rotation_matrices, sample_bilinear
from calcimeasure.registration.block_matching import BlockMatches
from calcimeasure.registration.registration_image import FloatImage, RegistrationImage

BLOCK_SIGMA = 11.0
ITERATIONS = 3
MIN_BONE = 0.35
"""Share of a block's weight that has to lie on bone."""
MAX_LOG_DEVIATION = 0.08
"""Blocks that differ from the median by more than this factor have been mismatched."""
PART_CELLS = 44.0
"""Cells (about 22 mm) of the parts that the jackknife leaves out."""
MIN_PARTS = 5
MIN_SE = 0.002
"""What the edges of bone move by with exposure and processing, as a share of its size."""
WELL_DETERMINED_SE = 0.006
ADULT_YEARS = 18.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BoneScale:
    """Size of the moving image's bones over the fixed one's, in cells, with its standard error (both as logarithms)."""

    log_scale: float
    log_se: float
    blocks: int


def measure_bone_scale(fixed: RegistrationImage, moving: RegistrationImage, matches: BlockMatches) -> BoneScale | None:
    """Return the bones' size on the moving image over the fixed one, None where too little bone is matched.

    Notes
    -----
    With ``l_i`` the log scale of block i, fitted by least squares together with its translation, rotation, gain and
    offset, the scale is ``exp(m)``, m being Tukey's biweight mean of the l_i. Its standard error is that of the
    delete-one-part jackknife over parts of the limb 22 mm wide, ``sqrt((B-1)/B sum (m_-b - m)^2)``, and `MIN_SE` is
    added in quadrature for what processing does to all edges alike.
    """
    bone = fixed.bone & (fixed.limbs > 0)
    weight = np.asarray(cv2.dilate(bone.astype(np.uint8), np.ones((5, 5), np.uint8)), np.float32) * fixed.field
    keep = np.flatnonzero(matches.good)
    offsets = disc_offsets(int(2 * BLOCK_SIGMA), 2)
    gaussian = np.exp(-0.5 * (offsets**2).sum(axis=1) / BLOCK_SIGMA**2)
    gaussian = np.asarray(gaussian / gaussian.sum(), np.float32)
    share = sample_bilinear(weight, matches.fixed[keep][:, None, :] + offsets) @ gaussian
    keep = keep[share > MIN_BONE]
    if len(keep) == 0:
        return None
    logs, log_se = _fit_log_scales(fixed.image, moving, matches, keep, (weight, offsets, gaussian))
    plausible = np.isfinite(logs) & (np.abs(logs - np.median(logs)) < MAX_LOG_DEVIATION)
    logs, log_se, places = logs[plausible], log_se[plausible], matches.fixed[keep][plausible]
    _, part = np.unique(np.floor(places / PART_CELLS).astype(np.intp), axis=0, return_inverse=True)
    part = part.ravel()
    parts = int(part.max(initial=-1)) + 1
    if parts < MIN_PARTS:
        return None
    mean = biweight_mean(logs, log_se)
    left_out = np.array([biweight_mean(logs[part != k], log_se[part != k]) for k in range(parts)])
    variance = (parts - 1) / parts * float(((left_out - mean) ** 2).sum()) + MIN_SE**2
    return BoneScale(log_scale=float(np.log(matches.scale) + mean), log_se=float(np.sqrt(variance)), blocks=len(logs))


def biweight_mean(values: NDArray[np.float64], standard_error: NDArray[np.float64]) -> float:
    """Return Tukey's biweight mean (constant 6) of values with standard errors."""
    center = float(np.median(values))
    deviation = max(float(np.median(np.abs(values - center))), 1e-4)
    precision = 1.0 / (standard_error**2 + deviation**2)
    for _ in range(20):
        u = (values - center) / (6.0 * deviation)
        weight = np.where(np.abs(u) < 1, (1 - u**2) ** 2, 0.0) * precision
        if weight.sum() <= 0:
            return center
        center = float((weight * values).sum() / weight.sum())
    return center


def applies(baseline: Radiograph, followup: Radiograph, log_se: float) -> bool:
    """Return whether the change is corrected by a scale of that standard error.

    It is when the scale is known to 0.6 % or better (1.2 % of an area, less than heights above the detector differ by
    from visit to visit) and no film is known to be of a person under 18, whose bones grow. An unknown age counts as
    adult.
    """
    ages = [film.identity.age_years for film in (baseline, followup)]
    grown = all(age is None or age >= ADULT_YEARS for age in ages)
    return grown and log_se <= WELL_DETERMINED_SE


def _fit_log_scales(
    fixed: FloatImage,
    moving: RegistrationImage,
    matches: BlockMatches,
    keep: NDArray[np.intp],
    samples: tuple[FloatImage, NDArray[np.float32], NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each block's log scale over the pair's, and its standard error."""
    weight, offsets, gaussian = samples
    places = matches.fixed[keep][:, None, :] + offsets
    by_row, by_col = (sample_bilinear(derivative, places) for derivative in gradients(fixed))
    values = sample_bilinear(fixed, places)
    row, col = offsets[:, 0], offsets[:, 1]
    falling = sample_bilinear(weight, places) * gaussian
    model = np.stack(
        [by_row, by_col, by_col * row - by_row * col, by_row * row + by_col * col, values, np.ones_like(values)], -1
    )
    state = np.column_stack([matches.moving[keep], matches.rotation_rad[keep], np.zeros(len(keep))])
    ridge = np.diag([1e-6, 1e-6, 1e-4, 1e-4, 1e-6, 1e-6])
    log_se = np.full(len(keep), np.inf)
    for _ in range(ITERATIONS):
        rotation = rotation_matrices(state[:, 2], matches.scale * np.exp(state[:, 3]))
        at = state[:, None, :2] + offsets @ rotation.swapaxes(1, 2)
        error = sample_bilinear(moving.image, at) - values
        used = np.asarray(sample_bilinear(moving.field, at) > 0.99, np.float32) * falling
        # A deposit that came or went must not stretch the bone.
        robust = used / (1.0 + error * error) ** 2
        weighted = model * robust[..., None]
        normal = np.einsum("nsp,nsq->npq", weighted, model, optimize=True).astype(np.float64) + ridge
        pull = np.einsum("nsp,ns->np", weighted, error, optimize=True).astype(np.float64)
        step = np.linalg.solve(normal, pull[..., None])[..., 0]
        left = error - np.einsum("nsp,np->ns", model, step, optimize=True)
        noise = (robust * left**2).sum(axis=1) / np.maximum(robust.sum(axis=1), 1e-9)
        log_se = np.sqrt(noise * np.linalg.inv(normal)[:, 3, 3])
        # Inverse compositional: each block's own motion is undone.
        step = np.clip(step, -3.0, 3.0)
        state[:, :2] -= np.einsum("npq,nq->np", rotation, step[:, :2])
        state[:, 2] -= step[:, 2]
        state[:, 3] = np.clip(state[:, 3] - step[:, 3], -0.5, 0.5)
    return state[:, 3], log_se
