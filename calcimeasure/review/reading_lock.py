"""One writer a reading: a lock file that dies with its owner.

The lock is a file made exclusively, holding the process and the machine. A lock whose process is gone from this
machine, or whose file has not been touched for two minutes on another, is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from calcimeasure.errors import ReadingError
from calcimeasure.io.processes import is_alive

LOCK_NAME = "lock.json"
STALE_AFTER_S = 120.0


class LockedError(ReadingError):
    """Somebody else has the reading open."""


class ReadingLock:
    """The right to write into one reading's folder.

    Parameters
    ----------
    folder
        The reader's folder; made if it is not there.

    Raises
    ------
    LockedError
        When another process holds it; open read-only or as another reader then.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._mine = uuid4().hex
        folder.mkdir(parents=True, exist_ok=True)
        if not self._create():
            if not self._stale():
                raise LockedError(
                    "somebody else has this reading open",
                    where=folder.name,
                    remedy="Open it read-only, or start a reading of your own under another name.",
                )
            self.path.unlink(missing_ok=True)
            if not self._create():
                raise LockedError("somebody else opened this reading just now", where=folder.name)

    def _create(self) -> bool:
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"owner": self._mine, "process": os.getpid(), "machine": socket.gethostname()}, file)
        return True

    def _stale(self) -> bool:
        try:
            untouched_s = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return True
        held = self._content()
        if held is not None and held.get("machine") == socket.gethostname():
            process = held.get("process")
            return not (isinstance(process, int) and is_alive(process))
        # Another machine's; or damaged, or about to be filled by another process.
        return untouched_s > STALE_AFTER_S

    def _content(self) -> dict[str, Any] | None:
        """Return what the lock says; None where there is none or it is damaged."""
        try:
            held = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return held if isinstance(held, dict) else None

    def touch(self) -> None:
        """Show that the owner lives; call at every autosave.

        Raises
        ------
        LockedError
            When somebody took the lock over meanwhile: what is on disk is theirs now.
        """
        if not self.held:
            raise LockedError(
                "somebody else took this reading over", where=self.path.parent.name, remedy="Save under another name."
            )
        os.utime(self.path)

    @property
    def held(self) -> bool:
        """Whether the lock is still this process's."""
        held = self._content()
        return held is not None and held.get("owner") == self._mine

    def release(self) -> None:
        """Give the lock back."""
        if self.held:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> ReadingLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
