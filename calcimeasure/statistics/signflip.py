"""The exact sign-flip test: inference on a few patients without assuming a normal law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import numbers

MOST_PATIENTS = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class SignFlip:
    """The result of a sign-flip test of a mean change of 0.

    Attributes
    ----------
    p_two_sided, p_increase, p_decrease
        Share of all 2^n assignments of signs with a mean as far from 0, as large, as small.
    smallest_p_one_sided, smallest_p_two_sided
        The smallest that n patients with a change can give: 1 / 2^n and 2 / 2^n. With 4 patients 0.0625 and 0.125:
        5 % cannot be reached, whatever the data.
    """

    patients: int
    mean: float
    p_two_sided: float
    p_increase: float
    p_decrease: float
    smallest_p_one_sided: float
    smallest_p_two_sided: float


def sign_flip_test(log_ratios: ArrayLike) -> SignFlip:
    """Return the exact test that log ratios are symmetric about 0 (Fisher, The Design of Experiments, 1935, §21).

    Raises
    ------
    UsageError
        With more than 24 patients: use the t interval, which is then good.
    """
    values = numbers(log_ratios, name="log_ratios")
    if values.size > MOST_PATIENTS:
        raise UsageError(
            f"{values.size} patients make more assignments of signs than are worth counting",
            remedy="Use the t interval of the geometric mean ratio.",
        )
    sums = np.zeros(1)
    for value in np.abs(values):
        sums = np.concatenate([sums - value, sums + value])
    observed = float(values.sum())
    slack = 1e-9 * float(np.abs(values).sum())
    # Patients without any change have no sign to flip: every assignment is there 2^zeros times.
    smallest = 2.0 ** int((values == 0.0).sum()) / sums.size
    return SignFlip(
        patients=values.size,
        mean=float(values.mean()),
        p_two_sided=float((np.abs(sums) >= abs(observed) - slack).mean()),
        p_increase=float((sums >= observed - slack).mean()),
        p_decrease=float((sums <= observed + slack).mean()),
        smallest_p_one_sided=smallest,
        smallest_p_two_sided=min(1.0, 2.0 * smallest),
    )
