"""The physics against closed forms: Beer-Lambert, noise, blur, scatter."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.simulation.attenuation import MATERIALS, _table, beam, transmission, voltages_kv
from calcimeasure.simulation.exposure import XrayExposure, expose, noise
from calcimeasure.simulation.vendor_processing import Processing, curve, process

GRID = ((300, 300), (0.2, 0.2))
QUIET = XrayExposure(scatter_share=0.0, heel_share=0.0, corner_share=0.0)


def even(**thickness_mm):
    return {name: np.full(GRID[0], value, np.float32) for name, value in thickness_mm.items()}


@pytest.mark.parametrize("voltage_kv", [44, 50, 60, 80])
@pytest.mark.parametrize("calcium_mm", [0.1, 1.0, 3.0])
def test_grouped_energies_give_the_full_spectrum(voltage_kv, calcium_mm):
    table = _table()
    path = 20 * table["mu_muscle_per_mm"] + calcium_mm * table["mu_hydroxyapatite_per_mm"]
    exact = float((table[f"signal_{voltage_kv}_kv"] * np.exp(-path)).sum())
    found = transmission({"muscle": np.full((1, 1), 20, np.float32),
                          "hydroxyapatite": np.full((1, 1), calcium_mm, np.float32)}, beam(voltage_kv))  # fmt: skip
    assert found[0, 0] == pytest.approx(exact, rel=0.015)


def test_attenuation_coefficients_are_those_of_the_tables():
    """At 30 keV the NIST tables give muscle 0.378, cortical bone 1.331 and lead 30.32 cm²/g."""
    table = _table()
    row = int(np.argmin(abs(table["energy_kev"] - 30)))
    assert table["mu_muscle_per_mm"][row] == pytest.approx(0.378 * 1.05 / 10, rel=0.02)
    assert table["mu_bone_per_mm"][row] == pytest.approx(1.331 * 1.92 / 10, rel=0.02)
    assert table["mu_lead_per_mm"][row] == pytest.approx(30.32 * 11.35 / 10, rel=0.02)


def test_beam_hardens_with_calcium():
    spectrum = beam(50)
    depth = [float(-np.log(transmission({"hydroxyapatite": np.full((1, 1), mm, np.float32)}, spectrum)[0, 0]) / mm)
             for mm in (0.1, 3.0)]  # fmt: skip
    assert 0.7 < depth[1] / depth[0] < 0.9


def test_voltages_between_the_table_lie_between():
    bone = {"bone": np.full((1, 1), 5, np.float32)}
    low, middle, high = (transmission(bone, beam(voltage))[0, 0] for voltage in (50, 51.5, 53))
    assert low < middle < high


def test_voltage_outside_the_table_is_refused():
    with pytest.raises(UsageError, match="outside the table"):
        beam(voltages_kv()[-1] + 1)


def test_nothing_in_the_beam_is_refused():
    with pytest.raises(UsageError, match="nothing"):
        transmission({}, beam(50))


def test_every_material_stops_some_of_the_beam():
    for name in MATERIALS:
        assert transmission({name: np.full((1, 1), 1, np.float32)}, beam(52))[0, 0] < 0.99


def test_mean_signal_follows_beer_lambert():
    signal = expose(even(muscle=15.0), QUIET, GRID, np.random.default_rng(1))
    expected = transmission(even(muscle=15.0), beam(QUIET.voltage_kv))[0, 0]
    assert signal.mean() == pytest.approx(float(expected), rel=2e-3)


def test_quantum_noise_scales_with_the_square_root_of_the_dose():
    level = np.full(GRID[0], 0.5, np.float32)
    low, high = (
        noise(level, XrayExposure(quanta_per_mm2=dose), GRID, np.random.default_rng(2)).std() for dose in (2e4, 8e4)
    )
    assert low / high == pytest.approx(2.0, rel=0.01)


def test_scatter_adds_signal_behind_the_limb():
    thickness = {"muscle": np.zeros(GRID[0], np.float32)}
    thickness["muscle"][:, :150] = 40
    with_scatter = expose(thickness, XrayExposure(scatter_share=0.3, heel_share=0.0), GRID, np.random.default_rng(3))
    without = expose(thickness, XrayExposure(scatter_share=0.0, heel_share=0.0), GRID, np.random.default_rng(3))
    assert with_scatter[:, :100].mean() > without[:, :100].mean() * 1.05


def test_blur_spreads_an_edge_by_the_stated_sigma():
    thickness = {"lead": np.zeros(GRID[0], np.float32)}
    thickness["lead"][:, 150:] = 2.0
    exposure = XrayExposure(psf_sigma_mm=0.6, quanta_per_mm2=1e9, scatter_share=0.0, heel_share=0.0, corner_share=0.0)
    edge = expose(thickness, exposure, GRID, np.random.default_rng(4)).mean(axis=0)
    spread = -np.gradient(edge)
    place = np.arange(len(spread)) * 0.2
    middle = (spread * place).sum() / spread.sum()
    sigma = np.sqrt((spread * (place - middle) ** 2).sum() / spread.sum())
    # The sampled edge adds a sixth of a pixel squared, the gradient's two-pixel window about half a pixel squared.
    assert sigma == pytest.approx(0.6, rel=0.05)


@pytest.mark.parametrize(("toe", "shoulder"), [(0, 0), (0.5, 0.6), (0.9, 0.0)])
def test_tone_curve_rises_from_black_to_white(toe, shoulder):
    values = curve(np.linspace(0, 1, 1001), Processing(toe=toe, shoulder=shoulder))
    assert values[0] == 0
    assert values[-1] == pytest.approx(1)
    assert np.all(np.diff(values) > 0)


def test_processing_orders_by_attenuation_and_blackens_outside_the_shutter():
    signal = np.exp(-np.repeat(np.linspace(0, 2, 300, dtype=np.float32)[None], 300, axis=0))
    field = np.ones(GRID[0], bool)
    field[:20] = False
    plain = Processing(compression=0, edge_gain=0, fine_gain=0)
    shown = process(signal, field, plain, GRID)
    assert np.all(np.diff(shown[100].astype(int)) >= 0)
    assert shown[:20].max() == 0


def thick_limb(bone: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal behind a limb twice as thick as a hand, beside air, and the field that holds both."""
    attenuation = np.zeros(GRID[0], np.float32)
    attenuation[:, 100:] = 2.2
    attenuation[:, 180:220] = bone
    attenuation[:20, :20] = 6.0  # a lead marker, which no range follows
    return np.exp(-attenuation), np.ones(GRID[0], bool)


def test_a_ranged_film_keeps_a_thick_limb_below_white_and_the_order_of_its_values():
    signal, field = thick_limb(3.9)
    flat = {"compression": 0, "edge_gain": 0, "fine_gain": 0, "black": 0.7, "white": 2.6}
    clipped = process(signal, field, Processing(**flat), GRID)
    shown = process(signal, field, Processing(**flat), GRID, ranged=True)
    assert clipped[100, 200] == 4095
    assert shown[100, 10] < shown[100, 150] < shown[100, 200] < 4095
    assert shown[5, 5] == 4095
    # Calcium on the bone stands out from it still.
    calcium = np.where(np.arange(300) == 200, np.float32(np.exp(-0.15)), np.float32(1))
    brighter = process(signal * calcium, field, Processing(**flat), GRID, ranged=True)
    assert shown[100, 200] < brighter[100, 200] < 4095


def test_a_film_that_fits_its_range_is_left_as_it_was():
    signal, field = thick_limb(2.3)
    plain, ranged = (process(signal, field, Processing(white=3.0), GRID, ranged=one) for one in (False, True))
    np.testing.assert_array_equal(plain, ranged)
