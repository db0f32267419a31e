"""Candidates: everything on the film that might be a piece of a deposit, at every size.

A deposit is bright and compact. The background of a size is the largest opening by a line of that length over all
directions: it keeps what extends along a line, bones, cortices and joint lines, and removes what is compact, also where
it touches or lies over bone. The rest above it is cut at several levels; nested cuts stay, and the classifier chooses
between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import blur, components, dilated, disc
from calcimeasure.boxes import Box
from calcimeasure.segmentation.classical_input import ClassicalInput

LINE_LENGTHS_MM = (2.4, 4.8, 9.6, 18.0, 30.0)
LEVELS = (0.06, 0.1, 0.17, 0.28, 0.46, 0.8)
_DIRECTIONS = 12
_CELLS_A_LINE = 21
_COARSEST_CUT_MM = 0.4
_LEAST_SNR = 3.0
_LEAST_PEAK_SNR = 4.5
_LEAST_TOTAL_SNR = 12.0
_SAME_SHARE = 0.88
_SMALLEST_CELLS = 3
_LARGEST_EXTENT = 1.5
_BEYOND_SKIN_MM = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """The candidates of one size at one level, on a grid `coarse` times coarser than the input's.

    Attributes
    ----------
    residual
        Grey less the background of this size.
    labels
        int32; 0 is none, n is the n-th candidate of this cut.
    where, member
        The candidates' cells, as flat indices, and the number of each one's candidate counted from 0.
    boxes
        int32, a row a candidate: left, top, width, height.
    length_mm, level
        The size and the level.
    coarse
        Cells of the input a cell of this grid.
    """

    residual: NDArray[np.float32]
    labels: NDArray[np.int32]
    where: NDArray[np.intp]
    member: NDArray[np.int32]
    boxes: NDArray[np.int32]
    length_mm: float
    level: float
    coarse: int

    @property
    def count(self) -> int:
        """How many candidates it holds."""
        return len(self.boxes)

    def box(self, number: int) -> Box:
        """Return where candidate `number`, counted from 1, lies."""
        left, top, width, height = (int(value) for value in self.boxes[number - 1])
        return slice(top, top + height), slice(left, left + width)


def find_cuts(film: ClassicalInput) -> list[Cut]:
    """Return the candidates of every size and level on a film and 2 mm beyond its skin."""
    smooth = blur(film.grey, 0.7)
    searched = dilated(film.limb, disc(max(1, round(_BEYOND_SKIN_MM / film.cell_spacing_mm))))
    cuts = []
    for length_mm in LINE_LENGTHS_MM:
        finest = round(length_mm / _CELLS_A_LINE / film.cell_spacing_mm)
        coarse = max(1, min(finest, round(_COARSEST_CUT_MM / film.cell_spacing_mm)))
        grey = _shrunk(smooth, coarse)
        rise = _Rise(
            residual=grey - line_background(grey, length_mm / (film.cell_spacing_mm * coarse)),
            noise=_shrunk(film.noise, coarse),
            searched=_shrunk(searched.astype(np.float32), coarse) > 0.5,
            length_mm=length_mm,
            coarse=coarse,
            cell_mm=film.cell_spacing_mm * coarse,
        )
        inner: Cut | None = None
        for level in sorted(LEVELS, reverse=True):
            cut = _cut(rise, level, inner)
            if cut is not None:
                cuts.append(cut)
                inner = cut
    return cuts


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rise:
    """The film above the background of one size."""

    residual: NDArray[np.float32]
    noise: NDArray[np.float32]
    searched: NDArray[np.bool_]
    length_mm: float
    coarse: int
    cell_mm: float


def line_background(image: NDArray[np.float32], length: float) -> NDArray[np.float32]:
    """Return the largest opening by a line of `length` cells over all directions."""
    cells = max(3, round(length) | 1)
    background = np.full(image.shape, -np.inf, dtype=np.float32)
    for direction in range(_DIRECTIONS):
        footprint = _line(cells, np.pi * direction / _DIRECTIONS)
        opened = cv2.morphologyEx(image, cv2.MORPH_OPEN, footprint, borderType=cv2.BORDER_REPLICATE)
        np.maximum(background, opened, out=background)
    return background


def _line(cells: int, angle: float) -> NDArray[np.uint8]:
    footprint = np.zeros((cells, cells), np.uint8)
    half = (cells - 1) / 2
    reach = half * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.rint(half - reach).astype(int), np.rint(half + reach).astype(int)
    return np.asarray(cv2.line(footprint, start.tolist(), end.tolist(), 1, 1), dtype=np.uint8)


def _shrunk(image: NDArray[np.float32], coarse: int) -> NDArray[np.float32]:
    if coarse == 1:
        return image
    shape = (-(-image.shape[1] // coarse), -(-image.shape[0] // coarse))
    return np.asarray(cv2.resize(image, shape, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _cut(rise: _Rise, level: float, inner: Cut | None) -> Cut | None:
    """Return the candidates at a level, without those of almost the same area at `inner`, the next higher level."""
    above = rise.searched & (rise.residual > np.maximum(level, _LEAST_SNR * rise.noise))
    labels, stats = components(above)
    if not len(stats):
        return None
    where = np.flatnonzero(above)
    member = labels.ravel()[where] - 1
    snr = rise.residual.ravel()[where] / rise.noise.ravel()[where]
    peak = np.zeros(len(stats))
    np.maximum.at(peak, member, snr)
    area = stats[:, 4].astype(np.float64)
    total = np.bincount(member, snr, len(stats)) / np.sqrt(area)
    extent_mm = stats[:, 2:4].max(axis=1) * rise.cell_mm
    keep = (area >= _SMALLEST_CELLS) & (extent_mm <= _LARGEST_EXTENT * rise.length_mm)
    keep &= (peak >= _LEAST_PEAK_SNR) & (total >= _LEAST_TOTAL_SNR)
    if inner is not None:
        shared = np.bincount(labels.ravel()[inner.where] - 1, minlength=len(stats))
        keep &= shared < _SAME_SHARE * area
    if not keep.any():
        return None
    number = np.cumsum(keep).astype(np.int32)
    kept = keep[member]
    where, member = where[kept], number[member[kept]] - 1
    labels = np.zeros(labels.shape, dtype=np.int32)
    labels.ravel()[where] = member + 1
    return Cut(
        residual=rise.residual,
        labels=labels,
        where=where,
        member=member,
        boxes=stats[keep, :4],
        length_mm=rise.length_mm,
        level=level,
        coarse=rise.coarse,
    )


def place_on_film(film: ClassicalInput, cut: Cut, box: Box) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return a box's first cell on the cut's grid over the whole film, and (rows, columns) film pixels a cell of it."""
    corner = tuple(side.start + first // cut.coarse for side, first in zip(box, film.origin, strict=True))
    factor = tuple(pixels * cut.coarse for pixels in film.factor)
    return (corner[0], corner[1]), (factor[0], factor[1])
