"""What is derived from a film is derived once, and kept as long as the film is."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from calcimeasure.anatomy import Anatomy
from calcimeasure.radiograph import Radiograph

T = TypeVar("T")


def cache_per_film(derive: Callable[[Radiograph, Anatomy], T]) -> Callable[[Radiograph, Anatomy], T]:
    """Return the function, its last answer for each film and anatomy kept until the film is gone.

    A film is the object, not its file: the same file read with another spacing is another film. The answer must not
    hold the film, which would then never be gone.
    """
    kept: weakref.WeakKeyDictionary[Radiograph, tuple[weakref.ref[Anatomy], T]] = weakref.WeakKeyDictionary()

    @wraps(derive)
    def once(film: Radiograph, anatomy: Anatomy) -> T:
        entry = kept.get(film)
        if entry is None or entry[0]() is not anatomy:
            entry = kept[film] = (weakref.ref(anatomy), derive(film, anatomy))
        return entry[1]

    return once
