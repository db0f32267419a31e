"""The exposed field: where the beam reached the film, without borders, collimation blades and unexposed margins.

Collimator blades are straight, so the field is a convex polygon. Blank margins along the film's sides are removed
first; then every long straight edge without anatomy beyond it is a blade, whatever its angle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import blur, dilated, distance_to, eroded, gradient, square
from calcimeasure.boxes import bounding_boxes

if TYPE_CHECKING:
    from calcimeasure.anatomy.reduced_film import ReducedFilm

_FLAT_RANGE = 0.012  # of the grey range: less than this within 3 x 3 cells is blank
_BLANK_LINE_FRACTION = 0.97
_BRIGHT = 0.8
_DARK = 0.06
_MOST_LINES = 60
_MOST_PASSES = 4
_CHORD_SUPPORT = 0.55
_FRAME_SUPPORT = 0.75
_SHORTEST_EDGE_FRACTION = 0.12  # of the short side: a connected edge as long as this beyond a line is anatomy
_LINE_MARGIN_CELLS = 5.0
_FRAME_WIDTH_CELLS = 9.0
_AIR_PERCENTILES = (1, 25)
_AIR_LIKE = 0.015
_SHUTTER_RANGE = 0.03  # of the grey range about the darkest: a blade's shadow
_SMALLEST_MARGIN_SHARE = 0.01
_STRAIGHT = 0.9
_SOLID = 0.98
_BEHIND_CELLS = ((5, 9), (18, 24))  # from a shadow's edge: where air is level and a limb goes on getting thicker
_LEVEL_SHARE = 0.3  # simulated blades 0.1 at most; skin of real and simulated limbs 0.8 and more
_MOST_DETAIL = 0.004  # share of cells beyond a blade that may look like anatomy
_MOST_DETAIL_FRAMED = 0.015  # the same where a frame stands square to it: outside it there is often text


def find_field(film: ReducedFilm) -> NDArray[np.bool_]:
    """Return True where the beam reached the film, on the reduced grid."""
    smooth = blur(film.grey, 1.0)
    blank = _blank(film.grey)
    field = film.recorded & _inside_blank_margins(film.grey, blank)
    if not field.any():
        return field
    field &= ~_bright_margins(smooth, blank, field)
    for _ in range(_MOST_PASSES):  # a blade's chord is shortened by those found before it
        cut = _inside_blades(smooth, field)
        if cut.sum() == field.sum():
            break
        field = cut
    return field & ~_dark_margins(smooth, field)


def _blank(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    spread = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, square(3))
    return np.asarray(spread < _FLAT_RANGE, dtype=np.bool_)


def _inside_blank_margins(grey: NDArray[np.float32], blank: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Remove rows and columns at the sides that are blank and dark but for a line of text, or blank and bright."""
    plain = blank & ((grey < _DARK) | (grey > _BRIGHT))
    keep = np.ones(grey.shape, dtype=np.bool_)
    for axis in (0, 1):
        first, last = _outermost_runs(plain.mean(axis=1 - axis) >= _BLANK_LINE_FRACTION)
        lines = np.arange(grey.shape[axis])
        keep &= np.expand_dims((lines >= first) & (lines < last), 1 - axis)
    return keep


