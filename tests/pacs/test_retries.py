from __future__ import annotations

import pytest

from calcimeasure.errors import PacsError
from calcimeasure.pacs.profiles import Patience
from calcimeasure.pacs.retries import TransientError, retry

PATIENCE = Patience(attempts=4, first_wait_s=0.5)


def work_that_fails(times: int, error: PacsError):
    left = [error] * times

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


@pytest.mark.parametrize("times", [0, 1, 3])
def test_passing_mishaps_are_waited_out_twice_as_long_each_time(times: int) -> None:
    waits: list[float] = []
    answer = retry(work_that_fails(times, TransientError("busy")), PATIENCE, sleep=waits.append)

    assert answer == ("done", times + 1)
    assert waits == [0.5, 1.0, 2.0][:times]


def test_the_last_mishap_says_how_often_was_tried() -> None:
    work = work_that_fails(9, TransientError("busy", where="site", remedy="Wait."))
    with pytest.raises(PacsError, match=r"^site: busy \(tried 4 times\)\. Wait\.$"):
        retry(work, PATIENCE, sleep=lambda _: None)


def test_other_mishaps_are_not_tried_again() -> None:
    with pytest.raises(PacsError, match=r"^refused$"):
        retry(work_that_fails(1, PacsError("refused")), PATIENCE, sleep=lambda _: pytest.fail("waited"))
