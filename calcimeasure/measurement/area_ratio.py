"""The ratio of one deposit's areas on two films, more precise than the ratio of two areas measured separately.

Whether an edge is sharp or tapers is uncertain on one film, and the error differs from film to film. Here the edges are
read together: what they share is the deposit's own, and the log ratio is a weighted sum of the differences between
their descriptors,

    log(A2 / A1) = sum_k w_k((x1 + x2) / 2) (x2_k - x1_k).

Swapping the films negates it exactly, a film against itself gives exactly 0, and the weights, fitted to deposits that
did change, are not biased towards no change. Where the outline network measured both films, the ratio of its areas is
combined with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.deposits import AreaMethod
from calcimeasure.measurement.edge_calibration import (
    SMALLEST_SHARE,
    Calibration,
    bounded_exp,
    estimate_area,
    load_calibration,
)
from calcimeasure.measurement.edge_description import Edge
from calcimeasure.measurement.measurement_records import FilmMeasurement

SMALLEST_CONTOUR_PX = 0.1
SMALLEST_SE = 1e-4
# Descriptions are in pixels: films whose pixels differ by more than this in size are not compared edge by edge.
SAME_SPACING_WITHIN = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class AreaRatio:
    """How much the area of one deposit changed.

    Attributes
    ----------
    log_ratio
        Natural logarithm of the follow-up's footprint area over the baseline's, each in pixels of its own film.
    se
        Its standard error: noise, place within the pixel, background, and the residual of the edge's shape.
    """

    log_ratio: float
    se: float


def area_ratio(
    baseline: FilmMeasurement, baseline_label: int, followup: FilmMeasurement, followup_label: int
) -> AreaRatio | None:
    """Return the ratio of a deposit's areas on two films, or None where they must be compared as measured.

    None is for areas that a person painted, and for films whose pixels differ in size by more than 2 %. Where the
    outline network measured both, `combine_ratios` combines the ratio of its areas with that of the edges.

    Parameters
    ----------
    baseline, followup
        The films, measured.
    baseline_label, followup_label
        The deposit on each.
    """
    sides = (baseline, baseline_label), (followup, followup_label)
    if any(film.deposits[label - 1].area_method is not AreaMethod.EDGE_MODEL for film, label in sides):
        return None
    if not _same_pixels(baseline, followup):
        return None
    first, second = (film.edges.get(label) for film, label in sides)
    if first is None or second is None:
        return None
    by_edge = edge_ratio(first, second)
    if not all(label in film.measured_by_network for film, label in sides):
        return by_edge
    rows = [film.deposits[label - 1] for film, label in sides]
    by_network = AreaRatio(
        log_ratio=math.log(rows[1].area_px) - math.log(rows[0].area_px),
        se=math.hypot(*(row.change_se_px / row.area_px for row in rows)),
    )
    return combine_ratios(by_network, by_edge)


def combine_ratios(first: AreaRatio, second: AreaRatio) -> AreaRatio:
    """Return the inverse-variance weighted mean of two estimates of one ratio.

    Where they differ by more than their errors allow, the error of the mean is enlarged by Birge's ratio (1932).
    """
    precisions = [max(one.se, SMALLEST_SE) ** -2 for one in (first, second)]
    total = sum(precisions)
    value = (precisions[0] * first.log_ratio + precisions[1] * second.log_ratio) / total
    apart = abs(first.log_ratio - second.log_ratio) / math.sqrt(1 / precisions[0] + 1 / precisions[1])
    return AreaRatio(log_ratio=round(value, 6), se=round(max(1.0, apart) / math.sqrt(total), 6))


def edge_ratio(first: Edge, second: Edge, calibration: Calibration | None = None) -> AreaRatio:
    """Return the ratio of the areas within two edges of one deposit, second over first."""
    calibration = load_calibration() if calibration is None else calibration
    before, after = (_logs_and_descriptors(edge, calibration) for edge in (first, second))
    difference, common = after - before, 0.5 * (after + before)[LOGS:]
    ratio = float((difference * calibration.output("pair_weights", common)).sum())
    log_se = calibration.output("pair_log_se", np.concatenate([common, np.abs(difference)]))[0]
    return AreaRatio(log_ratio=round(ratio, 6), se=round(bounded_exp(log_se), 6))


LOGS = 2


def _logs_and_descriptors(edge: Edge, calibration: Calibration) -> NDArray[np.float64]:
    area = max(estimate_area(edge, calibration).area_px, SMALLEST_SHARE * edge.contour_area_px)
    contour = max(edge.contour_area_px, SMALLEST_CONTOUR_PX)
    return np.array([np.log(area), np.log(contour), *calibration.standardised(edge.descriptors)])


def _same_pixels(baseline: FilmMeasurement, followup: FilmMeasurement) -> bool:
    first, second = baseline.film.spacing.mm, followup.film.spacing.mm
    if first is None or second is None:
        return first is second
    return all(abs(b / a - 1) <= SAME_SPACING_WITHIN for a, b in zip(first, second, strict=True))
