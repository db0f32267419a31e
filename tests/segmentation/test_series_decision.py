"""One reading a film over all its visits: how the probabilities of pieces come together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calcimeasure.registration.region_overlap import RegionOverlaps
from calcimeasure.segmentation import detect
from calcimeasure.segmentation.detection_fusion import Correspondence, fused_probabilities, log_odds
from calcimeasure.segmentation.segmenter import Proposals

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


def film(probability: float, index: int) -> tuple[Any, Proposals]:
    """A film that aligns to the first, with one piece."""
    image = np.zeros((4, 4), np.uint16)
    image[1:3, 1:3] = 1
    proposals = Proposals(
        image=image, probabilities=np.array([probability]), threshold=0.5, pixel_mm=(1.0, 1.0), method="test/1"
    )
    alignment = SimpleNamespace() if index else None
    return SimpleNamespace(film=index, anatomy=None, alignment=alignment, field=alignment), proposals


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Put the pieces of all films at one place, and note which film is searched for what another one shows."""
    pairs: list[tuple[int, int]] = []

    def search(first: Any, other: Any, _alignment: Any, _field: Any) -> Any:
        pairs.append((first[0], other[0]))
        return first[1], other[1]

    monkeypatch.setattr(detect, "find_correspondence", lambda *_: ONE_PLACE)
    monkeypatch.setattr(detect, "recover_missed", search)
    monkeypatch.setattr(detect, "presence_image", lambda film, _anatomy: film)
    return pairs


def decided(*probabilities: float, lost: tuple[int, ...] = ()) -> list[float]:
    """The probabilities that all films decide on; those of `lost` do not align to the first."""
    films = [film(probability, index) for index, probability in enumerate(probabilities)]
    for index in lost:
        films[index][0].alignment = films[index][0].field = None
    aligned, proposals = zip(*films, strict=True)
    return [float(one.probabilities[0]) for one in detect.decide(aligned, proposals)]


def joint(own: float, other: float) -> float:
    return float(fused_probabilities(np.array([own]), np.array([other]), ONE_PLACE, 0.5)[0])


def test_one_film_is_decided_by_itself(searched: list[tuple[int, int]]) -> None:
    assert decided(0.4) == [0.4]
    assert searched == []


def test_two_films_are_decided_as_a_pair(searched: list[tuple[int, int]]) -> None:
    assert decided(0.4, 0.7) == [joint(0.4, 0.7), joint(0.7, 0.4)]
    assert searched == [(0, 1)]


def test_with_three_the_baseline_is_decided_by_all_and_a_visit_by_the_others(searched: list[tuple[int, int]]) -> None:
    three = decided(0.4, 0.7, 0.2)
    odds = [float(log_odds(np.array([joint(0.4, other)]))[0]) for other in (0.7, 0.2)]
    assert three[0] == pytest.approx(1.0 / (1.0 + np.exp(-np.mean(odds))))
    # What visit 1 gives the baseline does not come back to visit 1, and so for visit 2.
    assert three[1] == joint(0.7, joint(0.4, 0.2))
    assert three[2] == joint(0.2, joint(0.4, 0.7))
    # The first visit is searched once more, for what the second brought to the baseline.
    assert searched == [(0, 1), (0, 2), (0, 1)]


def test_a_film_that_does_not_align_to_the_baseline_is_decided_by_itself(searched: list[tuple[int, int]]) -> None:
    three = decided(0.4, 0.7, 0.2, lost=(2,))
    assert three[0] == joint(0.4, 0.7)
    assert three[2] == 0.2
    assert searched == [(0, 1)]
    assert decided(0.4, 0.7, 0.2, lost=(1, 2))[0] == 0.4
