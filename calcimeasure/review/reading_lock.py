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
from uuid import uuid4

from calcimeasure.errors import ReadingError

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
            held = json.loads(self.path.read_text(encoding="utf-8"))
            untouched_s = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return True
        except json.JSONDecodeError:
            # Another process is between making the file and filling it, or died there.
            return time.time() - self.path.stat().st_mtime > STALE_AFTER_S
        if held.get("machine") == socket.gethostname():
            return not _alive(int(held.get("process", -1)))
        return untouched_s > STALE_AFTER_S

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
        try:
            held = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        return bool(held.get("owner") == self._mine)

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


def _alive(process: int) -> bool:
    if process <= 0:
        return False
    if os.name == "nt":
        return _alive_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _alive_on_windows(process: int) -> bool:
    # os.kill(pid, 0) would end the process on Windows; asking for a handle does not.
    import ctypes

    query_limited_information = 0x1000
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - the attribute exists on Windows only
    handle = kernel.OpenProcess(query_limited_information, False, process)
    if handle:
        kernel.CloseHandle(handle)
    return bool(handle)
