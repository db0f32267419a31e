"""Area of calcinosis on plain radiographs, and whether it changed between two visits.

>>> import calcimeasure as cm
>>> change = cm.compare(cm.read_film("baseline.dcm"), cm.read_film("followup.dcm"))  # doctest: +SKIP

Names are fetched when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calcimeasure.change import compare
    from calcimeasure.change.change_records import Comparison
    from calcimeasure.deposits import Deposit, DepositLabels
    from calcimeasure.io import film_from_array, read_film
    from calcimeasure.measurement import measure
    from calcimeasure.radiograph import Radiograph, Spacing
    from calcimeasure.segmentation import segment, segment_points

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "Deposit",
    "DepositLabels",
    "Radiograph",
    "Spacing",
    "__version__",
    "compare",
    "film_from_array",
    "measure",
    "read_film",
    "segment",
    "segment_points",
]

_HOME = {
    "Comparison": "calcimeasure.change.change_records",
    "Deposit": "calcimeasure.deposits",
    "DepositLabels": "calcimeasure.deposits",
    "Radiograph": "calcimeasure.radiograph",
    "Spacing": "calcimeasure.radiograph",
    "compare": "calcimeasure.change",
    "film_from_array": "calcimeasure.io",
    "measure": "calcimeasure.measurement",
    "read_film": "calcimeasure.io",
    "segment": "calcimeasure.segmentation",
    "segment_points": "calcimeasure.segmentation",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'calcimeasure' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
