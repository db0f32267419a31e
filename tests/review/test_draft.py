"""Unfinished work on disk, and the lock around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calcimeasure.deposits import Finding, from_label_image
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationState
from calcimeasure.review.draft import Draft, read_draft, write_draft
from calcimeasure.review.reading_lock import LOCK_NAME, LockedError, ReadingLock


def a_state() -> AnnotationState:
    image = np.zeros((40, 50), dtype=np.uint16)
    image[5:12, 6:20] = 1
    image[20:30, 6:20] = 2
    state = AnnotationState.of(
        {TimePoint.BASELINE: from_label_image(image), TimePoint.FOLLOWUP: from_label_image(image)}
    )
    state.apply(editing_tools.set_finding(state, TimePoint.BASELINE, 2, Finding.ARTICULAR))
    state.apply(editing_tools.delete(state, TimePoint.FOLLOWUP, 1))
    state.apply(editing_tools.link(state, 1, 2))
    return state


def a_draft() -> Draft:
    return Draft(
        state=a_state(),
        films={TimePoint.BASELINE: "a" * 64, TimePoint.FOLLOWUP: "b" * 64},
        actions=({"what": "Delete deposit 1", "area_before_px": 98.0},),
        about={"reader": "R1"},
    )


def test_a_draft_comes_back_as_it_was(tmp_path: Path) -> None:
    draft = a_draft()
    write_draft(tmp_path / "draft.zip", draft)
    back = read_draft(tmp_path / "draft.zip")
    for visit in TimePoint:
        np.testing.assert_array_equal(back.state.images[visit], draft.state.images[visit])
        assert back.state.images[visit].dtype == np.uint16
    assert back.state.deposits == draft.state.deposits
    assert back.state.links == draft.state.links
    assert (back.films, back.actions, back.about) == (draft.films, draft.actions, draft.about)


def test_the_same_draft_gives_the_same_bytes(tmp_path: Path) -> None:
    write_draft(tmp_path / "one.zip", a_draft())
    write_draft(tmp_path / "two.zip", a_draft())
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_write_that_fails_leaves_the_old_draft(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "draft.zip"
    write_draft(path, a_draft())
    before = path.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_draft(path, a_draft())
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_damaged_draft_is_told(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "draft.zip"
    write_draft(path, a_draft())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReadingError, match="damaged"):
        read_draft(path)


def test_a_second_opener_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    with ReadingLock(tmp_path / "R1") as lock:
        lock.touch()
        with pytest.raises(LockedError, match="read-only, or start a reading of your own"):
            ReadingLock(tmp_path / "R1")
    assert not (tmp_path / "R1" / LOCK_NAME).exists()
    ReadingLock(tmp_path / "R1").release()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom calcimeasure.review.reading_lock import ReadingLock\n"
        "ReadingLock(Path(sys.argv[1]))\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "R1")], check=False)
    assert (tmp_path / "R1" / LOCK_NAME).exists()
    with ReadingLock(tmp_path / "R1") as lock:
        assert lock.held


def test_a_lock_taken_over_is_noticed(tmp_path: Path) -> None:
    lock = ReadingLock(tmp_path / "R1")
    held = json.loads(lock.path.read_text())
    lock.path.write_text(json.dumps({**held, "owner": "another"}))
    with pytest.raises(LockedError, match="took this reading over"):
        lock.touch()
