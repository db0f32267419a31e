"""Whether a process of this machine still lives, and by which mark this machine is known in names of files."""

from __future__ import annotations

import hashlib
import os
import socket


def machine_mark() -> str:
    """Return eight letters for this machine; its name itself belongs in no file name."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def is_alive(process: int) -> bool:
    """Return whether a process of this machine lives."""
    if process <= 0:
        return False
    if os.name == "nt":
        return _is_alive_on_windows(process)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_alive_on_windows(process: int) -> bool:
    # os.kill(pid, 0) would end the process on Windows; a handle does not.
    import ctypes

    query_limited_information = 0x1000
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - the attribute exists on Windows only
    handle = kernel.OpenProcess(query_limited_information, False, process)
    if handle:
        kernel.CloseHandle(handle)
    return bool(handle)
