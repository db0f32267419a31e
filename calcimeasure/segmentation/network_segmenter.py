"""The learned method: a compact U-Net proposes regions, boosted trees classify them. Made by `training/network.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.inference import model_installed, open_session
from calcimeasure.models.network_input import DIVISOR, NetworkInput, network_input
from calcimeasure.models.working_grid import WORKING_SPACING_MM
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.classical_segmenter import ClassicalSegmenter, nothing_proposed
from calcimeasure.segmentation.isolated_penalty import penalise_isolated
from calcimeasure.segmentation.probability_map_regions import Region, proposals_from_regions, regions_of_map
from calcimeasure.segmentation.region_classifier import RegionContext, load_region_classifier, region_features
from calcimeasure.segmentation.segmenter import Proposals

DETECTION_MODEL = "network.onnx"
NETWORK_METHOD = "network/1"
CUT, WEAK_CUT = 0.3, 0.1
# All shapes and backgrounds, deposits over bone among them: 300 simulated pairs, see the model card.
NETWORK_LIMIT_OF_DETECTION_MM2: float | None = 66.0
# A classical candidate is kept where the network's regions cover less of it than this, and no clear one overlaps it.
_ALREADY_THERE = 0.2
_LEAST_CLASSICAL = 0.05
_OUTLINE_FROM = 0.1
# Of one pass; probabilities closer to 0 or 1 are clipped.
_LEAST_PROBABILITY = 1e-5
# Context around the limb in the network's input; it is air.
_AROUND_MM = 8.0


class NetworkSegmenter:
    """The network behind the common protocol."""

    name = NETWORK_METHOD
    limit_of_detection_mm2: float | None = NETWORK_LIMIT_OF_DETECTION_MM2

    def propose(self, film: Radiograph, anatomy: Anatomy) -> Proposals:
        """Return every region that may be a deposit, weak ones too."""
        classifier = load_region_classifier()
        if anatomy.limb_count == 0:
            return nothing_proposed(film, anatomy, method=NETWORK_METHOD, threshold=classifier.threshold)
        seen = network_input(film, anatomy)
        regions, cells = region_candidates(seen, classical_regions(film, anatomy), film_probability_map(film, anatomy))
        probabilities = classifier(np.array([region_features(region, cells) for region in regions]))
        probabilities = penalise_isolated(regions, probabilities, seen.limb.shape)
        return proposals_from_regions(
            film,
            anatomy,
            [replace(region, probability=float(p)) for region, p in zip(regions, probabilities, strict=True)],
            method=NETWORK_METHOD,
            threshold=classifier.threshold,
            outline_from=_OUTLINE_FROM,
            warnings=anatomy.warnings,
        )


def classical_regions(film: Radiograph, anatomy: Anatomy) -> list[Region]:
    """Return what the classical method proposes, on the network's cells."""
    seen = network_input(film, anatomy)
    regions = [
        _on_grid(region, seen.factor, seen.limb.shape) for region in ClassicalSegmenter().candidates(film, anatomy)
    ]
    return [region for region in regions if region.mask.any()]


def region_candidates(
    seen: NetworkInput, classical: Sequence[Region], probability: NDArray[np.float32]
) -> tuple[list[Region], RegionContext]:
    """Return the regions that the network or the classical method proposes, and what describes every cell.

    Parameters
    ----------
    seen
        The networks' input.
    classical
        From `classical_regions`.
    probability
        The network's map.

    Returns
    -------
    regions
        On the network's cells, the network's first; their probabilities are those of the map, or of the classical
        method, and not yet those of the region classifier.
    cells
        The context that `region_features` needs.
    """
    regions = regions_of_map(probability, seen.factor, cut=CUT, weak_cut=WEAK_CUT)
    taken, clear = np.zeros(probability.shape, dtype=np.bool_), probability >= CUT
    for region in regions:
        taken[region.box] |= region.mask
    by_classical = np.zeros(probability.shape, dtype=np.float32)
    for region in classical:
        box = region.box
        by_classical[box] = np.maximum(by_classical[box], np.where(region.mask, np.float32(region.probability), 0.0))
        overlap = float((taken[box] & region.mask).sum())
        enough = region.probability >= _LEAST_CLASSICAL and overlap < _ALREADY_THERE * float(region.mask.sum())
        if enough and not (clear[box] & region.mask).any():
            regions.append(region)
    cells = RegionContext(
        probability=probability, inputs=seen.inputs, limb=seen.limb, bone=seen.bone, classical=by_classical
    )
    return regions, cells


def _on_grid(region: Region, factor: tuple[float, float], shape: tuple[int, ...]) -> Region:
    """Return a candidate of a coarser grid, whose cells are whole multiples of the network's, on the network's."""
    coarse = max(1, round(region.factor[0] / factor[0]))
    mask = np.repeat(np.repeat(region.mask, coarse, 0), coarse, 1)
    corner = (region.corner[0] * coarse, region.corner[1] * coarse)
    mask = mask[: shape[0] - corner[0], : shape[1] - corner[1]]
    return replace(region, mask=mask, corner=corner, factor=factor)


def network_installed() -> bool:
    """Return whether the trained network ships with this installation."""
    return model_installed(DETECTION_MODEL)


@cache_per_film
def film_probability_map(film: Radiograph, anatomy: Anatomy) -> NDArray[np.float32]:
    """Return the network's probability map of a film, on the cells of its input; computed once a film."""
    seen = network_input(film, anatomy)
    probability = probability_map(seen.inputs, seen.limb)
    probability.flags.writeable = False
    return probability


def probability_map(
    inputs: NDArray[np.float32], limb: NDArray[np.bool_], *, session: Any = None
) -> NDArray[np.float32]:
    """Return the probability of each cell of the network's input, 0 outside the limb.

    A `session` of ONNX Runtime takes the place of the network that ships.
    """
    probability = np.zeros(limb.shape, dtype=np.float32)
    if not limb.any():
        return probability
    box = _box_around(limb, round(_AROUND_MM / WORKING_SPACING_MM))
    crop = inputs[(slice(None), *box)][np.newaxis]
    session = session or open_session(DETECTION_MODEL)
    # The errors of the two passes, the film as it is and mirrored, are correlated less than one would think.
    passes = [_log_odds(_predict(session, crop)), _log_odds(_predict(session, crop[..., ::-1]))[:, ::-1]]
    probability[box] = 1.0 / (1.0 + np.exp(-(passes[0] + passes[1]) / 2.0))
    probability[~limb] = 0.0
    return probability


def _predict(session: Any, window: NDArray[np.float32]) -> NDArray[np.float32]:
    (output,) = session.run(None, {"inputs": np.ascontiguousarray(window)})
    return np.asarray(output[0, 0], dtype=np.float32)


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(probability, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return np.asarray(np.log(clipped / (1.0 - clipped)), dtype=np.float32)


def _box_around(limb: NDArray[np.bool_], around: int) -> tuple[slice, slice]:
    """Return the smallest box around the limb whose sides the network can halve."""
    slices = []
    for axis in (0, 1):
        filled = np.flatnonzero(limb.any(axis=1 - axis))
        low = max(0, int(filled[0]) - around) // DIVISOR * DIVISOR
        high = min(limb.shape[axis], -(-(int(filled[-1]) + 1 + around) // DIVISOR) * DIVISOR)
        slices.append(slice(low, high))
    return (slices[0], slices[1])
