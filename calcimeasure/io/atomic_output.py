"""A results folder that is written completely or not at all.

The files are written into a folder beside the target, forced to the disk, and moved into place with one rename; only
then is an older folder of results removed. What a process that was ended left behind is removed when the same
results are written again. Where the target cannot be renamed over (a mount point, a parent folder
that is not writable) the files are made inside it and moved up one by one, last of all the record that says that the
folder is complete. After any failure nothing is left behind and the older results are unchanged.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calcimeasure.errors import CalciMeasureError, OutputError, UsageError
from calcimeasure.io.processes import is_alive, machine_mark

# What a folder of results may hold: --overwrite removes nothing else, whatever it is pointed at.
_RESULT_FILES = {
    "comparison.json", "measurement.json", "links.csv", "deposits.csv", "report.html", "labels.tif", "labels.nii.gz",
    "labels.nrrd", "labels.mha", "overlay.png", "segmentation.dcm", "image.dcm", "overlay.sc.dcm", "report.pdf.dcm",
    "measurement.sr.dcm", "change.sr.dcm", "baseline_to_followup.tfm",
}  # fmt: skip
_RESULT_FOLDERS = {"baseline", "followup"}
_IGNORED_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}
_RECORDS = ("comparison.json", "measurement.json")
_LEFT_BEHIND_AFTER_S = 24 * 3600.0
_FREE_SPACE = "Check that the folder can be written to and that the disk has space, or choose another with --out."


@contextmanager
def _named_as_given(given: Path, target: Path) -> Iterator[None]:
    """Name a folder in errors as the person did."""
    try:
        yield
    except CalciMeasureError as error:
        if error.where == str(target):
            error.where = str(given)
        raise


@contextmanager
def whole_folder(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder to write into; it becomes `target` when the block ends without an error.

    Parameters
    ----------
    target
        The results folder; made, with the folders above it, where it is missing.
    overwrite
        Whether older results in it may be replaced. A folder that holds anything else is refused all the same.

    Yields
    ------
    Path
        An empty folder. What is in it when the block ends is forced to the disk.

    Raises
    ------
    UsageError
        When `target` is a file, is not empty (without `overwrite`), or holds files that are not results.
    OutputError
        When something cannot be written.
    """
    # A link is followed: the folder it names is replaced, the link stays.
    given, target = Path(target), Path(target).resolve()
    made: list[Path] = []
    stage: Path | None = None
    done = False
    with _named_as_given(given, target):
        _refuse_unless_free(target, overwrite=overwrite)
        try:
            made = _make_parents(target)
            sweep_unfinished(target)
            stage = _make_stage(target)
            yield stage
            _sync_tree(stage)
            _move_into_place(stage, target)
            done = True
        except CalciMeasureError:
            raise
        except OSError as error:
            raise OutputError(
                f"the results could not be written ({error.strerror or error})", where=str(target), remedy=_FREE_SPACE
            ) from error
        finally:
            if not done:
                _remove(stage, made)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a new file; the folder it is in is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, new or not, so that at any moment it is whole or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a new file of UTF-8 text, line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def check_output_folder(target: str | Path, *, overwrite: bool = False) -> None:
    """Check a target as `whole_folder` does, before the films are read.

    Raises
    ------
    UsageError
        When `target` is a file, is not empty (without `overwrite`), or holds files that are not results.
    OutputError
        When the folder cannot be written to.
    """
    given, target = Path(target), Path(target).resolve()
    with _named_as_given(given, target):
        sweep_unfinished(target)
        _refuse_unless_free(target, overwrite=overwrite)
        nearest = target
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise OutputError(f"nothing can be written in '{nearest.name}'", where=str(target), remedy=_FREE_SPACE)


def _refuse_unless_free(target: Path, *, overwrite: bool) -> None:
    try:
        is_file = target.exists() and not target.is_dir()
        entries = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    except OSError as error:
        raise OutputError(
            f"the folder cannot be read ({error.strerror or error})", where=str(target), remedy=_FREE_SPACE
        ) from error
    if is_file:
        raise UsageError("it is a file, not a folder", where=str(target), remedy="Choose a folder for the results.")
    if not [name for name in entries if name not in _IGNORED_FILES]:
        return
    if not overwrite:
        raise UsageError(
            "the folder is not empty", where=str(target), remedy="Choose an empty or new folder, or give --overwrite."
        )
    foreign = _foreign_entries(target)
    if foreign:
        more = ", ..." if len(foreign) > 3 else ""
        raise UsageError(
            f"the folder holds what calcimeasure did not write ({', '.join(foreign[:3])}{more})",
            where=str(target),
            remedy="Nothing was replaced. Choose another folder, or move those files away.",
        )


