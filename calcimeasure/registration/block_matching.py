"""Articulated matching: blocks over the limb, matched from neighbour to neighbour.

A finger spread by ten degrees moves its tip by its own width, so that a search about the whole hand's similarity would
find the finger beside it. Blocks are therefore matched outward from where the similarity already fits: a block tries
the rigid motions that its neighbours found (translation *and* rotation, which predicts where a rotated finger's tip
lies), refines them, and keeps whichever correlates best, until nothing changes. Blocks that contradict their
neighbours are then dropped. Why no library does this: ``docs/design.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.block_correlation import (
    Blocks,
    States,
    correlate_blocks,
    cut_blocks,
    map_blocks,
    refine_blocks,
    rotation_matrices,
    sample_bilinear,
)
from calcimeasure.registration.registration_image import FloatImage, RegistrationImage, resize
from calcimeasure.registration.similarity import Similarity

BLOCK_SPACING = 8.0
"""Cells of the half-size image (1 mm) between blocks."""
BLOCK_SIGMA = 5.0
MIN_CONTRAST = 0.2
MAX_SWEEPS = 40
MIN_GAIN = 0.01
"""What a neighbour's motion has to add to a block's correlation to replace its own."""
SEARCH_CELLS = (-4.0, -2.0, 0.0, 2.0, 4.0)
SEARCH_ROTATIONS_DEG = (-6.0, 0.0, 6.0)
MIN_SHARE_OF_LIMB = 0.5
"""Share of a limb's blocks that has to match for the limb to be on the other film."""
MIN_INSIDE = 0.9
"""Share of a block that has to lie in the moving image's field for its match to count."""
MATCHED = 0.5
"""Correlation from which a block counts as matched."""
CONSISTENT = 2.5
"""Cells by which a block may differ from what its neighbours expect."""

NEIGHBOUR_SD, NEIGHBOUR_ROTATION_SD = 0.35, 0.04
"""Motion of neighbouring blocks against each other: standard deviation in cells and radians."""
DISAGREEMENT = 1.5
CORRELATION_NOISE = 0.05
NOISE_SHARE = 0.05
"""What grain and noise add to the information along a shaft, as a share of that across it."""
INDEPENDENT_SAMPLES = 15.0
RELAXATION_STEPS = 25


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockMatches:
    """Blocks of the fixed image with their place on the moving one; positions are cells of the registration images.

    Attributes
    ----------
    fixed, moving
        float64, (n, 2): centers.
    rotation_rad
        Of each.
    scale
        Moving over fixed, the same for all.
    score
        Correlation.
    limb
        Number of the limb on the fixed image.
    seen
        Whether the place lies inside the moving image's field.
    good
        Whether it matches and its neighbours agree.
    contrast
        Standard deviation in the block; blocks over nothing but muscle are weak evidence.
    """

    fixed: NDArray[np.float64]
    moving: NDArray[np.float64]
    rotation_rad: NDArray[np.float64]
    scale: float
    score: NDArray[np.float64]
    limb: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    good: NDArray[np.bool_]
    contrast: NDArray[np.float64]

    @property
    def share(self) -> float:
        """Share of the blocks inside both fields that match, weighted by their variance."""
        return self._share(self.seen)

    def without_missing_limbs(self) -> BlockMatches:
        """Return the same without limbs that the moving image does not show, where it shows another.

        A hand of two that is missing on the other film would otherwise be laid on the one that is there.
        """
        fits = {
            limb: self._share(self.seen & (self.limb == limb)) >= MIN_SHARE_OF_LIMB
            for limb in np.unique(self.limb).tolist()
        }
        if not any(fits.values()):
            return self
        shown = np.isin(self.limb, [limb for limb, fit in fits.items() if fit])
        return replace(self, seen=self.seen & shown, good=self.good & shown)

    def _share(self, chosen: NDArray[np.bool_]) -> float:
        weight = self.contrast[chosen] ** 2
        return float((weight * self.good[chosen]).sum() / weight.sum()) if chosen.any() else 0.0


def match_blocks(
    fixed: RegistrationImage, moving: RegistrationImage, similarities: dict[int, Similarity]
) -> BlockMatches:
    """Return the blocks over the fixed image's limbs, matched to the moving one from each limb's similarity."""
    half_fixed, half_moving = _half_resolution(fixed.image), _half_resolution(moving.image)
    centers, limb = _block_centers(fixed)
    blocks = cut_blocks(half_fixed, centers, sigma=BLOCK_SIGMA)
    usable = np.isin(limb, list(similarities)) & (blocks.contrast > MIN_CONTRAST)
    limb, blocks = limb[usable], blocks.selected(usable)
    scale = float(np.mean([similarity.scale for similarity in similarities.values()]))
    found = _search(blocks, _initial_states(blocks.centers, limb, similarities), half_moving, scale)
    neighbours = _neighbours(blocks.centers, limb)
    states, score = _propagate(blocks, found, neighbours, half_moving, scale)
    # A block that reaches over a film's border compares bone with nothing there: its neighbours are more reliable.
    field = _half_resolution(moving.field)
    inside = sample_bilinear(field, map_blocks(blocks, states, scale)) @ blocks.weights
    states = _relaxed(blocks, states, np.where(inside > MIN_INSIDE, score, 0.0), neighbours, scale)
    score = correlate_blocks(blocks, np.arange(len(blocks)), states, half_moving, scale)
    agrees = _disagreement(blocks.centers, states, score, neighbours, scale) < CONSISTENT * scale
    seen = _inside(states, field)
    return BlockMatches(
        fixed=2.0 * blocks.centers + 0.5,
        moving=2.0 * states[:, :2] + 0.5,
        rotation_rad=states[:, 2],
        scale=scale,
        score=score,
        limb=limb,
        seen=seen,
        good=(score > MATCHED) & agrees & seen,
        contrast=blocks.contrast,
    )


