"""The sentence for each verdict, as a person reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calcimeasure.change.burden_change import Change
from calcimeasure.change.change_records import Link, LinkStatus, Verdict
from calcimeasure.change.intervals import IntervalModel
from calcimeasure.change.verdict_sentence import verdict_sentence

PAIR = Change(
    links=(
        Link(
            status=LinkStatus.MATCHED,
            baseline_labels=(1,),
            followup_labels=(2,),
            area_change_percent=41.2,
            ci95_percent=(12.4, 77.0),
            detectable=True,
        ),
        Link(status=LinkStatus.NEW, followup_labels=(3,)),
        Link(status=LinkStatus.RESOLVED, baseline_labels=(2, 4)),
    ),
    verdict=Verdict.NO_CHANGE,
    baseline_common_area_mm2=41.2,
    followup_common_area_mm2=42.1,
    baseline_common_area_px=3115.3,
    followup_common_area_px=3183.0,
    total_area_change_percent=2.2,
    ci95_percent=(-3.1, 7.9),
    smallest_detectable_change_percent=5.5,
    detectable=False,
    beyond_margin=False,
    model=IntervalModel(),
)
ZERO = replace(
    PAIR,
    total_area_change_percent=None,
    ci95_percent=None,
    smallest_detectable_change_percent=None,
    baseline_common_area_mm2=0.0,
    baseline_common_area_px=0.0,
)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(
            PAIR,
            "No change: the total area changed by +2 % (95 % interval -3 to +8 %); "
            "this pair could have shown a change of 6 %.",
            id="no change",
        ),
        pytest.param(
            replace(PAIR, detectable=True, total_area_change_percent=12.0, ci95_percent=(4.1, 20.4)),
            "The total area changed by +12 % (95 % interval +4 to +20 %), less than the margin of -20 to +25 %.",
            id="a change inside the margin is never called no change",
        ),
        pytest.param(
            replace(PAIR, changed_links=(1, 2, 3)),
            "No change: the total area changed by +2 % (95 % interval -3 to +8 %); "
            "this pair could have shown a change of 6 %. "
            "But: deposit 1 changed by +41 % (95 % interval +12 to +77 %); "
            "deposit 2 is new; deposit 3 is gone.",
            id="no change of the total, but of deposits",
        ),
        pytest.param(
            replace(
                PAIR,
                total_area_change_percent=0.13,
                ci95_percent=(-0.62, 0.88),
                smallest_detectable_change_percent=0.75,
            ),
            "No change: the total area changed by +0.1 % (95 % interval -0.6 to +0.9 %); "
            "this pair could have shown a change of 0.8 %.",
            id="a decimal where the pair is that good",
        ),
        pytest.param(
            replace(
                PAIR,
                verdict=Verdict.INCREASE,
                detectable=True,
                beyond_margin=True,
                total_area_change_percent=64.9,
                ci95_percent=(31.0, 107.6),
            ),
            "Increase: the total area changed by +65 % (95 % interval +31 to +108 %), "
            "beyond the margin of -20 to +25 %.",
            id="increase beyond the margin",
        ),
        pytest.param(
            replace(
                PAIR,
                verdict=Verdict.DECREASE,
                detectable=True,
                beyond_margin=None,
                total_area_change_percent=-25.9,
                ci95_percent=(-41.2, -6.7),
                changed_links=(2,),
            ),
            "Decrease: the total area changed by -26 % (95 % interval -41 to -7 %), which may be more or less than the "
            "margin of -20 to +25 %. Among the deposits: deposit 2 is new.",
            id="decrease that straddles the margin",
        ),
        pytest.param(
            replace(
                PAIR,
                verdict=Verdict.INDETERMINATE,
                beyond_margin=None,
                total_area_change_percent=9.6,
                ci95_percent=(-15.4, 41.9),
                smallest_detectable_change_percent=29.5,
            ),
            "The films cannot tell: the total area changed by +10 % (95 % interval -15 to +42 %); this pair could have "
            "shown a change of 30 %, and does not show that there was less than the margin of -20 to +25 %.",
            id="indeterminate",
        ),
        pytest.param(
            replace(ZERO, verdict=Verdict.INCREASE, detectable=True),
            "Increase: 42.1 mm² on the follow-up, where the baseline shows no deposit.",
            id="from zero",
        ),
        pytest.param(
            replace(ZERO, verdict=Verdict.INCREASE, baseline_common_area_mm2=None, followup_common_area_mm2=None),
            "Increase: 3183 pixels on the follow-up, where the baseline shows no deposit.",
            id="from zero without spacing",
        ),
        pytest.param(
            replace(
                ZERO,
                verdict=Verdict.DECREASE,
                baseline_common_area_mm2=3.04,
                followup_common_area_mm2=0.0,
            ),
            "Decrease: 3.0 mm² on the baseline, where the follow-up shows no deposit.",
            id="to zero",
        ),
        pytest.param(
            replace(
                ZERO,
                verdict=Verdict.INDETERMINATE,
                followup_common_area_mm2=0.8,
                reasons=("So small an area could have been missed on the baseline, which shows none.",),
            ),
            "The films cannot tell (none on the baseline, 0.8 mm² on the follow-up): "
            "so small an area could have been missed on the baseline, which shows none.",
            id="from zero, below the limit",
        ),
        pytest.param(replace(ZERO, verdict=Verdict.NO_DEPOSITS), "No deposits on either film.", id="no deposits"),
        pytest.param(
            replace(ZERO, verdict=Verdict.NOT_COMPARABLE, reasons=("The sides differ: L and R", "No bone in common.")),
            "The films cannot be compared: the sides differ: L and R. No bone in common.",
            id="not comparable",
        ),
    ],
)
def test_sentence(change: Change, sentence: str) -> None:
    assert verdict_sentence(change) == sentence


def test_a_long_list_of_changed_deposits_is_cut() -> None:
    links = tuple(Link(status=LinkStatus.NEW, followup_labels=(label,)) for label in range(1, 9))
    text = verdict_sentence(replace(PAIR, links=links, changed_links=tuple(range(1, 9))))
    assert "deposit 5 is new; and 3 more." in text
    assert "deposit 6" not in text
