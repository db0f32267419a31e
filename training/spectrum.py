"""Make the attenuation table that the simulator ships: spectra by SpekPy, attenuation coefficients by xraydb.

Run as ``python training/spectrum.py``; it writes ``calcimeasure/simulation/attenuation.csv``. Neither library is needed
to simulate. One row a photon energy: the coefficient of every material in 1/mm, and for every tube voltage the share
of the detector's unattenuated signal that photons of that energy make (2.5 mm aluminium in the beam, an
energy-integrating caesium iodide layer of 0.5 mm behind).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spekpy
import xraydb

TABLE = Path(__file__).resolve().parent.parent / "calcimeasure" / "simulation" / "attenuation.csv"
ENERGIES_KEV = np.arange(12, 91)
VOLTAGES_KV = (44, 47, 50, 53, 56, 60, 65, 70, 80)
FILTER_AL_MM = 2.5
CSI_MM = 0.5

# Mass fractions: ICRU report 44 for tissues, chemistry for the rest. Densities in g/cm³.
MATERIALS: dict[str, tuple[float, dict[str, float]]] = {
    "muscle": (1.05, {"H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002, "S": 0.003,
                      "Cl": 0.001, "K": 0.004}),
    "fat": (0.95, {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001}),
    "bone": (1.92, {"H": 0.034, "C": 0.155, "N": 0.042, "O": 0.435, "Na": 0.001, "Mg": 0.002, "P": 0.103, "S": 0.003,
                    "Ca": 0.225}),
    "hydroxyapatite": (3.16, {"H": 0.00201, "O": 0.41408, "P": 0.18499, "Ca": 0.39892}),
    "plaster": (1.0, {"H": 0.02342, "O": 0.55757, "S": 0.18625, "Ca": 0.23276}),
    "steel": (7.9, {"Cr": 0.18, "Ni": 0.10, "Fe": 0.72}),
    "gold": (15.5, {"Au": 0.75, "Ag": 0.125, "Cu": 0.125}),
    "lead": (11.35, {"Pb": 1.0}),
}  # fmt: skip


def coefficient_per_mm(name: str) -> np.ndarray:
    density, fractions = MATERIALS[name]
    mass = sum(share * xraydb.mu_elam(element, ENERGIES_KEV * 1000.0) for element, share in fractions.items())
    return np.asarray(mass * density / 10)


def detected_share(voltage_kv: float) -> np.ndarray:
    spectrum = spekpy.Spek(kvp=voltage_kv, th=12, dk=0.5)
    spectrum.filter("Al", FILTER_AL_MM)
    energy, fluence = spectrum.get_spectrum(edges=False)
    photons, _ = np.histogram(energy, bins=np.append(ENERGIES_KEV - 0.5, ENERGIES_KEV[-1] + 0.5), weights=fluence)
    mass = 0.5115 * xraydb.mu_elam("Cs", ENERGIES_KEV * 1000.0) + 0.4885 * xraydb.mu_elam("I", ENERGIES_KEV * 1000.0)
    absorbed = 1 - np.exp(-mass * 4.51 / 10 * CSI_MM)
    signal = photons * absorbed * ENERGIES_KEV
    return np.asarray(signal / signal.sum())


def main() -> None:
    columns = {f"mu_{name}_per_mm": coefficient_per_mm(name) for name in MATERIALS}
    columns |= {f"signal_{voltage}_kv": detected_share(voltage) for voltage in VOLTAGES_KV}
    lines = [",".join(["energy_kev", *columns])]
    for row, energy in enumerate(ENERGIES_KEV):
        lines.append(",".join([str(energy), *(f"{column[row]:.6g}" for column in columns.values())]))
    TABLE.write_text("\n".join(lines) + "\n")
    print(f"{TABLE}: {len(ENERGIES_KEV)} energies, {len(columns)} columns")


if __name__ == "__main__":
    main()
