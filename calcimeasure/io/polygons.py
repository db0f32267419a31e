"""Deposits as polygons: outlines of their pixels by `skimage.measure.find_contours`, and a JSON file of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import bounding_boxes
from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin
from calcimeasure.errors import FilmError, LabelsError, UsageError
from calcimeasure.io.atomic_output import replace_file
from calcimeasure.io.film_parts import check_size

SCHEMA = "calcimeasure.polygons/1"

Ring = NDArray[np.float64]
"""A closed line of (row, col) pixel indices, (n, 2); the first point is not repeated at the end."""


def deposit_polygons(labels: DepositLabels, *, smoothing_px: float = 0.0) -> dict[int, tuple[Ring, ...]]:
    """Return the outline of each deposit, by number: the rings around its pieces and around their holes.

    Parameters
    ----------
    labels
        The deposits.
    smoothing_px
        Standard deviation of a Gaussian that takes the stairs off the outline, for drawing. Without it the rings run
        half way between the pixels, and `polygons_to_image` gives the same pixels back.

    Returns
    -------
    dict
        By number, rings of float64, (n, 2): (row, column) pixel indices, the first point not repeated at the end.

    Raises
    ------
    UsageError
        When `labels` is not `DepositLabels`.

    Examples
    --------
    >>> mask = np.zeros((40, 60), bool)
    >>> mask[10:20, 30:50] = True
    >>> ((ring,),) = cm.deposit_polygons(cm.labels_from_array(mask)).values()
    >>> ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    ([9.5, 29.5], [19.5, 49.5])
    """
    if not isinstance(labels, DepositLabels):
        raise UsageError(
            f"a {type(labels).__name__} is not DepositLabels", where="labels", remedy="Pass labels_from_array(array)."
        )
    return {
        number: mask_rings(labels.image[box] == number, (box[0].start, box[1].start), smoothing_px=smoothing_px)
        for number, box in bounding_boxes(labels.image).items()
    }


def mask_rings(
    mask: NDArray[np.bool_], corner: tuple[int, int] = (0, 0), *, smoothing_px: float = 0.0
) -> tuple[Ring, ...]:
    """Return the rings around the True pixels of a mask whose first pixel lies at `corner`."""
    from skimage.filters import gaussian
    from skimage.measure import find_contours

    margin = 1 + int(np.ceil(4 * smoothing_px))
    inside = np.pad(mask, margin).astype(np.float64)
    if smoothing_px > 0:
        inside = gaussian(inside, smoothing_px)
    rings = find_contours(inside, 0.5 * float(inside.max()), fully_connected="high")  # a single pixel peaks below one
    tolerance = max(0.3 * smoothing_px, 1e-3)
    return tuple(_simplified(ring[:-1], tolerance) + np.subtract(corner, margin) for ring in rings)


def _simplified(ring: Ring, tolerance: float) -> Ring:
    """Return a ring without the points that move it by less than the tolerance (Douglas and Peucker)."""
    return np.asarray(cv2.approxPolyDP(ring.astype(np.float32), tolerance, closed=True)[:, 0], dtype=np.float64)


def polygons_to_image(polygons: Mapping[int, Sequence[Ring]], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the label image of what polygons enclose (even-odd rule), on a film of a shape."""
    from skimage.draw import polygon

    image = np.zeros(shape, dtype=np.uint16)
    for number, rings in polygons.items():
        inside = np.zeros(shape, dtype=np.bool_)
        for ring in rings:
            inside[polygon(ring[:, 0], ring[:, 1], shape)] ^= True
        image[inside] = number
    return image


def write_polygons(path: Path | str, labels: DepositLabels) -> None:
    """Write the exact outlines of a film's deposits as JSON: ``schema``, ``shape`` and ``deposits`` with ``rings``."""
    polygons = deposit_polygons(labels)
    deposits = [
        {
            "label": deposit.label,
            "finding": str(deposit.finding),
            "origin": str(deposit.origin),
            "confidence": deposit.confidence,
            "rings": [ring.tolist() for ring in polygons[deposit.label]],
        }
        for deposit in labels.deposits
    ]
    head = {"schema": SCHEMA, "shape": labels.image.shape, "film_sha256": labels.film_sha256, "method": labels.method}
    replace_file(Path(path), (json.dumps({**head, "deposits": deposits}) + "\n").encode())


def read_polygons(path: Path | str) -> DepositLabels:
    """Return the deposits of a file written by `write_polygons`.

    Raises
    ------
    LabelsError
        When the file is not one.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        rows, cols = (int(size) for size in record["shape"])
        check_size(rows, cols, str(path))
        rings = {
            entry["label"]: [np.array(ring, dtype=np.float64).reshape(-1, 2) for ring in entry["rings"]]
            for entry in record["deposits"]
        }
        return DepositLabels(
            image=polygons_to_image(rings, (rows, cols)),
            deposits=tuple(
                Deposit(
                    label=entry["label"],
                    finding=Finding(entry["finding"]),
                    origin=Origin(entry["origin"]),
                    confidence=entry["confidence"],
                )
                for entry in record["deposits"]
            ),
            method=record["method"],
            film_sha256=record["film_sha256"],
        )
    except FilmError as error:
        raise LabelsError(error.problem, where=str(path), remedy=error.remedy) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise LabelsError(f"the polygons could not be read: {error}", where=str(path)) from error
