"""From matched blocks to a smooth displacement field: where each node of a coarse grid lies on the moving image.

First the blocks' rigid motions are blended by distance, so that fingers keep their own rotation. Then the field is
refined on the registration images: optical flow from windowed normal equations (Lucas and Kanade 1981, IJCAI 2:674),
regularised by a membrane between the grid's nodes where the images have little contrast.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.alignment import upsample
from calcimeasure.registration.block_correlation import gradients, sample_bilinear
from calcimeasure.registration.block_matching import BlockMatches
from calcimeasure.registration.registration_image import FloatImage, RegistrationImage, box_blur

CORE = 8.0
"""Cells (about 4 mm) within which the nearest block does not yet decide alone."""
NEIGHBOURS = 16
"""Blocks that are blended at a point."""
FLOW_SIGMA = 6.0
STIFFNESS = 0.02
DEPTH_SD = 0.9
"""Cells, about 0.45 mm: a deposit 8 mm off the bone's plane under a change of tilt of 3 degrees."""
UNCORRELATED_SD = 2.4
NEAR, FAR_SD = 16.0, 0.08
MAX_STEP = 3.0
ITERATIONS = 3
SOLVER_ITERATIONS = 40


def interpolate_displacements(matches: BlockMatches, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points of the fixed image lie on the moving one, by the motions of the good blocks near them.

    Weights fall with the sixth power of the distance: smooth, and a finger's points follow that finger. At least one
    block is good; points are (n, 2) cells of the fixed image.
    """
    from scipy.spatial import cKDTree

    good = matches.good
    center, target = matches.fixed[good], matches.moving[good]
    cos, sin = matches.scale * np.cos(matches.rotation_rad[good]), matches.scale * np.sin(matches.rotation_rad[good])
    trust = np.maximum(matches.score[good] - 0.3, 0.05)
    count = min(NEIGHBOURS, len(center))
    distance, near = cKDTree(center).query(points, k=np.arange(1, count + 1))
    weight = trust[near] / (distance**2 + CORE**2) ** 3
    weight /= weight.sum(axis=1, keepdims=True)
    apart = points[:, None, :] - center[near]
    row = target[near, 0] + cos[near] * apart[..., 0] - sin[near] * apart[..., 1]
    col = target[near, 1] + sin[near] * apart[..., 0] + cos[near] * apart[..., 1]
    return np.stack([(weight * row).sum(axis=1), (weight * col).sum(axis=1)], axis=1)


def refine_field(
    fixed: RegistrationImage,
    moving: RegistrationImage,
    nodes: NDArray[np.float64],
    mapped: NDArray[np.float64],
    region: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mapping after a few iterations of regularised flow, and the local correlation at the nodes.

    The correlation is 0 where one of the images shows nothing.

    Parameters
    ----------
    fixed, moving
        Registration images.
    nodes, mapped
        float64, (grid rows, grid cols, 2): where the grid's nodes lie on the fixed image, evenly spaced, and where on
        the moving one, so far.
    region
        True on cells of the fixed image that are used (over the limbs and a little beyond).
    """
    spacing = _spacing(nodes)
    derivatives = gradients(fixed.image)
    mask = np.asarray(region * fixed.field, np.float32)
    for _ in range(ITERATIONS):
        warped, seen = _warped(moving, nodes, mapped, fixed.image.shape)
        step = _solve_membrane(_normal_equations(fixed.image, derivatives, warped, mask * seen, nodes))
        step = np.clip(step, -MAX_STEP, MAX_STEP)
        # Each node's own displacement is undone first: mapped(node - step).
        by_row, by_col = (np.gradient(mapped, axis=axis) / spacing[axis] for axis in (0, 1))
        mapped = mapped - by_row * step[..., :1] - by_col * step[..., 1:]
    warped, seen = _warped(moving, nodes, mapped, fixed.image.shape)
    correlation = sample_bilinear(_local_correlation(fixed.image, warped, mask * seen), nodes)
    return mapped, np.asarray(correlation, np.float64)


def standard_error(
    matches: BlockMatches,
    moving: RegistrationImage,
    nodes: NDArray[np.float64],
    mapped: NDArray[np.float64],
    correlation: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the standard error of the nodes' places in cells of the fixed image; infinite where none is known.

    Never less than `DEPTH_SD`: bone is what is aligned, and a deposit in front of it or behind it is displaced against
    it by a tilt. More where the images correlate less, and away from any matched block. Limbs that do not match, and
    what lies off the moving image, have no place at all.
    """
    from scipy.spatial import cKDTree

    flat = nodes.reshape(-1, 2)
    distance, _ = cKDTree(matches.fixed[matches.good]).query(flat)
    uncorrelated = UNCORRELATED_SD * (1.0 - np.clip(correlation.ravel(), 0.0, 1.0))
    far = FAR_SD * np.maximum(distance - NEAR, 0.0)
    error = np.sqrt(DEPTH_SD**2 + uncorrelated**2 + far**2)
    _, nearest = cKDTree(matches.fixed).query(flat)
    for limb in np.unique(matches.limb):
        of_limb = matches.limb == limb
        if not (of_limb & matches.good).any():
            error[of_limb[nearest]] = np.inf
    places = mapped.reshape(-1, 2)
    off = ((places < -0.5) | (places > np.array(moving.image.shape) - 0.5)).any(axis=1)
    error[off] = np.inf
    return np.asarray(error.reshape(nodes.shape[:2]), np.float64)


def _local_correlation(fixed: FloatImage, moving: FloatImage, weight: FloatImage) -> FloatImage:
    """Return the correlation of two images about each cell, -1 to 1; 0 where nothing has weight."""
    total = np.maximum(box_blur(weight, FLOW_SIGMA), np.float32(1e-4))

    def mean(weighted: FloatImage) -> FloatImage:
        return np.asarray(box_blur(weighted, FLOW_SIGMA) / total, np.float32)

    mean_1, mean_2 = mean(weight * fixed), mean(weight * moving)
    variance_1 = mean(weight * fixed * fixed) - mean_1 * mean_1
    variance_2 = mean(weight * moving * moving) - mean_2 * mean_2
    covariance = mean(weight * fixed * moving) - mean_1 * mean_2
    result = covariance / np.sqrt(np.maximum(variance_1 * variance_2, np.float32(1e-4)))
    return np.asarray(np.where(total > 0.05, result, 0.0), np.float32)


def _spacing(nodes: NDArray[np.float64]) -> tuple[float, float]:
    """Return the (rows, columns) between the grid's nodes, which are two at least along both axes."""
    return float(nodes[1, 0, 0] - nodes[0, 0, 0]), float(nodes[0, 1, 1] - nodes[0, 0, 1])


def _warped(
    moving: RegistrationImage, nodes: NDArray[np.float64], mapped: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[FloatImage, FloatImage]:
    """Return the moving image resampled on the fixed grid, and 1 where its field covers that."""
    dense = upsample(mapped.astype(np.float32), shape, _spacing(nodes), (nodes[0, 0, 0], nodes[0, 0, 1]))
    row, col = np.ascontiguousarray(dense[..., 0]), np.ascontiguousarray(dense[..., 1])
    warped = cv2.remap(moving.image, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    seen = cv2.remap(moving.field, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(warped, np.float32), np.asarray(seen > 0.99, np.float32)


def _normal_equations(
    fixed: FloatImage,
    derivatives: tuple[FloatImage, FloatImage],
    warped: FloatImage,
    weight: FloatImage,
    nodes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the five sums of the normal equations about each node, in the fixed image's frame."""
    by_row, by_col = derivatives
    error = warped - fixed
    # Large differences (a new deposit, a marker) must not pull: Geman-McClure weights.
    robust = weight / (1.0 + error * error) ** 2
    terms = [by_row * by_row, by_row * by_col, by_col * by_col, by_row * error, by_col * error]
    sums = [sample_bilinear(box_blur(robust * term, FLOW_SIGMA), nodes) for term in terms]
    return np.asarray(np.stack(sums), np.float64)


def _solve_membrane(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the displacements that solve the windowed normal equations under a membrane between nodes.

    Conjugate gradients, preconditioned by the inverse of each node's own 2 x 2 block.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    rr, rc, cc, r, c = sums
    shape, size = (*r.shape, 2), 2 * r.size
    block = np.stack([np.stack([rr, rc], -1), np.stack([rc, cc], -1)], -2)
    inverse = np.linalg.inv(block + 4.0 * STIFFNESS * np.eye(2))

    def membrane(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        u = flat.reshape(shape)
        padded = np.pad(u, ((1, 1), (1, 1), (0, 0)), mode="edge")
        beside = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        data = np.stack([rr * u[..., 0] + rc * u[..., 1], rc * u[..., 0] + cc * u[..., 1]], axis=-1)
        return np.asarray(data + STIFFNESS * (4.0 * u - beside), np.float64).ravel()

    def precondition(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("ijpq,ijq->ijp", inverse, flat.reshape(shape)), np.float64).ravel()

    solution, _ = cg(
        LinearOperator((size, size), matvec=membrane, dtype=np.float64),
        np.stack([r, c], axis=-1).ravel(),
        M=LinearOperator((size, size), matvec=precondition, dtype=np.float64),
        rtol=1e-8,
        maxiter=SOLVER_ITERATIONS,
    )
    return np.asarray(solution.reshape(shape), np.float64)
