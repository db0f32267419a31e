"""The table of the page: a row a link with its two close-ups and its bar, and the total above them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimeasure.change.change_records import Comparison, Link
from calcimeasure.deposits import Finding
from calcimeasure.export.outline_marks import link_colours
from calcimeasure.export.report import wording
from calcimeasure.export.report.change_bars import Axis, Bar, make_bar
from calcimeasure.export.report.report_pictures import FilmPicture, place_on_other
from calcimeasure.measurement.measurement_records import FilmMeasurement

Corner = NDArray[np.float64]

_CLOSE_UP_MM = 8.0
_CLOSE_UP_SHARE = 0.05
_CLOSE_UP_ROOM = 2.4
_MOST_CLOSE_UPS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseUp:
    """A square of a film's picture around one link's deposits, as the viewBox of an SVG."""

    key: str
    box: str
    there: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRow:
    """One link as the table shows it; every field but the numbers is text."""

    number: int
    colour: str
    status: str
    kind: str
    finding: str
    labels: str
    baseline_area: str
    followup_area: str
    change: str
    interval: str
    detectable: str
    changed: bool
    reason: str
    spoken: str
    bar: Bar | None
    close_ups: tuple[CloseUp, ...]


def report_link_rows(comparison: Comparison, pictures: tuple[FilmPicture, FilmPicture], axis: Axis) -> list[ReportRow]:
    """Return a row a link, in the order of `links.csv`."""
    return [_row(comparison, link, number, pictures, axis) for number, link in enumerate(comparison.links, start=1)]


def unlinked_words(comparison: Comparison) -> str:
    """Return what was marked on the films and is in no link: vessels, joints, artefacts; empty where there is none."""
    parts = []
    for name, measurement, linked in (
        ("baseline", comparison.baseline, {label for link in comparison.links for label in link.baseline_labels}),
        ("follow-up", comparison.followup, {label for link in comparison.links for label in link.followup_labels}),
    ):
        kinds = [str(deposit.finding) for deposit in measurement.deposits if deposit.label not in linked]
        parts += [f"{kinds.count(kind)} {kind} on the {name}" for kind in sorted(set(kinds))]
    return ", ".join(parts)


def _row(
    comparison: Comparison, link: Link, number: int, pictures: tuple[FilmPicture, FilmPicture], axis: Axis
) -> ReportRow:
    findings = _findings(comparison, link)
    digits = wording.percent_digits(comparison)
    in_mm = link.baseline_area_mm2 is not None and link.followup_area_mm2 is not None
    return ReportRow(
        number=number,
        colour=link_colours(comparison)[number - 1],
        status=wording.status_words(link),
        kind=str(link.status),
        finding=", ".join(f"{finding}, not counted" for finding in findings if finding is not Finding.CALCINOSIS),
        labels=_label_words(link),
        baseline_area=_area(link.baseline_labels, link.baseline_area_mm2, link.baseline_area_px, in_mm),
        followup_area=_area(link.followup_labels, link.followup_area_mm2, link.followup_area_px, in_mm),
        change=wording.signed_percent(link.area_change_percent, digits),
        interval=wording.interval_percent(link.ci95_percent, digits),
        detectable={True: "Shown", False: "Not shown", None: wording.NONE}[link.detectable],
        changed=number in comparison.changed_links,
        reason=wording.typographic(link.reason),
        spoken=wording.spoken_link(link, number, digits),
        bar=make_bar(axis, link.area_change_percent, link.ci95_percent),
        close_ups=_close_ups(comparison, link, pictures) if number <= _MOST_CLOSE_UPS else (),
    )


def _area(labels: tuple[int, ...], mm2: float | None, px: float, in_mm: bool) -> str:
    if not labels:
        return wording.NONE
    return wording.area(mm2 if in_mm else None, px)


def _label_words(link: Link) -> str:
    before, after = (
        "+".join(map(str, labels)) or wording.NONE for labels in (link.baseline_labels, link.followup_labels)
    )
    return f"{before} → {after}"


def _findings(comparison: Comparison, link: Link) -> list[Finding]:
    found = {
        *(_finding(comparison.baseline, label) for label in link.baseline_labels),
        *(_finding(comparison.followup, label) for label in link.followup_labels),
    }
    return sorted(found)


def _finding(measurement: FilmMeasurement, label: int) -> Finding:
    return measurement.deposits[label - 1].finding


def _close_ups(comparison: Comparison, link: Link, pictures: tuple[FilmPicture, FilmPicture]) -> tuple[CloseUp, ...]:
    labels = {"baseline": link.baseline_labels, "followup": link.followup_labels}
    centres = {picture.key: _centre(picture, labels[picture.key]) for picture in pictures}
    first, second = pictures
    for here, there in ((first, second), (second, first)):
        known = centres[here.key]
        if centres[there.key] is None and known is not None:
            centres[there.key] = _mapped(comparison, here, there, known)
    # Both close-ups show the same length, so that a deposit that grew looks larger.
    wanted = max(_wanted(picture, labels[picture.key]) / _unit(picture) for picture in pictures)
    found = []
    for picture in pictures:
        centre = centres[picture.key]
        if centre is not None:
            side = wanted * _unit(picture)
            box = f"{centre[0] - side / 2:.1f} {centre[1] - side / 2:.1f} {side:.1f} {side:.1f}"
            found.append(CloseUp(key=picture.key, box=box, there=bool(labels[picture.key])))
    return tuple(found)


def _unit(picture: FilmPicture) -> float:
    """Return picture pixels a millimetre; without a spacing, pixels of a picture of the common size."""
    return 1.0 / picture.mm_per_pixel if picture.mm_per_pixel else max(picture.view.height, picture.view.width)


def _wanted(picture: FilmPicture, labels: tuple[int, ...]) -> float:
    least = _CLOSE_UP_MM * _unit(picture) if picture.mm_per_pixel else _CLOSE_UP_SHARE * _unit(picture)
    box = _box_of(picture, labels)
    return least if box is None else max(least, _CLOSE_UP_ROOM * float((box[1] - box[0]).max()))


def _centre(picture: FilmPicture, labels: tuple[int, ...]) -> tuple[float, float] | None:
    box = _box_of(picture, labels)
    return None if box is None else (float((box[0] + box[1])[0] / 2.0), float((box[0] + box[1])[1] / 2.0))


def _box_of(picture: FilmPicture, labels: tuple[int, ...]) -> tuple[Corner, Corner] | None:
    """Return the lowest and highest (x, y) of some deposits on a picture, or None where it shows none of them."""
    shapes = [shape for shape in picture.shapes if shape.mark.label in labels]
    if not shapes:
        return None
    low = np.min([np.subtract(shape.centre, shape.reach) for shape in shapes], axis=0)
    high = np.max([np.add(shape.centre, shape.reach) for shape in shapes], axis=0)
    return low, high


def _mapped(
    comparison: Comparison, here: FilmPicture, there: FilmPicture, centre: tuple[float, float]
) -> tuple[float, float] | None:
    row = centre[1] / here.view.scale_row + here.view.row0 - 0.5
    col = centre[0] / here.view.scale_col + here.view.col0 - 0.5
    place = place_on_other(comparison, (row, col), of=here.key)
    if place is None:
        return None
    x, y = there.view.to_picture(np.array([place]))[0]
    return (float(x), float(y))
