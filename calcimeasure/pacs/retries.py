"""Retries: which failures of an archive are transient, and the wait between attempts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from calcimeasure.errors import PacsError
from calcimeasure.pacs.profiles import Patience

Answer = TypeVar("Answer")

_OUT_OF_RESOURCES = 0xA700
_REFUSALS = {
    _OUT_OF_RESOURCES: "out of resources",
    0xA900: "the object does not fit its class",
    0xC000: "the object cannot be understood",
    0x0110: "processing failed",
    0x0111: "it has an object of the same UID",
    0x0122: "objects of this kind are not taken",
    0x0124: "not authorized",
    0xC122: "the object's transfer syntax is not taken",
}


class TransientError(PacsError):
    """A failure that may pass: no connection, no answer in time, a busy archive, an answer cut off."""


def refusal(doing: str, code: int, where: str) -> PacsError:
    """Return the error for a status with which an archive refuses something (PS3.4 table B.2-1, PS3.18 I.2-2)."""
    reason = _REFUSALS.get(code) or _REFUSALS.get(code & 0xFF00) or "no reason given"
    kind = TransientError if code & 0xFF00 == _OUT_OF_RESOURCES else PacsError
    return kind(f"the archive refused {doing}: {reason} (0x{code:04X})", where=where)


def retry(
    work: Callable[[], Answer], patience: Patience, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[Answer, int]:
    """Do a piece of work, and again after a transient failure, doubling the wait each time.

    Returns the answer and the number of the attempt that gave it.

    Raises
    ------
    PacsError
        The last failure, with the number of attempts; a failure that is not transient at once.
    """
    for attempt in range(1, patience.attempts + 1):
        try:
            return work(), attempt
        except TransientError as error:
            if attempt == patience.attempts:
                tried = "once" if attempt == 1 else f"{attempt} times"
                raise PacsError(f"{error.problem} (tried {tried})", where=error.where, remedy=error.remedy) from error
            sleep(patience.first_wait_s * 2 ** (attempt - 1))
    raise AssertionError("unreachable")  # pragma: no cover
