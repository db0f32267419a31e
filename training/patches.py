"""What the network is shown while it learns: patches of films, those more often that it is unsure of.

Deposits are drawn by how unsure the network was of them when it last saw them: what it knows, and what nobody could
see, is shown now and then only. Where it found what is not there is kept in a pool and shown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from film_looks import changed_look
from numpy.typing import NDArray
from painted_deposits import paint

from calcimeasure.models.network_input import input_channels

PATCH = 192
# Cells around a patch that only its second channel needs: it compares a cell with its surroundings.
MARGIN = 40
DEPOSIT_SHARE, HARD_SHARE = 0.4, 0.3
PAINTED_SHARE = 0.35
# A deposit's weight runs from the first, well known or hopeless, to 1, just as likely found as missed.
LEAST_WEIGHT = 0.15
POOL = 4000
_TOGETHER = 40  # cells
HARD_CUT = 0.3

Film = tuple[NDArray[np.float16], NDArray[np.uint8], NDArray[np.bool_]]
"""Grey values of the network's input, share of each cell on a deposit (255: all), limb; each (rows, cols)."""
Films = list[Film]
Groups = list[tuple[list[Path], float]]
"""Films of one kind, and how often one of them is shown where no deposit is wanted."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Where a patch came from: the film, the deposit (-1: none), film to patch, and whether it was mirrored."""

    film: int
    deposit: int
    matrix: NDArray[np.float64]
    mirrored: bool


