"""Pieces into deposits: those no more than 2.0 mm apart, edge to edge, are one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.anatomy import Anatomy
from calcimeasure.boxes import pad_box
from calcimeasure.deposits import Deposit, DepositLabels, Origin
from calcimeasure.models.working_grid import pixels_per_mm
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.segmenter import Proposals

GROUP_WITHIN_MM = 2.0


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


def group_pieces(
    image: NDArray[np.uint16], wanted: NDArray[np.intp], within_px: tuple[float, float]
) -> NDArray[np.intp]:
    """Return the deposit's number for each piece: 0 for those not wanted, else 1, 2, ... in the order of the pieces.

    Parameters
    ----------
    image
        Label image of the pieces.
    wanted
        Numbers of the pieces to group, rising.
    within_px
        (rows, columns) pixels: the largest gap between the edges of two pieces of one deposit.
    """
    parent = np.arange(int(image.max(initial=0)) + 1)
    chosen = set(wanted.tolist())
    boxes = ndimage.find_objects(image)
    # Between pixel centres the gap is one pixel more than between the pixels' edges.
    sampling = (1.0 / within_px[0], 1.0 / within_px[1])
    reach = 1.0 + max(sampling)
    for number in sorted(chosen):
        window = pad_box(boxes[number - 1], (int(within_px[0]) + 2, int(within_px[1]) + 2), image.shape)
        here = image[window]
        others = chosen.intersection(np.unique(here).tolist()) - {number}
        if not others:
            continue
        distance = ndimage.distance_transform_edt(here != number, sampling=sampling)
        for other in sorted(others):
            if float(distance[here == other].min()) <= reach:
                _join(parent, number, other)
    group_of = np.zeros(parent.size, dtype=np.intp)
    numbers: dict[int, int] = {}
    for number in sorted(chosen):
        root = _root(parent, number)
        group_of[number] = numbers.setdefault(root, len(numbers) + 1)
    return group_of


def _root(parent: NDArray[np.intp], number: int) -> int:
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = int(parent[number])
    return number


def _join(parent: NDArray[np.intp], first: int, second: int) -> None:
    roots = sorted((_root(parent, first), _root(parent, second)))
    parent[roots[1]] = roots[0]
