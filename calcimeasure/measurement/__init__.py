"""Area, contrast and their uncertainty."""

from calcimeasure.measurement.film_measurement import influence_px, measure_deposits, measure_film, total_area
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.measurement.measurement_table import measure, to_frame

__all__ = [
    "DepositMeasurement",
    "FilmMeasurement",
    "influence_px",
    "measure",
    "measure_deposits",
    "measure_film",
    "to_frame",
    "total_area",
]
