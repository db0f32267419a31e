"""The limbs on a film: what is brighter than air inside the field, numbered from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import (
    blur,
    closed,
    components,
    depth_inside,
    dilated,
    disc,
    distance_to,
    eroded,
    opened,
    slope,
    square,
)

if TYPE_CHECKING:
    from calcimeasure.anatomy.reduced_film import ReducedFilm

_BINS = 200
_AIR_SHARE = 0.03  # of the field: a darkest mode smaller than this is not air
_RIM_SHARE = 0.05  # of the short side: the rim of the field, where air is looked for
_AIR_ALONG_RIM = 0.1
_DARK_SHARE = 0.6
_MUCH_MORE = 2.5
_LEVELS_TRIED = 14
_SMALLEST_LIMB_SHARE = 0.12  # of the largest limb
_SMALLEST_FIELD_SHARE = 0.02
_AIR_TOLERANCE = 0.03
_CALM_GRADIENT = 0.006
_GROWTH_STEPS = 12
_MOST_UNEVENNESS = 0.3
_WEAKEST_OUTLINE = 0.13
_THREAD_CELLS = 4
_LARGEST_HOLE_SHARE = 0.02  # of the film: what is larger is air between limbs or fingers
_BAND_CELLS = 72
_NECK_RATIO = 0.3  # a neck this narrow beside both parts' girth joins two limbs that touch
_EVEN_SHARE = 0.35
_VALLEY_SHARE = 0.12


@dataclass(frozen=True, kw_only=True, eq=False)
class Limbs:
    """The limbs and what air was taken to be.

    Attributes
    ----------
    labels
        uint8; 0 is no limb, 1 the leftmost.
    air_level, limb_level
        Grey values of air and of the limb's outline, on the reduced film's scale; ``air_level`` is None where the
        limb fills the field.
    """

    labels: NDArray[np.uint8]
    air_level: float | None
    limb_level: float


def find_limbs(film: ReducedFilm, field: NDArray[np.bool_], *, expected: int | None = None) -> Limbs:
    """Return the limbs inside the field.

    Parameters
    ----------
    film, field
        The reduced film and where the beam reached it.
    expected
        How many limbs the header says there are; two that touch are then parted at their narrowest place.
    """
    nothing = Limbs(labels=np.zeros(field.shape, np.uint8), air_level=None, limb_level=0.0)
    if field.sum() < 100:
        return nothing
    smooth = blur(film.grey, 1.2)
    air = _air_level(smooth, field)
    tissue, level = field.copy(), float(smooth[field].min())
    if air is not None:
        above_air = smooth - _air_surface(smooth, field, air)
        above_air -= _side_bands(above_air, field)
        height, sharpness = _outline_height(above_air, field)
        if sharpness >= _WEAKEST_OUTLINE:
            tissue, level = field & (above_air > height), air + height
        else:
            air = None
    parts = _large_parts(_solid(tissue, field), field)
    if not parts:
        return nothing
    parts = _part_touching(parts, expected)
    if len(parts) == 1 and expected == 2:
        parts = _part_along_valley(smooth, parts[0])
    parts.sort(key=lambda part: float(np.nonzero(part)[1].mean()))
    labels = np.zeros(field.shape, np.uint8)
    for number, part in enumerate(parts, start=1):
        labels[part] = number
    return Limbs(labels=labels, air_level=air, limb_level=level)


def _air_level(smooth: NDArray[np.float32], field: NDArray[np.bool_]) -> float | None:
    """Return the dark mode of the field that lies along the field's edge, else None.

    The darkest such mode is air, unless a brighter one fills much more of the edge: then the darkest is what little of
    a shutter was left in the field.
    """
    width = 2 * max(3, round(_RIM_SHARE * min(field.shape))) + 1
    rim = smooth[field & ~eroded(field, square(width))]
    counts, edges = np.histogram(smooth[field], bins=_BINS, range=(-0.1, 1.1))
    density = np.convolve(counts / counts.sum(), np.array([1, 2, 3, 2, 1]) / 9, mode="same")
    cumulative = np.cumsum(density)
    air, share = None, 0.0
    for position in range(1, _BINS - 1):
        if cumulative[max(0, position - 5)] > _DARK_SHARE:
            break
        is_peak = density[position] >= density[position - 1] and density[position] > density[position + 1]
        if not is_peak or density[max(0, position - 5) : position + 6].sum() < _AIR_SHARE:
            continue
        level = float(edges[position] + edges[position + 1]) / 2
        along = float((np.abs(rim - level) < 2 * _AIR_TOLERANCE).mean())
        if along > _AIR_ALONG_RIM and (air is None or along > _MUCH_MORE * share):
            air, share = level, along
    return air


def _air_surface(smooth: NDArray[np.float32], field: NDArray[np.bool_], air: float) -> NDArray[np.float32]:
    """Return the level of air over the whole film: a second-order surface grown outwards from the darkest mode.

    The beam is uneven (heel effect, scatter), often by more than thin soft tissue absorbs. Cells join while they
    lie near the surface, hang together with those before and are no edge.
    """
    rows, cols = np.indices(field.shape, dtype=np.float32)
    rows, cols = rows / max(field.shape) - 0.5, cols / max(field.shape) - 0.5
    terms = np.stack([np.ones_like(rows), rows, cols, rows * rows, rows * cols, cols * cols], axis=-1)
    steepness = slope(smooth)
    inner = eroded(field, square(5))
    seeds = inner & (np.abs(smooth - air) < _AIR_TOLERANCE)
    calm = inner & (steepness < max(_CALM_GRADIENT, 2.0 * float(np.median(steepness[seeds])) if seeds.any() else 0.0))
    surface = np.full(field.shape, air, dtype=np.float32)
    flat_terms = terms.reshape(-1, 6).astype(np.float64)
    members = seeds & calm
    for _ in range(_GROWTH_STEPS):
        if members.sum() < 200:
            break
        sampled = np.flatnonzero(members)[:: max(1, int(members.sum()) // 4000)]
        coefficients = _least_squares(flat_terms[sampled], smooth.ravel()[sampled].astype(np.float64))
        height = (terms * coefficients.astype(np.float32)).sum(axis=-1)
        surface = np.clip(height, air - 0.1, air + _MOST_UNEVENNESS).astype(np.float32)
        near = calm & (np.abs(smooth - surface) < _AIR_TOLERANCE)
        joined = near & dilated(members, square(25))
        if joined.sum() <= 1.002 * members.sum():
            break
        members = joined
    return surface


def _least_squares(terms: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients of a few terms by the normal equations, summed in a fixed order."""
    count = terms.shape[1]
    normal = np.array([[np.sum(terms[:, i] * terms[:, j]) for j in range(count)] for i in range(count)])
    right = np.array([np.sum(terms[:, i] * values) for i in range(count)])
    return np.asarray(np.linalg.solve(normal + 1e-9 * np.eye(count) * np.trace(normal), right))


