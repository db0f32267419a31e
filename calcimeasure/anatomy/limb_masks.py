"""The limbs on a film: regions brighter than air inside the field, numbered from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import labeled_comprehension

from calcimeasure.anatomy.image_filters import (
    blur,
    closed,
    depth_inside,
    dilated,
    disc,
    distance_to,
    eroded,
    opened,
    slope,
    square,
)
from calcimeasure.boxes import bounding_boxes

if TYPE_CHECKING:
    from calcimeasure.anatomy.reduced_film import ReducedFilm

_BINS = 200
_AIR_SHARE = 0.03  # of the field: a darkest mode smaller than this is not air
_BORDER_SHARE = 0.05  # of the short side: the border of the field, where air is searched
_AIR_ALONG_BORDER = 0.1
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
    """The limbs of a film and the grey level of air.

    Attributes
    ----------
    labels
        uint8; 0 is no limb, 1 the leftmost.
    air_level
        Grey value of air on the reduced film's scale; None where the limb fills the field.
    """

    labels: NDArray[np.uint8]
    air_level: float | None


def find_limbs(film: ReducedFilm, field: NDArray[np.bool_], *, expected: int | None = None) -> Limbs:
    """Return the limbs inside the field.

    Parameters
    ----------
    film, field
        The reduced film and where the beam reached it.
    expected
        Number of limbs by the header; two that touch are then split at their narrowest place.
    """
    labels = np.zeros(field.shape, np.uint8)
    if field.sum() < 100:
        return Limbs(labels=labels, air_level=None)
    smooth = blur(film.grey, 1.2)
    air = _air_level(smooth, field)
    tissue = field
    if air is not None:
        above_air = smooth - _air_surface(smooth, field, air)
        above_air -= _side_bands(above_air, field)
        height, sharpness = _outline_height(above_air, field)
        if sharpness >= _WEAKEST_OUTLINE:
            tissue = field & (above_air > height)
        else:
            air = None
    parts = _split_at_neck(_large_parts(_clean(tissue, field), field), expected)
    if len(parts) == 1 and expected == 2:
        parts = _split_along_valley(smooth, parts[0])
    parts.sort(key=lambda part: float(np.nonzero(part)[1].mean()))
    for number, part in enumerate(parts, start=1):
        labels[part] = number
    return Limbs(labels=labels, air_level=air if parts else None)


def _air_level(smooth: NDArray[np.float32], field: NDArray[np.bool_]) -> float | None:
    """Return the dark mode of the field that lies along the field's edge, else None.

    The darkest such mode is air, unless a brighter one fills much more of the edge: then the darkest is a rest of a
    shutter in the field.
    """
    width = 2 * max(3, round(_BORDER_SHARE * min(field.shape))) + 1
    border = smooth[field & ~eroded(field, square(width))]
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
        along = float((np.abs(border - level) < 2 * _AIR_TOLERANCE).mean())
        if along > _AIR_ALONG_BORDER and (air is None or along > _MUCH_MORE * share):
            air, share = level, along
    return air


def _air_surface(smooth: NDArray[np.float32], field: NDArray[np.bool_], air: float) -> NDArray[np.float32]:
    """Return the level of air over the whole film: a second-order surface grown outwards from the darkest mode.

    The beam is uneven (heel effect, scatter), often by more than thin soft tissue absorbs. The region grows by cells
    that lie near the surface, are connected to it and are not on an edge.
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

    Penumbra and scatter from the table make a bright band of constant depth along a side, given by a low percentile at
    each depth. A limb that covers the side does not fall off with depth.
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
        depths = np.arange(_BAND_CELLS + 1)
        profile = labeled_comprehension(above_air[cells], bins, depths, lambda v: np.percentile(v, 35), float, 0.0)
        if profile[-6:].mean() < 0.03 and profile[:4].max() > 0.02:
            band[cells] = np.maximum(profile, 0)[bins]
    return band


def _nearest_side(field: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return 0 to 3 for cells that the top, bottom, left or right of the field is nearest to, along row or column."""
    down, right = np.cumsum(field, axis=0), np.cumsum(field, axis=1)
    return np.asarray(np.argmin(np.stack([down, down[-1:] - down, right, right[:, -1:] - right]), axis=0))


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


def _clean(tissue: NDArray[np.bool_], field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without small and thin components, with its holes filled."""
    from skimage.measure import label
    from skimage.segmentation import clear_border

    mask = closed(tissue, disc(2))
    # Limbs are thick: thin components are wires, frames or edges of markers. Corners are restored.
    mask &= dilated(opened(mask, disc(_THREAD_CELLS)), disc(2))
    mask &= field
    holes = clear_border(label(~mask, connectivity=1))
    for number, box in bounding_boxes(holes).items():
        hole = holes[box] == number
        if hole.sum() < _LARGEST_HOLE_SHARE * mask.size and field[box][hole].all():
            mask[box] |= hole
    return mask


def _components(mask: NDArray[np.bool_], smallest: float = 1.0) -> list[NDArray[np.bool_]]:
    """Return the 4-connected components of a mask that have at least `smallest` cells."""
    from skimage.measure import label

    labels = label(mask, connectivity=1)
    areas = np.bincount(labels.ravel())[1:]
    return [labels == number for number in np.flatnonzero(areas >= smallest) + 1]


def _large_parts(mask: NDArray[np.bool_], field: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return the components that are large enough for a limb; markers and text are not."""
    parts = _components(mask, _SMALLEST_FIELD_SHARE * float(field.sum()))
    largest = max((part.sum() for part in parts), default=0)
    return [part for part in parts if part.sum() >= _SMALLEST_LIMB_SHARE * largest]


def _split_at_neck(parts: list[NDArray[np.bool_]], expected: int | None) -> list[NDArray[np.bool_]]:
    """Split two limbs that touch: a neck much narrower than the two halves of like size that it joins."""
    if len(parts) != 1 or expected == 1:
        return parts
    whole = parts[0]
    depth = depth_inside(whole)
    for erosion in np.linspace(0.06, 0.9 if expected == 2 else _NECK_RATIO, 8) * float(depth.max()):
        cores = sorted(_components(depth > erosion), key=np.count_nonzero, reverse=True)
        if len(cores) < 2:
            continue
        halves = _nearest_core(cores[:2], whole)
        girth = min(float(depth[half].max()) for half in halves)
        if _of_like_size(halves, whole) and (expected == 2 or erosion < _NECK_RATIO * girth):
            return halves
    return parts


def _split_along_valley(smooth: NDArray[np.float32], whole: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Split two limbs that lie side by side where it is darkest between them."""
    for level in np.percentile(smooth[whole], np.arange(4, 64, 4)):
        cores = _components(whole & (smooth > level), _VALLEY_SHARE * whole.sum())
        if len(cores) == 2:
            halves = _nearest_core(cores, whole)
            if _of_like_size(halves, whole):
                return halves
    return [whole]


def _of_like_size(halves: list[NDArray[np.bool_]], whole: NDArray[np.bool_]) -> bool:
    return min(float(half.sum()) for half in halves) >= _EVEN_SHARE * float(whole.sum())


def _nearest_core(cores: list[NDArray[np.bool_]], whole: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return the cells of the whole that are nearest to each core."""
    nearest = np.argmin(np.stack([distance_to(core) for core in cores]), axis=0)
    return [whole & (nearest == number) for number in range(len(cores))]
