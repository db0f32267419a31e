"""A Bayesian interval for a small cohort, with its prior stated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError
from calcimeasure.statistics.checks import Floats, Interval, level, numbers

GRID = 2001


@dataclass(frozen=True, kw_only=True, slots=True)
class Posterior:
    """What is believed of the mean log ratio after seeing the patients.

    Attributes
    ----------
    ratio, interval
        Posterior median and central interval of the geometric mean ratio.
    probability_inside_margin, probability_increase
        That the ratio lies inside the margin; that it exceeds 1.
    between_patient_sd
        Posterior median of the SD of true log ratios between patients.
    prior
        The prior, in a sentence for the report.
    """

    patients: int
    confidence_level: float
    ratio: float
    interval: Interval
    probability_inside_margin: float
    probability_increase: float
    between_patient_sd: float
    prior: str


def posterior_ratio(
    log_ratios: ArrayLike,
    log_ratio_ses: ArrayLike,
    *,
    mean_prior_sd: float = 0.5,
    between_prior_sd: float = 0.25,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    confidence_level: float = 0.95,
) -> Posterior:
    """Return the posterior of the geometric mean ratio from each patient's log ratio and its standard error.

    Model: r_i ~ N(theta_i, se_i^2), theta_i ~ N(mu, tau^2), mu ~ N(0, mean_prior_sd^2), tau ~ half-normal with scale
    between_prior_sd (Röver, J Stat Softw 2020;93:6 for the normal-normal model and half-normal priors in small
    numbers). Given tau, mu is normal; tau is summed over a grid: no random numbers, the same answer always.

    Parameters
    ----------
    log_ratios, log_ratio_ses
        One a patient.
    mean_prior_sd
        0.5 puts 95 % of prior belief on ratios from 0.38 to 2.7: wide, centred on no change.
    between_prior_sd
        Scale of the half-normal prior of the SD between patients.

    Raises
    ------
    UsageError
        For standard errors that are not positive, or prior SDs that are not.
    """
    level(confidence_level)
    values = numbers(log_ratios, name="log_ratios")
    errors = numbers(log_ratio_ses, name="log_ratio_ses")
    if values.size != errors.size or (errors <= 0.0).any():
        raise UsageError("each log ratio needs a positive standard error", where="log_ratio_ses")
    if mean_prior_sd <= 0.0 or between_prior_sd <= 0.0:
        raise UsageError("the prior's standard deviations must be positive")
    taus = np.linspace(0.0, 6.0 * between_prior_sd, GRID)
    means, sds, weights = _given_tau(values, errors, taus, mean_prior_sd, between_prior_sd)

    def cumulative(x: float) -> float:
        return float((weights * ndtr((x - means) / sds)).sum())

    tail = (1.0 - confidence_level) / 2.0
    low, middle, high = (_invert(cumulative, p, means, sds) for p in (tail, 0.5, 1.0 - tail))
    low_margin, high_margin = math.log(margin_ratio[0]), math.log(margin_ratio[1])
    return Posterior(
        patients=values.size,
        confidence_level=confidence_level,
        ratio=math.exp(middle),
        interval=(math.exp(low), math.exp(high)),
        probability_inside_margin=cumulative(high_margin) - cumulative(low_margin),
        probability_increase=1.0 - cumulative(0.0),
        between_patient_sd=float(taus[np.searchsorted(np.cumsum(weights), 0.5)]),
        prior=(
            f"Prior: mean log ratio normal about 0 with SD {mean_prior_sd:g}; "
            f"SD between patients half-normal with scale {between_prior_sd:g}."
        ),
    )


def _given_tau(
    values: Floats, errors: Floats, taus: Floats, mean_prior_sd: float, between_prior_sd: float
) -> tuple[Floats, Floats, Floats]:
    """Return mean and SD of mu given each tau, and the posterior weight of each tau."""
    variances = errors[None, :] ** 2 + taus[:, None] ** 2
    precision = (1.0 / variances).sum(axis=1) + 1.0 / mean_prior_sd**2
    means = (values[None, :] / variances).sum(axis=1) / precision
    # The marginal likelihood of tau with mu integrated out.
    log_weight = (
        -0.5 * np.log(variances).sum(axis=1)
        - 0.5 * np.log(precision)
        - 0.5 * ((values[None, :] ** 2 / variances).sum(axis=1) - means**2 * precision)
        - 0.5 * (taus / between_prior_sd) ** 2
    )
    weights = np.exp(log_weight - log_weight.max())
    weights[[0, -1]] *= 0.5  # trapezoidal rule
    return means, 1.0 / np.sqrt(precision), weights / weights.sum()


def _invert(cumulative: Callable[[float], float], probability: float, means: Floats, sds: Floats) -> float:
    from scipy.optimize import brentq

    low, high = float((means - 10.0 * sds).min()), float((means + 10.0 * sds).max())
    return float(brentq(lambda x: cumulative(x) - probability, low, high, xtol=1e-12))
