"""The time that a worker may take to read one film: a film that takes longer is given up, and the worker replaced.

Decoders cannot be interrupted. A worker that is stuck in one leaves a note beside the film's results and ends; the
series is then read again, without that film.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from calcimeasure.errors import FilmError

MOST_PROCESSOR_S = 120.0
# A disk or a network that does not answer takes no processor's time.
MOST_WAITING_S = 1800.0
NOTE_SUFFIX = ".stuck"
_LOOK_EVERY_S = 1.0


@contextmanager
def reading_budget(results: Path, where: str) -> Iterator[None]:
    """End this process, where it is a worker, when reading the film takes too long.

    Parameters
    ----------
    results
        The folder of the film's results; the note lies beside it.
    where
        The film's file, for the message.

    Raises
    ------
    FilmError
        When a worker was stuck in this film before.
    """
    note = results.with_name(results.name + NOTE_SUFFIX)
    if note.exists():
        raise FilmError(
            f"reading it took longer than {MOST_PROCESSOR_S:.0f} s, and was given up",
            where=where,
            remedy="Export the film again, smaller or without compression.",
        )
    if multiprocessing.parent_process() is None:
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(note, done), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _watch(note: Path, done: threading.Event) -> None:
    processor_s, waiting_s = time.process_time() + MOST_PROCESSOR_S, time.monotonic() + MOST_WAITING_S
    while not done.wait(_LOOK_EVERY_S):
        if time.process_time() > processor_s or time.monotonic() > waiting_s:
            with suppress(OSError):
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text("reading this film took too long\n", encoding="utf-8")
            os._exit(1)


def forget_stuck_films(films: Path) -> None:
    """Remove the notes of an earlier run, whose films are then tried again."""
    for note in films.rglob(f"*{NOTE_SUFFIX}"):
        with suppress(OSError):
            note.unlink()
