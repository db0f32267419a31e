"""A function of several items, in two threads where the caller allows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_allowed: ContextVar[bool] = ContextVar("two_threads_allowed", default=False)


@contextmanager
def two_threads(*, allowed: bool = True) -> Iterator[None]:
    """Let `parallel_map` use a second thread within the block: the same results sooner, for more memory."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item], *, brief: bool = False) -> list[Result]:
    """Return the function of each item, in order; within `two_threads` every second item in another thread.

    Calls nested in either thread run one after the other.

    Parameters
    ----------
    function, items
        What is called, and with what.
    brief
        For calls of milliseconds: one second thread is kept and shared, as starting one takes as long. Such a call
        must neither take long nor use the shared thread itself.
    """
    if not _allowed.get() or len(items) < 2:
        return [function(item) for item in items]

    def every_second(first: int) -> list[Result]:
        return [function(item) for item in items[first::2]]

    with nullcontext(_shared_thread()) if brief else _second_thread() as executor, two_threads(allowed=False):
        later = executor.submit(every_second, 1)
        results: list[Result] = [None] * len(items)  # type: ignore[list-item]
        results[::2], results[1::2] = every_second(0), later.result()
    return results


def _second_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="calcimeasure")


_shared_thread = cache(_second_thread)
