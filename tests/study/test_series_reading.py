"""One reading a film over all its visits: how the probabilities of pieces come together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calcimeasure.registration.region_overlap import RegionOverlaps
from calcimeasure.segmentation.detection_fusion import Correspondence, fused_probabilities, log_odds
from calcimeasure.segmentation.segmenter import Proposals
from calcimeasure.study import series_reading

ONE_PLACE = Correspondence(
    overlaps=RegionOverlaps(
        first=np.array([1]),
        second=np.array([1]),
        cover_first=np.ones(1),
        cover_second=np.ones(1),
        gap_mm=np.zeros(1),
        apart_mm=np.zeros(1),
        tolerance_mm=np.ones(1),
    ),
    first_shown=np.ones(1, np.bool_),
    second_shown=np.ones(1, np.bool_),
)


def seen(probability: float) -> Any:
    """A film with one piece."""
    image = np.zeros((4, 4), np.uint16)
    image[1:3, 1:3] = 1
    proposals = Proposals(
        image=image,
        probabilities=np.array([probability]),
        threshold=0.5,
        group_within_px=(2.0, 2.0),
        method="test/1",
    )
    return SimpleNamespace(proposals=proposals, film=None, anatomy=None)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Lay every film on the baseline but those marked lost, and note who is looked at again with whom."""
    asked: list[tuple[float, float]] = []

    def laid(_hub: Any, other: Any) -> Any:
        return None if getattr(other, "lost", False) else SimpleNamespace(places=ONE_PLACE, alignment=None, field=None)

    def look(hub: Any, other: Any, _alignment: Any, _field: Any) -> Any:
        asked.append((hub[0], other[0]))
        return hub[1], other[1]

    monkeypatch.setattr(series_reading, "_laid", laid)
    monkeypatch.setattr(series_reading, "recover_missed", look)
    monkeypatch.setattr(series_reading, "presence_image", lambda film, _anatomy: film)
    return asked


def probability(decided: dict[int, Proposals], index: int) -> float:
    return float(decided[index].probabilities[0])


def joint(own: float, other: float) -> float:
    return float(fused_probabilities(np.array([own]), np.array([other]), ONE_PLACE, 0.5)[0])


def films(*probabilities: float) -> dict[int, Any]:
    made = {}
    for index, one in enumerate(probabilities):
        made[index] = seen(one)
        made[index].film = index
    return made


def test_one_film_is_judged_by_itself(looks: list[tuple[int, int]]) -> None:
    assert probability(series_reading.decide(films(0.4)), 0) == 0.4
    assert looks == []


def test_two_films_are_judged_as_a_pair(looks: list[tuple[int, int]]) -> None:
    decided = series_reading.decide(films(0.4, 0.7))
    assert probability(decided, 0) == joint(0.4, 0.7)
    assert probability(decided, 1) == joint(0.7, 0.4)
    assert looks == [(0, 1)]


def test_with_three_the_baseline_is_judged_by_all_and_a_visit_by_the_others(looks: list[tuple[int, int]]) -> None:
    decided = series_reading.decide(films(0.4, 0.7, 0.2))
    odds = [float(log_odds(np.array([joint(0.4, other)]))[0]) for other in (0.7, 0.2)]
    assert probability(decided, 0) == pytest.approx(1.0 / (1.0 + np.exp(-np.mean(odds))))
    # What visit 1 says of the baseline does not come back to visit 1, and so for visit 2.
    assert probability(decided, 1) == joint(0.7, joint(0.4, 0.2))
    assert probability(decided, 2) == joint(0.2, joint(0.4, 0.7))
    # The first visit is asked once more, for what the second brought to the baseline.
    assert looks == [(0, 1), (0, 2), (0, 1)]


def test_a_film_that_cannot_be_laid_over_the_baseline_is_judged_by_itself(looks: list[tuple[int, int]]) -> None:
    three = films(0.4, 0.7, 0.2)
    three[2].lost = True
    decided = series_reading.decide(three)
    assert probability(decided, 0) == joint(0.4, 0.7)
    assert probability(decided, 2) == 0.2
    assert looks == [(0, 1)]
    for film in three.values():
        film.lost = True
    assert probability(series_reading.decide(three), 0) == 0.4
