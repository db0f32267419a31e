"""`segment`: the deposits of one film, found automatically."""

from __future__ import annotations

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import UsageError
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.classical_segmenter import ClassicalSegmenter
from calcimeasure.segmentation.network_segmenter import NetworkSegmenter, network_installed
from calcimeasure.segmentation.segmenter import Segmenter

METHODS = ("auto", "network", "classical")


def segment(film: Radiograph, *, method: str = "auto", anatomy: Anatomy | None = None) -> DepositLabels:
    """Return the deposits of a film.

    Parameters
    ----------
    film
        The film.
    method
        ``auto`` (the best method that is installed) or the name of one.
    anatomy
        The film's masks, where they are known already.

    Returns
    -------
    DepositLabels
        On the film's own pixels; every deposit with the probability that it is calcinosis. A film without a limb, or
        without a picture, has none and a warning.

    Raises
    ------
    UsageError
        When there is no method of that name.

    See Also
    --------
    segment_points : The reader finds, the tool draws the boundary.
    """
    segmenter = get_segmenter(method)
    masks = find_anatomy(film) if anatomy is None else anatomy
    return segmenter.accept(segmenter.propose(film, masks))


def get_segmenter(method: str = "auto") -> Segmenter:
    """Return the segmenter of a name.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if method == "network" or (method == "auto" and network_installed()):
        return NetworkSegmenter()
    if method in {"auto", "classical"}:
        return ClassicalSegmenter()
    raise UsageError(f"there is no method '{method}'", remedy=f"Choose one of {', '.join(METHODS)}.")
