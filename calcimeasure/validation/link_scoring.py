"""The links of a pair against the truth, and how far the alignment is off at the deposits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from calcimeasure.change.change_records import Comparison, Link, LinkStatus
from calcimeasure.registration.alignment import map_points
from calcimeasure.simulation.truth import LinkTruth, PairTruth
from calcimeasure.validation.film_scoring import LEAST_IN_FIELD

Row = dict[str, Any]
Answers = Mapping[int, set[int]]


def score_links(truth: PairTruth, comparison: Comparison, baseline: Answers, followup: Answers) -> list[Row]:
    """Return a row a true link whose deposits were all found, and a row a found link that answers to none of them.

    Parameters
    ----------
    baseline, followup
        For each found label of a film, the true labels it answers to (`TruthOverlaps.answers`).
    """
    found = {
        (_true_labels(link.baseline_labels, baseline), _true_labels(link.followup_labels, followup)): link
        for link in comparison.links
    }
    seen = (_all(baseline), _all(followup))
    cut = _cut_by_the_field(truth)
    rows, used = [], set()
    for link in truth.links:
        if cut[0] & set(link.baseline_labels) or cut[1] & set(link.followup_labels):
            continue
        wanted = (frozenset(link.baseline_labels), frozenset(link.followup_labels))
        if not (wanted[0] <= seen[0] and wanted[1] <= seen[1]):
            continue
        got = found.get(wanted)
        used.add(wanted)
        rows.append(_link_row(truth, link, got))
    for key, extra in found.items():
        if key[0] & cut[0] or key[1] & cut[1]:
            continue
        if key not in used and (key[0] or key[1]) and extra.status is not LinkStatus.NOT_EVALUABLE:
            rows.append({"true_status": None, "found_status": extra.status.value, "right": False})
    return rows


def _cut_by_the_field(truth: PairTruth) -> tuple[set[int], set[int]]:
    """Return the deposits of each film that its collimation cuts: no link of theirs can be right or wrong."""
    films = (truth.baseline, truth.followup)
    cut = [{d.label for d in film.deposits if d.in_field < LEAST_IN_FIELD} for film in films]
    return cut[0], cut[1]


def one_sided(truth: PairTruth, baseline: Answers, followup: Answers, least_mm2: float) -> tuple[int, int]:
    """Return how many deposits really on both films were found on one only, of how many found on either."""
    seen = (_all(baseline), _all(followup))
    lonely = either = 0
    area = {d.label: d.area_mm2 for d in truth.baseline.deposits}
    cut = _cut_by_the_field(truth)
    for link in truth.links:
        if not (len(link.baseline_labels) == len(link.followup_labels) == 1):
            continue
        if link.baseline_labels[0] in cut[0] or link.followup_labels[0] in cut[1]:
            continue
        if area[link.baseline_labels[0]] < least_mm2:
            continue
        there = (link.baseline_labels[0] in seen[0], link.followup_labels[0] in seen[1])
        either += any(there)
        lonely += any(there) and not all(there)
    return lonely, either


def not_evaluated(
    comparison: Comparison, baseline: Answers, followup: Answers
) -> tuple[frozenset[int], frozenset[int]]:
    """Return the true deposits of each film that the product found and left out as ``not_evaluable``."""
    out = [link for link in comparison.links if link.status is LinkStatus.NOT_EVALUABLE]
    return (
        frozenset().union(*(_true_labels(link.baseline_labels, baseline) for link in out)),
        frozenset().union(*(_true_labels(link.followup_labels, followup) for link in out)),
    )


def common_ratio(truth: PairTruth, out: tuple[frozenset[int], frozenset[int]]) -> float | None:
    """Return the true ratio of the burdens over the common field; None from zero.

    The burden is what both films show, and a deposit that was reported to lie partly outside counts on neither of them:
    nor does it, with everything that its true link holds, in the truth.

    Parameters
    ----------
    truth
        What the pair really holds.
    out
        The true deposits of each film that were left out (`not_evaluated`).
    """
    if not (out[0] or out[1]):
        return truth.total_area_ratio
    totals = [0.0, 0.0]
    areas = [{d.label: d.area_common_mm2 for d in film.deposits} for film in (truth.baseline, truth.followup)]
    for link in truth.links:
        sides = (link.baseline_labels, link.followup_labels)
        if any(missing.intersection(labels) for missing, labels in zip(out, sides, strict=True)):
            continue
        for side, labels in enumerate(sides):
            totals[side] += sum(areas[side][label] for label in labels)
    return totals[1] / totals[0] if totals[0] else None


def alignment_errors_mm(truth: PairTruth, comparison: Comparison) -> list[float]:
    """Return the distance in mm between where a true deposit is on the follow-up and where the alignment puts it."""
    if comparison.alignment is None:
        return []
    before = {d.label: d for d in truth.baseline.deposits}
    after = {d.label: d for d in truth.followup.deposits}
    pairs = [
        (before[link.baseline_labels[0]], after[link.followup_labels[0]])
        for link in truth.links
        if len(link.baseline_labels) == len(link.followup_labels) == 1
    ]
    if not pairs:
        return []
    points = np.array([[b.centroid_row, b.centroid_col] for b, _ in pairs])
    wanted = np.array([[a.centroid_row, a.centroid_col] for _, a in pairs])
    apart = (map_points(comparison.alignment, points) - wanted) * np.asarray(truth.followup.pixel_spacing_mm)
    return [float(value) for value in np.hypot(apart[:, 0], apart[:, 1])]


def _true_labels(labels: tuple[int, ...], answers: Answers) -> frozenset[int]:
    return frozenset(true for label in labels for true in answers.get(label, ()))


def _all(answers: Answers) -> frozenset[int]:
    return frozenset(true for labels in answers.values() for true in labels)


def _link_row(truth: PairTruth, link: LinkTruth, got: Link | None) -> Row:
    status = got.status.value if got is not None else None
    row: Row = {"true_status": link.status, "found_status": status, "right": status == link.status}
    if got is None or got.log_ratio is None or link.area_ratio is None or got.ci95_percent is None:
        return row
    deposits = {d.label: d for d in truth.baseline.deposits}
    true_percent = 100.0 * (link.area_ratio - 1.0)
    low, high = got.ci95_percent
    row.update(
        area_mm2=sum(deposits[label].area_mm2 for label in link.baseline_labels),
        background=deposits[link.baseline_labels[0]].background,
        true_log_ratio=math.log(link.area_ratio),
        log_ratio=got.log_ratio,
        log_ratio_se=got.log_ratio_se,
        below=true_percent > high,
        above=true_percent < low,
        width=math.log1p(high / 100.0) - math.log1p(max(low, -99.999) / 100.0),
        detectable=got.detectable,
    )
    return row
