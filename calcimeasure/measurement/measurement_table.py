"""Measurements as a tidy table."""

from __future__ import annotations

from dataclasses import asdict, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from calcimeasure.deposits import DepositLabels
from calcimeasure.measurement.film_measurement import measure_film
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import Radiograph

if TYPE_CHECKING:
    import pandas as pd

MEASUREMENT_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(DepositMeasurement))
_INTEGERS = ("label", "limb")
_WORDS = ("finding", "area_method", "origin")


def measure(film: Radiograph, labels: DepositLabels) -> pd.DataFrame:
    """Return a row for every deposit of a film.

    Parameters
    ----------
    film
        The film.
    labels
        Its deposits, e.g. from `calcimeasure.segment`.

    Returns
    -------
    DataFrame
        A column for each field of `DepositMeasurement`: areas with standard errors, position, shape and origin. What
        is not known is NaN.

    See Also
    --------
    calcimeasure.measurement.measure_film : The same with the film's total and its warnings.
    """
    return to_frame(measure_film(film, labels))


def to_frame(measurement: FilmMeasurement) -> pd.DataFrame:
    """Return a measured film as a table: one row per deposit; columns and types do not depend on the film."""
    import pandas as pd

    rows = [{name: _plain(value) for name, value in asdict(deposit).items()} for deposit in measurement.deposits]
    frame = pd.DataFrame(rows, columns=list(MEASUREMENT_COLUMNS))
    kinds = dict.fromkeys(MEASUREMENT_COLUMNS, "float64")
    kinds.update(dict.fromkeys(_INTEGERS, "int64"))
    kinds.update(dict.fromkeys(_WORDS, "str"))
    return frame.astype(kinds)


def _plain(value: object) -> object:
    return value.value if isinstance(value, StrEnum) else value
