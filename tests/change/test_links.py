from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcimeasure.change.change_records import Link, LinkStatus
from calcimeasure.change.links import connected_components, link_deposits, status_of
from calcimeasure.deposits import Deposit, DepositLabels, Finding
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.common_field import CommonField
from calcimeasure.registration.registration_records import Alignment

SHAPE = (200, 240)
STILL = Alignment(
    matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    step=40,
    residual=np.zeros((6, 7, 2), np.float32),
    uncertainty=np.full((6, 7), 2.5, np.float32),
)
Box = tuple[int, int, int, int]


def measured(*boxes: Box, findings: dict[int, Finding] | None = None, value: float = 5.0) -> FilmMeasurement:
    image = np.zeros(SHAPE, np.uint16)
    for number, (top, left, height, width) in enumerate(boxes, start=1):
        image[top : top + height, left : left + width] = number
    pixels = np.full(SHAPE, value, np.float32)
    pixels[0, 0] = len(boxes) + image.sum() % 1000
    film = Radiograph(
        pixels=pixels,
        spacing=Spacing(row_mm=0.2, col_mm=0.2, basis=SpacingBasis.DETECTOR),
        grey=GreyScale(lowest=0.0, highest=4095.0),
    )
    deposits = tuple(
        Deposit(label=number, finding=(findings or {}).get(number, Finding.CALCINOSIS))
        for number in range(1, len(boxes) + 1)
    )
    rows = tuple(
        DepositMeasurement(
            label=deposit.label,
            finding=deposit.finding,
            area_px=float((image == deposit.label).sum()),
            area_se_px=1.0,
            area_mm2=None,
            area_se_mm2=None,
            area_method=deposit.area_method,
            centroid_row=float(np.nonzero(image == deposit.label)[0].mean()),
            centroid_col=float(np.nonzero(image == deposit.label)[1].mean()),
            limb=1,
            over_bone_fraction=0.0,
            confidence=1.0,
            origin=deposit.origin,
            integrated_contrast=None,
        )
        for deposit in deposits
    )
    return FilmMeasurement(
        film=film,
        labels=DepositLabels(image=image, deposits=deposits),
        deposits=rows,
        total_area_px=0.0,
        total_area_se_px=0.0,
        total_area_mm2=None,
        total_area_se_mm2=None,
    )


def white_about(box: tuple[int, int, int, int], reach: int) -> FilmMeasurement:
    """Return a film that is white where a deposit lies and so many pixels around it."""
    made = measured(box)
    pixels = made.film.pixels.copy()
    row, col, rows, cols = box
    pixels[row - reach : row + rows + reach, col - reach : col + cols + reach] = 4095.0
    return replace(made, film=replace(made.film, pixels=pixels))


