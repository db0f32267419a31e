"""Saving beside the work: a thread that writes the draft soon after an edit and keeps the lock alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from calcimeasure.errors import ReadingError

DELAY_S = 1.5
HEARTBEAT_S = 30.0
RETRY_S = 3.0


class Autosave:
    """Writes within seconds of an edit, without the one who edits waiting for it.

    Parameters
    ----------
    save
        Writes what there is now; called in the thread, one call at a time.
    heartbeat
        Called every half minute, and raises `ReadingError` when the reading was taken over.
    failed
        Told, in the thread, of what kept it from saving; with None once it works again.
    delay_s
        How long edits are gathered before they are written.
    """

    def __init__(
        self,
        save: Callable[[], None],
        *,
        heartbeat: Callable[[], None],
        failed: Callable[[Exception | None], None],
        delay_s: float = DELAY_S,
    ) -> None:
        self._save = save
        self._heartbeat = heartbeat
        self._failed = failed
        self._delay_s = delay_s
        self._wake = threading.Condition()
        self._due_s: float | None = None
        self._closing = False
        self._writing = threading.Lock()
        self._trouble = False
        self._thread = threading.Thread(target=self._run, name="calcimeasure autosave", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> bool:
        """Whether there are edits that are not on the disk."""
        with self._wake:
            return self._due_s is not None or self._writing.locked()

    def edited(self) -> None:
        """Say that there is something to save."""
        with self._wake:
            if self._due_s is None:
                self._due_s = time.monotonic() + self._delay_s
                self._wake.notify()

    def now(self) -> None:
        """Save at once, in the caller's thread.

        Raises
        ------
        OSError, ReadingError
            What kept it from saving.
        """
        with self._wake:
            self._due_s = None
        with self._writing:
            self._save()

    def close(self) -> None:
        """Stop the thread; what was not saved stays unsaved."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout=30.0)

    def _run(self) -> None:
        beat_s = time.monotonic() + HEARTBEAT_S
        while True:
            with self._wake:
                until = beat_s if self._due_s is None else min(self._due_s, beat_s)
                self._wake.wait(timeout=max(until - time.monotonic(), 0.0))
                if self._closing:
                    return
                due = self._due_s is not None and time.monotonic() >= self._due_s
                if due:
                    self._due_s = None
            if due:
                self._try(self._save_locked, again=True)
            if time.monotonic() >= beat_s:
                beat_s = time.monotonic() + HEARTBEAT_S
                self._try(self._heartbeat, again=False)

    def _save_locked(self) -> None:
        with self._writing:
            self._save()

    def _try(self, action: Callable[[], None], *, again: bool) -> None:
        try:
            action()
        except (OSError, ReadingError) as error:
            self._trouble = True
            self._failed(error)
            if again:
                with self._wake:
                    self._due_s = time.monotonic() + RETRY_S
        else:
            if self._trouble:
                self._trouble = False
                self._failed(None)
