"""A cache of what is computed from a film, kept as long as the film exists."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from calcimeasure.anatomy import Anatomy
from calcimeasure.radiograph import Radiograph

T = TypeVar("T")


def cache_per_film(derive: Callable[[Radiograph, Anatomy], T]) -> Callable[[Radiograph, Anatomy], T]:
    """Return the function, its last result for each film and anatomy cached until the film is deleted.

    A film is the object, not its file: the same file read with another spacing is another film. The result must not
    reference the film, which would then never be deleted.
    """
    cache: weakref.WeakKeyDictionary[Radiograph, tuple[weakref.ref[Anatomy], T]] = weakref.WeakKeyDictionary()

    @wraps(derive)
    def cached(film: Radiograph, anatomy: Anatomy) -> T:
        entry = cache.get(film)
        if entry is None or entry[0]() is not anatomy:
            entry = cache[film] = (weakref.ref(anatomy), derive(film, anatomy))
        return entry[1]

    return cached
