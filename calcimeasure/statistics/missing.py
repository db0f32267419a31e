"""Zeros, deposits too small to measure, and films that could not be evaluated: what stands in for them.

The rules are those of trials (RECIST 1.1 as CDISC codes it): absent is 0; present but too small to measure is
imputed, not 0; not evaluable is missing, with its reason, and is never imputed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, numbers, paired
from calcimeasure.statistics.equivalence import geometric_mean_ratio

if TYPE_CHECKING:
    import pandas as pd

FRACTION_OF_LIMIT = 0.5


class Observation(StrEnum):
    """What is known of a deposit (or a burden) at a visit."""

    MEASURED = "measured"
    TOO_SMALL = "too_small"
    ABSENT = "absent"
    NOT_EVALUABLE = "not_evaluable"


def observed_area(
    observation: Observation, area: float | None, *, measurable_from: float, reason: str = ""
) -> float | None:
    """Return the area that stands for an observation; None where it is missing.

    Parameters
    ----------
    observation
        What is known.
    area
        The measured area, where there is one.
    measurable_from
        The smallest area that is measured; half of it stands for what is there but smaller.
    reason
        Why it is not evaluable: required, because a missing value without a reason cannot be judged.

    Raises
    ------
    UsageError
        Without an area that was measured, or a reason for what was not.
    """
    if observation is Observation.ABSENT:
        return 0.0
    if observation is Observation.TOO_SMALL:
        return FRACTION_OF_LIMIT * measurable_from
    if observation is Observation.NOT_EVALUABLE:
        if not reason:
            raise UsageError("not evaluable without a reason", remedy="Say why: hidden, over-exposed, not taken, ...")
        return None
    if area is None:
        raise UsageError("an area that was measured is missing")
    return area


def replace_zeros(areas: ArrayLike, limit_of_detection: ArrayLike, *, fraction: float = FRACTION_OF_LIMIT) -> Floats:
    """Return the areas with zeros at a fraction of the limit of detection, so that logarithms exist.

    Half the limit is the usual choice (Hornung and Reed, Appl Occup Environ Hyg 1990;5:46); what it does to the result
    is for `zero_sensitivity` to show.
    """
    values = numbers(areas, name="areas")
    limits = np.broadcast_to(np.asarray(limit_of_detection, dtype=np.float64), values.shape)
    if (values < 0.0).any() or not (limits > 0.0).all() or fraction <= 0.0:
        raise UsageError("areas must not be negative, limits of detection and the fraction must be positive")
    return np.where(values == 0.0, fraction * limits, values)


def zero_sensitivity(
    baseline: ArrayLike,
    followup: ArrayLike,
    limit_of_detection: ArrayLike,
    *,
    fractions: tuple[float, ...] = (0.25, 0.5, 1.0),
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
) -> pd.DataFrame:
    """Return the geometric mean ratio for several values in place of zero, and without the patients that have one.

    A patient with zero at both visits did not change; the log ratio is 0 whatever stands for zero.

    Returns
    -------
    pandas.DataFrame
        A row an analysis: analysis, patients, ratio, ratio_low, ratio_high, p_equivalence. Empty numbers where fewer
        than two patients are left or none differ.
    """
    import pandas as pd

    before, after = paired(baseline, followup, names=("baseline", "followup"), least=1)
    limits = np.broadcast_to(np.asarray(limit_of_detection, dtype=np.float64), before.shape)
    cases = [
        (
            f"zero at {fraction:g} of the limit of detection",
            np.log(replace_zeros(after, limits, fraction=fraction))
            - np.log(replace_zeros(before, limits, fraction=fraction)),
        )
        for fraction in fractions
    ]
    present = (before > 0.0) & (after > 0.0)
    cases.append(("patients with a zero left out", np.log(after[present]) - np.log(before[present])))
    rows = []
    for name, ratios in cases:
        row: dict[str, object] = {"analysis": name, "patients": int(ratios.size)}
        if ratios.size > 1 and np.ptp(ratios) > 0.0:
            result = geometric_mean_ratio(ratios, margin_ratio=margin_ratio)
            row |= {
                "ratio": result.ratio,
                "ratio_low": result.interval[0],
                "ratio_high": result.interval[1],
                "p_equivalence": result.p_equivalence,
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=["analysis", "patients", "ratio", "ratio_low", "ratio_high", "p_equivalence"])
