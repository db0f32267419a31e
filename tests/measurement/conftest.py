import pytest


@pytest.fixture
def edge_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure as where the outline network is not installed."""
    monkeypatch.setattr("calcimeasure.measurement.film.seen_by_outlines", lambda *_: None)
