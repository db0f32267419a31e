"""Two things looked at: one after the other, or in two threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

One = TypeVar("One")
Seen = TypeVar("Seen")


def map_pair(look: Callable[[One], Seen], first: One, second: One, *, parallel: bool) -> tuple[Seen, Seen]:
    """Return what is seen of either, in two threads when `parallel`."""
    if not parallel:
        return look(first), look(second)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="calcimeasure other") as other:
        return _looked(other, look, first, second)


def map_pair_kept_thread(look: Callable[[One], Seen], first: One, second: One, *, parallel: bool) -> tuple[Seen, Seen]:
    """Do as `map_pair` where a look takes milliseconds: the second thread is kept, as beginning one takes as long.

    Whoever asks shares it, so that a look must neither take long nor ask in this way itself.
    """
    return _looked(_kept(), look, first, second) if parallel else (look(first), look(second))


def _looked(other: ThreadPoolExecutor, look: Callable[[One], Seen], first: One, second: One) -> tuple[Seen, Seen]:
    later = other.submit(look, second)
    return look(first), later.result()


@cache
def _kept() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="calcimeasure beside")
