"""Blinded reading: who, when and which film came first are hidden; the seed that orders the films is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.notices import TimePoint
from calcimeasure.review.review_input import ReviewInput
from napari_calcimeasure.layer_styles import TITLES, blinded_pixels


@dataclass(frozen=True, kw_only=True)
class Blinding:
    """Whether a worklist is read blinded, and the seed of the order of its films."""

    blinded: bool = False
    seed: int = 0

    def order(self, review_input: ReviewInput) -> tuple[TimePoint, ...]:
        """Return the films from left to right."""
        films = tuple(review_input.films)
        if not self.blinded or len(films) < 2:
            return films
        chance = np.random.default_rng([self.seed, int(review_input.key[:8], 16)])
        return films if chance.random() < 0.5 else films[::-1]

    def titles(self, order: tuple[TimePoint, ...]) -> dict[TimePoint, str]:
        """Return what the films are called."""
        return dict(zip(order, ("Film A", "Film B"), strict=False)) if self.blinded else TITLES

    def pixels(self, review_input: ReviewInput) -> dict[TimePoint, NDArray[np.float32]]:
        """Return what is shown of blinded films: no text that was burned in beside the limb, or over it."""
        films = review_input.films if self.blinded else {}
        return {
            visit: blinded_pixels(film, review_input.anatomies[visit], review_input.labels[visit].image)
            for visit, film in films.items()
        }
