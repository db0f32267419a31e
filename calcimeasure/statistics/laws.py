"""Quantiles and probabilities of the laws used here, from scipy.special: quick to import, and one line each."""

from __future__ import annotations

from scipy import special


def t_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Return the quantile of Student's t."""
    return float(special.stdtrit(degrees_of_freedom, probability))


def t_probability(value: float, degrees_of_freedom: float) -> float:
    """Return P(T <= value) of Student's t."""
    return float(special.stdtr(degrees_of_freedom, value))


def noncentral_t_quantile(probability: float, degrees_of_freedom: float, noncentrality: float) -> float:
    """Return the quantile of the non-central t."""
    return float(special.nctdtrit(degrees_of_freedom, noncentrality, probability))


def chi2_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Return the quantile of chi-square."""
    return float(special.chdtri(degrees_of_freedom, 1.0 - probability))


def f_quantile(probability: float, numerator: float, denominator: float) -> float:
    """Return the quantile of F."""
    return float(special.fdtri(numerator, denominator, probability))


def f_probability(value: float, numerator: float, denominator: float) -> float:
    """Return P(F <= value)."""
    return float(special.fdtr(numerator, denominator, value))


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal law."""
    return float(special.ndtri(probability))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the quantile of Beta(a, b)."""
    return float(special.betaincinv(a, b, probability))
