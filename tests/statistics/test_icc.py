"""Intraclass correlation against the table that everyone uses."""

from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import intraclass_correlations

# Four judges rate six targets: Shrout and Fleiss, Psychol Bull 1979;86:420, table 2.
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@pytest.mark.parametrize(
    ("form", "value", "interval"),
    [
        # Values: Shrout and Fleiss, table 4: ICC(2,1) .29, ICC(3,1) .71, ICC(2,4) .62, ICC(3,4) .91.
        # Intervals: McGraw and Wong's formulae as the R package psych prints them for this table.
        ("A,1", 0.29, (0.019, 0.761)),
        ("C,1", 0.71, (0.342, 0.946)),
        ("A,k", 0.62, (0.071, 0.927)),
        ("C,k", 0.91, (0.676, 0.986)),
    ],
)
def test_shrout_and_fleiss(form: str, value: float, interval: tuple[float, float]) -> None:
    result = intraclass_correlations(RATINGS)[form]
    assert result.value == pytest.approx(value, abs=0.006)
    assert result.interval == pytest.approx(interval, abs=0.0015)
    assert (result.subjects, result.readers) == (6, 4)


def test_agreement_and_consistency_differ_where_readers_do() -> None:
    # McGraw and Wong, Psychol Methods 1996;1:30: scores (2,4), (4,6), (6,8): consistency 1, agreement 0.67.
    result = intraclass_correlations([[2, 4], [4, 6], [6, 8]])
    assert result["C,1"].value == pytest.approx(1.0)
    assert result["C,1"].interval == (1.0, 1.0)
    assert result["A,1"].value == pytest.approx(0.667, abs=0.001)


def test_sem_and_detectable_change_stand_beside() -> None:
    # The table's mean squares: readers 32.49, rest 1.02, 6 targets: SEM of consistency sqrt(1.02),
    # of agreement sqrt(1.02 + (32.49 - 1.02) / 6).
    result = intraclass_correlations(RATINGS)
    assert result["C,1"].sem == pytest.approx(1.0095, abs=0.001)
    assert result["A,1"].sem == pytest.approx(2.502, abs=0.002)
    assert result["A,1"].smallest_detectable_change == pytest.approx(2.7718 * 2.502, abs=0.01)
    assert result["A,k"].smallest_detectable_change == pytest.approx(2.7718 * 2.502 / 2.0, abs=0.01)


@pytest.mark.parametrize("table", [[[1, 2]], [[1], [2]], [[1, 2], [3, np.nan]]])
def test_a_table_with_gaps_is_refused(table: list[list[float]]) -> None:
    with pytest.raises(UsageError, match="complete"):
        intraclass_correlations(table)
