import pytest


@pytest.fixture
def edge_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure as where the outline network is not installed."""
    monkeypatch.setattr("calcimeasure.measurement.film_measurement.outline_network_input", lambda *_: None)
