"""Pieces into deposits: those no more than 2.0 mm apart, edge to edge, are one."""

from __future__ import annotations

import numpy as np

from calcimeasure.deposits import Deposit, DepositLabels, Origin
from calcimeasure.label_arrays import group_pieces
from calcimeasure.segmentation.segmenter import Proposals


def accept_proposals(proposals: Proposals, threshold: float | None = None) -> DepositLabels:
    """Return the deposits among the proposals: pieces that reach the threshold, the method's own when None."""
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
