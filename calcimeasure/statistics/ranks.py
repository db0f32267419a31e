"""Rank analyses that take a patient who is known only by a bound: the sign test, and Gehan's test between arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from calcimeasure.errors import UsageError
from calcimeasure.statistics.censored import ABOVE, BELOW, MEASURED
from calcimeasure.statistics.checks import Floats, numbers

MOST_ARRANGEMENTS = 200_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SignTest:
    """How many patients rose and fell, and the exact test that both are as likely.

    Attributes
    ----------
    rose, fell
        Patients whose direction is known.
    unknown
        Those whose bound allows both directions, and those without any change.
    p_two_sided
        Binomial; 1 where no direction is known.
    smallest_p
        The smallest that so many known directions can give: 2 / 2^n.
    """

    rose: int
    fell: int
    unknown: int
    p_two_sided: float
    smallest_p: float


def sign_test(log_ratios: ArrayLike, sides: ArrayLike | None = None) -> SignTest:
    """Return the sign test of log ratios (Dixon and Mood, J Am Stat Assoc 1946;41:557).

    Parameters
    ----------
    log_ratios
        Natural log ratios, or their bounds.
    sides
        -1 where the ratio lies below its bound, 0 where it is measured, 1 above; all measured where not given.
    """
    values, known = _with_sides(log_ratios, sides)
    rose = int(((values > 0.0) & (known != BELOW)).sum() + ((values == 0.0) & (known == ABOVE)).sum())
    fell = int(((values < 0.0) & (known != ABOVE)).sum() + ((values == 0.0) & (known == BELOW)).sum())
    count = rose + fell
    tail = sum(math.comb(count, k) for k in range(min(rose, fell) + 1)) / 2**count
    return SignTest(
        rose=rose,
        fell=fell,
        unknown=values.size - count,
        p_two_sided=min(1.0, 2.0 * tail),
        smallest_p=min(1.0, 2.0 / 2**count),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RankComparison:
    """Change in one arm against the reference, by ranks.

    Attributes
    ----------
    probability_less
        Chance that a patient of the arm changes downwards against one of the reference, pairs that cannot be ordered
        counted half: 0.5 where the arms do not differ.
    p_value
        Two-sided permutation test; exact where there are at most 200,000 arrangements.
    """

    arm: str
    reference: str
    patients: int
    reference_patients: int
    probability_less: float
    p_value: float
    exact: bool


def rank_comparison(
    log_ratios: ArrayLike, sides: ArrayLike | None, arms: Sequence[str], *, arm: str, reference: str
) -> RankComparison:
    """Return Gehan's generalised Wilcoxon test of change between two arms (Gehan, Biometrika 1965;52:203).

    Each patient's score is the number of others whose change is surely smaller less those surely larger; the sum over
    an arm is compared with all arrangements of the arms (Mantel, Biometrics 1967;23:65). Without bounds it is the
    Mann-Whitney test.

    Raises
    ------
    UsageError
        When either arm has nobody.
    """
    values, known = _with_sides(log_ratios, sides)
    names = np.array(list(arms), dtype=object)
    chosen = (names == arm) | (names == reference)
    in_arm = names[chosen] == arm
    scores = _scores(values[chosen], known[chosen])
    size, others = int(in_arm.sum()), int((~in_arm).sum())
    if not size or not others:
        raise UsageError(f"nobody is in {arm if not size else reference}", where="arms")
    observed = float(scores[in_arm].sum())
    p_value, exact = _permutation_p(scores, size, observed)
    return RankComparison(
        arm=arm,
        reference=reference,
        patients=size,
        reference_patients=others,
        # The scores within an arm cancel: the sum counts pairs between the arms alone.
        probability_less=0.5 - observed / (2.0 * size * others),
        p_value=p_value,
        exact=exact,
    )


def _with_sides(log_ratios: ArrayLike, sides: ArrayLike | None) -> tuple[Floats, NDArray[np.int64]]:
    values = numbers(log_ratios, name="log_ratios")
    known = np.zeros(values.size, dtype=np.int64) if sides is None else np.asarray(sides, dtype=np.int64).ravel()
    if known.shape != values.shape:
        raise UsageError(f"{values.size} log ratios and {known.size} sides do not match")
    return values, known


def _scores(values: Floats, sides: NDArray[np.int64]) -> Floats:
    """Return, for each value, how many others are surely smaller less how many are surely larger."""
    lowest = np.where(sides == BELOW, -np.inf, values)
    highest = np.where(sides == ABOVE, np.inf, values)
    # A bound that equals a measured value orders the two; two measured values that are equal are tied.
    above = lowest[:, None] >= highest[None, :]
    both = (sides == MEASURED)[:, None] & (sides == MEASURED)[None, :]
    above &= ~(both & (values[:, None] == values[None, :]))
    return np.asarray(above.sum(axis=1) - above.sum(axis=0), dtype=np.float64)


def _permutation_p(scores: Floats, size: int, observed: float) -> tuple[float, bool]:
    """Return the two-sided p value of an arm's sum of scores, whose mean is 0, and whether it is exact."""
    if math.comb(scores.size, size) <= MOST_ARRANGEMENTS:
        sums = np.array([scores[list(chosen)].sum() for chosen in combinations(range(scores.size), size)])
        return float((np.abs(sums) >= abs(observed) - 1e-9).mean()), True
    variance = size * (scores.size - size) / (scores.size * (scores.size - 1.0)) * float((scores**2).sum())
    if variance == 0.0:
        return 1.0, False
    return float(2.0 * ndtr(-abs(observed) / math.sqrt(variance))), False
