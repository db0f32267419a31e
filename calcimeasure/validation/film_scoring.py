"""One film against its truth: which deposits were found, how well their area agrees, what was found in error.

A true deposit counts as found when found pixels cover at least a fifth of it; a find is false when less than a tenth
of it lies on any true deposit. Areas are compared where one find answers to one true deposit. Overlap and distances of
outlines are SimpleITK's, of a true deposit and the finds that answer to it, on the film's pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import bounding_boxes, union_box
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.simulation.truth import DepositTruth, FilmTruth

FOUND_SHARE = 0.2
FALSE_SHARE = 0.1
LEAST_IN_FIELD = 0.95
OUTLINE_COLUMNS = ("dice", "jaccard", "hausdorff_mm", "surface_distance_mm")

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
        """Return for each found label the true labels that it answers to."""
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
    found_image = measured.labels.image
    over = truth_overlaps(true_image, found_image, len(truth.deposits))
    answered = over.answers()
    boxes = bounding_boxes(true_image), bounding_boxes(found_image)
    rows = []
    for deposit in truth.deposits:
        answering = sorted(found for found, labels in answered.items() if deposit.label in labels)
        outline: Row = dict.fromkeys(OUTLINE_COLUMNS)
        if answering:
            where = reduce(union_box, (boxes[1][found] for found in answering), boxes[0][deposit.label])
            true_mask, found_mask = true_image[where] == deposit.label, np.isin(found_image[where], answering)
            outline = outline_agreement(true_mask, found_mask, truth.pixel_spacing_mm)
        rows.append({**_deposit_row(deposit, over), **outline})
        if len(answering) == 1 and answered[answering[0]] == {deposit.label}:
            rows[-1] |= _area_row(deposit, measured.deposits[answering[0] - 1])
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


def _deposit_row(deposit: DepositTruth, over: TruthOverlaps) -> Row:
    size = int(over.true_size[deposit.label])
    covered = int(over.shared[deposit.label, 1:].sum())
    return {
        "label": deposit.label,
        "kind": deposit.kind,
        "background": deposit.background,
        "area_mm2": deposit.area_mm2,
        "in_field": deposit.in_field >= LEAST_IN_FIELD,
        "found": size > 0 and covered >= FOUND_SHARE * size,
        "area_ratio": None,
        "area_z": None,
        "relative_se": None,
    }


def _area_row(deposit: DepositTruth, found: DepositMeasurement) -> Row:
    """Return how the area of the one find that answers to one true deposit agrees; nothing where it is in pixels."""
    if found.area_mm2 is None or not found.area_se_mm2:
        return {}
    return {
        "area_ratio": found.area_mm2 / deposit.area_mm2,
        "relative_se": found.area_se_mm2 / found.area_mm2,
        "area_z": (found.area_mm2 - deposit.area_mm2) / found.area_se_mm2,
    }


def outline_agreement(
    true_mask: NDArray[np.bool_], found_mask: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> dict[str, float]:
    """Return Dice, Jaccard, Hausdorff distance and mean surface distance (mm, symmetric) of two masks of one grid.

    The distances are between the outermost pixels of the two masks.

    Raises
    ------
    RuntimeError
        From SimpleITK, when a mask is empty.
    """
    import SimpleITK as sitk

    # A margin of one pixel: an outermost pixel on the rim of the grid is on the outline too.
    masks = [sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8)) for mask in (true_mask, found_mask)]
    for mask in masks:
        mask.SetSpacing((spacing_mm[1], spacing_mm[0]))
    outlines = [sitk.LabelContour(mask, fullyConnected=False) for mask in masks]
    overlap, hausdorff = sitk.LabelOverlapMeasuresImageFilter(), sitk.HausdorffDistanceImageFilter()
    overlap.Execute(*masks)
    hausdorff.Execute(*outlines)
    distances = [sitk.SignedMaurerDistanceMap(one, squaredDistance=False, useImageSpacing=True) for one in outlines]
    apart = [
        np.abs(sitk.GetArrayViewFromImage(distance)[sitk.GetArrayViewFromImage(other) > 0])
        for distance, other in zip(distances, reversed(outlines), strict=True)
    ]
    values = (
        overlap.GetDiceCoefficient(),
        overlap.GetJaccardCoefficient(),
        hausdorff.GetHausdorffDistance(),
        float(np.concatenate(apart).mean()),
    )
    return dict(zip(OUTLINE_COLUMNS, values, strict=True))


def film_overlap(true_image: NDArray[np.uint16], found_image: NDArray[np.uint16]) -> dict[str, float | None]:
    """Return Dice and Jaccard of all true and all found deposits of a film; None on a film without any."""
    import SimpleITK as sitk

    if not (true_image.any() or found_image.any()):
        return {"dice": None, "jaccard": None}
    masks = [sitk.GetImageFromArray((image > 0).astype(np.uint8)) for image in (true_image, found_image)]
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*masks)
    return {"dice": overlap.GetDiceCoefficient(), "jaccard": overlap.GetJaccardCoefficient()}
