"""Masks and label images in memory become deposits: `labels_from_array`, and the rule on pieces within 2.0 mm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from calcimeasure.boxes import pad_box
from calcimeasure.deposits import LARGEST_LABEL, DepositLabels, Finding, Origin, enum_member, from_label_image
from calcimeasure.errors import LabelsError
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Radiograph

GROUP_WITHIN_MM = 2.0
# No film is marked to this extent: 0 and the deposits are exchanged.
_INVERTED_SHARE = 0.95
_SUSPICIOUS_SHARE = 0.5
_SPLIT_WARNING = (
    "The label image has the one number {number}, so it was taken as a mask: its {count} separate parts are a deposit "
    "each. Give each deposit a number of its own where parts belong together."
)


def labels_from_array(
    array: ArrayLike,
    film: Radiograph | None = None,
    *,
    origin: Origin | str = Origin.DRAWN,
    finding: Finding | str = Finding.CALCINOSIS,
    method: str = "array",
) -> DepositLabels:
    """Return the deposits of a mask or a label image.

    Parameters
    ----------
    array
        Shape (rows, columns), the film's own. A mask (bool, or integers with one number besides 0) is divided into
        its 8-connected components; those within 2.0 mm of each other, edge to edge, are one deposit where the film
        has a spacing. In a label image (integers with several numbers) each number is one deposit.
    film
        The film that the deposits belong to; None leaves shape and spacing unchecked.
    origin
        ``drawn``: the marked pixels are the area. ``auto``: the area is measured from the edge of the deposit.
    finding
        What the deposits are.
    method
        What made them, for the record.

    Returns
    -------
    DepositLabels
        Numbered 1..n; `Deposit.source_label` is the number in a label image that was renumbered.

    Raises
    ------
    LabelsError
        When the array is not 2-D, not of the film's shape, not whole numbers, negative, inverted (nearly all is
        marked) or has more than 65535 deposits.

    See Also
    --------
    read_labels : The same from a file.

    Examples
    --------
    >>> mask = np.zeros((60, 80), bool)
    >>> mask[10:14, 10:20] = mask[40:50, 10:14] = True
    >>> film = cm.film_from_array(np.random.default_rng(0).normal(size=mask.shape), spacing_mm=0.2)
    >>> len(cm.labels_from_array(mask, film))
    2
    >>> [deposit.source_label for deposit in cm.labels_from_array(np.array([[0, 4], [0, 9]])).deposits]
    [4, 9]
    """
    image = np.asarray(array)
    warnings = _checked_array(image, film)
    numbers = np.unique(image[image != 0])
    is_mask = len(numbers) == 1
    if is_mask:
        components = _grouped_components(image != 0, film)
        count = int(components.max())
        if image.dtype != np.bool_ and count > 1:
            text = _SPLIT_WARNING.format(number=numbers[0], count=count)
            warnings = (*warnings, Notice(NoticeCode.MASK_SPLIT, text))
        image = components
    labels = from_label_image(
        image,
        origin=enum_member(Origin, origin),
        finding=enum_member(Finding, finding),
        method=method,
        film_sha256="" if film is None else film.sha256,
        warnings=warnings,
    )
    if not is_mask:
        return labels
    return replace(labels, deposits=tuple(replace(deposit, source_label=None) for deposit in labels.deposits))


def _checked_array(image: NDArray[np.generic], film: Radiograph | None) -> tuple[Notice, ...]:
    """Refuse what is no mask or label image of the film; return a warning where it may be inverted."""
    if not (np.issubdtype(image.dtype, np.integer) or image.dtype == np.bool_):
        raise LabelsError(
            f"a mask or label image must be bool or integers, not {image.dtype}",
            remedy="Pass `array > 0.5` for probabilities, `array.astype(int)` for whole numbers.",
        )
    if image.ndim != 2:
        raise LabelsError(
            f"a mask or label image must be 2-D, not of shape {image.shape}",
            remedy="Pass the labels of one film: one channel, one number per deposit.",
        )
    if film is not None and image.shape != film.shape:
        remedy = "Pass one value per pixel of the film."
        if image.shape == film.shape[::-1]:
            remedy = "Rows and columns are exchanged: pass `array.T`."
        raise LabelsError(f"the array has the shape {image.shape}, the film {film.shape}", remedy=remedy)
    if image.size and image.min() < 0:
        raise LabelsError(f"the array has the negative number {image.min()}", remedy="0 is no deposit, n is deposit n.")
    marked = np.count_nonzero(image) / max(image.size, 1)
    if marked > _INVERTED_SHARE:
        raise LabelsError(
            f"{100 * marked:.3g} % of the film is marked",
            remedy="0 is no deposit: pass `array == 0` where the mask is inverted.",
        )
    return share_doubts(image)


def share_doubts(image: NDArray[np.generic]) -> tuple[Notice, ...]:
    """Return a warning where more of a film is marked than deposits cover."""
    marked = np.count_nonzero(image) / max(image.size, 1)
    if marked <= _SUSPICIOUS_SHARE:
        return ()
    text = f"{100 * marked:.0f} % of the film is marked as deposits: is the mask inverted?"
    return (Notice(NoticeCode.MASK_INVERTED, text),)


def _grouped_components(mask: NDArray[np.bool_], film: Radiograph | None) -> NDArray[np.int64]:
    """Return the 8-connected components of a mask, numbered; with a spacing, those within 2.0 mm as one."""
    from skimage.measure import label

    components, count = label(mask, connectivity=2, return_num=True)
    if film is None or film.spacing.mm is None or count > LARGEST_LABEL:
        return np.asarray(components, np.int64)
    rows_mm, cols_mm = film.spacing.mm
    within_px = (GROUP_WITHIN_MM / rows_mm, GROUP_WITHIN_MM / cols_mm)
    pieces = components.astype(np.uint16)
    return np.asarray(group_pieces(pieces, np.arange(1, count + 1), within_px)[pieces], np.int64)


def group_pieces(
    image: NDArray[np.uint16], wanted: NDArray[np.intp], within_px: tuple[float, float]
) -> NDArray[np.intp]:
    """Return the deposit's number for each piece: 0 for those not wanted, else 1, 2, ... in the order of the pieces.

    Parameters
    ----------
    image
        Label image of the pieces.
    wanted
        Numbers of the pieces to group, rising.
    within_px
        (rows, columns) pixels: the largest gap between the edges of two pieces of one deposit.
    """
    chosen = set(wanted.tolist())
    boxes = ndimage.find_objects(image)
    # Between pixel centres the gap is one pixel more than between the pixels' edges.
    sampling = (1.0 / within_px[0], 1.0 / within_px[1])
    reach = 1.0 + max(sampling)
    near: list[tuple[int, int]] = []
    for number in sorted(chosen):
        window = pad_box(boxes[number - 1], (int(within_px[0]) + 2, int(within_px[1]) + 2), image.shape)
        here = image[window]
        others = chosen.intersection(np.unique(here).tolist()) - {number}
        if others:
            distance = ndimage.distance_transform_edt(here != number, sampling=sampling)
            near += [(number, other) for other in others if float(distance[here == other].min()) <= reach]
    size = int(image.max(initial=0)) + 1
    first, second = np.array(near, dtype=np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(size, size))
    component = connected_components(graph, directed=False)[1].tolist()
    group_of = np.zeros(size, dtype=np.intp)
    groups: dict[int, int] = {}
    for number in sorted(chosen):
        group_of[number] = groups.setdefault(component[number], len(groups) + 1)
    return group_of
