"""`segment`: the deposits of one film, found automatically."""

from __future__ import annotations

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import UsageError
from calcimeasure.io.film_inputs import FilmLike, SpacingLike, as_film
from calcimeasure.segmentation.classical_segmenter import ClassicalSegmenter
from calcimeasure.segmentation.deposit_grouping import accept_proposals
from calcimeasure.segmentation.network_segmenter import NetworkSegmenter, network_installed
from calcimeasure.segmentation.segmenter import Segmenter

METHODS = ("auto", "network", "classical")


def segment(
    film: FilmLike,
    *,
    spacing_mm: SpacingLike | None = None,
    method: str | Segmenter = "auto",
    anatomy: Anatomy | None = None,
) -> DepositLabels:
    """Return the deposits of a film.

    Parameters
    ----------
    film
        A `Radiograph`, the path of a file, a 2-D array (rows, columns; bone larger than air) or a SimpleITK image.
    spacing_mm
        Distance between the pixels of an array, in mm: one number, or (row, column). For a path it overrides the file.
    method
        ``auto`` (the best method that is installed), the name of one, or any object of the `Segmenter` protocol.
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
        When there is no method of that name, or `film` is none of the above.
    FilmError
        When the file or the array is not one film.

    See Also
    --------
    segment_points : The reader finds, the tool draws the boundary.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("grown")
    >>> labels = cm.segment(baseline)
    >>> labels.image.shape == baseline.shape, len(labels)
    (True, 5)
    """
    film = as_film(film, spacing_mm=spacing_mm)
    segmenter = get_segmenter(method)
    masks = find_anatomy(film) if anatomy is None else anatomy
    return accept_proposals(segmenter.propose(film, masks))


def get_segmenter(method: str | Segmenter = "auto") -> Segmenter:
    """Return the segmenter of a name; a segmenter itself is returned as it is.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if not isinstance(method, str):
        return method
    if method == "network" or (method == "auto" and network_installed()):
        return NetworkSegmenter()
    if method in {"auto", "classical"}:
        return ClassicalSegmenter()
    raise UsageError(f"there is no method '{method}'", remedy=f"Choose one of {', '.join(METHODS)}.")
