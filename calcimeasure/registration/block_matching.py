"""What moves on its own: windows over the limb, matched from neighbour to neighbour.

A finger spread by ten degrees moves its tip by its own width, so that a search about the whole hand's pose would find
the finger beside it. Windows are therefore matched outward from where the whole limb's pose already fits: a window
takes over what its neighbours found (their shift *and* turn, which carries a turned finger's tip along), improves on
it, and keeps whichever fits best, until nothing changes. Windows that contradict their neighbours are then dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcimeasure.registration.block_correlation import (
    Blocks,
    States,
    correlate_blocks,
    cut_blocks,
    map_blocks,
    refine_blocks,
    sample_bilinear,
)
from calcimeasure.registration.registration_image import FloatImage, RegistrationImage, resize
from calcimeasure.registration.similarity import Similarity

NODE_SPACING = 8.0
"""Cells of the half-size picture (1 mm) between windows."""
WINDOW_SIGMA = 5.0
LEAST_CONTRAST = 0.2
MOST_SWEEPS = 40
GAIN_TO_TAKE_OVER = 0.01
SEARCH_CELLS = (-4.0, -2.0, 0.0, 2.0, 4.0)
SEARCH_ROTATIONS_DEG = (-6.0, 0.0, 6.0)
LEAST_SHARE_OF_LIMB = 0.5
"""Share of a limb's windows that have to fit for the limb to be on the other film."""
WHOLE = 0.9
"""Share of a window that has to lie in the second film's field for what it found to count."""
MATCHED = 0.5
"""Correlation from which a window counts as matched."""
NEIGHBOUR_REACH = 1.5
CONSISTENT = 2.5
"""Cells by which a window may differ from what its neighbours expect."""