def _outermost_runs(nothing: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the half-open range between the margins; text may interrupt a margin for a few lines."""
    size = nothing.size
    longest_text = max(3, size // 25)

    def margin(line: NDArray[np.bool_]) -> int:
        end = 0
        for position in range(size):
            if line[position]:
                end = position + 1
            elif position - end >= longest_text:
                break
        # A margin that is mostly interruptions is a picture with a few blank lines.
        return end if end and line[:end].mean() > 0.6 else int(np.argmin(line)) if not line.all() else size

    return margin(nothing), size - margin(nothing[::-1])


def _bright_margins(
    smooth: NDArray[np.float32], blank: NDArray[np.bool_], field: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return unexposed margins: blank, bright regions at the film's side with a straight inner edge."""
    margins = np.zeros(smooth.shape, dtype=np.bool_)
    border = _outer_border(field)
    for region in _regions(blank & field & (smooth > _BRIGHT), 0.004 * smooth.size):
        if (region & border).sum() >= 0.15 * min(smooth.shape) and _straightness(region, border) > 0.6:
            margins |= region
    return dilated(margins, square(7))  # the penumbra of the blade belongs to it


def _dark_margins(smooth: NDArray[np.float32], field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return shadows of blades whose edge no line was found for: dark and straight, with air beside them.

    Air beside a straight limb is dark and straight too. But inside the limb's edge brightness goes on rising; beside a
    blade's shadow it is level, and the field that remains is convex.
    """
    margins = np.zeros_like(field)
    if not field.any():
        return margins
    dark = float(np.percentile(smooth[field], 1))
    border = _outer_border(field)
    for region in _regions(field & (np.abs(smooth - dark) < _SHUTTER_RANGE), _SMALLEST_MARGIN_SHARE * field.sum()):
        at_side = (region & border).sum() >= 0.1 * min(field.shape)
        if at_side and _straightness(region, border) > _STRAIGHT and _solidity(field & ~region) > _SOLID:
            margins |= region
    if not margins.any():
        return margins
    apart = distance_to(margins)
    near, far = (field & (apart >= first) & (apart < last) for first, last in _BEHIND_CELLS)
    if not near.any() or not far.any():
        return np.zeros_like(field)
    step = float(np.median(smooth[near])) - dark
    rise = float(np.median(smooth[far])) - float(np.median(smooth[near]))
    if step < _SHUTTER_RANGE or abs(rise) > _LEVEL_SHARE * step:
        return np.zeros_like(field)
    return dilated(margins, square(9))


def _regions(mask: NDArray[np.bool_], smallest: float) -> Iterator[NDArray[np.bool_]]:
    """Yield the connected components of a mask that have at least `smallest` cells."""
    from skimage.measure import label

    labels = label(mask, connectivity=2)
    for number in np.flatnonzero(np.bincount(labels[mask]) >= smallest):
        yield labels == number


def _solidity(mask: NDArray[np.bool_]) -> float:
    """Return the share of its convex hull that a mask fills; 0 for an empty one."""
    from skimage.measure import regionprops

    return max((float(region.solidity) for region in regionprops(mask.astype(np.uint8))), default=0.0)


def _outer_border(field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the outermost cells of the film and those next to cells outside the field."""
    border = np.zeros_like(field)
    border[[0, -1], :] = True
    border[:, [0, -1]] = True
    return border | dilated(~field, square(3))


def _straightness(region: NDArray[np.bool_], border: NDArray[np.bool_]) -> float:
    """Return the share of the region's inner outline that lies on its four best straight lines."""
    inner = region & ~eroded(region, square(3), outside=True)
    points = np.argwhere(inner & ~dilated(border, square(5))).astype(np.float64)
    if len(points) < 8:
        return 1.0
    left = points
    for _ in range(4):
        distances = _distances_to_best_line(left)
        left = left[distances > 2.0]
        if len(left) < 8:
            break
    return 1.0 - len(left) / len(points)


def _distances_to_best_line(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each point's distance to the line through two of them that most lie near (all pairs of a sample)."""
    sample = points[:: max(1, len(points) // 30)]
    best = np.full(len(points), np.inf)
    best_count = -1
    for i in range(len(sample)):
        for j in range(i + 1, len(sample)):
            along = sample[j] - sample[i]
            length = float(np.hypot(*along))
            if length < 4:
                continue
            offsets = points - sample[i]
            distances = np.abs(offsets[:, 0] * along[1] - offsets[:, 1] * along[0]) / length
            count = int((distances < 1.5).sum())
            if count > best_count:
                best, best_count = distances, count
    return best


def _inside_blades(smooth: NDArray[np.float32], field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cut the field along every long straight edge beyond which there is no anatomy."""
    down, right = gradient(smooth)
    strength = np.hypot(down, right)
    inner = eroded(field, square(5))
    if inner.sum() < 400:
        return field
    threshold = max(0.006, float(np.median(strength[inner])) * 2.5)
    edges = _thin_edges(strength, down, right, threshold) & inner
    detail = _long_edges(strength > max(threshold, 0.015), min(field.shape))
    found = cv2.HoughLines(edges.astype(np.uint8), 1.0, np.pi / 360, int(0.25 * min(field.shape)))
    if found is None:
        return field
    candidates = np.asarray(found[:_MOST_LINES, 0, :2], dtype=np.float32)
    lines = _supported_lines(candidates, edges, (down, right), field)
    kept = field.copy()
    for line in lines:
        frame, sides = _own_frame(line, lines)
        most_detail = _MOST_DETAIL_FRAMED if sides >= 2 else _MOST_DETAIL
        outside = _outside_of_blade(line, detail & inner & ~frame, kept, most_detail)
        if outside is not None and not _is_more_air(smooth, outside, line, kept):
            kept &= ~outside
    return kept


@dataclass(frozen=True, kw_only=True, eq=False)
class _Line:
    """A long straight edge: the angle of its normal, and each cell's signed distance from it."""

    angle: float
    distance: NDArray[np.float32]


def _supported_lines(
    candidates: NDArray[np.float32],
    edges: NDArray[np.bool_],
    slopes: tuple[NDArray[np.float32], NDArray[np.float32]],
    field: NDArray[np.bool_],
) -> list[_Line]:
    """Return the lines (offset, angle) that an edge follows over most of their chord through the field."""
    rows, cols = np.indices(field.shape, dtype=np.float32)
    lines = []
    for offset, angle in candidates:
        distance = cols * np.cos(angle) + rows * np.sin(angle) - offset
        length = int(((np.abs(distance) < 0.5) & field).sum())
        on_line = edges & (np.abs(distance) < 1.6) & field
        supported = int(on_line.sum())
        if length < 0.3 * min(field.shape) or supported < _CHORD_SUPPORT * length:
            continue
        across = slopes[1][on_line] * np.cos(angle) + slopes[0][on_line] * np.sin(angle)
        one_sign = abs(float(np.sign(across).mean())) >= 0.6
        # A frame drawn around the picture has an edge of either sign on each side, and is supported all along.
        if one_sign or supported >= _FRAME_SUPPORT * length:
            lines.append(_Line(angle=float(angle), distance=distance))
    return lines


def _own_frame(line: _Line, lines: list[_Line]) -> tuple[NDArray[np.bool_], int]:
    """Return the cells on the line, its double and the lines perpendicular to it, and how many are perpendicular."""
    sides = 0
    cells = np.abs(line.distance) < _FRAME_WIDTH_CELLS
    for other in lines:
        rotation = abs((other.angle - line.angle + np.pi / 2) % np.pi - np.pi / 2)
        square = abs(rotation - np.pi / 2) < np.deg2rad(3)
        double = rotation < np.deg2rad(3) and float(np.abs(line.distance[np.abs(other.distance) < 0.5]).max()) < 15
        if square or double:
            cells |= np.abs(other.distance) < _FRAME_WIDTH_CELLS
            sides += square
    return np.asarray(cells), sides


def _thin_edges(
    strength: NDArray[np.float32],
    down: NDArray[np.float32],
    right: NDArray[np.float32],
    threshold: float,
) -> NDArray[np.bool_]:
    """Return edge cells that are the strongest of three across the edge."""
    steep = np.abs(down) > np.abs(right)
    padded = np.pad(strength, 1)
    vertical = (strength >= padded[:-2, 1:-1]) & (strength >= padded[2:, 1:-1])
    horizontal = (strength >= padded[1:-1, :-2]) & (strength >= padded[1:-1, 2:])
    return (strength > threshold) & np.where(steep, vertical, horizontal)


def _long_edges(edge: NDArray[np.bool_], short_side: int) -> NDArray[np.bool_]:
    from skimage.measure import label

    labels = label(edge, connectivity=2)
    shortest = _SHORTEST_EDGE_FRACTION * short_side
    long = [n for n, box in bounding_boxes(labels).items() if max(side.stop - side.start for side in box) > shortest]
    return np.isin(labels, long)


def _outside_of_blade(
    line: _Line, detail: NDArray[np.bool_], field: NDArray[np.bool_], most_detail: float
) -> NDArray[np.bool_] | None:
    """Return the cells beyond the line where there is no anatomy beyond it, else None."""
    for side in (1.0, -1.0):
        beyond = (line.distance * side > _LINE_MARGIN_CELLS) & field
        inside = (line.distance * side < -_LINE_MARGIN_CELLS) & field
        if not inside.any() or beyond.sum() > 0.7 * field.sum():
            continue
        if (detail & beyond).sum() <= most_detail * beyond.sum() and (detail & inside).sum() > 0.02 * inside.sum():
            return np.asarray(line.distance * side > -1.5)
    return None


def _is_more_air(
    smooth: NDArray[np.float32], outside: NDArray[np.bool_], line: _Line, field: NDArray[np.bool_]
) -> bool:
    """Return whether a line is the limb's own edge: air beyond it and elsewhere, but none along its inside."""
    apart = np.abs(line.distance)
    beyond = smooth[outside & field & (apart > _LINE_MARGIN_CELLS)]
    inside = ~outside & field & (apart > _LINE_MARGIN_CELLS)
    along = smooth[inside & (apart < 3 * _LINE_MARGIN_CELLS)]
    if not beyond.size or not along.size:
        return False
    darkest, dark = np.percentile(smooth[inside], _AIR_PERCENTILES)
    looks_like_air = darkest - _AIR_LIKE < float(np.median(beyond)) < dark + _AIR_LIKE
    return bool(looks_like_air and float(np.percentile(along, 20)) > dark + _AIR_LIKE)
