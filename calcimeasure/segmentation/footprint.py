"""The outline of a piece on the film's own pixels: the best binary estimate of its footprint.

A seed on a coarser grid marks the structure. The estimator that measures the piece outlines it too, so that label and
area agree: the outline network, or without it the edge model, which finds the piece's own contour and how far the
shadow reaches beyond it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box, box_at, pad_box, paste_masks, relative_box
from calcimeasure.deposits import LARGEST_LABEL
from calcimeasure.measurement.coverage_area import context_radius_px, coverage_outline, deposit_coverage
from calcimeasure.measurement.edge_calibration import estimate_area
from calcimeasure.measurement.edge_model import Crop, describe_crop, half_width_px, margin_px
from calcimeasure.models.network_input import NetworkInput
from calcimeasure.radiograph import Radiograph

_LEAST_AGREEMENT = 0.3
_MOST_GROWTH = 2.5
_PASSES, _CONVERGED = 2, 0.03


def seed_on_film(
    region: NDArray[np.bool_], corner: tuple[int, int], factor: tuple[float, float], shape: tuple[int, int]
) -> tuple[NDArray[np.bool_], Box]:
    """Return a region of a coarser grid on the film's pixels, its outline smooth, and where it lies.

    Parameters
    ----------
    region
        The region, with at least one cell of nothing around it.
    corner
        Row and column of its first cell on the coarser grid; may be negative.
    factor
        (rows, columns) film pixels a cell.
    shape
        Shape of the film.
    """
    box = tuple(
        slice(max(int(np.floor(first * step)), 0), min(int(np.ceil((first + cells) * step)), size))
        for first, cells, step, size in zip(corner, region.shape, factor, shape, strict=True)
    )
    rows, cols = (
        ((np.arange(side.start, side.stop) + 0.5) / step - 0.5 - first).astype(np.float32)
        for side, step, first in zip(box, factor, corner, strict=True)
    )
    grid_cols, grid_rows = np.meshgrid(cols, rows)
    share = cv2.remap(region.astype(np.float32), grid_cols, grid_rows, cv2.INTER_LINEAR, borderValue=0)
    mask = share >= 0.5
    if not mask.any() and share.size:
        mask = share >= min(0.5, float(share.max())) if share.max() > 0 else mask
    return np.asarray(mask, dtype=np.bool_), (box[0], box[1])


def footprint(
    film: Radiograph,
    mask: NDArray[np.bool_],
    corner: tuple[int, int],
    *,
    seen: NetworkInput | None = None,
    others: NDArray[np.uint16] | None = None,
    others_up_to: int = LARGEST_LABEL,
) -> tuple[NDArray[np.bool_], Box]:
    """Return the footprint of the structure that a mask points at.

    Parameters
    ----------
    film
        The film.
    seen
        The outline network's input. Without it the edge model outlines.
    mask
        Which structure is meant, on film pixels.
    corner
        Film row and column of the mask's first pixel.
    others
        Label image of the film: pixels of other pieces.
    others_up_to
        Pieces of a higher number are not counted as others.

    Returns
    -------
    tuple
        The footprint and where on the film it lies; the mask itself where the footprint is clearly another structure.
    """
    reach = (margin_px(half_width_px(mask)),) * 2 if seen is None else context_radius_px(seen)
    own_box = box_at(corner, mask.shape)
    box = pad_box(own_box, reach, film.shape)
    own = paste_masks(box, (own_box, mask))
    taken = np.zeros_like(own)
    if others is not None:
        taken = (others[box] > 0) & (others[box] <= others_up_to) & ~own
    found = _by_edge(film, own, taken, box) if seen is None else _by_network(film, own, taken, box, seen=seen)
    found &= ~taken
    return (found if _is_same(own, found) else own), box


def _by_edge(film: Radiograph, own: NDArray[np.bool_], taken: NDArray[np.bool_], box: Box) -> NDArray[np.bool_]:
    """Return the footprint in a box of the film that the edge model finds."""
    valid = np.ones_like(own) if film.padding is None else ~film.padding[box]
    described = describe_crop(Crop(pixels=film.pixels[box], mask=own, others=taken, valid=valid))
    return _to_area(described.edge.inside, estimate_area(described.edge).area_px)


def _by_network(
    film: Radiograph, own: NDArray[np.bool_], taken: NDArray[np.bool_], box: Box, *, seen: NetworkInput
) -> NDArray[np.bool_]:
    """Return the footprint in a box of the film by the outline network.

    Its outline is biased a little towards the mask that it is given; given its own outline, it corrects the mask.
    """
    mask = own
    for _ in range(_PASSES):
        outlined = _one_pass(film, mask, taken, box, seen=seen)
        if not outlined.any():
            return mask
        before, mask = mask, outlined
        if int((before ^ mask).sum()) <= _CONVERGED * int(mask.sum()):
            break
    return mask


def _one_pass(
    film: Radiograph, own: NDArray[np.bool_], taken: NDArray[np.bool_], box: Box, *, seen: NetworkInput
) -> NDArray[np.bool_]:
    result = np.zeros_like(own)
    coverage = deposit_coverage(seen, own, taken, (box[0].start, box[1].start))
    if coverage is None:
        return result
    outline, where = coverage_outline(coverage, film.shape)
    rows, cols = (
        slice(max(side.start, outer.start), max(min(side.stop, outer.stop), side.start, outer.start))
        for side, outer in zip(where, box, strict=True)
    )
    result[relative_box(box, (rows, cols))] = outline[relative_box(where, (rows, cols))]
    return result & ~taken


def _to_area(inside: NDArray[np.bool_], area_px: float) -> NDArray[np.bool_]:
    """Return the mask widened or narrowed evenly to as many pixels as the area."""
    if not inside.any():
        return inside
    outwards = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inwards = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    depth = (outwards - inwards).ravel()
    wanted = int(np.clip(round(area_px), 1, depth.size))
    level = float(np.partition(depth, wanted - 1)[wanted - 1])
    return np.asarray((outwards - inwards) <= level)


def _is_same(meant: NDArray[np.bool_], found: NDArray[np.bool_]) -> bool:
    both = int((meant & found).sum())
    either = int((meant | found).sum())
    return both >= _LEAST_AGREEMENT * either and int(found.sum()) <= _MOST_GROWTH * max(int(meant.sum()), 12)