class DrawnPieces:
    """Films, and the pieces of deposits on them, those more often that the network did badly on.

    Whoever inherits says how a patch is made (`_patch`) and what is learnt from how it was answered (`learn`).
    """

    def __init__(self, groups: Groups, least_share: int) -> None:
        groups = [(paths, weight) for paths, weight in groups if paths]
        self.films = load_films([path for paths, _ in groups for path in paths])
        due = np.concatenate([np.full(len(paths), weight / len(paths)) for paths, weight in groups])
        self._reached = np.cumsum(due) / due.sum()
        self.pieces = np.array(
            [(n, *place) for n, (_, truth, _) in enumerate(self.films) for place in places(truth > least_share)]
        )
        self.shares = shares_of(self.pieces)
        self.weights = np.ones(len(self.pieces))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Any]]:
        """Return inputs and targets (size, channels, rows, cols), and where each came from."""
        reached = np.cumsum(self.shares * self.weights)
        patches = [self._patch(rng, reached) for _ in range(size)]
        inputs, targets, shown = zip(*patches, strict=True)
        return np.stack(inputs), np.stack(targets), list(shown)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what was remembered."""
        return {"weights": self.weights}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go on from what was remembered of the same films."""
        if len(state["weights"]) == len(self.weights):
            self.weights = state["weights"].astype(np.float64)

    def _patch(
        self, rng: np.random.Generator, reached: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Any]:
        raise NotImplementedError

    def _drawn(self, rng: np.random.Generator, reached: NDArray[np.float64]) -> int:
        """Return the number of a piece, drawn by its weight."""
        return int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))

    def _on_limb(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return film, row and column of any place on a limb."""
        number = int(np.searchsorted(self._reached, rng.random(), side="right"))
        limb = self.films[number][2]
        flat = np.flatnonzero(limb)
        row, col = divmod(int(flat[rng.integers(flat.size)]), limb.shape[1])
        return number, row, col


class Patches(DrawnPieces):
    """Random patches of the films, half of them around a deposit, with every change that keeps the truth true."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups, 64)
        self.hard = np.zeros((0, 3), dtype=np.int64)

    def learn(self, shown: list[Shown], targets: NDArray[np.float32], probability: NDArray[np.float32]) -> None:
        """Remember how sure the network was of what it was shown.

        Parameters
        ----------
        shown, targets
            From `batch`.
        probability
            What the network gave, of the targets' shape.
        """
        new = []
        for patch, target, found in zip(shown, targets[:, 0], probability[:, 0], strict=True):
            if patch.deposit >= 0:
                middle = place_in_patch(
                    patch.matrix, self.pieces[patch.deposit, 1:], mirrored=patch.mirrored, size=PATCH
                )
                there = part_at(target > 0.5, middle)
                if there is not None:
                    sure = float(found[there].mean())
                    self.weights[patch.deposit] = LEAST_WEIGHT + (1 - LEAST_WEIGHT) * 4 * sure * (1 - sure)
            near = cv2.dilate((target > 0.1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            false = np.where(near, 0.0, found)
            row, col = np.unravel_index(int(false.argmax()), false.shape)
            if false[row, col] > HARD_CUT:
                new.append((patch.film, *_on_film(patch, row, col, self.films[patch.film][2].shape)))
        if new:
            self.hard = np.vstack([self.hard, np.array(new, dtype=np.int64)])[-POOL:]

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what was remembered."""
        return {**super().state(), "hard": self.hard}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go on from what was remembered of the same films."""
        super().restore(state)
        if len(state["weights"]) == len(self.weights):
            self.hard = state["hard"].astype(np.int64)

    def _patch(
        self, rng: np.random.Generator, reached: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Shown]:
        number, row, col, deposit = self._place(rng, reached)
        matrix, mirrored = random_view(rng, (row, col), size=PATCH, jitter=PATCH / 3)
        painted = PAINTED_SHARE if deposit < 0 else 0.0
        x, target = seen_through(
            self.films[number], matrix, rng, mirrored=mirrored, size=PATCH, painted=bool(rng.random() < painted)
        )
        return x, target[None], Shown(film=number, deposit=deposit, matrix=matrix, mirrored=mirrored)

    def _place(self, rng: np.random.Generator, reached: NDArray[np.float64]) -> tuple[int, int, int, int]:
        """Return film, row, column and deposit (-1: none) of the middle of a patch."""
        draw = rng.random()
        if draw < DEPOSIT_SHARE and len(reached):
            deposit = self._drawn(rng, reached)
            number, row, col = (int(value) for value in self.pieces[deposit])
            return number, row, col, deposit
        if draw < DEPOSIT_SHARE + HARD_SHARE and len(self.hard):
            number, row, col = (int(value) for value in self.hard[rng.integers(len(self.hard))])
            return number, row, col, -1
        return (*self._on_limb(rng), -1)


def load_films(paths: list[Path]) -> Films:
    """Return the grey values, the truth and the limb of each film."""
    films: Films = []
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            films.append((stored["grey"], stored["truth"], stored["limb"]))
    return films


def random_view(
    rng: np.random.Generator, place: tuple[int, int], *, size: int, jitter: float
) -> tuple[NDArray[np.float64], bool]:
    """Return the transform that brings a place of the film near the middle of a patch, and whether to mirror it."""
    matrix = cv2.getRotationMatrix2D((0.0, 0.0), rng.uniform(0, 360), float(np.exp(rng.normal(0, 0.12))))
    off = rng.uniform(-jitter, jitter, 2) if jitter else np.zeros(2)
    matrix[:, 2] = size / 2 + off - matrix[:, :2] @ np.array([place[1], place[0]], dtype=np.float64)
    return matrix, bool(rng.random() < 0.5)


def seen_through(
    film: Film,
    matrix: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    mirrored: bool,
    size: int,
    painted: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return inputs (2, size, size) and truth (size, size) of a patch in a look of its own.

    Parameters
    ----------
    matrix
        From the film to the patch, before it is mirrored.
    painted
        Whether further deposits are painted into it.
    """
    wide = size + 2 * MARGIN
    matrix = matrix.copy()
    matrix[:, 2] += MARGIN
    corners = np.array([[0, 0], [wide, 0], [0, wide], [wide, wide]], dtype=np.float64)
    back = cv2.invertAffineTransform(matrix)
    seen = corners @ back[:, :2].T + back[:, 2]
    shape = np.array(film[2].shape[::-1])
    low = np.clip(np.floor(seen.min(axis=0)).astype(int) - 2, 0, shape - 8)
    high = np.clip(np.ceil(seen.max(axis=0)).astype(int) + 3, low + 8, shape)
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    matrix[:, 2] += matrix[:, :2] @ low
    flip = slice(None, None, -1 if mirrored else 1)

    def through(values: NDArray[Any], border: int) -> NDArray[np.float32]:
        warped = cv2.warpAffine(values[box].astype(np.float32), matrix, (wide, wide), borderMode=border)[:, flip]
        return np.ascontiguousarray(warped, np.float32)

    grey = through(film[0], cv2.BORDER_REFLECT)
    share = through(film[1], cv2.BORDER_CONSTANT) / np.float32(255)
    if painted:
        paint(grey, share, through(film[2], cv2.BORDER_CONSTANT) > 0.99, rng)
    inner = slice(MARGIN, MARGIN + size)
    return input_channels(changed_look(grey, rng))[:, inner, inner], share[inner, inner]


def place_in_patch(
    matrix: NDArray[np.float64], place: NDArray[np.int64] | tuple[int, int], *, mirrored: bool, size: int
) -> tuple[int, int]:
    """Return row and column in a patch of a place on its film."""
    col, row = matrix[:, :2] @ np.array([place[1], place[0]], dtype=np.float64) + matrix[:, 2]
    return round(float(row)), round(size - 1 - float(col) if mirrored else float(col))


def _on_film(patch: Shown, row: int, col: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return row and column on the film of a cell of the patch, held inside the film."""
    back = cv2.invertAffineTransform(patch.matrix)
    across, down = back[:, :2] @ np.array([PATCH - 1 - col if patch.mirrored else col, row], float) + back[:, 2]
    return min(max(round(float(down)), 0), shape[0] - 1), min(max(round(float(across)), 0), shape[1] - 1)


def part_at(mask: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the connected part at or next to a place; None where there is none."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    row, col = place
    around = parts[max(row - 4, 0) : row + 5, max(col - 4, 0) : col + 5]
    numbers = around[around > 0]
    return parts == numbers[len(numbers) // 2] if numbers.size else None


def shares_of(pieces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often a piece (film, row, column) is drawn, relative to others: a deposit's specks share one draw."""
    due = np.ones(len(pieces))
    for number in np.unique(pieces[:, 0]):
        here = pieces[:, 0] == number
        apart = np.hypot(*(np.subtract.outer(at, at) for at in pieces[here, 1:].T.astype(np.float64)))
        due[here] = (apart < _TOGETHER).sum(axis=1) ** -0.8
    return due


def places(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (row, col) of a cell in the middle of each connected part."""
    _, _, _, centroids = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [(round(row), round(col)) for col, row in centroids[1:]]