def _foreign_entries(target: Path) -> list[str]:
    foreign = []
    for path in sorted(target.rglob("*")):
        relative = path.relative_to(target)
        known = _RESULT_FILES | _IGNORED_FILES | (_RESULT_FOLDERS if path.is_dir() else set())
        deep = len(relative.parts) > 1 and relative.parts[0] not in _RESULT_FOLDERS
        if path.name not in known or deep or len(relative.parts) > 2:
            foreign.append(str(relative))
    return foreign


def _make_parents(target: Path) -> list[Path]:
    missing = []
    parent = target.parent
    while not parent.exists():
        missing.append(parent)
        parent = parent.parent
    made: list[Path] = []
    try:
        for folder in reversed(missing):
            folder.mkdir()
            made.append(folder)
    except OSError:
        _remove(None, made)
        raise
    return made


def _make_stage(target: Path) -> Path:
    fixed = target.is_mount() or target == Path.cwd() or not os.access(target.parent, os.W_OK | os.X_OK)
    inside = target.is_dir() and fixed
    parent = target if inside else target.parent
    for attempt in range(1000):
        stage = parent / f".{target.name}.partial-{machine_mark()}-{os.getpid()}-{attempt}"
        try:
            stage.mkdir()
        except FileExistsError:
            continue
        return stage
    raise OutputError("no temporary folder could be made beside it", where=str(target), remedy=_FREE_SPACE)


def sweep_unfinished(target: Path) -> None:
    """Remove what processes left that ended while they wrote `target`; older results that they set aside come back.

    A folder of another machine, where a process may still live, is removed after a day.
    """
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(partial|old)-(?:([0-9a-f]{{8}})-)?(\d+)-\d+")
    # A name that no folder can have is refused where the folder is made.
    with contextlib.suppress(OSError):
        places = [place for place in (target.parent, target) if place.is_dir()]
        for left in [path for place in places for path in place.iterdir()]:
            match = pattern.fullmatch(left.name)
            if match is not None and _is_left_behind(left, match[2], int(match[3])):
                _sweep(left, target, set_aside=match[1] == "old")


def _sweep(left: Path, target: Path, *, set_aside: bool) -> None:
    if set_aside and not target.exists():
        left.rename(target)
        return
    if left.parent == target and (left / ".old").is_dir():
        # Older results that were set aside within a folder that cannot be renamed.
        for path in (left / ".old").iterdir():
            if not (target / path.name).exists():
                path.rename(target / path.name)
    shutil.rmtree(left, ignore_errors=True)


def _is_left_behind(left: Path, machine: str | None, process: int) -> bool:
    if machine in (None, machine_mark()):
        return not is_alive(process)
    return time.time() - left.stat().st_mtime > _LEFT_BEHIND_AFTER_S


def _move_into_place(stage: Path, target: Path) -> None:
    if stage.parent == target:
        _move_up(stage, target)
    elif target.is_dir():
        _swap(stage, target)
    else:
        stage.rename(target)
    _sync(target.parent if stage.parent != target else target)


def _swap(stage: Path, target: Path) -> None:
    old = stage.with_name(stage.name.replace(".partial-", ".old-"))
    shutil.copymode(target, stage)
    target.rename(old)
    try:
        stage.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _move_up(stage: Path, target: Path) -> None:
    old = stage / ".old"
    old.mkdir()
    moved: list[Path] = []
    entries = sorted(stage.iterdir(), key=lambda path: (path.name in _RECORDS, path.name))
    try:
        for path in [path for path in target.iterdir() if path != stage]:
            path.rename(old / path.name)
        for path in entries:
            if path != old:
                path.rename(target / path.name)
                moved.append(target / path.name)
    except OSError:
        for path in moved:
            path.rename(stage / path.name)
        for path in old.iterdir():
            path.rename(target / path.name)
        raise
    shutil.rmtree(stage, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        # Not every file system syncs a folder; a file that does not reach the disk is an error.
        if not path.is_dir():
            raise
    finally:
        os.close(handle)


def _remove(stage: Path | None, made: list[Path]) -> None:
    if stage is not None:
        shutil.rmtree(stage, ignore_errors=True)
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()
