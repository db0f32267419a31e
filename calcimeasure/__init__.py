"""Area of calcinosis on plain radiographs, and whether it changed between two visits.

>>> import calcimeasure as cm
>>> change = cm.compare("baseline.dcm", "followup.dcm")  # doctest: +SKIP

Names are fetched when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calcimeasure.change import compare
    from calcimeasure.change.change_records import Comparison
    from calcimeasure.deposits import Deposit, DepositLabels
    from calcimeasure.export import write_results
    from calcimeasure.io import film_from_array, read_film
    from calcimeasure.io.label_images import read_labels, write_labels
    from calcimeasure.io.polygons import deposit_polygons
    from calcimeasure.io.sample_films import sample_pair
    from calcimeasure.label_arrays import labels_from_array
    from calcimeasure.measurement import FilmMeasurement, measure, measure_film
    from calcimeasure.radiograph import Radiograph, Spacing
    from calcimeasure.registration import register
    from calcimeasure.segmentation import Proposals, Segmenter, segment, segment_points

__version__ = "0.1.0"

_HOME = {
    "Comparison": "calcimeasure.change.change_records",
    "Deposit": "calcimeasure.deposits",
    "DepositLabels": "calcimeasure.deposits",
    "FilmMeasurement": "calcimeasure.measurement",
    "Proposals": "calcimeasure.segmentation",
    "Radiograph": "calcimeasure.radiograph",
    "Segmenter": "calcimeasure.segmentation",
    "Spacing": "calcimeasure.radiograph",
    "compare": "calcimeasure.change",
    "deposit_polygons": "calcimeasure.io.polygons",
    "film_from_array": "calcimeasure.io",
    "labels_from_array": "calcimeasure.label_arrays",
    "measure": "calcimeasure.measurement",
    "measure_film": "calcimeasure.measurement",
    "read_film": "calcimeasure.io",
    "read_labels": "calcimeasure.io.label_images",
    "register": "calcimeasure.registration",
    "sample_pair": "calcimeasure.io.sample_films",
    "segment": "calcimeasure.segmentation",
    "segment_points": "calcimeasure.segmentation",
    "write_labels": "calcimeasure.io.label_images",
    "write_results": "calcimeasure.export",
}

__all__ = [
    "Comparison",
    "Deposit",
    "DepositLabels",
    "FilmMeasurement",
    "Proposals",
    "Radiograph",
    "Segmenter",
    "Spacing",
    "__version__",
    "compare",
    "deposit_polygons",
    "film_from_array",
    "labels_from_array",
    "measure",
    "measure_film",
    "read_film",
    "read_labels",
    "register",
    "sample_pair",
    "segment",
    "segment_points",
    "write_labels",
    "write_results",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'calcimeasure' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
