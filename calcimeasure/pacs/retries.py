"""Trying again: which mishaps of an archive pass by themselves, and how long is waited between attempts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from calcimeasure.errors import PacsError
from calcimeasure.pacs.profiles import Patience

Answer = TypeVar("Answer")


class TransientError(PacsError):
    """A mishap that may pass: no connection, no answer in time, a busy archive, an answer cut off."""


def retry(
    work: Callable[[], Answer], patience: Patience, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[Answer, int]:
    """Do a piece of work, again after a passing mishap, waiting twice as long each time.

    Parameters
    ----------
    work
        May be done twice without harm.
    patience
        How often, and the first wait.

    Returns
    -------
    tuple
        Its answer, and the number of the attempt that gave it.

    Raises
    ------
    PacsError
        The last mishap, saying how often was tried; a mishap that does not pass at once.
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
