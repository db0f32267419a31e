"""The same deposit on both films: matched, new, resolved, split, merged, group, or not evaluable.

Deposits that overlap after alignment are linked; those that touch only within the alignment's uncertainty are linked
where neither has a better partner, the best first, so that neighbours do not chain. Two unlinked ones of similar size a
few millimetres apart are linked as well: that a deposit went and another one came beside it is far rarer than a finger
that the alignment misplaces. A connected component is one link, and its areas are summed: a deposit that splits changes
no area by splitting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import dilated, disc
from calcimeasure.boxes import pad_box
from calcimeasure.change.change_records import Link, LinkStatus
from calcimeasure.deposits import Finding
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.region_overlap import RegionOverlaps, find_overlaps, labelled_pixels
from calcimeasure.registration.registration_records import Alignment

JOINED = 0.35
"""Share of the smaller deposit that has to lie on the other for the two to be joined whatever else is near."""
SIZE_WEIGHT_MM = 0.5
"""What a factor e of size between two deposits weighs against their distance in mm, in choosing partners."""
MISPLACED_MM, MISPLACED_SIZE = 5.0, 2.0
"""How far apart, and of sizes how different, two unmatched deposits may be that still are one. Of 300 simulated pairs
(seeds from 9 100 000) the nine unmatched on both films lay 1.7 to 4.6 mm apart, their sizes within a factor of 1.5."""
WELL_ALIGNED_MM = 10.0
"""Within this distance of a deposit that lies on its partner, the alignment is right and nothing is misplaced."""
LEAST_SHOWN = 0.9
"""Share of a deposit that has to lie in the common field for its area to be compared."""
MOST_CLIPPED = 0.5
"""Share of a place, or of what lies about a deposit, that may be at the end of the grey scale."""
AROUND_MM = 1.0

OUTSIDE = "outside what both films show"
CLIPPED = "its place on the other film is over- or under-exposed"
BURNT_OUT = "what lies about it is over-exposed, so that it has no edge"


Reasons = Mapping[int, tuple[str, str]]
"""By label, why a deposit cannot be compared: where it has a partner, and where it has none; empty where it can."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkEvidence:
    """What links are made from.

    Attributes
    ----------
    overlaps
        Of `find_overlaps`.
    reasons
        Of the baseline and of the follow-up.
    alignment
        Baseline to follow-up.
    """

    overlaps: RegionOverlaps
    reasons: tuple[Reasons, Reasons]
    alignment: Alignment


def link_deposits(
    baseline: FilmMeasurement, followup: FilmMeasurement, alignment: Alignment, field: CommonField
) -> tuple[Link, ...]:
    """Return every deposit of both films in exactly one link, ordered by baseline, then follow-up label.

    Areas are sums over the deposits found to be calcinosis; the change is not yet computed.
    """
    evidence = gather_link_evidence(baseline, followup, alignment, field)
    return links_from_components(joined_components(evidence, baseline, followup), evidence, baseline, followup)


def gather_link_evidence(
    baseline: FilmMeasurement, followup: FilmMeasurement, alignment: Alignment, field: CommonField
) -> LinkEvidence:
    """Return what links are made from; see `link_deposits` for the parameters."""
    overlaps = find_overlaps(
        baseline.labels.image,
        followup.labels.image,
        alignment,
        baseline_pixel_mm=nominal_spacing_mm(baseline.film, baseline.anatomy),
        followup_pixel_mm=nominal_spacing_mm(followup.film, followup.anatomy),
    )
    reasons = (
        _reasons(baseline, followup, alignment, (field.baseline, field.baseline_step)),
        _reasons(followup, baseline, inverse(alignment, followup.film.shape), (field.followup, field.followup_step)),
    )
    return LinkEvidence(overlaps=overlaps, reasons=reasons, alignment=alignment)


