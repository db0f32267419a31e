"""From regions on a reduced grid to proposals on the film's own pixels.

Any method that judges a film on a reduced grid ends here: the classical one with its chosen candidates, a network with
the connected parts of its probability map.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.filters import components
from calcimeasure.deposits import LARGEST_LABEL
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.boundary import Box, footprint, seed_on_film
from calcimeasure.segmentation.grouping import group_within_px
from calcimeasure.segmentation.protocol import Proposals, renumbered

MOST_PROPOSALS = 500
LEASH_CELLS = 2.5
"""Half a millimetre: the most by which an outline may pass the region that a network told apart from bone."""
_MOST_OUTLINED = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """One region on a reduced grid.

    Attributes
    ----------
    mask
        The region, cut out.
    corner
        Row and column of the mask's first cell.
    probability
        That it is a piece of a deposit.
    factor
        (rows, columns) film pixels a cell of its grid.
    leash_cells
        How far beyond the region its outline may be drawn; None sets no limit. A region that was told apart from the
        bone beside it must not win that bone back where both are equally bright.
    """

    mask: NDArray[np.bool_]
    corner: tuple[int, int]
    probability: float
    factor: tuple[float, float]
    leash_cells: float | None = None


def regions_of_map(
    probability: NDArray[np.float32],
    factor: tuple[float, float],
    *,
    cut: float,
    weak_cut: float,
    leash_cells: float | None = None,
) -> list[Region]:
    """Return the connected parts of a probability map.

    Parameters
    ----------
    probability
        Probability of each cell of a reduced grid.
    factor
        (rows, columns) film pixels a cell.
    cut
        A part that reaches this is outlined at it.
    weak_cut
        Parts that stay below `cut` are outlined at this lower level: weak proposals.
    leash_cells
        As in `Region`.

    Returns
    -------
    list of Region
        Each with the mean of its upper half as its probability.
    """
    strong = probability >= cut
    weak_labels, weak_stats = components(probability >= weak_cut)
    has_strong = np.zeros(len(weak_stats) + 1, dtype=np.bool_)
    has_strong[np.unique(weak_labels[strong])] = True
    labels, stats = components(strong | ((weak_labels > 0) & ~has_strong[weak_labels]))
    regions = []
    for number, (left, top, width, height, _) in enumerate(stats, start=1):
        box = (slice(top, top + height), slice(left, left + width))
        mask = labels[box] == number
        values = probability[box][mask]
        upper = float(values[values >= np.median(values)].mean())
        regions.append(
            Region(
                mask=mask,
                corner=(int(top), int(left)),
                probability=min(upper, 1.0),
                factor=factor,
                leash_cells=leash_cells,
            )
        )
    return regions


def proposals_from_regions(
    film: Radiograph,
    anatomy: Anatomy,
    regions: list[Region],
    *,
    method: str,
    threshold: float,
    outline_from: float = 0.1,
    warnings: tuple[str, ...] = (),
) -> Proposals:
    """Return regions as proposals: on the film's pixels, the likely ones with their footprint outlined.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    regions
        In any order and on any grids; where two meet, the more probable one keeps the pixels.
    method, threshold, warnings
        As in `Proposals`.
    outline_from
        Regions at least as probable get their outline from the edge model; weaker ones keep the region's own.
    """
    ranked = sorted(regions, key=lambda region: (-region.probability, region.corner))[:MOST_PROPOSALS]
    image = np.zeros(film.shape, dtype=np.uint16)
    placed: list[Region] = []
    for region in ranked:
        corner = (region.corner[0] - 1, region.corner[1] - 1)
        mask, box = seed_on_film(np.pad(region.mask, 1), corner, region.factor, film.shape)
        free = mask & (image[box] == 0)
        if not free.any():
            continue
        placed.append(region)
        image[box][free] = len(placed)
    _outline(film, image, placed, outline_from)
    image, kept = renumbered(image)
    probabilities = np.array([placed[number - 1].probability for number in kept], dtype=np.float64)
    return Proposals(
        image=image,
        probabilities=np.clip(probabilities, 0.0, 1.0),
        threshold=threshold,
        group_within_px=group_within_px(film, anatomy),
        method=method,
        film_sha256=film.sha256,
        warnings=warnings,
    )


def _outline(film: Radiograph, image: NDArray[np.uint16], regions: list[Region], outline_from: float) -> None:
    """Replace the likely pieces in the image by their footprints, the most likely first."""
    likely = sum(region.probability >= outline_from for region in regions[:_MOST_OUTLINED])
    boxes = ndimage.find_objects(image, max_label=likely)
    for number in range(1, likely + 1):
        box = boxes[number - 1]
        mask = image[box] == number
        if not mask.any():
            continue
        corner = (box[0].start, box[1].start)
        found, where = outline_on_film(film, regions[number - 1], mask, corner, others=image, others_up_to=likely)
        view = image[where]
        # What is more likely keeps its pixels; weak neighbours give theirs up.
        found &= (view == 0) | (view == number) | (view > likely)
        view[view == number] = 0
        view[found] = number


def outline_on_film(
    film: Radiograph,
    region: Region,
    mask: NDArray[np.bool_],
    corner: tuple[int, int],
    *,
    others: NDArray[np.uint16],
    others_up_to: int = LARGEST_LABEL,
) -> tuple[NDArray[np.bool_], Box]:
    """Return the footprint of a region, no farther from it than its leash lets it.

    Parameters
    ----------
    film
        The film.
    region
        The region.
    mask, corner
        The region on film pixels, and its first row and column.
    others, others_up_to
        As for `footprint`.
    """
    found, where = footprint(film, mask, corner, others=others, others_up_to=others_up_to)
    if region.leash_cells is None:
        return found, where
    near = np.zeros(found.shape, dtype=np.bool_)
    first = (corner[0] - where[0].start, corner[1] - where[1].start)
    near[first[0] : first[0] + mask.shape[0], first[1] : first[1] + mask.shape[1]] = mask
    reach = [max(1, round(region.leash_cells * step)) for step in region.factor]
    size = (2 * reach[1] + 1, 2 * reach[0] + 1)
    leash = cv2.dilate(near.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size))
    kept = found & (leash > 0)
    return (kept if kept.any() else near), where
