"""What is drawn over a film: each deposit's outline with its number, colour and line.

Colours are chosen to be told apart by colour-blind people and in greyscale print they are doubled: the same number
stands on both films of a pair, and the kind of line says what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.change.change_records import Comparison, LinkStatus
from calcimeasure.deposits import DepositLabels, Finding
from calcimeasure.measurement.measurement_records import FilmMeasurement

Points = NDArray[np.float64]

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

# Fine pixels a film pixel, along a side, that outlines are traced on: fewer where a deposit is large.
_FINE, _FINE_OF_LARGE = 4, 2
_LARGE_PX = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlineMark:
    """One deposit as it is drawn.

    Attributes
    ----------
    label
        Its number on its film.
    text
        What stands beside it: the link's number (with a letter where the link has several deposits on the film), or
        the deposit's own number on a film of its own; empty for a deposit that is in no link.
    link
        Number of its link, from 1; None on a film of its own or without a link.
    outlines
        Closed lines of (row, col) pixel indices of the film, outer and inner ones.
    """

    label: int
    text: str
    link: int | None
    colour: str
    finding: Finding
    status: LinkStatus | None
    outlines: tuple[Points, ...]

    @property
    def dashes(self) -> tuple[float, ...]:
        """Strokes and gaps of its line, in line widths."""
        return DASHES[self.finding]


def spread_colours(places: Sequence[tuple[float, float]]) -> list[str]:
    """Return a colour for each place, in order: the palette first, then each colour again as far off as it can be."""
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
    outlines = outlines_of(measurement.labels)
    colours = spread_colours([(deposit.centroid_row, deposit.centroid_col) for deposit in measurement.deposits])
    return tuple(
        OutlineMark(
            label=deposit.label,
            text=str(deposit.label),
            link=None,
            colour=colours[deposit.label - 1] if deposit.finding is Finding.CALCINOSIS else UNLINKED,
            finding=deposit.finding,
            status=None,
            outlines=outlines[deposit.label],
        )
        for deposit in measurement.deposits
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


def outlines_of(labels: DepositLabels) -> dict[int, tuple[Points, ...]]:
    """Return the outline of each deposit, as closed lines of (row, col) pixel indices, smoothed below a pixel."""
    boxes = ndimage.find_objects(labels.image)
    return {
        label: _outline(labels.image[box] == label, box[0].start, box[1].start)
        for label, box in enumerate(boxes, start=1)
    }


def _linked_marks(
    comparison: Comparison, measurement: FilmMeasurement, labels_of_link: list[tuple[int, ...]]
) -> tuple[OutlineMark, ...]:
    link_of = {label: number for number, labels in enumerate(labels_of_link, start=1) for label in labels}
    outlines, colours = outlines_of(measurement.labels), link_colours(comparison)
    marks = []
    for deposit in measurement.deposits:
        number = link_of.get(deposit.label)
        text, colour, status = "", UNLINKED, None
        if number is not None:
            members = labels_of_link[number - 1]
            text = f"{number}{_letter(members.index(deposit.label)) if len(members) > 1 else ''}"
            status = comparison.links[number - 1].status
            colour = colours[number - 1]
        marks.append(
            OutlineMark(
                label=deposit.label,
                text=text,
                link=number,
                colour=colour,
                finding=deposit.finding,
                status=status,
                outlines=outlines[deposit.label],
            )
        )
    return tuple(marks)


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f".{index + 1}"


def _outline(mask: NDArray[np.bool_], row0: int, col0: int) -> tuple[Points, ...]:
    fine = _FINE if max(mask.shape) <= _LARGE_PX else _FINE_OF_LARGE
    padded = np.pad(mask, 2).astype(np.uint8)
    large = np.repeat(np.repeat(padded, fine, axis=0), fine, axis=1) * np.float32(1.0)
    # Half a film pixel of smoothing takes the stairs off and keeps the place of the edge; a single pixel has a
    # peak below one half after it, hence the lower level.
    smooth = cv2.GaussianBlur(large, (0, 0), 0.5 * fine)
    level = 0.5 * min(float(smooth.max()), 1.0)
    lines, _ = cv2.findContours((smooth > level).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = []
    for line in lines:
        short = cv2.approxPolyDP(line, 0.15 * fine, closed=True)[:, 0, :].astype(np.float64)
        rows = (short[:, 1] + 0.5) / fine - 2.5 + row0
        cols = (short[:, 0] + 0.5) / fine - 2.5 + col0
        outlines.append(np.column_stack([rows, cols]))
    return tuple(outlines)
