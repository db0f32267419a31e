"""The learned method: a compact U-Net whose probability map becomes proposals. Made by `training/network.py`."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import MissingExtraError
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.grouping import accept
from calcimeasure.segmentation.network_input import DIVISOR, PITCH_MM, limb_on_input, network_input
from calcimeasure.segmentation.protocol import Proposals
from calcimeasure.segmentation.regions import proposals_from_regions, regions_of_map

MODEL = "network.onnx"
METHOD = "network/1"
# Chosen on seeds 100000 and up, see the model card.
THRESHOLD = 0.5
CUT, WEAK_CUT = 0.5, 0.1
LIMIT_OF_DETECTION_MM2: float | None = None
# Context that the network is shown around the limb; it is air.
_AROUND_MM = 8.0
# Fixed, so that the answer does not depend on the machine's cores.
_THREADS = 2


class NetworkSegmenter:
    """The network behind the common protocol."""

    name = METHOD
    limit_of_detection_mm2: float | None = LIMIT_OF_DETECTION_MM2

    def propose(self, film: Radiograph, anatomy: Anatomy) -> Proposals:
        """Return every region that the network thinks may be a deposit, weak ones too."""
        inputs, factor = network_input(film, anatomy)
        probability = probability_map(inputs, limb_on_input(film, anatomy, inputs.shape, factor))
        regions = regions_of_map(probability, factor, cut=CUT, weak_cut=WEAK_CUT)
        return proposals_from_regions(
            film, anatomy, regions, method=METHOD, threshold=THRESHOLD, outline_from=WEAK_CUT, warnings=anatomy.warnings
        )

    def accept(self, proposals: Proposals, threshold: float | None = None) -> DepositLabels:
        """Return the proposals that reach the threshold, grouped into deposits."""
        return accept(proposals, threshold)


def network_installed() -> bool:
    """Return whether the trained network ships with this installation."""
    return resources.files("calcimeasure.segmentation").joinpath("models", MODEL).is_file()


def probability_map(inputs: NDArray[np.float32], limb: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the probability of each cell of the network's input, 0 outside the limb.

    Parameters
    ----------
    inputs
        float32, (2, rows, cols), from `network_input`.
    limb
        bool, (rows, cols).
    """
    probability = np.zeros(limb.shape, dtype=np.float32)
    if not limb.any():
        return probability
    box = _box(limb, round(_AROUND_MM / PITCH_MM))
    crop = inputs[(slice(None), *box)]
    (answer,) = _session().run(None, {"inputs": np.ascontiguousarray(crop[np.newaxis])})
    probability[box] = answer[0, 0]
    probability[~limb] = 0.0
    return probability


def _box(limb: NDArray[np.bool_], around: int) -> tuple[slice, slice]:
    """Return the smallest box around the limb whose sides the network can halve."""
    slices = []
    for axis in (0, 1):
        filled = np.flatnonzero(limb.any(axis=1 - axis))
        low = max(0, int(filled[0]) - around) // DIVISOR * DIVISOR
        high = min(limb.shape[axis], -(-(int(filled[-1]) + 1 + around) // DIVISOR) * DIVISOR)
        slices.append(slice(low, high))
    return (slices[0], slices[1])


@lru_cache(maxsize=1)
def _session() -> Any:
    import onnxruntime

    model = resources.files("calcimeasure.segmentation").joinpath("models", MODEL)
    if not model.is_file():
        raise MissingExtraError(
            "the trained network is not part of this installation", remedy="Use --method classical."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _THREADS, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
