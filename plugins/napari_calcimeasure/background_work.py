"""Work beside the window: one thread, results handed back where the window lives. Without a window it runs at once."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from qtpy.QtCore import QObject, Qt, Signal


class WorkMemory:
    """When Python looks for garbage: looking at all that napari holds stops the window for a third of a second.

    Parameters
    ----------
    ours
        Whether the whole program is ours; in a napari that somebody else opened nothing is changed.
    """

    def __init__(self, *, ours: bool = False) -> None:
        self.ours = ours

    def clean(self) -> None:
        """Throw away what is left of a closed reading, and spare what is there for long from now on."""
        if self.ours:
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def hold(self) -> None:
        """Look for nothing while a reading is put on the screen."""
        if self.ours:
            gc.disable()

    def go_on(self) -> None:
        """Spare what was put there, and look again."""
        if self.ours:
            gc.freeze()
            gc.enable()


class BackgroundWork(Protocol):
    """Runs work and then tells its result, or its error, to the caller's thread."""

    busy: str

    def run(
        self, name: str, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run `work`, then `done` with its result or `failed` with its error."""

    def cancel(self) -> None:
        """Let the result of what runs now fall."""


class AtOnce:
    """Runs work where it is called: for tests and for models without a window."""

    busy = ""

    def run(
        self, name: str, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run it now."""
        self.busy = name
        try:
            result = work()
        except Exception as error:  # handed on, not swallowed
            failed(error)
        else:
            done(result)
        finally:
            self.busy = ""

    def cancel(self) -> None:
        """There is never anything to cancel."""


class InThread(QObject):
    """Runs work in one thread of its own, in the order in which it comes."""

    _finished = Signal(int)
    changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.busy = ""
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="calcimeasure")
        self._number = itertools.count()
        self._waiting: dict[int, tuple[str, Future[Any], Callable[[Any], None], Callable[[Exception], None]]] = {}
        self._finished.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def run(
        self, name: str, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Queue it; `done` or `failed` is called by the event loop."""
        number = next(self._number)
        future = self._pool.submit(work)
        self._waiting[number] = (name, future, done, failed)
        self._say(name)
        future.add_done_callback(lambda _future: self._finished.emit(number))

    def cancel(self) -> None:
        """Let what runs and what waits fall: what has begun goes on, and nobody hears of it."""
        for _, future, _, _ in self._waiting.values():
            future.cancel()
        self._waiting.clear()
        self._say("")

    def close(self) -> None:
        """Stop; waits for what has begun."""
        self.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _tell(self, number: int) -> None:
        if number not in self._waiting:
            return
        _, future, done, failed = self._waiting.pop(number)
        self._say(next(iter(self._waiting.values()))[0] if self._waiting else "")
        error = future.exception()
        if error is None:
            done(future.result())
        elif isinstance(error, Exception):
            failed(error)

    def _say(self, name: str) -> None:
        self.busy = name
        self.changed.emit(name)
