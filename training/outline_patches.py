"""What the outline network is shown while it learns: a click on a piece of a deposit, or a rough mask of a deposit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from patches import DrawnPieces, Groups, part_at, place_in_patch, places, random_view, seen_through

from calcimeasure.models.outline_network import click_planes, territory

PATCH = 176
# The rest are masks.
CLICKED = 0.45
# One click in twelve is on nothing: there is nothing to be found then.
ON_NOTHING = 1 / 12
LEAST_WEIGHT = 0.1
# Pieces so near to one another are one deposit (2.0 mm).
_TOGETHER_CELLS = 10
_REACH = 90


@dataclass(frozen=True, kw_only=True)
class Pointed:
    """Which piece a patch points at (-1: nothing), and whether by a click."""

    piece: int
    clicked: bool


class OutlinePatches(DrawnPieces):
    """Patches that point at a piece or a deposit, those pieces more often that were outlined badly.

    A target has two channels: the share of each cell that lies on what was meant, and where its area is summed (empty
    for a click, of which no area is fitted).
    """

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups, 127)

    def learn(self, shown: list[Pointed], targets: NDArray[np.float32], probability: NDArray[np.float32]) -> None:
        """Remember how well each piece was outlined from a click."""
        for patch, target, found in zip(shown, targets[:, 0], probability[:, 0], strict=True):
            if patch.piece >= 0 and patch.clicked:
                dice = 2 * float((target * found).sum()) / float(target.sum() + found.sum() + 1e-6)
                self.weights[patch.piece] = LEAST_WEIGHT + (1 - LEAST_WEIGHT) * min(1.0, 2 * (1 - dice))

    def _patch(
        self, rng: np.random.Generator, reached: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Pointed]:
        clicked = bool(rng.random() < CLICKED)
        piece = -1 if clicked and rng.random() < ON_NOTHING else self._drawn(rng, reached)
        number, row, col = self._nothing(rng) if piece < 0 else self._click_on(piece, rng)
        jitter = 0.0 if clicked else PATCH / 6
        matrix, mirrored = random_view(rng, (row, col), size=PATCH, jitter=jitter)
        x, truth = seen_through(self.films[number], matrix, rng, mirrored=mirrored, size=PATCH)
        middle = place_in_patch(matrix, (row, col), mirrored=mirrored, size=PATCH)
        own = None if piece < 0 else part_at(truth > 0.5, middle)
        if own is None:
            shown = click_planes((PATCH, PATCH), [middle], [])
            nothing = np.zeros((2, PATCH, PATCH), np.float32)
            return np.concatenate([x, shown]), nothing, Pointed(piece=-1, clicked=True)
        if clicked:
            shown, target = self._by_click(rng, truth, own, middle)
        else:
            shown, target = self._by_mask(rng, truth, own)
        return np.concatenate([x, shown]), target, Pointed(piece=piece, clicked=clicked)

    def _by_click(
        self, rng: np.random.Generator, truth: NDArray[np.float32], own: NDArray[np.bool_], middle: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        others = (truth > 0.5) & ~own
        elsewhere = [place for place in places(others) if rng.random() < 0.7]
        return click_planes(truth.shape, [middle], elsewhere), np.stack([_share_of(truth, own), np.zeros_like(truth)])

    def _by_mask(
        self, rng: np.random.Generator, truth: NDArray[np.float32], own: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        there = truth > 0.5
        if rng.random() < 0.7:
            own = _with_near_pieces(there, own)
        others = there & ~own
        rough = roughened(own, rng) & ~others
        if not rough.any():
            rough = own
        known = roughened(others, rng) & ~rough if others.any() and rng.random() < 0.8 else np.zeros_like(own)
        share = _share_of(truth, own)
        return (
            np.stack([rough, known]).astype(np.float32),
            np.stack([share, territory(rough, known).astype(np.float32)]),
        )

    def _click_on(self, piece: int, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return film, row and column of a click on a piece: on its inside, a little off at times."""
        number, row, col = (int(value) for value in self.pieces[piece])
        truth = self.films[number][1]
        top, left = max(row - _REACH, 0), max(col - _REACH, 0)
        near = truth[top : row + _REACH, left : col + _REACH] > 127
        own = part_at(near, (row - top, col - left))
        if own is None:
            return number, row, col
        inside = cv2.distanceTransform(np.pad(own, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        deep = np.argwhere(inside >= rng.uniform(0.2, 0.8) * inside.max())
        at = deep[rng.integers(len(deep))] + np.rint(rng.normal(0, 0.5, 2)).astype(int)
        return (
            number,
            int(np.clip(at[0] + top, 0, truth.shape[0] - 1)),
            int(np.clip(at[1] + left, 0, truth.shape[1] - 1)),
        )

    def _nothing(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return film, row and column of a place on a limb with no deposit near it."""
        while True:
            number, row, col = self._on_limb(rng)
            truth = self.films[number][1]
            if not (truth[max(row - 6, 0) : row + 7, max(col - 6, 0) : col + 7] > 0).any():
                return number, row, col


def roughened(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask as somebody or something may have drawn it: too wide, too tight, wavy, or a part of it only."""
    kind = rng.random()
    if kind < 0.2:
        return mask
    depth = _depth(mask)
    waves = cv2.GaussianBlur(rng.standard_normal(mask.shape, dtype=np.float32), (0, 0), float(rng.uniform(2, 8)))
    waves *= np.float32(abs(rng.normal(0, 0.9)) / max(float(waves.std()), 1e-6))
    rough = depth + waves + np.float32(rng.normal(0.2, 0.9)) > 0
    if kind > 0.85:
        along = rng.normal(size=2)
        rows, cols = np.nonzero(mask)
        place = along[0] * rows + along[1] * cols
        cut = np.quantile(place, rng.uniform(0.05, 0.5))
        grid = along[0] * np.arange(mask.shape[0])[:, None] + along[1] * np.arange(mask.shape[1])[None, :]
        rough &= grid > cut
    return np.asarray(rough)


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how deep inside the mask a cell lies, negative outside, in cells."""
    inward = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    outward = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.where(mask, inward - 0.5, 0.5 - outward).astype(np.float32)


def _share_of(truth: NDArray[np.float32], own: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of each cell that lies on the pieces meant, not on their neighbours."""
    others = (truth > 0.5) & ~own
    reach = cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(reach & ~others, truth, 0.0).astype(np.float32)


def _with_near_pieces(there: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pieces that make one deposit with those given."""
    _, parts = cv2.connectedComponents(there.astype(np.uint8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _TOGETHER_CELLS + 1,) * 2)
    while True:
        reached = cv2.dilate(own.astype(np.uint8), disc) > 0
        wider = np.isin(parts, np.setdiff1d(np.unique(parts[reached]), [0]))
        if (wider == own).all():
            return own
        own = wider