def _half_resolution(image: FloatImage) -> FloatImage:
    """Return the image at half size; its cell (0, 0) covers cells 0 and 1 of the whole."""
    rows, cols = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    return resize(np.ascontiguousarray(image[:rows, :cols]), (rows // 2, cols // 2))


def _block_centers(fixed: RegistrationImage) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return block centers over the limbs, on the half-size grid, and the limb of each."""
    rows, cols = (np.arange(BLOCK_SPACING / 2, size // 2, BLOCK_SPACING) for size in fixed.image.shape)
    centers = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    at = np.round(2 * centers + 0.5).astype(np.intp).clip(0, np.array(fixed.image.shape) - 1)
    limb = fixed.limbs[at[:, 0], at[:, 1]]
    keep = (limb > 0) & (fixed.field[at[:, 0], at[:, 1]] > 0)
    return centers[keep], limb[keep]


def _initial_states(
    centers: NDArray[np.float64], limb: NDArray[np.uint8], similarities: dict[int, Similarity]
) -> States:
    states = np.empty((len(centers), 3))
    for number, similarity in similarities.items():
        of_limb = limb == number
        states[of_limb, :2] = (similarity.apply(2.0 * centers[of_limb] + 0.5) - 0.5) / 2.0
        states[of_limb, 2] = similarity.rotation_rad
    return states


def _search(blocks: Blocks, states: States, image: FloatImage, scale: float) -> tuple[States, NDArray[np.float64]]:
    """Return the best of a small grid of states about each, refined."""
    moves = np.array(list(product(SEARCH_CELLS, SEARCH_CELLS, np.deg2rad(SEARCH_ROTATIONS_DEG)))) * (scale, scale, 1.0)
    count = len(blocks)
    index = np.repeat(np.arange(count), len(moves))
    trial = (states[:, None, :] + moves).reshape(-1, 3)
    score = correlate_blocks(blocks.with_every_second_sample(), index, trial, image, scale).reshape(count, len(moves))
    best = states + moves[score.argmax(axis=1)]
    return refine_blocks(blocks, np.arange(count), best, image, scale, steps=3, prior_sd=(2.0 * scale, 0.1))


def _neighbours(centers: NDArray[np.float64], limb: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return (n, 8) numbers of the neighbouring blocks of the same limb, -1 where there is none."""
    cell = np.round((centers - BLOCK_SPACING / 2) / BLOCK_SPACING).astype(np.intp)
    grid = np.full(cell.max(axis=0) + 3, -1, np.intp) if len(cell) else np.full((3, 3), -1, np.intp)
    grid[cell[:, 0] + 1, cell[:, 1] + 1] = np.arange(len(cell))
    around = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
    found = np.stack([grid[cell[:, 0] + 1 + r, cell[:, 1] + 1 + c] for r, c in around], axis=1)
    same = limb[np.maximum(found, 0)] == limb[:, None]
    return np.where((found >= 0) & same, found, -1)


def _expected_states(
    centers: NDArray[np.float64], states: States, index: NDArray[np.intp], sources: NDArray[np.intp], scale: float
) -> States:
    """Return the state that each of `sources` expects of the block beside it: the same rigid motion."""
    apart = centers[index] - centers[sources]
    rotation = states[sources, 2]
    cos, sin = scale * np.cos(rotation), scale * np.sin(rotation)
    row = states[sources, 0] + cos * apart[:, 0] - sin * apart[:, 1]
    col = states[sources, 1] + sin * apart[:, 0] + cos * apart[:, 1]
    return np.stack([row, col, rotation], axis=1)


def _propagate(
    blocks: Blocks,
    found: tuple[States, NDArray[np.float64]],
    neighbours: NDArray[np.intp],
    image: FloatImage,
    scale: float,
) -> tuple[States, NDArray[np.float64]]:
    """Return the states after each block has adopted the best of its neighbours' motions, until nothing changes."""
    states, score = found[0].copy(), found[1].copy()
    changed = np.ones(len(blocks), bool)
    for _ in range(MAX_SWEEPS):
        index, slot = np.nonzero((neighbours >= 0) & changed[np.maximum(neighbours, 0)])
        if len(index) == 0:
            break
        trial = _expected_states(blocks.centers, states, index, neighbours[index, slot], scale)
        trial_score = correlate_blocks(blocks, index, trial, image, scale)
        # The best offer of each block.
        order = np.lexsort((slot, -trial_score, index))
        order = order[np.r_[True, index[order][1:] != index[order][:-1]]]
        index, trial = index[order], trial[order]
        trial, trial_score = refine_blocks(blocks, index, trial, image, scale, steps=3, prior_sd=(1.5 * scale, 0.08))
        better = trial_score > score[index] + MIN_GAIN
        changed = np.zeros(len(blocks), bool)
        changed[index[better]] = True
        states[index[better]], score[index[better]] = trial[better], trial_score[better]
    return states, score


def _relaxed(
    blocks: Blocks,
    states: States,
    score: NDArray[np.float64],
    neighbours: NDArray[np.intp],
    scale: float,
) -> States:
    """Return the states as a compromise between what each block matched and what its neighbours expect of it.

    Along a shaft a block has no information, and its neighbours at the joints decide; one that matches nowhere follows
    them altogether. Neighbours that expect something else (across a joint, a gap between fingers) lose weight, but only
    where the block can contradict them: not along its own shaft, or a shaft that leaves the film would be compressed.
    """
    if len(blocks) == 0:
        return states
    noise = 2.0 * (1.0 - np.clip(score, 0.0, 1.0)) + CORRELATION_NOISE
    trust = np.where(score > MATCHED, INDEPENDENT_SAMPLES / noise, 0.0)
    rotation = rotation_matrices(states[:, 2])
    information = rotation @ _without_noise(blocks.information[:, :2, :2]) @ rotation.swapaxes(1, 2)
    own = information * (trust / scale**2)[:, None, None]
    information /= np.maximum(np.linalg.norm(information, 2, axis=(1, 2)), 1e-9)[:, None, None]
    own_rotation = blocks.information[:, 2, 2] * trust
    index, slot = np.nonzero(neighbours >= 0)
    sources = neighbours[index, slot]
    count = len(blocks)
    current = states.copy()
    for _ in range(RELAXATION_STEPS):
        expected = _expected_states(blocks.centers, current, index, sources, scale)
        apart = (expected - current[index])[:, :2]
        against = np.einsum("np,npq,nq->n", apart, information[index], apart)
        weight = 1.0 / (1.0 + against / (DISAGREEMENT * scale) ** 2) ** 2
        total = np.bincount(index, weight, count)
        sums = np.stack([np.bincount(index, weight * expected[:, axis], count) for axis in range(3)], axis=1)
        position_sd = NEIGHBOUR_SD * scale
        left = own + (total / position_sd**2 + 1e-9)[:, None, None] * np.eye(2)
        right = np.einsum("npq,nq->np", own, states[:, :2]) + sums[:, :2] / position_sd**2 + 1e-9 * current[:, :2]
        right_rotation = own_rotation * states[:, 2] + sums[:, 2] / NEIGHBOUR_ROTATION_SD**2 + 1e-9 * current[:, 2]
        left_rotation = own_rotation + total / NEIGHBOUR_ROTATION_SD**2 + 1e-9
        current = np.column_stack([np.linalg.solve(left, right[..., None])[..., 0], right_rotation / left_rotation])
    return current


def _without_noise(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 2, 2) matrices without what grain and noise alone add along a shaft."""
    values, axes = np.linalg.eigh(information)
    left = np.maximum(values - NOISE_SHARE * values[:, 1:], 0.0)
    return np.asarray((axes * left[:, None, :]) @ axes.swapaxes(1, 2), np.float64)


def _disagreement(
    centers: NDArray[np.float64],
    states: States,
    score: NDArray[np.float64],
    neighbours: NDArray[np.intp],
    scale: float,
) -> NDArray[np.float64]:
    """Return how far each block lies from what the better half of its neighbours expects, in cells."""
    index, slot = np.nonzero(neighbours >= 0)
    sources = neighbours[index, slot]
    expected = _expected_states(centers, states, index, sources, scale)
    apart = np.full(neighbours.shape, np.inf)
    apart[index, slot] = np.hypot(*(expected - states[index])[:, :2].T) + 4.0 * (score[sources] < MATCHED)
    apart.sort(axis=1)
    count = (neighbours >= 0).sum(axis=1)
    middle = apart[np.arange(len(apart)), np.maximum(count // 2 - 1, 0)]
    return np.asarray(np.where(count > 0, middle, np.inf), np.float64)


def _inside(states: States, field: FloatImage) -> NDArray[np.bool_]:
    at = np.round(states[:, :2]).astype(np.intp)
    inside = np.asarray((at >= 0).all(axis=1) & (at < field.shape).all(axis=1), np.bool_)
    inside[inside] = field[at[inside, 0], at[inside, 1]] > 0.5
    return inside
