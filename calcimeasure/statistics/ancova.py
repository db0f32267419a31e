"""The effect of a treatment between arms: log burden at follow-up, adjusted for baseline; zeros are censored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError
from calcimeasure.statistics.censored import BELOW, MEASURED, CensoredRegression
from calcimeasure.statistics.checks import Floats, Interval, level, numbers, positive
from calcimeasure.statistics.laws import t_probability

_ALIKE = 1e-6
"""Spread of log baselines below which they are one baseline: there is nothing to adjust for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmEffect:
    """One arm against the reference.

    Attributes
    ----------
    ratio, interval, interval_90
        Follow-up burden of the arm over that of the reference at the same baseline burden, with its t intervals; 0
        where nobody in the arm has a burden left.
    p_value
        Two-sided t test of a ratio of 1.
    p_equivalence, equivalent
        Two one-sided tests of the ratio against the margin, and whether the 90 % interval lies inside it.
    censored, reference_censored
        Patients of each with a follow-up burden of zero: below their limit of detection.
    baseline_slope
        Of log follow-up on log baseline; 0 where baselines are all alike.
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
    interval_90: Interval
    p_equivalence: float
    equivalent: bool
    censored: int = 0
    reference_censored: int = 0


def analysis_of_covariance(
    baseline: ArrayLike,
    followup: ArrayLike,
    arms: Sequence[str],
    *,
    reference: str,
    confidence_level: float = 0.95,
    limit_of_detection: ArrayLike | None = None,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
) -> tuple[ArmEffect, ...]:
    """Return each arm's effect from ln(follow-up) = a + b ln(baseline) + arm + error.

    By least squares where every follow-up is above zero, else by the likelihood of a normal law censored at the limit
    of detection (Tobin 1958). Adjusting for baseline is more precise than comparing changes, whatever the correlation
    (Vickers and Altman, BMJ 2001;323:1123). Patients without deposits at baseline have a level of their own (the
    missing-indicator method, sound in a randomised trial: White and Thompson, Stat Med 2005;24:993).

    Parameters
    ----------
    baseline, followup
        Burdens, one a patient. Zeros need `limit_of_detection`.
    arms
        Each patient's arm.
    reference
        The arm that the others are compared with.
    limit_of_detection
        Burden below which a follow-up of zero lies: one a patient, or one for all.
    margin_ratio
        Margin of equivalence of the arms' ratio.

    Raises
    ------
    UsageError
        With one arm only: no effect of treatment can be estimated from it. With too few patients for the model.
    """
    level(confidence_level)
    before, after, limits = _burdens(baseline, followup, limit_of_detection)
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
    covariates, slope_scale = _covariates(before)
    indicators = [np.array([float(name == other) for name in names]) for other in others]
    is_zero = after == 0.0
    try:
        model = CensoredRegression(
            np.log(np.where(is_zero, limits, after)),
            np.where(is_zero, BELOW, MEASURED),
            np.column_stack([np.ones(before.size), *indicators, *covariates]),
        )
    except UsageError as error:
        raise UsageError(f"{before.size} patients in {len(others) + 1} arms: {error.problem}") from error
    slope = model.fit.coefficients[1 + len(others)] / slope_scale if slope_scale else 0.0
    zeros = Counter(name for name, zero in zip(names, is_zero, strict=True) if zero)
    return tuple(
        ArmEffect(
            arm=other,
            reference=reference,
            patients=names.count(other),
            reference_patients=names.count(reference),
            degrees_of_freedom=model.degrees_of_freedom,
            baseline_slope=slope,
            residual_sd=model.fit.residual_sd,
            censored=zeros[other],
            reference_censored=zeros[reference],
            **_effect(model, column, margin_ratio, confidence_level),  # type: ignore[arg-type]
        )
        for column, other in enumerate(others, start=1)
    )


def _burdens(
    baseline: ArrayLike, followup: ArrayLike, limit_of_detection: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    if limit_of_detection is None:
        before, after = positive(baseline, name="baseline"), positive(followup, name="followup")
        return before, after, np.ones_like(after)
    before, after = numbers(baseline, name="baseline"), numbers(followup, name="followup")
    limits = np.broadcast_to(np.asarray(limit_of_detection, dtype=np.float64), after.shape)
    if (before < 0.0).any() or (after < 0.0).any() or not (limits > 0.0).all():
        raise UsageError("burdens must not be negative, and limits of detection must be positive")
    return before, after, limits


def _covariates(before: Floats) -> tuple[list[Floats], float]:
    """Return the columns that adjust for baseline, and the SD that the log baseline was divided by (0: left out)."""
    present = before > 0.0
    columns = [] if present.all() else [(~present).astype(np.float64)]
    if not present.any():
        return [], 0.0
    logs = np.log(before[present])
    centred = np.zeros_like(before)
    centred[present] = logs - logs.mean()
    scale = float(logs.std())
    if scale <= _ALIKE:
        return columns, 0.0
    return [centred / scale, *columns], scale


def _effect(
    model: CensoredRegression, column: int, margin_ratio: Interval, confidence_level: float
) -> dict[str, float | Interval | bool]:
    """Return the ratio of an arm, its intervals and its tests."""
    degrees = model.degrees_of_freedom
    low, high = model.interval(column, confidence_level)
    low_90, high_90 = model.interval(column, 0.90)
    low_margin, high_margin = (math.log(bound) for bound in margin_ratio)
    p_low = t_probability(-model.t_statistic(column, low_margin), degrees)
    p_high = t_probability(model.t_statistic(column, high_margin), degrees)
    return {
        "ratio": math.exp(model.estimate(column)),
        "interval": (math.exp(low), math.exp(high)),
        "p_value": 2.0 * t_probability(-abs(model.t_statistic(column, 0.0)), degrees),
        "interval_90": (math.exp(low_90), math.exp(high_90)),
        "p_equivalence": max(p_low, p_high),
        "equivalent": low_margin < low_90 and high_90 < high_margin,
    }
