"""Kill readers at work: `python killed_sessions.py FOLDER COUNT SEED AUTOSAVE_S LONGEST_S`, a JSON line a session.

Each session runs in a forked process that edits as fast as it can, tells over a pipe what the board was after each
edit, and is killed (signal 9) at a random moment. Run as a program of its own so that no other test's threads are
forked along.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import cv2

from calcimeasure.deposits import Finding
from calcimeasure.errors import ReadingError
from calcimeasure.readings import tools
from calcimeasure.readings.board import Board, Which
from calcimeasure.readings.draft import read_draft
from calcimeasure.readings.material import Material
from calcimeasure.readings.session import Session, unfinished
from calcimeasure.readings.store import Place

HERE = Path(__file__).resolve().parent


def material() -> Material:
    spec = importlib.util.spec_from_file_location("small_films", HERE / "conftest.py")
    small_films = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(small_films)
    return small_films.build_material()


def fingerprint(board: Board) -> str:
    digest = hashlib.sha256()
    for which in Which:
        digest.update(board.images[which].tobytes())
        digest.update(repr(sorted(board.deposits[which].items())).encode())
    digest.update(repr(sorted(board.links, key=repr)).encode())
    return digest.hexdigest()


def work(films: Material, place: Place, autosave_s: float, pipe: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    session = Session(films, place=place, autosave_s=autosave_s)
    os.write(pipe, f"{fingerprint(session.board)} {time.monotonic()}\n".encode())
    while True:
        which = chance.choice(list(Which))
        number = chance.choice(sorted(session.board.deposits[which]))
        if chance.random() < 0.2 and session.history.undo_name is not None:
            session.undo()
        elif chance.random() < 0.3:
            grown = tools.resize(session.board, which, number, pixels=chance.choice([-1, 1]))
            if grown.entries and any(entry.after is None for entry in grown.entries):
                continue
            session.do(grown)
        else:
            session.do(tools.set_finding(session.board, which, number, chance.choice(list(Finding))))
        os.write(pipe, f"{fingerprint(session.board)} {time.monotonic()}\n".encode())


def run_and_kill(films: Material, place: Place, autosave_s: float, longest_s: float, seed: int) -> dict[str, object]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(films, place, autosave_s, writing, seed)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = [pipe.readline()]
        time.sleep(random.Random(seed).uniform(0.0, longest_s))  # noqa: S311
        os.kill(child, signal.SIGKILL)
        killed_s = time.monotonic()
        os.waitpid(child, 0)
        lines += pipe.readlines()
    told = [line.decode().split() for line in lines if line.endswith(b"\n")]
    states = [name for name, _ in told]
    times = [float(at) for _, at in told]
    result: dict[str, object] = {"edits": len(states) - 1, "whole": True, "behind_s": 0.0, "lock_taken_over": True}
    saved = 0
    if place.draft.is_file():
        try:
            name = fingerprint(read_draft(place.draft).board)
        except ReadingError as error:
            return {**result, "whole": False, "error": str(error)}
        # An edit may be on the disk before its line was written to the pipe: that is not behind, but ahead.
        saved = len(states) - 1 - states[::-1].index(name) if name in states else len(states)
    if saved < len(states) - 1:
        result["behind_s"] = killed_s - times[saved + 1]
    draft = unfinished(place)
    again = Session(films, place=place, draft=draft)
    again.close()
    return result


def main() -> None:
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    cv2.setNumThreads(0)
    films = material()
    for number in range(count):
        place = Place(root=folder / str(number), key=films.key, reader="R1")
        result = run_and_kill(films, place, float(sys.argv[4]), float(sys.argv[5]), seed + number)
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
