"""What a reader clicks on, outlined by a network that is shown the click. Made by `training/click_network.py`.

The click says that there is a deposit, which is what the automatic network has to find out first: this one only has to
say where it ends, beside bone and over it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.filters import components
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.network_input import Prepared, prepared
from calcimeasure.segmentation.network_session import is_installed, open_session
from calcimeasure.segmentation.regions import LEASH_CELLS, Region

MODEL = "clicks.onnx"
_WINDOW = 192
_MARK_SD = 2.0
_CUTS = (0.5, 0.2)
_MISS_CELLS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A click on the film: row and column in film pixels."""

    row: float
    col: float


def clicks_installed() -> bool:
    """Return whether the trained network ships with this installation."""
    return is_installed(MODEL)


def region_clicked(film: Radiograph, anatomy: Anatomy, click: Click, foreign: Iterable[Click]) -> Region | None:
    """Return the piece of a deposit under a click, or None where there is none.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    click
        Where the reader clicked.
    foreign
        Clicks on other pieces, which this one is not to take in.
    """
    seen = prepared(film, anatomy)
    return piece_at(seen, _cell(click, seen.factor), [_cell(other, seen.factor) for other in foreign])


def piece_at(seen: Prepared, at: tuple[int, int], others: Sequence[tuple[int, int]]) -> Region | None:
    """Return the piece at a cell, those at other cells left out; None where the network sees nothing.

    Its probability is the network's mean over it.
    """
    first = (at[0] - _WINDOW // 2, at[1] - _WINDOW // 2)
    own = (_WINDOW // 2, _WINDOW // 2)
    shown = marks((_WINDOW, _WINDOW), [own], [(row - first[0], col - first[1]) for row, col in others])
    inputs = np.concatenate([_window(seen.inputs, first), shown])
    (answer,) = open_session(MODEL).run(None, {"inputs": inputs[np.newaxis]})
    probability = answer[0, 0]
    for cut in _CUTS:
        labels, _ = components(probability >= cut)
        near = labels[own[0] - _MISS_CELLS : own[0] + _MISS_CELLS + 1, own[1] - _MISS_CELLS : own[1] + _MISS_CELLS + 1]
        number = int(labels[own]) or int(near.max())
        if number:
            return _region(labels == number, probability, first, seen.limb.shape, seen.factor)
    return None


def _cell(click: Click, factor: tuple[float, float]) -> tuple[int, int]:
    return int((click.row + 0.5) / factor[0]), int((click.col + 0.5) / factor[1])


def _window(inputs: NDArray[np.float32], first: tuple[int, int]) -> NDArray[np.float32]:
    """Return the window whose first cell is given; what lies beyond the film is the film mirrored at its border."""
    rows, cols = (
        np.array([cv2.borderInterpolate(at, size, cv2.BORDER_REFLECT) for at in range(start, start + _WINDOW)])
        for start, size in zip(first, inputs.shape[1:], strict=True)
    )
    return np.ascontiguousarray(inputs[:, rows[:, None], cols[None, :]])


def _region(
    mask: NDArray[np.bool_],
    probability: NDArray[np.float32],
    first: tuple[int, int],
    shape: tuple[int, ...],
    factor: tuple[float, float],
) -> Region | None:
    """Return a part of the window as a region of the film, nothing of it beyond the film."""
    row, col = np.nonzero(mask)
    on_film = (row + first[0] >= 0) & (row + first[0] < shape[0]) & (col + first[1] >= 0) & (col + first[1] < shape[1])
    if not on_film.any():
        return None
    box = tuple(slice(int(at[on_film].min()), int(at[on_film].max()) + 1) for at in (row, col))
    return Region(
        mask=mask[box],
        corner=(first[0] + box[0].start, first[1] + box[1].start),
        probability=float(probability[mask].mean()),
        factor=factor,
        leash_cells=LEASH_CELLS,
    )


def marks(
    shape: tuple[int, int], own: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]
) -> NDArray[np.float32]:
    """Return the two channels that show a network where was clicked.

    Parameters
    ----------
    shape
        Of the window.
    own, others
        Row and column of the clicks on what is meant, and of those on other pieces; outside the window they are
        left out.

    Returns
    -------
    numpy.ndarray
        float32, (2, rows, cols), 1 at each click, falling off as a normal density of 2 cells.
    """
    return np.stack([_marked(shape, own), _marked(shape, others)])


def _marked(shape: tuple[int, int], clicks: Iterable[tuple[int, int]]) -> NDArray[np.float32]:
    channel = np.zeros(shape, dtype=np.float32)
    reach = int(4 * _MARK_SD)
    for row, col in clicks:
        if not (0 <= row < shape[0] and 0 <= col < shape[1]):
            continue
        box = tuple(slice(max(at - reach, 0), at + reach + 1) for at in (row, col))
        rows, cols = np.ogrid[box[0].start : min(box[0].stop, shape[0]), box[1].start : min(box[1].stop, shape[1])]
        spot = np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / np.float32(2 * _MARK_SD**2))
        view = channel[box]
        np.maximum(view, spot, out=view)
    return channel
