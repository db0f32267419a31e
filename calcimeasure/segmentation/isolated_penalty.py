"""Specks that stand alone are doubted: what a film's dust, grain and bone texture make looks most like them.

The judge is fitted to films whose deposits were put there, specks among them. On real films specks that are no deposits
are commoner than there: of the false finds on held-out films four in five are smaller than a square millimetre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import distance_to
from calcimeasure.boxes import Box, box_at, pad_box, paste_masks
from calcimeasure.label_arrays import GROUP_WITHIN_MM
from calcimeasure.models.working_grid import WORKING_SPACING_MM
from calcimeasure.segmentation.map_regions import Region

SPECK_MM2 = 1.0
"""A region smaller than this, with all that is likely within 2.0 mm of it, is a speck."""
DOUBT = 1.4
"""Log odds taken off a speck's probability; set on films made from real ones (`docs/method.md`)."""
_LIKELY = 0.5


def penalise_isolated(
    regions: Sequence[Region], probabilities: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the probabilities of regions, those of lone specks lowered.

    Parameters
    ----------
    regions
        On cells of 0.2 mm.
    probabilities
        One a region.
    shape
        Rows and columns of the cells.
    """
    areas = np.array([0, *(int(region.mask.sum()) for region in regions)])
    least = SPECK_MM2 / WORKING_SPACING_MM**2
    likely = np.zeros(shape, dtype=np.int32)
    for number, region in enumerate(regions, start=1):
        if probabilities[number - 1] >= _LIKELY:
            likely[_window(region)][region.mask] = number
    found = probabilities.copy()
    for number, region in enumerate(regions, start=1):
        if areas[number] < least:
            beside = [other for other in _beside(region, likely) if other != number]
            if areas[number] + areas[beside].sum() < least:
                likelihood = float(probabilities[number - 1]) * math.exp(-DOUBT)
                found[number - 1] = likelihood / (likelihood + (1.0 - float(probabilities[number - 1])))
    return found


def _window(region: Region) -> Box:
    return box_at(region.corner, region.mask.shape)


def _beside(region: Region, numbered: NDArray[np.int32]) -> list[int]:
    """Return the numbers that lie no farther from a region, edge to edge, than pieces of one deposit do."""
    reach = round(GROUP_WITHIN_MM / WORKING_SPACING_MM) + 1
    own = _window(region)
    around = pad_box(own, (reach, reach), numbered.shape)
    here = numbered[around]
    if not here.any():
        return []
    numbers = np.unique(here[distance_to(paste_masks(around, (own, region.mask))) <= reach])
    return [int(number) for number in numbers if number]
