"""From regions on a reduced grid to proposals on the film's own pixels.

The classical method comes with its chosen candidates, a network with the connected components of its probability map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import components
from calcimeasure.boxes import Box, box_at, union_box
from calcimeasure.models.outline_network import outline_network_input
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.notices import Notice
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.footprint import footprint, seed_on_film
from calcimeasure.segmentation.segmenter import Proposals, renumber_labels

MAX_PROPOSALS = 500
_MAX_OUTLINED = 60


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
    """

    mask: NDArray[np.bool_]
    corner: tuple[int, int]
    probability: float
    factor: tuple[float, float]

    @property
    def box(self) -> Box:
        """Where on its grid it lies."""
        return box_at(self.corner, self.mask.shape)

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return int(self.mask.sum())


def regions_of_map(
    probability: NDArray[np.float32],
    factor: tuple[float, float],
    *,
    cut: float,
    weak_cut: float,
) -> list[Region]:
    """Return the connected components of a probability map.

    Parameters
    ----------
    probability
        Probability of each cell of a reduced grid.
    factor
        (rows, columns) film pixels a cell.
    cut
        A component that reaches this is outlined at it.
    weak_cut
        Components that stay below `cut` are outlined at this lower level: weak proposals.

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
        box = box_at((top, left), (height, width))
        mask = labels[box] == number
        values = probability[box][mask]
        upper = float(values[values >= np.median(values)].mean())
        regions.append(
            Region(
                mask=mask,
                corner=(int(top), int(left)),
                probability=min(upper, 1.0),
                factor=factor,
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
    warnings: tuple[Notice, ...] = (),
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
    ranked = sorted(regions, key=lambda region: (-region.probability, region.corner))[:MAX_PROPOSALS]
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
    likely = sum(region.probability >= outline_from for region in placed[:_MAX_OUTLINED])
    draw_outlines(film, anatomy, image, likely)
    image, kept = renumber_labels(image)
    probabilities = np.array([placed[number - 1].probability for number in kept], dtype=np.float64)
    return Proposals(
        image=image,
        probabilities=np.clip(probabilities, 0.0, 1.0),
        threshold=threshold,
        pixel_mm=nominal_spacing_mm(film, anatomy),
        method=method,
        film_sha256=film.sha256,
        warnings=warnings,
    )


def draw_outlines(
    film: Radiograph, anatomy: Anatomy, image: NDArray[np.uint16], count: int, *, within: Box | None = None
) -> Box:
    """Replace pieces in the image by their footprints, none taking the pixels of another.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    image
        Pieces numbered from 1, changed in place: a piece of a lower number keeps its pixels, and those beyond `count`
        give theirs up.
    count
        How many of them are drawn.
    within
        A window that holds all pieces, where one is known.

    Returns
    -------
    tuple
        A window that holds what was drawn too.
    """
    seen = outline_network_input(film, anatomy)
    window = within or (slice(0, image.shape[0]), slice(0, image.shape[1]))
    first = (window[0].start, window[1].start)
    boxes = ndimage.find_objects(image[window], max_label=count) if count else []  # 0 would mean all
    for number, box in enumerate(boxes, start=1):
        corner = (box[0].start + first[0], box[1].start + first[1])
        mask = image[box_at(corner, (box[0].stop - box[0].start, box[1].stop - box[1].start))] == number
        if not mask.any():
            continue
        found, where = footprint(film, mask, corner, seen=seen, others=image, others_up_to=count)
        view = image[where]
        found &= (view == 0) | (view == number) | (view > count)
        if found.any():
            view[view == number] = 0
            view[found] = number
            window = union_box(window, where)
    return window
