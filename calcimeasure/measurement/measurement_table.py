"""Measurements as a tidy table."""

from __future__ import annotations

from dataclasses import asdict, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from calcimeasure.io.film_inputs import FilmLike, LabelsLike, SpacingLike, as_film
from calcimeasure.measurement.film_measurement import measure_film
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement

if TYPE_CHECKING:
    import pandas as pd

MEASUREMENT_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(DepositMeasurement))
_INTEGERS = ("label", "limb")
_WORDS = ("finding", "area_method", "origin", "area_estimator")


def measure(
    film: FilmLike, labels: LabelsLike, *, spacing_mm: SpacingLike | None = None, precision: float | None = None
) -> pd.DataFrame:
    """Return a row for every deposit of a film.

    Parameters
    ----------
    film, spacing_mm
        As for `segment`.
    labels
        Its deposits: `DepositLabels`, the path of a label image, or a mask or label image of the film's shape
        (`labels_from_array` says how they are read).
    precision
        As for `measure_film`.

    Returns
    -------
    DataFrame
        A column for each field of `DepositMeasurement`: areas with standard errors, position, shape and origin. What
        is not known is NaN.

    Raises
    ------
    UsageError
        When `film` or `labels` is none of the above, or the precision is not a positive number.
    LabelsError
        When the labels do not fit the film.

    See Also
    --------
    measure_film : The same with the film's total and its warnings.

    Examples
    --------
    >>> pixels, mask = np.ones((200, 120)), np.zeros((200, 120), bool)
    >>> mask[80:90, 50:60] = mask[120:130, 50:70] = True
    >>> cm.measure(pixels + mask, mask, spacing_mm=0.1)[["label", "area_px", "area_mm2"]].round(2).to_dict("list")
    {'label': [1, 2], 'area_px': [100.0, 200.0], 'area_mm2': [1.0, 2.0]}
    """
    return to_frame(measure_film(as_film(film, spacing_mm=spacing_mm), labels, precision=precision))


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
