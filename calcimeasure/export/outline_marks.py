"""Outlines over a film: each deposit with its number, colour and kind of line.

The colours suit colour-blind readers. They are not needed to read a picture: a link has the same number on both films,
and the kind of line shows the finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcimeasure.change.change_records import Comparison, LinkStatus
from calcimeasure.deposits import Finding
from calcimeasure.io.polygons import Ring, deposit_polygons
from calcimeasure.measurement.measurement_records import FilmMeasurement

# After Okabe and Ito's palette for colour-blind readers, made light enough for a dark film.
PALETTE = ("#56b4e9", "#e69f00", "#2ec4a0", "#f0e442", "#e58fc0", "#ff7f50")
UNLINKED = "#c8ccd2"

# Lengths of stroke and gap in line widths; empty for a solid line.
DASHES: dict[Finding, tuple[float, ...]] = {
    Finding.CALCINOSIS: (),
    Finding.VASCULAR: (5.0, 2.5),
    Finding.ARTICULAR: (1.0, 2.0),
    Finding.OSSIFICATION: (5.0, 2.0, 1.0, 2.0),
    Finding.ARTEFACT: (2.5, 2.5),
    Finding.UNCERTAIN: (8.0, 2.0, 1.0, 2.0, 1.0, 2.0),
}

# Takes the stairs off an outline and keeps the place of the edge.
OUTLINE_SMOOTHING_PX = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlineMark:
    """One deposit as it is drawn.

    Attributes
    ----------
    label
        Its number on its film.
    text
        Number beside it: the link's, with a letter where the link has several deposits on the film; the deposit's own
        on a single film; empty for a deposit without a link.
    link
        Number of its link, from 1; None on a single film or without a link.
    outlines
        Closed lines of (row, col) pixel indices of the film, outer and inner ones.
    """

    label: int
    finding: Finding
    outlines: tuple[Ring, ...]
    text: str = ""
    link: int | None = None
    colour: str = UNLINKED
    status: LinkStatus | None = None

    @property
    def dashes(self) -> tuple[float, ...]:
        """Strokes and gaps of its line, in line widths."""
        return DASHES[self.finding]


def spread_colours(places: Sequence[tuple[float, float]]) -> list[str]:
    """Return a colour for each place, in order: the palette first, then the colour whose nearest use is farthest."""
    chosen: list[int] = []
    for row, col in places:
        nearest = [np.inf] * len(PALETTE)
        for colour, (other_row, other_col) in zip(chosen, places, strict=False):
            nearest[colour] = min(nearest[colour], float(np.hypot(row - other_row, col - other_col)))
        chosen.append(int(np.argmax(nearest)))
    return [PALETTE[colour] for colour in chosen]


def link_colours(comparison: Comparison) -> list[str]:
    """Return the colour of each link; grey for one that cannot be judged."""
    places = []
    for link in comparison.links:
        side, labels = (
            (comparison.baseline, link.baseline_labels)
            if link.baseline_labels
            else (comparison.followup, link.followup_labels)
        )
        first = side.deposits[labels[0] - 1]
        places.append((first.centroid_row, first.centroid_col))
    return [
        UNLINKED if link.status is LinkStatus.NOT_EVALUABLE else colour
        for link, colour in zip(comparison.links, spread_colours(places), strict=True)
    ]


def film_marks(measurement: FilmMeasurement) -> tuple[OutlineMark, ...]:
    """Return the marks of a film on its own: every deposit with its own number."""
    colours = spread_colours([(deposit.centroid_row, deposit.centroid_col) for deposit in measurement.deposits])
    return tuple(
        replace(mark, text=str(mark.label), colour=colour if mark.finding is Finding.CALCINOSIS else UNLINKED)
        for mark, colour in zip(_plain_marks(measurement), colours, strict=True)
    )


def pair_marks(comparison: Comparison) -> tuple[tuple[OutlineMark, ...], tuple[OutlineMark, ...]]:
    """Return the marks of baseline and follow-up: a link has the same number and colour on both.

    Without links (a pair that cannot be compared) each film keeps its own numbers.
    """
    if not comparison.links:
        return film_marks(comparison.baseline), film_marks(comparison.followup)
    baseline = _linked_marks(comparison, comparison.baseline, [link.baseline_labels for link in comparison.links])
    followup = _linked_marks(comparison, comparison.followup, [link.followup_labels for link in comparison.links])
    return baseline, followup


def _plain_marks(measurement: FilmMeasurement) -> list[OutlineMark]:
    outlines = deposit_polygons(measurement.labels, smoothing_px=OUTLINE_SMOOTHING_PX)
    return [
        OutlineMark(label=deposit.label, finding=deposit.finding, outlines=outlines[deposit.label])
        for deposit in measurement.deposits
    ]


def _linked_marks(
    comparison: Comparison, measurement: FilmMeasurement, labels_of_link: list[tuple[int, ...]]
) -> tuple[OutlineMark, ...]:
    link_of = {label: number for number, labels in enumerate(labels_of_link, start=1) for label in labels}
    colours = link_colours(comparison)
    marks = _plain_marks(measurement)
    for index, mark in enumerate(marks):
        number = link_of.get(mark.label)
        if number is None:
            continue
        members = labels_of_link[number - 1]
        letter = _letter(members.index(mark.label)) if len(members) > 1 else ""
        status = comparison.links[number - 1].status
        marks[index] = replace(mark, text=f"{number}{letter}", link=number, colour=colours[number - 1], status=status)
    return tuple(marks)


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f".{index + 1}"