def joined_components(
    evidence: LinkEvidence, baseline: FilmMeasurement, followup: FilmMeasurement
) -> list[tuple[int, int]]:
    """Return the pairs of labels of two films that are one link: those of `joined_pairs`, and misplaced ones."""
    joined = joined_pairs(evidence.overlaps, _areas_mm2(baseline), _areas_mm2(followup))
    return sorted([*joined, *_misplaced(joined, evidence, baseline, followup)])


def links_from_components(
    joined: list[tuple[int, int]], evidence: LinkEvidence, baseline: FilmMeasurement, followup: FilmMeasurement
) -> tuple[Link, ...]:
    """Return the links of pairs of labels that are one, and of all that are alone, as `link_deposits` does."""
    links = []
    for of_baseline, of_followup in connected_components(joined, len(baseline.labels), len(followup.labels)):
        alone = not (of_baseline and of_followup)
        why = [evidence.reasons[0][label][alone] for label in of_baseline]
        why += [evidence.reasons[1][label][alone] for label in of_followup]
        reason = next(filter(None, sorted(why)), "")
        links.append(_link(of_baseline, of_followup, reason, baseline, followup))
    return tuple(links)


def joined_pairs(
    overlaps: RegionOverlaps, baseline_areas: NDArray[np.float64], followup_areas: NDArray[np.float64]
) -> list[tuple[int, int]]:
    """Return the pairs of labels that are one link.

    Pairs that lie on one another (`JOINED`) always are. The others, whose edges and centres are in reach of the
    alignment's uncertainty, are taken from the nearest and most alike in size, and only where both still are without
    a partner. Areas are in one unit, that of label n in entry n - 1.
    """
    cover = np.maximum(overlaps.cover_first, overlaps.cover_second)
    size = np.log(np.maximum(baseline_areas[overlaps.first - 1], 1e-9))
    size -= np.log(np.maximum(followup_areas[overlaps.second - 1], 1e-9))
    cost = overlaps.gap_mm + overlaps.apart_mm + SIZE_WEIGHT_MM * np.abs(size)
    overlapping = _overlap_clearly(overlaps, cover, cost)
    pairs = {(int(overlaps.first[k]), int(overlaps.second[k])) for k in np.flatnonzero(overlapping)}
    taken_1, taken_2 = {first for first, _ in pairs}, {second for _, second in pairs}
    reach = (overlaps.gap_mm <= overlaps.tolerance_mm) & (overlaps.apart_mm <= 2.0 * overlaps.tolerance_mm)
    near = np.flatnonzero(~overlapping & reach)
    for k in near[np.lexsort((overlaps.apart_mm[near], cost[near]))]:
        first, second = int(overlaps.first[k]), int(overlaps.second[k])
        if first not in taken_1 and second not in taken_2:
            pairs.add((first, second))
            taken_1.add(first)
            taken_2.add(second)
    return sorted(pairs)


def _misplaced(
    joined: list[tuple[int, int]], evidence: LinkEvidence, baseline: FilmMeasurement, followup: FilmMeasurement
) -> list[tuple[int, int]]:
    """Return the pairs of unmatched labels that are one deposit all the same, the nearest and most alike first."""
    places = _placed_centres(baseline, followup, evidence.alignment)
    partners = [{pair[side] for pair in joined} for side in (0, 1)]
    unmatched = [
        [d for d in film.deposits if d.label not in taken and not reasons[d.label][1]]
        for film, taken, reasons in zip((baseline, followup), partners, evidence.reasons, strict=True)
    ]
    if not unmatched[0] or not unmatched[1]:
        return []
    aligned = places[0][[first - 1 for first, _ in joined]]
    areas = _areas_mm2(baseline), _areas_mm2(followup)
    candidates = []
    for one in unmatched[0]:
        here = places[0][one.label - 1]
        if (np.hypot(*(aligned - here).T) < WELL_ALIGNED_MM).any():
            continue
        for other in unmatched[1]:
            apart = float(np.hypot(*(places[1][other.label - 1] - here)))
            size = abs(math.log(areas[0][one.label - 1]) - math.log(areas[1][other.label - 1]))
            if apart <= MISPLACED_MM and size <= math.log(MISPLACED_SIZE) and one.finding is other.finding:
                candidates.append((apart + SIZE_WEIGHT_MM * size, one.label, other.label))
    pairs: list[tuple[int, int]] = []
    for _, first, second in sorted(candidates):
        if all(first != pair[0] and second != pair[1] for pair in pairs):
            pairs.append((first, second))
    return pairs


