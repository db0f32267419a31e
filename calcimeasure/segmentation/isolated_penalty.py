"""Small regions that stand alone lose probability: dust, grain and bone texture of a film resemble them most.

The region classifier is fitted to films with inserted deposits, small ones among them. On real films small regions that
are no deposits are commoner: of the false detections on held-out films four in five are smaller than 1 mm².
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import distance_to
from calcimeasure.boxes import pad_box, paste_masks
from calcimeasure.label_arrays import GROUP_WITHIN_MM
from calcimeasure.models.working_grid import WORKING_SPACING_MM
from calcimeasure.segmentation.probability_map_regions import Region

ISOLATED_MM2 = 1.0
"""A region is isolated where it is smaller than this together with all that is probable within 2.0 mm of it."""
PENALTY = 1.4
"""Log odds subtracted from an isolated region's probability; set on films made from real ones (`docs/method.md`)."""
_PROBABLE = 0.5


def penalise_isolated(
    regions: Sequence[Region], probabilities: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the probabilities of regions on a grid of 0.2 mm of this shape, those of isolated small ones lowered."""
    areas = np.array([0, *(int(region.mask.sum()) for region in regions)])
    least = ISOLATED_MM2 / WORKING_SPACING_MM**2
    probable = np.zeros(shape, dtype=np.int32)
    for number, region in enumerate(regions, start=1):
        if probabilities[number - 1] >= _PROBABLE:
            probable[region.box][region.mask] = number
    penalised = probabilities.copy()
    for number, region in enumerate(regions, start=1):
        if areas[number] < least:
            beside = [other for other in _beside(region, probable) if other != number]
            if areas[number] + areas[beside].sum() < least:
                odds = float(probabilities[number - 1]) * math.exp(-PENALTY)
                penalised[number - 1] = odds / (odds + (1.0 - float(probabilities[number - 1])))
    return penalised


def _beside(region: Region, numbered: NDArray[np.int32]) -> list[int]:
    """Return the numbers that lie no farther from a region, edge to edge, than pieces of one deposit do."""
    reach = round(GROUP_WITHIN_MM / WORKING_SPACING_MM) + 1
    own = region.box
    around = pad_box(own, (reach, reach), numbered.shape)
    here = numbered[around]
    if not here.any():
        return []
    numbers = np.unique(here[distance_to(paste_masks(around, (own, region.mask))) <= reach])
    return [int(number) for number in numbers if number]