def field(right: int = SHAPE[1]) -> CommonField:
    shown = np.zeros((SHAPE[0] // 8, SHAPE[1] // 8), bool)
    shown[:, : right // 8] = True
    return CommonField(baseline=shown, followup=shown.copy(), baseline_step=8, followup_step=8)


def told(links: tuple[Link, ...]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(str(link.status), link.baseline_labels, link.followup_labels) for link in links]


A, A_GROWN, A_LEFT, A_RIGHT = (50, 50, 20, 40), (48, 48, 26, 46), (50, 50, 20, 16), (50, 78, 20, 14)
BESIDE = (50, 104, 20, 10)
FAR = (120, 120, 12, 12)

CASES = [
    pytest.param([A], [A], [("matched", (1,), (1,))], id="unchanged"),
    pytest.param([A], [A_GROWN], [("matched", (1,), (1,))], id="grown"),
    pytest.param([A], [], [("resolved", (1,), ())], id="gone"),
    pytest.param([], [FAR], [("new", (), (1,))], id="new"),
    pytest.param([A], [A_LEFT, A_RIGHT], [("split", (1,), (1, 2))], id="split"),
    pytest.param([A_LEFT, A_RIGHT], [A], [("merged", (1, 2), (1,))], id="merged"),
    pytest.param(
        [A_LEFT, A_RIGHT],
        [(50, 50, 10, 44), (60, 50, 10, 44)],
        [("group", (1, 2), (1, 2))],
        id="two to two that cannot be told apart",
    ),
    pytest.param(
        [A, BESIDE], [A, BESIDE], [("matched", (1,), (1,)), ("matched", (2,), (2,))], id="neighbours do not chain"
    ),
    pytest.param(
        [A, BESIDE],
        [(50, 54, 20, 40), (50, 108, 20, 10)],
        [("matched", (1,), (1,)), ("matched", (2,), (2,))],
        id="neighbours, misaligned by 0.8 mm, do not chain",
    ),
    pytest.param(
        [(50, 50, 4, 4)], [(50, 57, 4, 4)], [("matched", (1,), (1,))], id="small, misaligned beyond any overlap"
    ),
    pytest.param(
        [A], [(50, 93, 20, 10)], [("resolved", (1,), ()), ("new", (), (1,))], id="touching only by the uncertainty"
    ),
    pytest.param(
        [A, (50, 93, 20, 4)],
        [A],
        [("matched", (1,), (1,)), ("resolved", (2,), ())],
        id="a speck beside it is not merged into it",
    ),
    pytest.param([(120, 40, 8, 8)], [(120, 60, 9, 9)], [("matched", (1,), (1,))], id="strayed by 4 mm"),
    pytest.param(
        [(120, 40, 8, 8)],
        [(120, 60, 12, 12)],
        [("resolved", (1,), ()), ("new", (), (1,))],
        id="of another size it has not strayed",
    ),
    pytest.param(
        [A, (80, 70, 8, 8)],
        [A, (80, 90, 8, 8)],
        [("matched", (1,), (1,)), ("resolved", (2,), ()), ("new", (), (2,))],
        id="nothing strays beside what lies on its partner",
    ),
    pytest.param(
        [(120, 40, 8, 8), (140, 40, 8, 8)],
        [(120, 60, 8, 8), (142, 60, 8, 8)],
        [("matched", (1,), (1,)), ("matched", (2,), (2,))],
        id="two strayed, each to the nearer",
    ),
    pytest.param([A], [(100, 50, 20, 40)], [("resolved", (1,), ()), ("new", (), (1,))], id="elsewhere is not the same"),
]


@pytest.mark.parametrize(("before", "after", "expected"), CASES)
def test_links(
    before: list[Box], after: list[Box], expected: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
) -> None:
    assert told(link_deposits(measured(*before), measured(*after), STILL, field())) == expected


MIRROR = {"new": "resolved", "resolved": "new", "split": "merged", "merged": "split"}


@pytest.mark.parametrize(("before", "after", "expected"), CASES)
def test_swapping_the_films_mirrors_every_link(
    before: list[Box], after: list[Box], expected: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
) -> None:
    swapped = link_deposits(measured(*after), measured(*before), inverse(STILL, SHAPE), field())
    mirrored = {(MIRROR.get(status, status), second, first) for status, first, second in told(swapped)}
    assert mirrored == set(expected)


def test_areas_are_summed_over_the_link_and_count_calcinosis_only() -> None:
    before = measured(A)
    after = measured(A_LEFT, A_RIGHT, findings={2: Finding.VASCULAR})
    (link,) = link_deposits(before, after, STILL, field())
    assert (link.baseline_area_px, link.followup_area_px) == (800.0, 320.0)
    assert link.baseline_area_mm2 == pytest.approx(32.0)
    assert link.followup_area_mm2 == pytest.approx(12.8)


def test_what_one_film_does_not_show_is_not_evaluable() -> None:
    links = link_deposits(measured(A, (120, 190, 12, 12)), measured(A), STILL, field(right=160))
    assert told(links) == [("matched", (1,), (1,)), ("not_evaluable", (2,), ())]
    assert "both films" in links[1].reason


def test_a_deposit_cut_by_the_border_is_not_compared() -> None:
    across = (50, 140, 20, 40)
    (link,) = link_deposits(measured(across), measured(across), STILL, field(right=160))
    assert link.status is LinkStatus.NOT_EVALUABLE


def test_a_place_burnt_out_on_the_other_film_says_nothing_about_a_lone_deposit() -> None:
    burnt = measured(value=4095.0)
    (link,) = link_deposits(measured(A), burnt, STILL, field())
    assert (link.status, link.reason) == (
        LinkStatus.NOT_EVALUABLE,
        "its place on the other film is over- or under-exposed",
    )


def test_a_deposit_that_is_white_itself_is_compared_and_one_that_lies_in_white_is_not() -> None:
    (both,) = link_deposits(measured(A), white_about(A, 0), STILL, field())
    assert both.status is LinkStatus.MATCHED
    (lost,) = link_deposits(measured(A), white_about(A, 6), STILL, field())
    assert (lost.status, lost.baseline_labels, lost.followup_labels) == (LinkStatus.NOT_EVALUABLE, (1,), (1,))
    assert "over-exposed" in lost.reason
    (mirrored,) = link_deposits(white_about(A, 6), measured(A), STILL, field())
    assert mirrored.reason == lost.reason


@pytest.mark.parametrize(
    ("baseline", "followup", "status"),
    [
        (0, 1, "new"),
        (1, 0, "resolved"),
        (1, 1, "matched"),
        (1, 2, "split"),
        (1, 5, "split"),
        (3, 1, "merged"),
        (2, 2, "group"),
    ],
)
def test_status_by_number(baseline: int, followup: int, status: str) -> None:
    assert status_of(baseline, followup) == status


def test_every_label_is_in_exactly_one_component() -> None:
    groups = connected_components([(1, 2), (2, 2), (4, 1)], 4, 3)
    assert groups == [((1, 2), (2,)), ((3,), ()), ((4,), (1,)), ((), (3,))]
    assert connected_components([], 0, 0) == []
