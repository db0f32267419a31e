"""Kill readers at work: `python killed_sessions.py FOLDER COUNT SEED AUTOSAVE_S LONGEST_S`, a JSON line a session.

Each session runs in a forked process that edits as fast as it can, tells over a pipe what the state was after each
edit, and is killed (signal 9) at a random moment. Run as a program of its own so that no other test's threads are
forked along.

The draft's log holds one action an edit, so that it says by itself which edit it reaches to: the same state comes back
again and again (undo, a finding set to and fro) and could not tell. The labels must be those of that very edit.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import cv2
import skimage.measure
import skimage.morphology  # noqa: F401 - loaded before the forks, as a window does: the readers edit at once

from calcimeasure.deposits import Finding
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationState
from calcimeasure.review.draft import read_draft
from calcimeasure.review.reading_store import ReadingLocation
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.review_session import ReviewSession, unfinished

HERE = Path(__file__).resolve().parent


def review_input() -> ReviewInput:
    spec = importlib.util.spec_from_file_location("small_films", HERE / "conftest.py")
    small_films = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(small_films)
    return small_films.build_review_input()


def fingerprint(state: AnnotationState) -> str:
    digest = hashlib.sha256()
    for visit in TimePoint:
        digest.update(state.images[visit].tobytes())
        entries = [(d.label, d.finding, d.origin, d.confidence) for _, d in sorted(state.deposits[visit].items())]
        digest.update(repr(entries).encode())  # what makes deposits equal
    digest.update(repr(sorted(state.links, key=repr)).encode())
    return digest.hexdigest()


def work(films: ReviewInput, location: ReadingLocation, autosave_s: float, pipe: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    session = ReviewSession(films, location=location, autosave_s=autosave_s)
    reported = -1
    while True:
        if len(session.actions) > reported:  # one that changed nothing is no edit
            os.write(pipe, f"{fingerprint(session.state)} {time.monotonic()}\n".encode())
            reported = len(session.actions)
        visit = chance.choice(list(TimePoint))
        number = chance.choice(sorted(session.state.deposits[visit]))
        if chance.random() < 0.2 and session.history.undo_name is not None:
            session.undo()
        elif chance.random() < 0.3:
            grown = editing_tools.resize_deposit(session.state, visit, number, pixels=chance.choice([-1, 1]))
            if all(entry.after is not None for entry in grown.entries):
                session.do(grown)
        else:
            session.do(editing_tools.set_finding(session.state, visit, number, chance.choice(list(Finding))))


class Listener(threading.Thread):
    """Takes what a reader tells as it comes: a pipe that nobody empties would stop the reader after 800 edits."""

    def __init__(self, pipe: int) -> None:
        super().__init__(daemon=True)
        self.reported: list[tuple[str, float]] = []
        self.begun = threading.Event()
        self._pipe = pipe
        self.start()

    def run(self) -> None:
        with os.fdopen(self._pipe, "rb") as pipe:
            for line in pipe:
                if line.endswith(b"\n"):  # the last one may be cut off by the kill
                    name, at = line.decode().split()
                    self.reported.append((name, float(at)))
                self.begun.set()
        self.begun.set()


def run_and_kill(
    films: ReviewInput, location: ReadingLocation, autosave_s: float, longest_s: float, seed: int
) -> dict[str, object]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(films, location, autosave_s, writing, seed)
        finally:
            os._exit(1)
    os.close(writing)
    listener = Listener(reading)
    listener.begun.wait()
    time.sleep(random.Random(seed).uniform(0.0, longest_s))  # noqa: S311
    os.kill(child, signal.SIGKILL)
    killed_s = time.monotonic()
    _, status = os.waitpid(child, 0)
    listener.join()
    result = judged(location, listener.reported, killed_s)
    again = ReviewSession(films, location=location, draft=unfinished(location) if result["whole"] else None)
    again.close()
    return {**result, "killed": os.WIFSIGNALED(status)}


def judged(location: ReadingLocation, reported: list[tuple[str, float]], killed_s: float) -> dict[str, object]:
    """Return how far the draft on the disk is behind, and whether it is whole: the state of the edit it reaches to."""
    result: dict[str, object] = {"edits": len(reported) - 1, "worked_s": killed_s - reported[0][1], "whole": True}
    saved, name = 0, reported[0][0]
    if location.draft.is_file():
        try:
            draft = read_draft(location.draft)
        except ReadingError as error:
            return {**result, "whole": False, "error": str(error)}
        saved, name = len(draft.actions), fingerprint(draft.state)
    # The last edit may be on the disk before its line was written to the pipe: that is ahead, not behind.
    result["whole"] = saved == len(reported) or (saved < len(reported) and reported[saved][0] == name)
    result["behind_s"] = killed_s - reported[saved + 1][1] if saved + 1 < len(reported) else 0.0
    return result


def main() -> None:
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    cv2.setNumThreads(0)
    films = review_input()
    for number in range(count):
        location = ReadingLocation(root=folder / str(number), key=films.key, reader="R1")
        result = run_and_kill(films, location, float(sys.argv[4]), float(sys.argv[5]), seed + number)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
