"""Films with known truth: anatomy, deposits, exposure, DICOM headers.

``simulate_film`` and ``simulate_pair`` draw everything from a generator; ``write_dicom``, ``write_image`` and
``write_truth`` put what they return on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcimeasure.simulation.changes import ChangePlan, draw_plan
    from calcimeasure.simulation.formats import FilmFormat
    from calcimeasure.simulation.insertion import insert_deposits
    from calcimeasure.simulation.simulated_dicom import write_dicom
    from calcimeasure.simulation.simulated_film import SimulatedFilm, simulate_film
    from calcimeasure.simulation.simulated_followup import InsertedPair, insert_pair, simulate_followup_of
    from calcimeasure.simulation.simulated_images import write_image
    from calcimeasure.simulation.simulated_pair import SimulatedPair, simulate_pair
    from calcimeasure.simulation.truth import truth_record, write_truth

_HOMES = {
    "ChangePlan": "changes",
    "FilmFormat": "formats",
    "insert_deposits": "insertion",
    "insert_pair": "simulated_followup",
    "simulate_followup_of": "simulated_followup",
    "InsertedPair": "simulated_followup",
    "SimulatedFilm": "simulated_film",
    "SimulatedPair": "simulated_pair",
    "draw_plan": "changes",
    "simulate_film": "simulated_film",
    "simulate_pair": "simulated_pair",
    "truth_record": "truth",
    "write_dicom": "simulated_dicom",
    "write_image": "simulated_images",
    "write_truth": "truth",
}
__all__ = [
    "ChangePlan",
    "FilmFormat",
    "InsertedPair",
    "SimulatedFilm",
    "SimulatedPair",
    "draw_plan",
    "insert_deposits",
    "insert_pair",
    "simulate_film",
    "simulate_followup_of",
    "simulate_pair",
    "truth_record",
    "write_dicom",
    "write_image",
    "write_truth",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"calcimeasure.simulation.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
