"""The outline network: how far a deposit reaches that a click or a mask marks. Made by `training/outline_network.py`.

Unlike the detection network it does not decide whether there is a deposit, only how far it reaches, beside bone and
over it. It gives the share of every cell that the deposit covers, so that the sum over the cells is its area.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.anatomy.image_filters import exact_distance
from calcimeasure.models.inference import model_installed, open_session
from calcimeasure.models.network_input import NetworkInput, network_input
from calcimeasure.parallel import parallel_map
from calcimeasure.radiograph import Radiograph

OUTLINE_MODEL = "outlines.onnx"
# A deposit lies within this many cells of its mask: 3 mm.
TERRITORY_RADIUS_CELLS = 15
_MARK_SD = 2.0
_FLIPS = ((1, 1), (-1, 1), (1, -1), (-1, -1))


def outline_network_installed() -> bool:
    """Return whether the trained network ships with this installation."""
    return model_installed(OUTLINE_MODEL)


def outline_network_input(film: Radiograph, anatomy: Anatomy) -> NetworkInput | None:
    """Return the network's input; None where there is no network, or no limb to scale the grey values by."""
    return network_input(film, anatomy) if outline_network_installed() and anatomy.limb_count else None


def predict_coverage(
    seen: NetworkInput,
    pointed: NDArray[np.float32],
    first: tuple[int, int],
    *,
    mirrored: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the share of each cell of a window that the structure pointed at covers, and the error of an area there.

    Parameters
    ----------
    seen
        The film.
    pointed
        float32, (2, rows, cols), sides divisible by 16: the deposit, and other deposits; from `click_planes`, or
        masks.
    first
        Row and column of the window's first cell; what lies beyond the film is the film mirrored at its border.
    mirrored
        Average over the window mirrored up and down and left and right: areas then repeat better.

    Returns
    -------
    share
        float32, (rows, cols): the share of each cell that the deposit covers.
    log_error
        float32, (rows, cols): the logarithm of the relative error (Laplace's scale) of an area there.
    """
    inputs = np.concatenate([_window(seen.inputs, first, pointed.shape[1:]), pointed])
    session = open_session(OUTLINE_MODEL)

    def predict(flips: tuple[int, int]) -> NDArray[np.float32]:
        down, across = flips
        (output,) = session.run(None, {"inputs": np.ascontiguousarray(inputs[np.newaxis, :, ::down, ::across])})
        flipped_back: NDArray[np.float32] = output[0, :, ::down, ::across]
        return flipped_back

    outputs = parallel_map(predict, _FLIPS if mirrored else _FLIPS[:1], brief=True)
    mean: NDArray[np.float32] = np.mean(np.stack(outputs), axis=0, dtype=np.float32)
    return mean[0], mean[1]


def territory(own: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells that may belong to a mask's deposit: within 3 mm of the mask, and no nearer to another one.

    Parameters
    ----------
    own, others
        bool, (rows, cols): the deposit's mask, and the masks of all other deposits.
    """
    distance = exact_distance(~own)
    return (distance <= TERRITORY_RADIUS_CELLS) & (distance <= exact_distance(~others))


def click_planes(
    shape: tuple[int, int], own: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]
) -> NDArray[np.float32]:
    """Return the two input channels of clicks.

    Parameters
    ----------
    shape
        Of the window.
    own, others
        Row and column of the clicks on the deposit, and of those on other pieces; outside the window they are left
        out.

    Returns
    -------
    numpy.ndarray
        float32, (2, rows, cols), 1 at each click, falling off as a normal density of 2 cells.
    """
    return np.stack([_marked(shape, own), _marked(shape, others)])


def _window(inputs: NDArray[np.float32], first: tuple[int, int], size: tuple[int, ...]) -> NDArray[np.float32]:
    rows, cols = (
        np.array([cv2.borderInterpolate(at, cells, cv2.BORDER_REFLECT) for at in range(start, start + wanted)])
        for start, cells, wanted in zip(first, inputs.shape[1:], size, strict=True)
    )
    return np.ascontiguousarray(inputs[:, rows[:, None], cols[None, :]])


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