def _placed_centres(
    baseline: FilmMeasurement, followup: FilmMeasurement, alignment: Alignment
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of each film's deposits in mm on one of the films, placed as `find_overlaps` does."""
    first, second = (
        np.array([(d.centroid_row, d.centroid_col) for d in film.deposits]).reshape(-1, 2)
        for film in (baseline, followup)
    )
    if alignment.reverse is not None:
        size = np.asarray(nominal_spacing_mm(baseline.film, baseline.anatomy))
        return first * size, map_points(alignment.reverse, second) * size
    size = np.asarray(nominal_spacing_mm(followup.film, followup.anatomy))
    return map_points(alignment, first) * size, second * size


def connected_components(
    pairs: list[tuple[int, int]], baseline: int, followup: int
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the components of the graph of pairs, single labels too, ordered by baseline, then follow-up label."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    total = baseline + followup
    if total == 0:
        return []
    rows = [first - 1 for first, _ in pairs]
    cols = [baseline + second - 1 for _, second in pairs]
    graph = coo_array((np.ones(len(pairs), np.int8), (rows, cols)), shape=(total, total))
    _, component = connected_components(graph, directed=False)
    groups: dict[int, tuple[list[int], list[int]]] = {}
    for node, number in enumerate(component.tolist()):
        of_baseline, of_followup = groups.setdefault(number, ([], []))
        if node < baseline:
            of_baseline.append(node + 1)
        else:
            of_followup.append(node - baseline + 1)
    return [(tuple(first), tuple(second)) for first, second in groups.values()]


def status_of(baseline: int, followup: int) -> LinkStatus:
    """Return how many-to-how-many deposits are called."""
    table = {(0, 1): LinkStatus.NEW, (1, 0): LinkStatus.RESOLVED, (1, 1): LinkStatus.MATCHED}
    if (baseline, followup) in table:
        return table[baseline, followup]
    if baseline == 1:
        return LinkStatus.SPLIT
    return LinkStatus.MERGED if followup == 1 else LinkStatus.GROUP


def _overlap_clearly(
    overlaps: RegionOverlaps, cover: NDArray[np.float64], cost: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which pairs lie on one another.

    The two that suit each other best may lie beside one another by the alignment's uncertainty; a further partner
    has to overlap as the films are aligned, or a tiny deposit beside another would be merged into it.
    """
    best_of_1 = _least_by(overlaps.first, cost)
    best_of_2 = _least_by(overlaps.second, cost)
    mutual = (cost <= best_of_1[overlaps.first]) & (cost <= best_of_2[overlaps.second])
    return np.asarray((cover >= JOINED) & (mutual | (overlaps.gap_mm <= 0.0)), np.bool_)


def _least_by(label: NDArray[np.intp], cost: NDArray[np.float64]) -> NDArray[np.float64]:
    least = np.full(int(label.max(initial=0)) + 1, np.inf)
    np.minimum.at(least, label, cost)
    return least


def _areas_mm2(measured: FilmMeasurement) -> NDArray[np.float64]:
    row_mm, col_mm = nominal_spacing_mm(measured.film, measured.anatomy)
    return np.array([deposit.area_px for deposit in measured.deposits]) * row_mm * col_mm


def _reasons(
    own: FilmMeasurement, other: FilmMeasurement, alignment: Alignment, mask: tuple[NDArray[np.bool_], int]
) -> dict[int, tuple[str, str]]:
    """Return for each label why it cannot be compared: where it has a partner, and where it has none."""
    row, col = labelled_pixels(own.labels.image)
    label = own.labels.image[row, col]
    return reasons_of_pixels(
        row, col, label, count=len(own.labels), films=(own.film, other.film), alignment=alignment, mask=mask
    )


def reasons_of_pixels(
    row: NDArray[np.intp],
    col: NDArray[np.intp],
    label: NDArray[np.integer],
    *,
    count: int,
    films: tuple[Radiograph, Radiograph],
    alignment: Alignment,
    mask: tuple[NDArray[np.bool_], int],
) -> dict[int, tuple[str, str]]:
    """Return why deposits cannot be compared, as `_reasons` does, from the pixels of deposits 1 to `count`.

    Parameters
    ----------
    row, col, label
        The pixels, and whose each is.
    count
        How many deposits there are.
    films
        Theirs and the other.
    alignment
        From their film to the other.
    mask
        The common field on their film, and its step.
    """
    inside, step = mask
    pixels = np.bincount(label, minlength=count + 1)
    shown = np.bincount(label, inside[row // step, col // step], count + 1)
    places = map_points(alignment, np.stack([row, col], axis=1).astype(np.float64))
    clipped = np.bincount(label, is_clipped(films[1], places), count + 1)
    reasons = {}
    for number in range(1, count + 1):
        outside = OUTSIDE if shown[number] < LEAST_SHOWN * pixels[number] else ""
        mine = label == number
        amiss = outside or (BURNT_OUT if is_overexposed(films[0], row[mine], col[mine]) else "")
        hidden = CLIPPED if clipped[number] > MOST_CLIPPED * pixels[number] else ""
        reasons[number] = (amiss, amiss or hidden)
    return reasons


def is_overexposed(film: Radiograph, row: NDArray[np.intp], col: NDArray[np.intp]) -> bool:
    """Return whether a film is white about a deposit, which then has no edge there, from the deposit's pixels."""
    if not row.size:
        return False
    own = (slice(int(row.min()), int(row.max()) + 1), slice(int(col.min()), int(col.max()) + 1))
    reach = max(1, round(AROUND_MM / min(nominal_spacing_mm(film))))
    window = pad_box(own, (reach, reach), film.shape)
    white = film.pixels[window] >= film.grey.highest
    if not white.any():
        return False
    mask = np.zeros(white.shape, dtype=np.bool_)
    mask[row - window[0].start, col - window[1].start] = True
    ring = dilated(mask, disc(reach)) & ~mask
    return bool(ring.any() and white[ring].mean() > MOST_CLIPPED)


def is_clipped(film: Radiograph, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether the film is at the end of its grey scale at (row, col) places: nothing can be seen there."""
    at = np.round(places).astype(np.intp)
    at[:, 0] = at[:, 0].clip(0, film.shape[0] - 1)
    at[:, 1] = at[:, 1].clip(0, film.shape[1] - 1)
    value = film.pixels[at[:, 0], at[:, 1]]
    return np.asarray((value <= film.grey.lowest) | (value >= film.grey.highest), np.bool_)


def _link(
    of_baseline: tuple[int, ...],
    of_followup: tuple[int, ...],
    reason: str,
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
) -> Link:
    area_px, area_mm2 = _summed(baseline, of_baseline)
    later_px, later_mm2 = _summed(followup, of_followup)
    return Link(
        status=LinkStatus.NOT_EVALUABLE if reason else status_of(len(of_baseline), len(of_followup)),
        baseline_labels=of_baseline,
        followup_labels=of_followup,
        baseline_area_px=area_px,
        followup_area_px=later_px,
        baseline_area_mm2=area_mm2,
        followup_area_mm2=later_mm2,
        reason=reason,
    )


def _summed(measured: FilmMeasurement, labels: tuple[int, ...]) -> tuple[float, float | None]:
    counted = [measured.deposits[label - 1] for label in labels]
    counted = [deposit for deposit in counted if deposit.finding is Finding.CALCINOSIS]
    area_px = float(sum(deposit.area_px for deposit in counted))
    pixel_mm2 = measured.film.spacing.pixel_area_mm2
    return area_px, None if pixel_mm2 is None else area_px * pixel_mm2
