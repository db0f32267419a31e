"""From matched windows to a smooth mapping: where each node of a coarse grid lies on the second picture.

First the windows' rigid motions are blended, each ruling its own neighbourhood, so that fingers keep their own turn.
Then the mapping is polished on the full reduced pictures: optical flow from windowed normal equations (Lucas and
Kanade 1981, IJCAI 2:674), held together by a membrane between the grid's nodes where the picture says little.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.block_correlation import gradients, sample_bilinear
from calcimeasure.registration.block_matching import BlockMatches
from calcimeasure.registration.registration_image import FloatImage, RegistrationImage, box_blur

CORE = 8.0
"""Cells (about 4 mm) within which the nearest window does not yet rule alone."""
NEIGHBOURS = 16
"""Windows that have a say in one point's place."""
FLOW_SIGMA = 6.0
STIFFNESS = 0.02
DEPTH_ERROR = 0.9
"""Cells, about 0.45 mm: a deposit 8 mm off the bone's plane under a change of tilt of 3 degrees."""
UNLIKE_ERROR = 2.4
NEAR, FAR_ERROR = 16.0, 0.08
LARGEST_STEP = 3.0
ROUNDS = 3
SOLVER_STEPS = 40


def interpolate_displacements(matches: BlockMatches, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points of the first picture lie on the second, by the motions of the good windows near them.

    Weights fall with the sixth power of the distance: smooth, and a finger's points follow that finger.

    Parameters
    ----------
    matches
        The windows; at least one is good.
    points
        float64, (n, 2): cells of the first picture.
    """
    from scipy.spatial import cKDTree

    good = matches.good
    centre, target = matches.first[good], matches.second[good]
    cos, sin = matches.scale * np.cos(matches.rotation_rad[good]), matches.scale * np.sin(matches.rotation_rad[good])
    trust = np.maximum(matches.score[good] - 0.3, 0.05)
    count = min(NEIGHBOURS, len(centre))
    distance, near = cKDTree(centre).query(points, k=np.arange(1, count + 1))
    weight = trust[near] / (distance**2 + CORE**2) ** 3
    weight /= weight.sum(axis=1, keepdims=True)
    apart = points[:, None, :] - centre[near]
    row = target[near, 0] + cos[near] * apart[..., 0] - sin[near] * apart[..., 1]
    col = target[near, 1] + sin[near] * apart[..., 0] + cos[near] * apart[..., 1]
    return np.stack([(weight * row).sum(axis=1), (weight * col).sum(axis=1)], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class RefinedField:
    """The mapping at the grid's nodes after polishing.

    Attributes
    ----------
    mapped
        float64, (grid rows, grid cols, 2): where the nodes lie on the second picture.
    correlation
        float64, (grid rows, grid cols): of the two pictures about the nodes; 0 where one of them shows nothing.
    """

    mapped: NDArray[np.float64]
    correlation: NDArray[np.float64]


def refine_field(
    first: RegistrationImage,
    second: RegistrationImage,
    nodes: NDArray[np.float64],
    mapped: NDArray[np.float64],
    reach: NDArray[np.bool_],
) -> RefinedField:
    """Return the mapping after a few rounds of regularised flow, and how well it fits.

    Parameters
    ----------
    first, second
        Reduced pictures.
    nodes
        float64, (grid rows, grid cols, 2): where the grid's nodes lie on the first picture, evenly spaced.
    mapped
        The same shape: where they lie on the second, so far.
    reach
        True on cells of the first picture that may speak (over the limbs and a little beyond).
    """
    mapped = mapped.copy()
    slope = gradients(first.image)
    mask = np.asarray(reach * first.field, np.float32)
    for _ in range(ROUNDS):
        moved, seen = _warped(second, upsample(nodes, mapped, first.image.shape))
        step = _membrane(_window_sums(first.image, slope, moved, mask * seen, nodes))
        mapped = _composed(nodes, mapped, np.clip(step, -LARGEST_STEP, LARGEST_STEP))
    moved, seen = _warped(second, upsample(nodes, mapped, first.image.shape))
    correlation = sample_bilinear(local_correlation(first.image, moved, mask * seen), nodes)
    return RefinedField(mapped=mapped, correlation=np.asarray(correlation, np.float64))


def _window_sums(
    picture: FloatImage,
    slope: tuple[FloatImage, FloatImage],
    moved: FloatImage,
    weight: FloatImage,
    nodes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the five sums of the normal equations about each node, in the first picture's frame."""
    by_row, by_col = slope
    error = moved - picture
    # Large differences (a deposit that came, a marker) must not pull: Geman-McClure weights.
    trusted = weight / (1.0 + error * error) ** 2
    terms = [by_row * by_row, by_row * by_col, by_col * by_col, by_row * error, by_col * error]
    sums = [sample_bilinear(box_blur(trusted * term, FLOW_SIGMA), nodes) for term in terms]
    return np.asarray(np.stack(sums), np.float64)


def standard_error(
    matches: BlockMatches, polished: RefinedField, second: RegistrationImage, nodes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the standard error of the nodes' places in cells of the first picture; infinite where none is known.

    Never less than `DEPTH_ERROR`: bone is what is aligned, and a deposit in front of it or behind it is shifted
    against it by a tilt. More where the pictures agree less, and away from any window that fits. Limbs that do not
    fit, and what lies off the second film, have no place at all.
    """
    from scipy.spatial import cKDTree

    flat = nodes.reshape(-1, 2)
    distance, _ = cKDTree(matches.first[matches.good]).query(flat)
    unlike = UNLIKE_ERROR * (1.0 - np.clip(polished.correlation.ravel(), 0.0, 1.0))
    far = FAR_ERROR * np.maximum(distance - NEAR, 0.0)
    error = np.sqrt(DEPTH_ERROR**2 + unlike**2 + far**2)
    _, nearest = cKDTree(matches.first).query(flat)
    for limb in np.unique(matches.limb):
        of_limb = matches.limb == limb
        if not (of_limb & matches.good).any():
            error[of_limb[nearest]] = np.inf
    places = polished.mapped.reshape(-1, 2)
    rows, cols = second.image.shape
    off = (places < -0.5).any(axis=1) | (places[:, 0] > rows - 0.5) | (places[:, 1] > cols - 0.5)
    error[off] = np.inf
    return np.asarray(error.reshape(nodes.shape[:2]), np.float64)


def local_correlation(picture: FloatImage, other: FloatImage, weight: FloatImage) -> FloatImage:
    """Return the correlation of two pictures about each cell, -1 to 1; 0 where nothing has weight."""
    total = np.maximum(box_blur(weight, FLOW_SIGMA), np.float32(1e-4))
    mean_1, mean_2 = box_blur(weight * picture, FLOW_SIGMA) / total, box_blur(weight * other, FLOW_SIGMA) / total
    variance_1 = box_blur(weight * picture * picture, FLOW_SIGMA) / total - mean_1 * mean_1
    variance_2 = box_blur(weight * other * other, FLOW_SIGMA) / total - mean_2 * mean_2
    covariance = box_blur(weight * picture * other, FLOW_SIGMA) / total - mean_1 * mean_2
    result = covariance / np.sqrt(np.maximum(variance_1 * variance_2, np.float32(1e-4)))
    return np.asarray(np.where(total > 0.05, result, 0.0), np.float32)


def upsample(nodes: NDArray[np.float64], values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return values at the grid's nodes interpolated linearly at every cell: float32, (rows, cols, 2)."""
    start = nodes[0, 0]
    pace_row = nodes[1, 0, 0] - start[0] if len(nodes) > 1 else 1.0
    pace_col = nodes[0, 1, 1] - start[1] if nodes.shape[1] > 1 else 1.0
    matrix = np.array([[1 / pace_col, 0.0, -start[1] / pace_col], [0.0, 1 / pace_row, -start[0] / pace_row]])
    result = cv2.warpAffine(
        values.astype(np.float32),
        matrix,
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(result, np.float32)


def _warped(second: RegistrationImage, dense: NDArray[np.float32]) -> tuple[FloatImage, FloatImage]:
    """Return the second picture and its field as the first would show them."""
    row, col = np.ascontiguousarray(dense[..., 0]), np.ascontiguousarray(dense[..., 1])
    moved = cv2.remap(second.image, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    seen = cv2.remap(second.field, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(moved, np.float32), np.asarray(seen > 0.99, np.float32)


def _composed(
    nodes: NDArray[np.float64], mapped: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mapping with each node's own displacement undone first: ``mapped(node - step)``."""
    down = np.gradient(mapped, axis=0) / (nodes[1, 0, 0] - nodes[0, 0, 0])
    across = np.gradient(mapped, axis=1) / (nodes[0, 1, 1] - nodes[0, 0, 1])
    result: NDArray[np.float64] = mapped - down * step[..., :1] - across * step[..., 1:]
    return result


def _membrane(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the displacements that solve the windowed normal equations under a membrane between nodes.

    Conjugate gradients, preconditioned by the inverse of each node's own 2 x 2 block.
    """
    rr, rc, cc, r, c = sums
    right = np.stack([r, c], axis=-1)
    degree = 4.0 * STIFFNESS
    block = np.stack([np.stack([rr + degree, rc], -1), np.stack([rc, cc + degree], -1)], -2)
    inverse = np.linalg.inv(block)

    def product(u: NDArray[np.float64]) -> NDArray[np.float64]:
        around = np.pad(u, ((1, 1), (1, 1), (0, 0)), mode="edge")
        beside = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
        data = np.stack([rr * u[..., 0] + rc * u[..., 1], rc * u[..., 0] + cc * u[..., 1]], axis=-1)
        return data + STIFFNESS * (4.0 * u - beside)

    u = np.zeros_like(right)
    residual = right.copy()
    conditioned = np.einsum("ijpq,ijq->ijp", inverse, residual)
    direction = conditioned.copy()
    strength = float((residual * conditioned).sum())
    for _ in range(SOLVER_STEPS):
        if strength < 1e-12:
            break
        applied = product(direction)
        pace = strength / float((direction * applied).sum())
        u += pace * direction
        residual -= pace * applied
        conditioned = np.einsum("ijpq,ijq->ijp", inverse, residual)
        new_strength = float((residual * conditioned).sum())
        direction = conditioned + (new_strength / strength) * direction
        strength = new_strength
    return u
