"""Deposits found on one film only: whether the other film really lacks them, and what it would have shown."""

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
from calcimeasure.segmentation import get_segmenter
from calcimeasure.segmentation.recover_missed import measure_presence, presence_image

# Where the other film cannot tell.
_OPEN = 0.5


def outlined_automatically(measured: Sequence[FilmMeasurement]) -> bool:
    """Return whether a program drew all deposits, found or clicked on: what it drew of one may be too little."""
    return _all_are(measured, Origin.AUTO, Origin.CLICKED)


def _all_are(measured: Sequence[FilmMeasurement], *origins: Origin) -> bool:
    return all(deposit.origin in origins for film in measured for deposit in film.deposits)


def pair_limit_of_detection(
    measured: Sequence[FilmMeasurement], given: float | None, labels: Iterable[DepositLabels]
) -> float | None:
    """Return the area in mm2 of a deposit that would be found 95 times in 100.

    Parameters
    ----------
    measured
        Both films.
    given
        What whoever read the films stated; it comes first.
    labels
        What the deposits of both films started from: their segmenter's limit counts where nobody touched them.

    Returns
    -------
    float or None
        None where nobody knows.
    """
    methods = {one.method.partition("/")[0] for one in labels}
    if given is not None or len(methods) != 1 or not _all_are(measured, Origin.AUTO):
        return given
    try:
        return get_segmenter(methods.pop()).limit_of_detection_mm2
    except UsageError:
        # Labels that were made elsewhere.
        return None


def with_absent_probabilities(
    links: Sequence[Link],
    measured: Sequence[FilmMeasurement],
    alignment: Alignment,
) -> tuple[Link, ...]:
    """Return the links, new and resolved ones with the probability that the deposit is not on the other film.

    Parameters
    ----------
    links
        Of both films.
    measured
        Baseline and follow-up.
    alignment
        Baseline to follow-up.
    """
    if not outlined_automatically(measured) or not any(link.status in UNMATCHED for link in links):
        return tuple(links)
    sights = [presence_image(film.film, film.anatomy or find_anatomy(film.film)) for film in measured]
    cells = [sight.on_cells(film.labels.image) for sight, film in zip(sights, measured, strict=True)]
    back = inverse(alignment, measured[1].film.shape)

    def asked(link: Link) -> Link:
        new = link.status is LinkStatus.NEW
        mask = np.isin(cells[new], link.followup_labels if new else link.baseline_labels)
        way = back if new else alignment
        seen = measure_presence(mask, (cells[new] > 0) & ~mask, sights[new], sights[not new], way)
        return replace(link, absent_probability=_OPEN if seen is None else seen.absent)

    return tuple(asked(link) if link.status in UNMATCHED else link for link in links)