def _side_bands(above_air: NDArray[np.float32], field: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how much brighter than air the film is along each side of the field where no limb lies.

    Half-shadows of the blades and scatter from the table make a bright band along a side. It is as deep all along, so
    a low percentile at each depth gives it; a limb that covers the side does not fall off with depth.
    """
    depth = depth_inside(field)
    shallow = field & (depth <= _BAND_CELLS)
    side = _nearest_side(field)
    band = np.zeros(field.shape, dtype=np.float32)
    for number in range(4):
        cells = shallow & (side == number)
        if cells.sum() < 4 * _BAND_CELLS:
            continue
        bins = depth[cells].astype(int)
        profile = np.array(
            [
                np.percentile(above_air[cells][bins == d], 35) if (bins == d).any() else 0.0
                for d in range(_BAND_CELLS + 1)
            ]
        )
        if profile[-6:].mean() < 0.03 and profile[:4].max() > 0.02:
            band[cells] = np.maximum(profile, 0)[bins]
    return band


def _nearest_side(field: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return 0 to 3 for cells that the top, bottom, left or right of the field is nearest to, along row or column."""
    steps_down = np.cumsum(field, axis=0)
    steps_right = np.cumsum(field, axis=1)
    distances = np.stack(
        [
            steps_down,
            steps_down[-1:, :] - steps_down,
            steps_right,
            steps_right[:, -1:] - steps_right,
        ]
    )
    return np.asarray(np.argmin(distances, axis=0))


def _outline_height(above_air: NDArray[np.float32], field: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the height above air whose contour runs along the strongest relative edge, and that edge's strength."""
    values = above_air[field]
    below = values[values <= 0]
    noise = 1.4826 * float(np.median(-below)) if below.size > 20 else 0.005
    least = max(0.015, 4 * noise)
    above = values[values > max(0.02, 4 * noise)]
    if above.size < 50:
        return least, np.inf
    tissue = float(np.percentile(above, 40))
    lowest = min(least, 0.5 * tissue)
    compressed = np.log(np.maximum(above_air, 0) + 0.04)
    steepness = slope(compressed.astype(np.float32))
    inner = eroded(field, square(5))
    best, strongest = lowest, -1.0
    for height in np.linspace(lowest, 0.6 * tissue, _LEVELS_TRIED):
        tissue_mask = np.asarray(above_air > height)
        outline = tissue_mask & ~eroded(tissue_mask, square(3), outside=True) & inner
        if outline.sum() < 50:
            continue
        strength = float(np.median(steepness[outline]))
        if strength > strongest:
            best, strongest = float(height), strength
    return best, strongest


def _solid(tissue: NDArray[np.bool_], field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without specks and threads, with its holes filled."""
    mask = closed(tissue, disc(2))
    # Limbs are thick: what is thin is a wire, a frame or the edge of a marker. Corners are given back.
    mask &= dilated(opened(mask, disc(_THREAD_CELLS)), disc(2))
    mask &= field
    labels, stats = components(~mask, connectivity=4)
    for number, (left, top, width, height, area) in enumerate(stats, start=1):
        at_side = left == 0 or top == 0 or left + width == mask.shape[1] or top + height == mask.shape[0]
        if not at_side and area < _LARGEST_HOLE_SHARE * mask.size and field[labels == number].all():
            mask[labels == number] = True
    return mask


def _large_parts(mask: NDArray[np.bool_], field: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return the connected parts that are large enough for a limb; markers and text are not."""
    labels, stats = components(mask, connectivity=4)
    areas = stats[:, 4]
    if areas.size == 0:
        return []
    smallest = max(_SMALLEST_LIMB_SHARE * float(areas.max()), _SMALLEST_FIELD_SHARE * float(field.sum()))
    return [np.asarray(labels == number + 1) for number in np.flatnonzero(areas >= smallest)]


def _part_touching(parts: list[NDArray[np.bool_]], expected: int | None) -> list[NDArray[np.bool_]]:
    """Part two limbs that touch: a neck much narrower than the two even halves it joins."""
    if len(parts) != 1 or expected == 1:
        return parts
    whole = parts[0]
    depth = depth_inside(whole)
    deepest = float(depth.max())
    for erosion in np.linspace(0.06, 0.9 if expected == 2 else _NECK_RATIO, 8) * deepest:
        labels, stats = components(depth > erosion, connectivity=4)
        if len(stats) < 2:
            continue
        first, second = (int(number) + 1 for number in np.argsort(-stats[:, 4], kind="stable")[:2])
        halves = _nearer_of([labels == first, labels == second], whole)
        share = min(float(half.sum()) for half in halves) / float(whole.sum())
        girth = min(float(depth[half].max()) for half in halves)
        if share >= _EVEN_SHARE and (expected == 2 or erosion < _NECK_RATIO * girth):
            return halves
    return parts


def _part_along_valley(smooth: NDArray[np.float32], whole: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Part two limbs that lie side by side where it is darkest between them."""
    for level in np.percentile(smooth[whole], np.arange(4, 64, 4)):
        labels, stats = components(whole & (smooth > level), connectivity=4)
        large = np.flatnonzero(stats[:, 4] >= _VALLEY_SHARE * whole.sum()) + 1
        if len(large) == 2:
            halves = _nearer_of([labels == large[0], labels == large[1]], whole)
            if min(float(half.sum()) for half in halves) >= _EVEN_SHARE * float(whole.sum()):
                return halves
    return [whole]


def _nearer_of(cores: list[NDArray[np.bool_]], whole: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Give every cell of the whole to the core it is nearest to."""
    nearest = np.argmin(np.stack([distance_to(core) for core in cores]), axis=0)
    return [whole & (nearest == number) for number in range(len(cores))]
