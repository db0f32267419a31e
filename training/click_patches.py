"""What the click network is shown while it learns: a piece of a deposit, the click on it, and clicks on others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from patches import DrawnPieces, part_at, places, random_view, rewindowed, seen_through

from calcimeasure.segmentation.click_network import marks

PATCH = 176
# One click in twelve is on nothing: there is nothing to be found then.
ON_NOTHING = 1 / 12
LEAST_WEIGHT = 0.1
_REACH = 90


@dataclass(frozen=True, kw_only=True)
class Clicked:
    """Which piece a patch was clicked on; -1: on nothing."""

    piece: int


class ClickPatches(DrawnPieces):
    """Patches with a click in the middle, those pieces more often that were outlined badly."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(paths, 127)

    def learn(self, shown: list[Clicked], targets: NDArray[np.float32], probability: NDArray[np.float32]) -> None:
        """Remember how well each piece was outlined."""
        for patch, target, found in zip(shown, targets[:, 0], probability[:, 0], strict=True):
            if patch.piece >= 0:
                dice = 2 * float((target * found).sum()) / float(target.sum() + found.sum() + 1e-6)
                self.weights[patch.piece] = LEAST_WEIGHT + (1 - LEAST_WEIGHT) * min(1.0, 2 * (1 - dice))

    def _patch(
        self, rng: np.random.Generator, reached: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Clicked]:
        piece = -1 if rng.random() < ON_NOTHING else self._drawn(rng, reached)
        number, row, col = self._nothing(rng) if piece < 0 else self._click_on(piece, rng)
        matrix, mirrored = random_view(rng, (row, col), size=PATCH, jitter=0)
        x, truth = seen_through(self.films[number], matrix, mirrored=mirrored, size=PATCH)
        rewindowed(x, rng)
        middle = (PATCH // 2, PATCH // 2 - 1 if mirrored else PATCH // 2)
        own = None if piece < 0 else part_at(truth > 0.5, middle)
        target = np.zeros_like(truth)
        others = truth > 0.5
        if own is not None:
            others &= ~own
            reach = cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            target = np.where(reach & ~others, truth, 0.0).astype(np.float32)
        shown = piece if own is not None else -1
        elsewhere = [place for place in places(others) if rng.random() < 0.7]
        channels = marks((PATCH, PATCH), [middle], elsewhere)
        return np.concatenate([x, channels]), target, Clicked(piece=shown)

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
