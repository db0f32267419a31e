"""The automatic reading of a series: every film of a limb measured, its deposits decided over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calcimeasure.anatomy import find_anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation.detect import align_to_first, detect


def read_series(
    films: Sequence[Radiograph],
    *,
    readings: Mapping[str, DepositLabels] | None = None,
    method: str = "auto",
    precision: float | None = None,
) -> list[FilmMeasurement]:
    """Return every film of a limb measured.

    Parameters
    ----------
    films
        Baseline first; all of one limb in one view.
    readings
        Deposits that a person made, by the film's hash: used as they are, and left out of the decision on the others.
    method
        Name of the segmenter.
    precision
        A reader's relative SD of a painted area.
    """
    readings = readings or {}
    anatomies = [find_anatomy(film) for film in films]
    unread = [index for index, film in enumerate(films) if film.sha256 not in readings]
    aligned = align_to_first([films[index] for index in unread], [anatomies[index] for index in unread])
    detected = dict(zip(unread, detect(aligned, method), strict=True))
    return [
        measure_film(
            film,
            detected[index] if index in detected else readings[film.sha256],
            anatomy=anatomies[index],
            precision=precision,
        )
        for index, film in enumerate(films)
    ]
