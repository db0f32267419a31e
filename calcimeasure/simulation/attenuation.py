"""How much of the beam comes through: a table of coefficients and spectra, and Beer-Lambert summed over energies.

The table is made by ``training/spectrum.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ENERGY_GROUPS = 6
MATERIALS = ("muscle", "fat", "bone", "hydroxyapatite", "plaster", "steel", "gold", "lead")
# Photons harder than this one hardly distinguish the materials; softer ones never reach the detector.
_REFERENCE_MUSCLE_MM = 15.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Beam:
    """A spectrum in a few groups of energies.

    Attributes
    ----------
    weight
        (groups,) share of the unattenuated detector signal.
    per_mm
        Material to (groups,) attenuation coefficients in 1/mm.
    """

    weight: NDArray[np.float64]
    per_mm: Mapping[str, NDArray[np.float64]]


@cache
def _table() -> dict[str, NDArray[np.float64]]:
    text = files("calcimeasure.simulation").joinpath("attenuation.csv").read_text(encoding="utf-8")
    head, *rows = text.split()
    values = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    return {name: values[:, column] for column, name in enumerate(head.split(","))}


def voltages_kv() -> tuple[int, ...]:
    """Return the tube voltages of the table."""
    return tuple(int(name.split("_")[1]) for name in _table() if name.startswith("signal_"))


@cache
def beam(voltage_kv: float, *, groups: int = ENERGY_GROUPS) -> Beam:
    """Return the beam of a tube voltage, interpolated between those of the table.

    Parameters
    ----------
    voltage_kv
        44 to 80 kV, 2.5 mm aluminium filtration.
    groups
        Energies are put together into so many groups of equal signal behind 15 mm of muscle.

    Raises
    ------
    UsageError
        When the table does not reach the voltage.
    """
    known = voltages_kv()
    if not known[0] <= voltage_kv <= known[-1]:
        raise UsageError(f"a tube voltage of {voltage_kv} kV is outside the table ({known[0]} to {known[-1]} kV)")
    table = _table()
    spectra = np.stack([table[f"signal_{voltage}_kv"] for voltage in known])
    share = np.array([np.interp(voltage_kv, known, column) for column in spectra.T])
    share /= share.sum()
    behind = share * np.exp(-table["mu_muscle_per_mm"] * _REFERENCE_MUSCLE_MM)
    group = np.minimum((np.cumsum(behind) / behind.sum() * groups).astype(int), groups - 1)
    weight = np.bincount(group, share, groups)
    at_limb = np.bincount(group, behind, groups)
    coefficients = {
        name: np.bincount(group, behind * table[f"mu_{name}_per_mm"], groups) / at_limb for name in MATERIALS
    }
    # The softest photons stop in the limb, so each group's weight is the one that is right behind it.
    weight = at_limb * np.exp(coefficients["muscle"] * _REFERENCE_MUSCLE_MM)
    return Beam(weight=weight / weight.sum(), per_mm=coefficients)


def transmission(thickness_mm: Mapping[str, NDArray[np.float32]], spectrum: Beam) -> NDArray[np.float32]:
    """Return the detector's signal as a share of that without anything in the beam.

    Parameters
    ----------
    thickness_mm
        Material to its thickness along the ray; all of one shape.
    """
    if not thickness_mm:
        raise UsageError("nothing is in the beam")
    shape = next(iter(thickness_mm.values())).shape
    result = np.zeros(shape, np.float32)
    for group, weight in enumerate(spectrum.weight):
        depth = np.zeros(shape, np.float32)
        for name, thickness in thickness_mm.items():
            cv2.scaleAdd(thickness, -float(spectrum.per_mm[name][group]), depth, dst=depth)
        # Not OpenCV's exponential: its last digit depends on where in memory the array lies.
        np.exp(depth, out=depth)
        cv2.scaleAdd(depth, float(weight), result, dst=result)
    return result
