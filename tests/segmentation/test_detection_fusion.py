from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.deposits import DepositLabels
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.segmentation import accept_proposals
from calcimeasure.segmentation.detection_fusion import find_correspondence, fuse_detections, log_odds
from calcimeasure.segmentation.segmenter import Proposals

SHAPE = (160, 160)
STILL = Alignment(
    matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    residual=np.zeros((5, 5, 2), np.float32),
    step=40,
    uncertainty=np.full((5, 5), 2.0, np.float32),
)
HERE, NEARBY, ELSEWHERE = (40, 40), (42, 39), (110, 110)
Piece = tuple[tuple[int, int], float]


def proposals(*pieces: Piece, size: int = 12, threshold: float = 0.5) -> Proposals:
    image = np.zeros(SHAPE, np.uint16)
    for number, ((row, col), _) in enumerate(pieces, start=1):
        image[row : row + size, col : col + size] = number
    return Proposals(
        image=image,
        probabilities=np.array([probability for _, probability in pieces], np.float64),
        threshold=threshold,
        pixel_mm=(0.2, 0.2),
        method="test/1",
    )


def fused(
    before: Proposals, after: Proposals, alignment: Alignment, field: CommonField | None = None
) -> list[Proposals]:
    return fuse_detections([before, after], {1: find_correspondence(before, after, alignment, field)})


def detect_jointly(
    before: Proposals, after: Proposals, alignment: Alignment, field: CommonField | None = None
) -> tuple[DepositLabels, DepositLabels]:
    first, second = fused(before, after, alignment, field)
    return accept_proposals(first), accept_proposals(second)


def found(before: Proposals, after: Proposals, field: CommonField | None = None) -> tuple[int, int]:
    first, second = detect_jointly(before, after, STILL, field)
    return len(first), len(second)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(0.9, 0.95, (1, 1), id="certain on both"),
        pytest.param(0.1, 0.2, (0, 0), id="doubtful on both: two weak looks do not make a find"),
        pytest.param(0.3, 0.4, (0, 0), id="nor do two that come near"),
        pytest.param(0.45, 0.62, (1, 1), id="one shadow, just missed on one film, is kept on both"),
        pytest.param(0.2, 0.55, (0, 0), id="one shadow, just found on one film, is kept on neither"),
        pytest.param(0.02, 0.97, (0, 1), id="a deposit that came over a speck is new"),
        pytest.param(0.97, 0.02, (1, 0), id="and one that went is resolved"),
        pytest.param(0.05, 0.9, (0, 1), id="fainter, still new"),
    ],
)
def test_one_place_on_two_films(before: float, after: float, expected: tuple[int, int]) -> None:
    assert found(proposals((HERE, before)), proposals((NEARBY, after))) == expected


@pytest.mark.parametrize("probability", [0.3, 0.6, 0.75, 0.8, 0.9, 0.95, 0.99])
def test_only_the_certain_are_new_or_resolved(probability: float) -> None:
    """That the other film shows the place and nothing on it is evidence: the same on either film."""
    expected = int(probability > 0.84)
    assert found(proposals((HERE, probability)), proposals((ELSEWHERE, 0.01))) == (expected, 0)
    assert found(proposals((ELSEWHERE, 0.01)), proposals((HERE, probability))) == (0, expected)


def test_nothing_there_is_the_least_that_a_film_can_say() -> None:
    lone, _ = fused(proposals((HERE, 0.9)), proposals((ELSEWHERE, 0.9)), STILL)
    with_weak, _ = fused(proposals((HERE, 0.9)), proposals((NEARBY, 0.2)), STILL)
    assert lone.probabilities[0] < with_weak.probabilities[0]


def test_a_lone_proposal_outside_the_common_field_keeps_its_own_evidence() -> None:
    nothing = np.zeros((20, 20), bool)
    field = CommonField(baseline=nothing, followup=nothing, baseline_step=8, followup_step=8)
    first, second = fused(proposals((HERE, 0.6)), proposals((ELSEWHERE, 0.4)), STILL, field)
    assert (first.probabilities[0], second.probabilities[0]) == (0.6, 0.4)


def test_pieces_of_one_shadow_answer_to_the_most_probable() -> None:
    whole = proposals((HERE, 0.6), size=24)
    pieces = proposals((HERE, 0.55), ((54, 54), 0.45), size=8)
    first, second = detect_jointly(whole, pieces, STILL)
    assert (len(first), len(second)) == (1, 1)
    assert np.array_equal(np.unique(second.image[pieces.image == 2]), [1])


def test_the_threshold_is_the_methods_own() -> None:
    assert found(proposals((HERE, 0.3), threshold=0.25), proposals((HERE, 0.3), threshold=0.25)) == (1, 1)


def test_outside_the_common_field_each_film_stands_by_itself() -> None:
    nothing = np.zeros((20, 20), bool)
    field = CommonField(baseline=nothing, followup=nothing, baseline_step=8, followup_step=8)
    assert found(proposals((HERE, 0.45)), proposals((HERE, 0.62))) == (1, 1)
    assert found(proposals((HERE, 0.45)), proposals((HERE, 0.62)), field) == (0, 1)


def test_exchanging_the_films_exchanges_the_labels_exactly() -> None:
    rng = np.random.default_rng(1)
    places = [(10 + 34 * (k // 4), 10 + 34 * (k % 4)) for k in range(16)]
    before = proposals(*[(place, rng.uniform()) for place in places[:12]])
    after = proposals(*[((row + 3, col - 2), rng.uniform()) for row, col in places[4:]])
    there = detect_jointly(before, after, STILL)
    back = detect_jointly(after, before, inverse(STILL, SHAPE))
    for one, other in zip(there, back[::-1], strict=True):
        assert np.array_equal(one.image, other.image)
        assert one.deposits == other.deposits


def test_no_proposals_no_deposits() -> None:
    assert found(proposals(), proposals()) == (0, 0)
    assert found(proposals((HERE, 0.95)), proposals()) == (1, 0)


def test_looking_at_both_films_does_not_pull_towards_no_change() -> None:
    """Random pairs: every certain new deposit stays, and few shared ones are found on one film only."""
    rng = np.random.default_rng(7)
    kept_new, all_new, lone_together, lone_alone = 0, 0, 0, 0
    for _ in range(40):
        new = [((10 + 36 * (k // 4), 10 + 36 * (k % 4)), float(rng.uniform(0.94, 1.0))) for k in range(8)]
        shared = [((100, 20 + 40 * k), float(p)) for k, p in enumerate(rng.uniform(0.1, 0.9, 3))]
        again = [(place, float(np.clip(p + rng.normal(0, 0.1), 0, 1))) for place, p in shared]
        first, second = detect_jointly(proposals(*shared), proposals(*again, *new), STILL)
        kept_new += sum(int(second.image[row + 6, col + 6] > 0) for (row, col), _ in new)
        all_new += len(new)
        for (place, one), (_, other) in zip(shared, again, strict=True):
            at = (place[0] + 6, place[1] + 6)
            lone_together += int((first.image[at] > 0) != (second.image[at] > 0))
            lone_alone += int((one >= 0.5) != (other >= 0.5))
    assert kept_new == all_new
    assert lone_together <= lone_alone / 3


def test_log_odds_are_held() -> None:
    assert log_odds(np.array([0.5, 0.0, 1.0])).tolist() == pytest.approx([0.0, -4.0, 4.0])
