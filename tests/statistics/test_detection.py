"""The limit of detection against a worked regression and against simulated films."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.statistics import limit_of_detection

# Hours of study and passing: the worked logistic regression of Wikipedia's article (intercept -4.0777, slope 1.5046).
HOURS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 4, 4.25, 4.5, 4.75, 5, 5.5]
PASSED = [0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1]


def test_a_worked_logistic_regression() -> None:
    # The regression is on hours; ours on the logarithm of a size: sizes are exp(hours).
    result = limit_of_detection(np.exp(HOURS), PASSED)
    assert result.intercept == pytest.approx(-4.0777, abs=1e-4)
    assert result.slope == pytest.approx(1.5046, abs=1e-4)
    assert result.chance(math.exp(2.0)) == pytest.approx(0.26, abs=0.005)
    assert result.chance(math.exp(4.0)) == pytest.approx(0.87, abs=0.005)
    assert result.chance(result.size) == pytest.approx(0.95)
    assert result.interval[0] < result.size < result.interval[1]


def test_the_covariance_is_that_of_statsmodels() -> None:
    import statsmodels.api as sm

    fit = sm.Logit(PASSED, sm.add_constant(np.array(HOURS))).fit(disp=0)
    result = limit_of_detection(np.exp(HOURS), PASSED)
    log_limit = math.log(result.size)
    gradient = np.array([-1.0, -log_limit]) / fit.params[1]
    half = 1.959964 * math.sqrt(gradient @ fit.cov_params() @ gradient)
    assert math.log(result.interval[1]) == pytest.approx(log_limit + half, rel=1e-5)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    truth = math.exp((math.log(19.0) + 1.0) / 2.0)
    held = 0
    for _ in range(300):
        sizes = np.exp(rng.uniform(-1.5, 3.5, 200))
        found = rng.random(200) < 1 / (1 + np.exp(1.0 - 2.0 * np.log(sizes)))
        low, high = limit_of_detection(sizes, found).interval
        held += low <= truth <= high
    assert held / 300 == pytest.approx(0.95, abs=0.04)


def test_larger_ones_that_are_not_found_more_often_have_no_limit() -> None:
    assert limit_of_detection([1, 2, 3, 4, 5, 6], [1, 0, 1, 0, 1, 0]).size == math.inf
    hardly = limit_of_detection([1, 2, 4, 8], [1, 0, 0, 1.0])
    assert hardly.size == math.inf, "next to no slope: a limit beyond all numbers"
    assert hardly.interval == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("sizes", "found", "problem"),
    [
        ([1, 2, 3, 4], [1, 1, 1, 1], "4 of 4 were found"),
        ([1, 2, 3, 4], [0, 0, 0, 0], "0 of 4 were found"),
        ([1, 2, 3, 4], [0, 0, 1, 1], "do not overlap"),
        ([1, 2, 2, 3], [0, 0, 1, 1], "do not overlap"),
        ([1, 2, 2, 3], [1, 1, 0, 0], "do not overlap"),
        ([1, 2, 3, 4], [0, 2, 1, 1], "found or not"),
    ],
)
def test_limits_that_are_not_in_the_data(sizes: list[float], found: list[int], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        limit_of_detection(sizes, found)
