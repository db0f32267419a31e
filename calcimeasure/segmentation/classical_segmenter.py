"""The classical method: candidates of every size, classified one by one; of those that overlap, the most probable."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.candidate_classifier import Scorer, load_scorer
from calcimeasure.segmentation.candidate_features import describe_cuts
from calcimeasure.segmentation.candidates import Cut, find_cuts, place_on_film
from calcimeasure.segmentation.classical_input import ClassicalInput, classical_input
from calcimeasure.segmentation.probability_map_regions import Region, proposals_from_regions
from calcimeasure.segmentation.segmenter import Proposals

NAME = "classical/1"
# Measured on development films, see the model card.
CLASSICAL_LIMIT_OF_DETECTION_MM2: float | None = None
_LEAST_PROBABILITY = 0.01
_MOST_OVERLAP = 0.25


@dataclass(frozen=True, kw_only=True)
class ClassicalSegmenter:
    """Candidates from directional openings, classified by gradient-boosted trees.

    Attributes
    ----------
    scorer
        Gives candidates their probability; the one that ships with the package by default.
    """

    scorer: Scorer = field(default_factory=load_scorer)

    @property
    def name(self) -> str:
        """Name and version of the method."""
        return NAME

    @property
    def limit_of_detection_mm2(self) -> float | None:
        """Footprint area that it detects 95 times in 100."""
        return CLASSICAL_LIMIT_OF_DETECTION_MM2

    def propose(self, film: Radiograph, anatomy: Anatomy) -> Proposals:
        """Return everything on the film that might be a piece of a deposit."""
        if anatomy.limb_count == 0:
            return nothing_proposed(film, anatomy, method=NAME, threshold=self.scorer.threshold)
        return proposals_from_regions(
            film,
            anatomy,
            self.candidates(film, anatomy),
            method=NAME,
            threshold=self.scorer.threshold,
            outline_from=self.scorer.threshold,
            warnings=anatomy.warnings,
        )

    def candidates(self, film: Radiograph, anatomy: Anatomy) -> list[Region]:
        """Return the candidates on their reduced grids, with their probabilities, before they are outlined."""
        image = classical_input(film, anatomy)
        cuts = find_cuts(image)
        return select(image, cuts, [self.scorer(rows) for rows in describe_cuts(image, cuts)])


def nothing_proposed(film: Radiograph, anatomy: Anatomy, *, method: str, threshold: float) -> Proposals:
    """Return the proposals of a film that was not searched."""
    return Proposals(
        image=np.zeros(film.shape, dtype=np.uint16),
        probabilities=np.zeros(0),
        threshold=threshold,
        pixel_mm=nominal_spacing_mm(film, anatomy),
        method=method,
        film_sha256=film.sha256,
        warnings=anatomy.warnings,
    )


def select(image: ClassicalInput, cuts: list[Cut], probabilities: list[NDArray[np.float64]]) -> list[Region]:
    """Return the candidates to propose: of those that overlap, the most probable."""
    order = [
        (-float(value), which, number)
        for which, values in enumerate(probabilities)
        for number, value in enumerate(values, start=1)
        if value >= _LEAST_PROBABILITY
    ]
    taken = np.zeros(image.grey.shape, dtype=np.bool_)
    regions = []
    for negative, which, number in sorted(order):
        cut = cuts[which]
        box = cut.box(number)
        mask = cut.labels[box] == number
        view = taken[tuple(slice(side.start * cut.coarse, side.stop * cut.coarse) for side in box)]
        fine = mask if cut.coarse == 1 else np.repeat(np.repeat(mask, cut.coarse, 0), cut.coarse, 1)
        if (view & fine).sum() > _MOST_OVERLAP * fine.sum():
            continue
        view |= fine
        corner, factor = place_on_film(image, cut, box)
        regions.append(Region(mask=mask, corner=corner, probability=-negative, factor=factor))
    return regions