HOP, HOP_ROTATION = 0.35, 0.04
"""How far neighbouring windows may move (cells) and turn (radians) against each other: one standard deviation."""
DISAGREEMENT = 1.5
NOISE_OF_MATCH = 0.05
GRAIN = 0.05
"""What grain and noise say along a shaft, as a share of what its edges say across it."""
INDEPENDENT_SAMPLES = 15.0
RELAXATION_STEPS = 25


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockMatches:
    """Windows of the first picture with their place on the second; positions are cells of the full reduced pictures.

    Attributes
    ----------
    first, second
        float64, (n, 2): centres.
    rotation_rad
        Turn of each.
    scale
        Size, second over first, that all were matched with.
    score
        Correlation.
    limb
        Number of the limb on the first picture.
    seen
        Whether the place lies inside the second film's field.
    good
        Whether it fits and its neighbours agree.
    contrast
        How much pattern each shows; windows over nothing but muscle say little for or against a fit.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    rotation_rad: NDArray[np.float64]
    scale: float
    score: NDArray[np.float64]
    limb: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    good: NDArray[np.bool_]
    contrast: NDArray[np.float64]

    @property
    def share(self) -> float:
        """Share of the windows inside both fields that fit, weighted by the pattern they show."""
        return self._share(self.seen)

    def without_strangers(self) -> BlockMatches:
        """Return the same without limbs that the second film does not show, where it shows another.

        A hand of two that is missing on the other film would otherwise be laid on the one that is there.
        """
        fits = {
            limb: self._share(self.seen & (self.limb == limb)) >= LEAST_SHARE_OF_LIMB
            for limb in np.unique(self.limb).tolist()
        }
        if not any(fits.values()):
            return self
        known = np.isin(self.limb, [limb for limb, fit in fits.items() if fit])
        return replace(self, seen=self.seen & known, good=self.good & known)

    def _share(self, chosen: NDArray[np.bool_]) -> float:
        weight = self.contrast[chosen] ** 2
        return float((weight * self.good[chosen]).sum() / weight.sum()) if chosen.any() else 0.0


def match_blocks(first: RegistrationImage, second: RegistrationImage, poses: dict[int, Similarity]) -> BlockMatches:
    """Return the windows over the first picture's limbs, matched to the second.

    Parameters
    ----------
    first, second
        Reduced pictures.
    poses
        For each limb of `first`, by number, the pose to start from.
    """
    half_1, half_2 = half_resolution(first.image), half_resolution(second.image)
    centres, limb = _nodes(first)
    windows = cut_blocks(half_1, centres, sigma=WINDOW_SIGMA)
    known = np.isin(limb, list(poses)) & (windows.contrast > LEAST_CONTRAST)
    centres, limb = centres[known], limb[known]
    windows = _chosen(windows, known)
    scale = float(np.mean([pose.scale for pose in poses.values()]))
    states = _start(centres, limb, poses)
    found = _search_about(windows, states, half_2, scale)
    neighbours = _neighbours(centres, limb)
    states, score = _propagate(windows, found, neighbours, half_2, scale)
    # A window that reaches over a film's border compares bone with nothing there: its neighbours know better.
    field = half_resolution(second.field)
    inside = sample_bilinear(field, map_blocks(windows, states, scale)) @ windows.weights
    states = _relaxed(windows, states, np.where(inside > WHOLE, score, 0.0), neighbours, scale)
    score = correlate_blocks(windows, np.arange(len(windows)), states, half_2, scale)
    agrees = _agreement(windows.centres, states, score, neighbours, scale) < CONSISTENT * scale
    seen = _inside(states, field)
    return BlockMatches(
        first=2.0 * windows.centres + 0.5,
        second=2.0 * states[:, :2] + 0.5,
        rotation_rad=states[:, 2],
        scale=scale,
        score=score,
        limb=limb,
        seen=seen,
        good=(score > MATCHED) & agrees & seen,
        contrast=windows.contrast,
    )


def half_resolution(picture: FloatImage) -> FloatImage:
    """Return the picture at half size; its cell (0, 0) covers cells 0 and 1 of the whole."""
    rows, cols = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    return resize(np.ascontiguousarray(picture[:rows, :cols]), (rows // 2, cols // 2))


def _chosen(windows: Blocks, keep: NDArray[np.bool_]) -> Blocks:
    return Blocks(
        centres=windows.centres[keep],
        offsets=windows.offsets,
        weights=windows.weights,
        template=windows.template[keep],
        contrast=windows.contrast[keep],
        derivative=windows.derivative[keep],
        information=windows.information[keep],
    )


def _nodes(first: RegistrationImage) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return window centres over the limbs, on the half-size grid, and the limb of each."""
    spacing = NODE_SPACING
    rows, cols = first.image.shape[0] // 2, first.image.shape[1] // 2
    row, col = np.meshgrid(np.arange(spacing / 2, rows, spacing), np.arange(spacing / 2, cols, spacing), indexing="ij")
    centres = np.stack([row.ravel(), col.ravel()], axis=1)
    at = np.round(2 * centres + 0.5).astype(np.intp)
    at[:, 0] = at[:, 0].clip(0, first.image.shape[0] - 1)
    at[:, 1] = at[:, 1].clip(0, first.image.shape[1] - 1)
    limb = first.limbs[at[:, 0], at[:, 1]]
    keep = (limb > 0) & (first.field[at[:, 0], at[:, 1]] > 0)
    return centres[keep], limb[keep]


def _start(centres: NDArray[np.float64], limb: NDArray[np.uint8], poses: dict[int, Similarity]) -> States:
    states = np.empty((len(centres), 3))
    for number, pose in poses.items():
        of_limb = limb == number
        whole = pose.apply(2.0 * centres[of_limb] + 0.5)
        states[of_limb, :2] = (whole - 0.5) / 2.0
        states[of_limb, 2] = pose.rotation_rad
    return states


def _search_about(
    windows: Blocks, states: States, picture: FloatImage, scale: float
) -> tuple[States, NDArray[np.float64]]:
    """Return the best of a small grid of states about each, improved."""
    moves = np.array(
        [
            (row * scale, col * scale, np.deg2rad(rotation))
            for row in SEARCH_CELLS
            for col in SEARCH_CELLS
            for rotation in SEARCH_ROTATIONS_DEG
        ]
    )
    count = len(windows)
    nodes = np.repeat(np.arange(count), len(moves))
    trial = (states[:, None, :] + moves).reshape(-1, 3)
    score = correlate_blocks(_thinned(windows), nodes, trial, picture, scale).reshape(count, len(moves))
    best = states + moves[score.argmax(axis=1)]
    return refine_blocks(windows, np.arange(count), best, picture, scale, steps=3, spread=(2.0 * scale, 0.1))


