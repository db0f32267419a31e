"""What the other modules ask of their input: finite numbers, enough of them, a believable level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calcimeasure.errors import UsageError

Floats = NDArray[np.float64]
Interval = tuple[float, float]


def numbers(values: ArrayLike, *, name: str, least: int = 1) -> Floats:
    """Return the values as a 1-D float array.

    Raises
    ------
    UsageError
        When one is missing or infinite, or there are fewer than `least`.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise UsageError("a value is missing or infinite", where=name, remedy="Leave the row out, with its reason.")
    if array.size < least:
        raise UsageError(f"{array.size} values are too few; at least {least} are needed", where=name)
    return array


def positive(values: ArrayLike, *, name: str, least: int = 1) -> Floats:
    """Return the values as a 1-D float array of positive numbers, or say that a logarithm needs them so."""
    array = numbers(values, name=name, least=least)
    if (array <= 0.0).any():
        raise UsageError(
            "a value is not positive, and has no logarithm",
            where=name,
            remedy="Put half the limit of detection in place of zeros (calcimeasure.statistics.replace_zeros).",
        )
    return array


def paired(first: ArrayLike, second: ArrayLike, *, names: tuple[str, str], least: int) -> tuple[Floats, Floats]:
    """Return two arrays of the same length."""
    one, two = numbers(first, name=names[0], least=least), numbers(second, name=names[1], least=least)
    if one.size != two.size:
        raise UsageError(f"{one.size} values of {names[0]} and {two.size} of {names[1]} make no pairs")
    return one, two


def grouped(values: ArrayLike, groups: Sequence[object] | NDArray[np.generic], *, name: str) -> list[Floats]:
    """Return the values of each group that holds at least two, in the order in which the groups appear."""
    array = numbers(values, name=name)
    keys = list(groups)
    if len(keys) != array.size:
        raise UsageError(f"{array.size} values and {len(keys)} group names", where=name)
    members: dict[object, list[float]] = {}
    for key, value in zip(keys, array.tolist(), strict=True):
        members.setdefault(key, []).append(value)
    repeated = [np.array(group) for group in members.values() if len(group) > 1]
    if not repeated:
        raise UsageError(
            "nothing was measured twice", where=name, remedy="Repeatability needs two values or more of one subject."
        )
    return repeated


def level(value: float) -> float:
    """Return a confidence level between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise UsageError(f"a confidence level of {value:g} is not between 0 and 1", where="confidence_level")
    return float(value)


def without_infinities(value: object) -> object:
    """Return a record in which numbers that JSON has no word for (infinite, undefined) are None."""
    if isinstance(value, Mapping):
        return {name: without_infinities(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_infinities(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
