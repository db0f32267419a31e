"""The effect of a treatment between arms: log burden at follow-up, adjusted for baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Interval, level, positive
from calcimeasure.statistics.laws import t_probability, t_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmEffect:
    """One arm against the reference.

    Attributes
    ----------
    ratio, interval
        Follow-up burden of the arm over that of the reference at the same baseline burden, with its t interval.
    p_value
        Two-sided t test of a ratio of 1.
    """

    arm: str
    reference: str
    patients: int
    reference_patients: int
    ratio: float
    interval: Interval
    p_value: float
    degrees_of_freedom: int
    baseline_slope: float
    residual_sd: float


def analysis_of_covariance(
    baseline: ArrayLike,
    followup: ArrayLike,
    arms: Sequence[str],
    *,
    reference: str,
    confidence_level: float = 0.95,
) -> tuple[ArmEffect, ...]:
    """Return each arm's effect from ln(follow-up) = a + b ln(baseline) + arm + error, by least squares.

    Adjusting for baseline is more precise than comparing changes, whatever the correlation (Vickers and Altman, BMJ
    2001;323:1123).

    Parameters
    ----------
    baseline, followup
        Positive burdens, one a patient.
    arms
        Each patient's arm.
    reference
        The arm that the others are compared with.

    Raises
    ------
    UsageError
        With one arm only: no effect of treatment can be estimated from it. With too few patients for the model.
    """
    level(confidence_level)
    before, after = positive(baseline, name="baseline"), positive(followup, name="followup")
    names = list(arms)
    if not before.size == after.size == len(names):
        raise UsageError(f"{before.size} baselines, {after.size} follow-ups and {len(names)} arms do not match")
    others = [name for name in dict.fromkeys(names) if name != reference]
    if reference not in names or not others:
        raise UsageError(
            "a single arm shows change, not the effect of a treatment",
            where="arms",
            remedy="Without a comparison arm no treatment effect can be estimated; report the change alone.",
        )
    indicators = [np.array([float(name == other) for name in names]) for other in others]
    centred = np.log(before) - np.log(before).mean()
    design = np.column_stack([np.ones(before.size), centred, *indicators])
    degrees = before.size - design.shape[1]
    if degrees < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise UsageError(
            f"{before.size} patients are too few, or their baselines too alike, for {len(others) + 1} arms"
        )
    coefficients, *_ = np.linalg.lstsq(design, np.log(after), rcond=None)
    residual = np.log(after) - design @ coefficients
    variance = float((residual**2).sum()) / degrees
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    half = t_quantile((1.0 + confidence_level) / 2.0, degrees)
    return tuple(
        ArmEffect(
            arm=other,
            reference=reference,
            patients=names.count(other),
            reference_patients=names.count(reference),
            ratio=math.exp(coefficients[index]),
            interval=(
                math.exp(coefficients[index] - half * errors[index]),
                math.exp(coefficients[index] + half * errors[index]),
            ),
            p_value=_p_value(float(coefficients[index]), float(errors[index]), degrees),
            degrees_of_freedom=degrees,
            baseline_slope=float(coefficients[1]),
            residual_sd=math.sqrt(variance),
        )
        for index, other in enumerate(others, start=2)
    )


def _p_value(estimate: float, se: float, degrees: int) -> float:
    if se == 0.0:
        return 1.0 if estimate == 0.0 else 0.0
    return 2.0 * t_probability(-abs(estimate) / se, degrees)
