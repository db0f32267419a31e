"""Work in the background: one of napari's workers at a time, results handed back in the window's thread."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Signal

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    name: str
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]


class BackgroundWork(QObject):
    """Runs tasks one after another, in the order in which they come.

    Parameters
    ----------
    synchronous
        Run each where it is asked for: for tests, pictures and models without a window.

    Attributes
    ----------
    busy
        The name of what runs, or nothing; `changed` is emitted with it.
    """

    changed = Signal(str)

    def __init__(self, parent: QObject | None = None, *, synchronous: bool = False) -> None:
        super().__init__(parent)
        self.synchronous = synchronous
        self.busy = ""
        self._tasks: deque[_Task] = deque()
        self._running = threading.Lock()
        self._closed = False

    def run(
        self,
        name: str,
        work: Callable[[], Result],
        done: Callable[[Result], None] = lambda _result: None,
        failed: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        """Run `work`, then in the window's thread `done` with its result or `failed` with its error."""
        self._tasks.append(_Task(name=name, work=work, done=done, failed=failed))
        self._report(name)
        if len(self._tasks) == 1:
            self._start()

    def cancel(self) -> None:
        """Drop what runs and what waits: what has begun goes on, and its result is not handed on."""
        self._tasks.clear()
        self._report("")

    def close(self) -> None:
        """Drop everything, and wait for what has begun."""
        self._closed = True
        self.cancel()
        with self._running:
            pass

    def _start(self) -> None:
        task = self._tasks[0]
        if self.synchronous:
            self._finish(self._work(task))
            return
        from napari.qt.threading import create_worker

        worker = create_worker(self._work, task)
        worker.returned.connect(self._finish)
        worker.start()

    def _work(self, task: _Task) -> tuple[_Task, Any, Exception | None]:
        with self._running:
            if self._closed:
                return task, None, None
            try:
                return task, task.work(), None
            except Exception as error:  # handed on, not swallowed
                return task, None, error

    def _finish(self, outcome: tuple[_Task, Any, Exception | None]) -> None:
        task, result, error = outcome
        if not self._tasks or task is not self._tasks[0]:
            return  # dropped meanwhile
        self._tasks.popleft()
        self._report(self._tasks[0].name if self._tasks else "")
        if self._tasks:
            self._start()
        if error is None:
            task.done(result)
        else:
            task.failed(error)

    def _report(self, name: str) -> None:
        self.busy = name
        self.changed.emit(name)


class GarbageCollection:
    """When Python collects garbage: going through all that napari holds stops the window for a third of a second.

    Parameters
    ----------
    ours
        Whether the whole program is ours; in a napari that somebody else opened nothing is changed.
    """

    def __init__(self, *, ours: bool = False) -> None:
        self.ours = ours

    def collect(self) -> None:
        """Collect what is left of a closed reading, and exempt what stays."""
        if self.ours:
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def pause(self) -> None:
        """Collect nothing while a reading is put on the screen."""
        if self.ours:
            gc.disable()

    def resume(self) -> None:
        """Exempt what was put there, and collect again."""
        if self.ours:
            gc.freeze()
            gc.enable()