def _thinned(windows: Blocks) -> Blocks:
    """Return the windows with every second sample along both axes: enough to choose a place to start from."""
    keep = (windows.offsets % 2 == 0).all(axis=1)
    weights = windows.weights[keep] / windows.weights[keep].sum()
    template = windows.template[:, keep]
    template = template - (template @ weights)[:, None]
    template /= np.maximum(np.sqrt((template**2) @ weights), 1e-6)[:, None]
    return Blocks(
        centres=windows.centres,
        offsets=windows.offsets[keep],
        weights=weights,
        template=template,
        contrast=windows.contrast,
        derivative=windows.derivative[:, keep],
        information=windows.information,
    )


def _neighbours(centres: NDArray[np.float64], limb: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return (nodes, 8) numbers of the neighbouring nodes of the same limb, -1 where there is none."""
    cell = np.round((centres - NODE_SPACING / 2) / NODE_SPACING).astype(np.intp)
    grid = np.full(cell.max(axis=0) + 3, -1, np.intp) if len(cell) else np.full((3, 3), -1, np.intp)
    grid[cell[:, 0] + 1, cell[:, 1] + 1] = np.arange(len(cell))
    around = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
    found = np.stack([grid[cell[:, 0] + 1 + r, cell[:, 1] + 1 + c] for r, c in around], axis=1)
    same = limb[np.maximum(found, 0)] == limb[:, None]
    return np.where((found >= 0) & same, found, -1)


def expected_positions(
    centres: NDArray[np.float64], states: States, nodes: NDArray[np.intp], sources: NDArray[np.intp], scale: float
) -> States:
    """Return the state that each of `sources` expects of the node beside it: the same rigid motion."""
    apart = centres[nodes] - centres[sources]
    rotation = states[sources, 2]
    cos, sin = scale * np.cos(rotation), scale * np.sin(rotation)
    row = states[sources, 0] + cos * apart[:, 0] - sin * apart[:, 1]
    col = states[sources, 1] + sin * apart[:, 0] + cos * apart[:, 1]
    return np.stack([row, col, rotation], axis=1)


def _propagate(
    windows: Blocks,
    found: tuple[States, NDArray[np.float64]],
    neighbours: NDArray[np.intp],
    picture: FloatImage,
    scale: float,
) -> tuple[States, NDArray[np.float64]]:
    """Return the states after each window has taken over the best of what its neighbours found, to a standstill."""
    states, score = found[0].copy(), found[1].copy()
    changed = np.ones(len(windows), bool)
    for _ in range(MOST_SWEEPS):
        offers = (neighbours >= 0) & changed[np.maximum(neighbours, 0)]
        nodes, slot = np.nonzero(offers)
        if len(nodes) == 0:
            break
        trial = expected_positions(windows.centres, states, nodes, neighbours[nodes, slot], scale)
        trial_score = correlate_blocks(windows, nodes, trial, picture, scale)
        order = np.lexsort((slot, -trial_score, nodes))
        nodes, trial, trial_score = nodes[order], trial[order], trial_score[order]
        first_of_node = np.r_[True, nodes[1:] != nodes[:-1]]
        nodes, trial, trial_score = nodes[first_of_node], trial[first_of_node], trial_score[first_of_node]
        trial, trial_score = refine_blocks(windows, nodes, trial, picture, scale, steps=3, spread=(1.5 * scale, 0.08))
        better = trial_score > score[nodes] + GAIN_TO_TAKE_OVER
        changed = np.zeros(len(windows), bool)
        changed[nodes[better]] = True
        states[nodes[better]], score[nodes[better]] = trial[better], trial_score[better]
    return states, score


def _relaxed(
    windows: Blocks,
    states: States,
    score: NDArray[np.float64],
    neighbours: NDArray[np.intp],
    scale: float,
) -> States:
    """Return the states as a compromise between what each window saw and what its neighbours expect of it.

    Along a shaft a window sees nothing, and its neighbours at the joints decide; one that fits nowhere follows them
    altogether. Neighbours that expect something else (across a joint, a gap between fingers) lose their say, but only
    where the window can contradict them: not along its own shaft, or a shaft that leaves the film would be squeezed in.
    """
    if len(windows) == 0:
        return states
    noise = 2.0 * (1.0 - np.clip(score, 0.0, 1.0)) + NOISE_OF_MATCH
    trust = np.where(score > MATCHED, INDEPENDENT_SAMPLES / noise, 0.0)
    cos, sin = np.cos(states[:, 2]), np.sin(states[:, 2])
    rotation = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    sees = rotation @ _seen_along(windows.information[:, :2, :2]) @ rotation.swapaxes(1, 2)
    own = sees * (trust / scale**2)[:, None, None]
    sees /= np.maximum(np.linalg.norm(sees, 2, axis=(1, 2)), 1e-9)[:, None, None]
    own_rotation = windows.information[:, 2, 2] * trust
    nodes, slot = np.nonzero(neighbours >= 0)
    sources = neighbours[nodes, slot]
    count = len(windows)
    current = states.copy()
    for _ in range(RELAXATION_STEPS):
        want = expected_positions(windows.centres, current, nodes, sources, scale)
        apart = (want - current[nodes])[:, :2]
        against = np.einsum("np,npq,nq->n", apart, sees[nodes], apart)
        say = 1.0 / (1.0 + against / (DISAGREEMENT * scale) ** 2) ** 2
        total = np.bincount(nodes, say, count)
        pull = np.stack([np.bincount(nodes, say * want[:, axis], count) for axis in (0, 1)], axis=1)
        left = own + (total / (HOP * scale) ** 2 + 1e-9)[:, None, None] * np.eye(2)
        right = np.einsum("npq,nq->np", own, states[:, :2]) + pull / (HOP * scale) ** 2 + 1e-9 * current[:, :2]
        turned = np.bincount(nodes, say * want[:, 2], count)
        bend = own_rotation * states[:, 2] + turned / HOP_ROTATION**2 + 1e-9 * current[:, 2]
        current = np.column_stack(
            [np.linalg.solve(left, right[..., None])[..., 0], bend / (own_rotation + total / HOP_ROTATION**2 + 1e-9)]
        )
    return current


def _seen_along(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 2, 2) matrices without the little that grain and noise alone would say along a shaft."""
    values, axes = np.linalg.eigh(information)
    left = np.maximum(values - GRAIN * values[:, 1:], 0.0)
    return np.asarray((axes * left[:, None, :]) @ axes.swapaxes(1, 2), np.float64)


def _agreement(
    centres: NDArray[np.float64],
    states: States,
    score: NDArray[np.float64],
    neighbours: NDArray[np.intp],
    scale: float,
) -> NDArray[np.float64]:
    """Return how far each window lies from what the better half of its neighbours expects, in cells."""
    nodes, slot = np.nonzero(neighbours >= 0)
    sources = neighbours[nodes, slot]
    want = expected_positions(centres, states, nodes, sources, scale)
    apart = np.full(neighbours.shape, np.inf)
    apart[nodes, slot] = np.hypot(*(want - states[nodes])[:, :2].T) + 4.0 * (score[sources] < MATCHED)
    apart.sort(axis=1)
    count = (neighbours >= 0).sum(axis=1)
    result: NDArray[np.float64] = np.where(
        count > 0, apart[np.arange(len(apart)), np.maximum(count // 2 - 1, 0)], np.inf
    )
    return result


def _inside(states: States, field: FloatImage) -> NDArray[np.bool_]:
    at = np.round(states[:, :2]).astype(np.intp)
    inside = (at >= 0).all(axis=1) & (at[:, 0] < field.shape[0]) & (at[:, 1] < field.shape[1])
    result = np.zeros(len(states), bool)
    result[inside] = field[at[inside, 0], at[inside, 1]] > 0.5
    return result
