"""The learned method: a compact U-Net finds regions, a second look judges them. Made by `training/network.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.models.film_cache import cache_per_film
from calcimeasure.models.inference import model_installed, open_session
from calcimeasure.models.network_input import DIVISOR, network_input
from calcimeasure.models.working_grid import WORKING_SPACING_MM
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.classical_segmenter import ClassicalSegmenter, nothing_proposed
from calcimeasure.segmentation.deposit_grouping import accept_proposals
from calcimeasure.segmentation.isolated_penalty import penalise_isolated
from calcimeasure.segmentation.map_regions import Region, proposals_from_regions, regions_of_map
from calcimeasure.segmentation.region_classifier import RegionContext, load_region_classifier, region_features
from calcimeasure.segmentation.segmenter import Proposals

DETECTION_MODEL = "network.onnx"
NETWORK_METHOD = "network/1"
CUT, WEAK_CUT = 0.3, 0.1
# All shapes and backgrounds, deposits over bone among them: 300 simulated pairs, see the model card.
NETWORK_LIMIT_OF_DETECTION_MM2: float | None = 66.0
# A classical candidate stands for itself where the network's regions cover less of it than this, and it holds none of
# those that are clear.
_ALREADY_THERE = 0.2
_LEAST_CLASSICAL = 0.05
_OUTLINE_FROM = 0.1
# Of a single look; surer than this counts no more.
_LEAST_PROBABILITY = 1e-5
# Context around the limb that the network is shown; it is air.
_AROUND_MM = 8.0


class NetworkSegmenter:
    """The network behind the common protocol."""

    name = NETWORK_METHOD
    limit_of_detection_mm2: float | None = NETWORK_LIMIT_OF_DETECTION_MM2

    def propose(self, film: Radiograph, anatomy: Anatomy) -> Proposals:
        """Return every region that may be a deposit, weak ones too."""
        judge = load_region_classifier()
        if anatomy.limb_count == 0:
            return nothing_proposed(film, anatomy, method=NETWORK_METHOD, threshold=judge.threshold)
        evidence = gather_evidence(film, anatomy)
        regions, cells = region_candidates(evidence, film_probability_map(film, anatomy))
        judged = judge(np.array([region_features(region, cells) for region in regions]))
        judged = penalise_isolated(regions, judged, evidence.limb.shape)
        regions = [replace(region, probability=float(value)) for region, value in zip(regions, judged, strict=True)]
        return proposals_from_regions(
            film,
            anatomy,
            regions,
            method=NETWORK_METHOD,
            threshold=judge.threshold,
            outline_from=_OUTLINE_FROM,
            warnings=anatomy.warnings,
        )

    def accept(self, proposals: Proposals, threshold: float | None = None) -> DepositLabels:
        """Return the proposals that reach the threshold, grouped into deposits."""
        return accept_proposals(proposals, threshold)


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionEvidence:
    """What a film gives before the network has looked at it.

    Attributes
    ----------
    inputs, factor
        As in `Prepared`.
    limb, bone
        Masks on the same cells.
    classical
        What the classical method proposes, on the same cells.
    """

    inputs: NDArray[np.float32]
    factor: tuple[float, float]
    limb: NDArray[np.bool_]
    bone: NDArray[np.bool_]
    classical: list[Region]


def gather_evidence(film: Radiograph, anatomy: Anatomy) -> DetectionEvidence:
    """Return what the network is shown of a film that has a limb on it, and what the classical method says."""
    seen = network_input(film, anatomy)
    classical = ClassicalSegmenter().candidates(film, anatomy)
    found = [_on_grid(region, seen.factor, seen.limb.shape) for region in classical]
    return DetectionEvidence(
        inputs=seen.inputs,
        factor=seen.factor,
        limb=seen.limb,
        bone=seen.bone,
        classical=[region for region in found if region.mask.any()],
    )


def region_candidates(
    evidence: DetectionEvidence, probability: NDArray[np.float32]
) -> tuple[list[Region], RegionContext]:
    """Return the regions that the network or the classical method found, and what is known of every cell.

    Parameters
    ----------
    evidence
        From `gather_evidence`.
    probability
        The network's map.

    Returns
    -------
    regions
        On the network's grid, the network's first; their probabilities are those of the map, or of the classical
        method, and not yet judged.
    cells
        What `region_features` needs.
    """
    regions = regions_of_map(probability, evidence.factor, cut=CUT, weak_cut=WEAK_CUT)
    taken, clear = np.zeros(probability.shape, dtype=np.bool_), probability >= CUT
    for region in regions:
        taken[_box_of(region)] |= region.mask
    classical = np.zeros(probability.shape, dtype=np.float32)
    for region in evidence.classical:
        box = _box_of(region)
        classical[box] = np.maximum(classical[box], np.where(region.mask, np.float32(region.probability), 0.0))
        covered = float((taken[box] & region.mask).sum())
        holds_clear = bool((clear[box] & region.mask).any())
        enough = region.probability >= _LEAST_CLASSICAL and covered < _ALREADY_THERE * float(region.mask.sum())
        if enough and not holds_clear:
            regions.append(region)
    cells = RegionContext(
        probability=probability, inputs=evidence.inputs, limb=evidence.limb, bone=evidence.bone, classical=classical
    )
    return regions, cells


def _on_grid(region: Region, factor: tuple[float, float], shape: tuple[int, ...]) -> Region:
    """Return a candidate of a coarser grid, whose cells are whole multiples of the network's, on the network's."""
    coarse = max(1, round(region.factor[0] / factor[0]))
    mask = np.repeat(np.repeat(region.mask, coarse, 0), coarse, 1)
    corner = (region.corner[0] * coarse, region.corner[1] * coarse)
    mask = mask[: shape[0] - corner[0], : shape[1] - corner[1]]
    return replace(region, mask=mask, corner=corner, factor=factor)


def _box_of(region: Region) -> tuple[slice, slice]:
    rows, cols = region.mask.shape
    return slice(region.corner[0], region.corner[0] + rows), slice(region.corner[1], region.corner[1] + cols)


def network_installed() -> bool:
    """Return whether the trained network ships with this installation."""
    return model_installed(DETECTION_MODEL)


@cache_per_film
def film_probability_map(film: Radiograph, anatomy: Anatomy) -> NDArray[np.float32]:
    """Return the network's probability map of a whole film, worked out once a film.

    Parameters
    ----------
    film, anatomy
        The film and its masks.

    Returns
    -------
    numpy.ndarray
        float32, (rows, cols): the working grid of the film and its padding.
    """
    seen = network_input(film, anatomy)
    found = probability_map(seen.inputs, seen.limb)
    found.flags.writeable = False
    return found


def probability_map(
    inputs: NDArray[np.float32], limb: NDArray[np.bool_], *, session: Any = None
) -> NDArray[np.float32]:
    """Return the probability of each cell of the network's input, 0 outside the limb.

    Parameters
    ----------
    inputs
        float32, (2, rows, cols), from `network_input`.
    limb
        bool, (rows, cols).
    session
        An inference session of ONNX Runtime in place of the network that ships.
    """
    probability = np.zeros(limb.shape, dtype=np.float32)
    if not limb.any():
        return probability
    box = _box_around(limb, round(_AROUND_MM / WORKING_SPACING_MM))
    crop = inputs[(slice(None), *box)][np.newaxis]
    session = session or open_session(DETECTION_MODEL)
    # Two looks of one network, the film as it is and mirrored, err less alike than one would think.
    looks = [_log_odds(_answer_to(session, crop)), _log_odds(_answer_to(session, crop[..., ::-1]))[:, ::-1]]
    probability[box] = 1.0 / (1.0 + np.exp(-(looks[0] + looks[1]) / 2.0))
    probability[~limb] = 0.0
    return probability


def _answer_to(session: Any, window: NDArray[np.float32]) -> NDArray[np.float32]:
    (answer,) = session.run(None, {"inputs": np.ascontiguousarray(window)})
    return np.asarray(answer[0, 0], dtype=np.float32)


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    held = np.clip(probability, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return np.asarray(np.log(held / (1.0 - held)), dtype=np.float32)


def _box_around(limb: NDArray[np.bool_], around: int) -> tuple[slice, slice]:
    """Return the smallest box around the limb whose sides the network can halve."""
    slices = []
    for axis in (0, 1):
        filled = np.flatnonzero(limb.any(axis=1 - axis))
        low = max(0, int(filled[0]) - around) // DIVISOR * DIVISOR
        high = min(limb.shape[axis], -(-(int(filled[-1]) + 1 + around) // DIVISOR) * DIVISOR)
        slices.append(slice(low, high))
    return (slices[0], slices[1])
