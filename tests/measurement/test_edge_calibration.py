import json
from importlib import resources

import numpy as np
import pytest

from calcimeasure.measurement.edge_calibration import (
    Calibration,
    Layer,
    calibration_from,
    estimate_area,
    load_calibration,
)
from calcimeasure.measurement.edge_description import DESCRIPTOR_NAMES, Edge


def edge(area: float = 400.0, length: float = 70.0) -> Edge:
    return Edge(
        contour_area_px=area,
        contour_length_px=length,
        inside=np.ones((3, 3), bool),
        descriptors=load_calibration().centre.copy(),
    )


def constant(**answers: float) -> Calibration:
    """Return a calibration that gives the same answers for every edge."""
    number = len(DESCRIPTOR_NAMES)
    return Calibration(
        centre=np.zeros(number),
        scale=np.ones(number),
        lowest=np.full(number, -3.0),
        highest=np.full(number, 3.0),
        networks={
            name: (Layer(weights=np.zeros((number, 1)), bias=np.array([value])),) for name, value in answers.items()
        },
    )


def test_area_is_contour_plus_length_times_shift():
    found = estimate_area(edge(400.0, 70.0), constant(shift=1.5, log_se=np.log(0.2), log_se_repeat=np.log(0.1)))
    assert found.area_px == pytest.approx(400 + 70 * 1.5)
    assert found.se_px == pytest.approx(70 * 0.2)
    assert found.se_repeat_px == pytest.approx(70 * 0.1)


def test_an_area_never_vanishes_and_a_repeat_error_never_exceeds_the_whole():
    found = estimate_area(edge(10.0, 20.0), constant(shift=-9.0, log_se=-1.0, log_se_repeat=1.0))
    assert found.area_px == pytest.approx(1.0)
    assert found.se_repeat_px == found.se_px


def test_layers_are_what_they_say():
    layer = Layer(weights=np.array([[1.0, 2.0], [3.0, 4.0]]), bias=np.array([0.5, -0.5]))
    assert layer(np.array([10.0, 100.0])).tolist() == [310.5, 419.5]


def test_the_shipped_file_is_plain_numbers():
    text = resources.files("calcimeasure.measurement").joinpath("area_calibration.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["made_by"] == "training/area.py"
    assert record["descriptors"] == list(DESCRIPTOR_NAMES)
    assert set(record["networks"]) == {"shift", "log_se", "log_se_repeat", "pair_weights", "pair_log_se"}
    assert len(text) < 300_000


def test_a_file_for_other_descriptors_is_refused():
    text = resources.files("calcimeasure.measurement").joinpath("area_calibration.json").read_text(encoding="utf-8")
    record = json.loads(text)
    record["descriptors"] = record["descriptors"][1:]
    with pytest.raises(ValueError, match="other descriptors"):
        calibration_from(record)


def test_descriptions_outside_the_training_are_kept_at_its_limits():
    calibration = load_calibration()
    far = np.full(len(DESCRIPTOR_NAMES), 1e6)
    assert (calibration.standardised(far) == calibration.highest).all()
