"""Pieces into deposits: those no more than 2.0 mm apart, edge to edge, are one."""

from __future__ import annotations

import numpy as np

from calcimeasure.anatomy import Anatomy
from calcimeasure.deposits import Deposit, DepositLabels, Origin
from calcimeasure.label_arrays import GROUP_WITHIN_MM, group_pieces
from calcimeasure.models.working_grid import pixels_per_mm
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.segmenter import Proposals


def group_within_px(film: Radiograph, anatomy: Anatomy) -> tuple[float, float]:
    """Return (rows, columns) film pixels of 2.0 mm; of the same share of the limb where the film has no spacing."""
    rows, cols = pixels_per_mm(film, anatomy)
    return (GROUP_WITHIN_MM * rows, GROUP_WITHIN_MM * cols)


def accept_proposals(proposals: Proposals, threshold: float | None = None) -> DepositLabels:
    """Return the deposits among the proposals.

    Parameters
    ----------
    proposals
        Pieces with their probabilities.
    threshold
        Pieces at least as probable are accepted; the method's own threshold when None.
    """
    least = proposals.threshold if threshold is None else threshold
    wanted = np.flatnonzero(proposals.probabilities >= least) + 1
    group_of = group_pieces(proposals.image, wanted, proposals.group_within_px)
    deposits = []
    for number in range(1, int(group_of.max(initial=0)) + 1):
        confidence = proposals.probabilities[np.flatnonzero(group_of == number) - 1].max()
        deposits.append(Deposit(label=number, origin=Origin.AUTO, confidence=float(confidence)))
    return DepositLabels(
        image=group_of.astype(np.uint16)[proposals.image],
        deposits=tuple(deposits),
        method=proposals.method,
        film_sha256=proposals.film_sha256,
        warnings=proposals.warnings,
    )
