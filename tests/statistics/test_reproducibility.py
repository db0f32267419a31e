"""Variance components of crossed studies, and the generalised interval of the reproducibility coefficient."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import intraclass_correlations, reproducibility

RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_components_of_the_shrout_and_fleiss_table() -> None:
    # Mean squares 11.24, 32.49 and 1.02 (Shrout and Fleiss 1979, table 3): readers (32.49 - 1.02) / 6 = 5.24,
    # targets (11.24 - 1.02) / 4 = 2.56.
    result = reproducibility(RATINGS, rng=np.random.default_rng(0))
    assert result.reader_variance == pytest.approx(5.244, abs=0.002)
    assert result.subject_variance == pytest.approx(2.556, abs=0.002)
    assert result.error_variance == pytest.approx(1.019, abs=0.001)
    assert result.interaction_variance is None
    assert result.reproducibility_coefficient == pytest.approx(2.7718 * math.sqrt(5.244 + 1.019), abs=0.01)
    # The same number as the detectable change of ICC(A,1).
    agreement = intraclass_correlations(RATINGS)["A,1"]
    assert result.reproducibility_coefficient == pytest.approx(agreement.smallest_detectable_change)
    low, high = result.rdc_interval
    assert low < result.reproducibility_coefficient < high


def test_repeats_tell_interaction_from_error() -> None:
    rng = np.random.default_rng(1)
    subjects, readers, repeats = 400, 30, 3
    table = (
        rng.normal(0, 3, (subjects, 1, 1))
        + rng.normal(0, 1, (1, readers, 1))
        + rng.normal(0, 0.5, (subjects, readers, 1))
        + rng.normal(0, 2, (subjects, readers, repeats))
    )
    result = reproducibility(table, rng=rng, draws=2000)
    assert result.interaction_variance == pytest.approx(0.25, abs=0.06)
    assert result.error_variance == pytest.approx(4.0, rel=0.03)
    assert result.reader_variance == pytest.approx(1.0, rel=0.6)
    assert result.repeatability_coefficient < result.reproducibility_coefficient


def test_the_same_generator_gives_the_same_interval() -> None:
    one = reproducibility(RATINGS, rng=np.random.default_rng(5))
    two = reproducibility(RATINGS, rng=np.random.default_rng(5))
    assert one == two


@pytest.mark.parametrize("table", [np.ones((1, 3)), np.ones((3, 1)), np.ones(3), np.array([[1, np.nan], [1, 2]])])
def test_tables_that_make_no_study_are_refused(table: np.ndarray) -> None:
    with pytest.raises(UsageError):
        reproducibility(table, rng=np.random.default_rng(0))
