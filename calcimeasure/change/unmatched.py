"""Deposits of one film only: the probability that the other film really lacks them, and its limit of detection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change.change_records import UNMATCHED, Link, LinkStatus
from calcimeasure.deposits import DepositLabels, Origin
from calcimeasure.errors import UsageError
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation import Segmenter, get_segmenter
from calcimeasure.segmentation.presence import measure_presence, presence_image

_UNKNOWN_ABSENCE = 0.5


def outlined_automatically(measured: Sequence[FilmMeasurement]) -> bool:
    """Return whether a program outlined all deposits, detected or clicked."""
    return _all_of_origin(measured, Origin.AUTO, Origin.CLICKED)


def _all_of_origin(measured: Sequence[FilmMeasurement], *origins: Origin) -> bool:
    return all(deposit.origin in origins for film in measured for deposit in film.deposits)


def pair_limit_of_detection(
    measured: Sequence[FilmMeasurement],
    given: float | None,
    labels: Iterable[DepositLabels],
    method: str | Segmenter = "auto",
) -> float | None:
    """Return the area in mm² of a deposit that would be detected 95 times in 100; None where unknown.

    Parameters
    ----------
    measured
        Both films.
    given
        The limit that was stated for whoever read the films; it takes precedence.
    labels
        The labels that both films started from: their segmenter's limit counts where every deposit is still automatic.
    method
        The segmenter, where it is not one of the package's own.
    """
    names = {one.method.partition("/")[0] for one in labels}
    if given is not None or len(names) != 1 or not _all_of_origin(measured, Origin.AUTO):
        return given
    name = names.pop()
    if not isinstance(method, str) and method.name.partition("/")[0] == name:
        return method.limit_of_detection_mm2
    try:
        return get_segmenter(name).limit_of_detection_mm2
    except UsageError:
        return None  # labels that were made elsewhere


def with_absent_probabilities(
    links: Sequence[Link],
    measured: Sequence[FilmMeasurement],
    alignment: Alignment,
) -> tuple[Link, ...]:
    """Return the links, new and resolved ones with the probability that the deposit is not on the other film."""
    if not outlined_automatically(measured) or not any(link.status in UNMATCHED for link in links):
        return tuple(links)
    images = [presence_image(film.film, film.anatomy or find_anatomy(film.film)) for film in measured]
    cells = [image.on_cells(film.labels.image) for image, film in zip(images, measured, strict=True)]
    back = inverse(alignment, measured[1].film.shape)

    def with_probability(link: Link) -> Link:
        new = link.status is LinkStatus.NEW
        mask = np.isin(cells[new], link.followup_labels if new else link.baseline_labels)
        others = (cells[new] > 0) & ~mask
        presence = measure_presence(mask, others, images[new], images[not new], back if new else alignment)
        return replace(link, absent_probability=_UNKNOWN_ABSENCE if presence is None else presence.absent)

    return tuple(with_probability(link) if link.status in UNMATCHED else link for link in links)
