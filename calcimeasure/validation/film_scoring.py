"""One film against its truth: which deposits were found, how well their area agrees, what was found in error.

A true deposit counts as found when found pixels cover at least a fifth of it; a find is false when less than a tenth
of it lies on any true deposit. Areas are compared where one find answers to one true deposit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.simulation.truth import DepositTruth, FilmTruth

FOUND_SHARE = 0.2
FALSE_SHARE = 0.1
LEAST_IN_FIELD = 0.95

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class TruthOverlaps:
    """How many pixels each found label shares with each true label.

    Attributes
    ----------
    shared
        (true labels + 1, found labels + 1); row and column 0 are background.
    """

    shared: NDArray[np.int64]

    @property
    def true_size(self) -> NDArray[np.int64]:
        """Pixels of each true label."""
        size: NDArray[np.int64] = self.shared.sum(axis=1)
        return size

    @property
    def found_size(self) -> NDArray[np.int64]:
        """Pixels of each found label."""
        size: NDArray[np.int64] = self.shared.sum(axis=0)
        return size

    def answers(self) -> Mapping[int, set[int]]:
        """Return for each found label the true labels that it stands for."""
        answered: dict[int, set[int]] = {}
        for found in range(1, self.shared.shape[1]):
            column = self.shared[1:, found]
            on_truth = int(column.sum())
            if on_truth < FALSE_SHARE * self.found_size[found]:
                answered[found] = set()
                continue
            share_of_true = column / np.maximum(self.true_size[1:], 1)
            chosen = (share_of_true >= FOUND_SHARE) | (column >= 0.5 * max(on_truth, 1))
            answered[found] = {int(label) + 1 for label in np.flatnonzero(chosen & (column > 0))}
        return answered


def truth_overlaps(true_image: NDArray[np.uint16], found_image: NDArray[np.uint16], true_count: int) -> TruthOverlaps:
    """Count shared pixels of two label images of one film."""
    found_count = int(found_image.max(initial=0))
    flat = true_image.astype(np.int64).ravel() * (found_count + 1) + found_image.ravel()
    counts = np.bincount(flat, minlength=(true_count + 1) * (found_count + 1))
    return TruthOverlaps(shared=counts.reshape(true_count + 1, found_count + 1))


def score_film(
    truth: FilmTruth, true_image: NDArray[np.uint16], measured: FilmMeasurement
) -> tuple[list[Row], list[Row]]:
    """Return a row a true deposit and a row a false find.

    Parameters
    ----------
    truth, true_image
        What is on the film: the truth and its label image, on the film's grid.
    measured
        What the product made of it.
    """
    over = truth_overlaps(true_image, measured.labels.image, len(truth.deposits))
    answered = over.answers()
    rows = [_deposit_row(deposit, over, answered, measured) for deposit in truth.deposits]
    false = [
        {
            "area_mm2": measured.deposits[found - 1].area_mm2,
            "over_bone_fraction": measured.deposits[found - 1].over_bone_fraction,
            "confidence": measured.deposits[found - 1].confidence,
        }
        for found, labels in answered.items()
        if not labels
    ]
    return rows, false


def _deposit_row(
    deposit: DepositTruth, over: TruthOverlaps, answered: Mapping[int, set[int]], measured: FilmMeasurement
) -> Row:
    label = deposit.label
    size = int(over.true_size[label])
    covered = int(over.shared[label, 1:].sum())
    answering = sorted(found for found, labels in answered.items() if label in labels)
    row: Row = {
        "label": label,
        "kind": deposit.kind,
        "background": deposit.background,
        "area_mm2": deposit.area_mm2,
        "in_field": deposit.in_field >= LEAST_IN_FIELD,
        "found": size > 0 and covered >= FOUND_SHARE * size,
        "dice": _dice(over, label, answering),
        "area_ratio": None,
        "area_z": None,
        "relative_se": None,
    }
    if len(answering) == 1 and answered[answering[0]] == {label}:
        got = measured.deposits[answering[0] - 1]
        if got.area_mm2 is not None and got.area_se_mm2:
            row["area_ratio"] = got.area_mm2 / deposit.area_mm2
            row["relative_se"] = got.area_se_mm2 / got.area_mm2
            row["area_z"] = (got.area_mm2 - deposit.area_mm2) / got.area_se_mm2
    return row


def _dice(over: TruthOverlaps, label: int, answering: Sequence[int]) -> float | None:
    if not answering:
        return None
    both = int(over.shared[label, list(answering)].sum())
    return 2.0 * both / (int(over.true_size[label]) + int(over.found_size[list(answering)].sum()))
