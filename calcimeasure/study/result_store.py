"""Where a study's results lie, what is finished, and who may write: folders, done-marks and the lock.

A piece of work is finished when its mark is written, last of all and in one rename; the mark holds the hash of
everything the work depended on, and the rows that the tables are made of. A mark with another hash is as good as none.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import IO, Any

from calcimeasure.errors import OutputError, StudyError
from calcimeasure.io.atomic_output import sweep_unfinished
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.reading_budget import forget_stuck_films
from calcimeasure.study.series import PairOf, Series
from calcimeasure.study.study_init import RESULTS

LOCK_FILE = ".lock"
WORKERS_FILE = ".workers"
ORPHANS_LAST_S = 30.0
_BLOCK = 1 << 20
# As `write_whole` names what it has not finished.
_NAME_HASH = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = re.compile(r"\..+\.[a-z0-9_]{8}")


class Store:
    """The results of one study.

    Parameters
    ----------
    study
        The study's folder; results lie in `results/` within it.
    """

    def __init__(self, study: Path) -> None:
        self.study = study.resolve()
        self.root = self.study / RESULTS

    def film_folder(self, film: FilmRow) -> Path:
        """Return where a film's measurement lies."""
        return self.root / "films" / _word(film.subject) / film.name

    def pair_folder(self, pair: PairOf) -> Path:
        """Return where a pair's comparison lies."""
        return self.root / "pairs" / _word(pair.followup.subject) / pair.name

    def reading_mark(self, series: Series) -> Path:
        """Return the mark of a series' reading."""
        return self.root / "done" / "readings" / _word(series.key[0]) / f"{series.name}.json"

    def pair_mark(self, pair: PairOf) -> Path:
        """Return the mark of a pair."""
        return self.root / "done" / "pairs" / _word(pair.followup.subject) / f"{pair.name}.json"

    @property
    def tables(self) -> Path:
        """Where exported tables lie."""
        return self.root / "tables"

    @contextmanager
    def locked(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the right to run this study; a run that is killed gives it back.

        Raises
        ------
        StudyError
            When another run holds it, unless `wait`.
        """
        with self._writable(LOCK_FILE) as file:
            if not _lock(file, exclusive=True, wait_s=None if wait else 0.0):
                raise StudyError(
                    "another run of this study is under way",
                    where=str(self.study.name),
                    remedy="Wait for it to end, or run with --wait.",
                )
            self._wait_for_orphans()
            self._sweep()
            yield

    @contextmanager
    def _writable(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file of the results for writing; refuse a folder that cannot be written to."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / name).open("a+b")
        except OSError as error:
            raise OutputError(
                f"the study's results cannot be written: {(error.strerror or 'unknown').lower()}",
                where=self.study.name,
                remedy="Check that the study's folder can be written to.",
            ) from error
        with file:
            yield file

    @contextmanager
    def beside_runs(self) -> Iterator[None]:
        """Write results without being a run: one that starts meanwhile waits before it sweeps."""
        with self._writable(WORKERS_FILE):
            held = hold_as_worker(self.root)
        try:
            yield
        finally:
            if held is not None:
                held.close()

    def _wait_for_orphans(self) -> None:
        """Wait until workers of a run that was killed are gone: they hold the second file."""
        with (self.root / WORKERS_FILE).open("a+b") as file:
            if not _lock(file, exclusive=True, wait_s=ORPHANS_LAST_S):
                raise StudyError(
                    "workers of an earlier run are still at work",
                    where=str(self.study.name),
                    remedy="End them, then run again.",
                )

    def _sweep(self) -> None:
        """Remove what a run that was killed left unfinished."""
        below = ((self.root / folder).rglob(".*") for folder in ("cache", "done", "tables"))
        for left in chain(self.root.glob(".*"), *below):
            if _UNFINISHED.fullmatch(left.name):
                with suppress(OSError):
                    left.unlink()
        forget_stuck_films(self.root / "films")
        for folder in ("films", "pairs"):
            for left in (self.root / folder).rglob(".*.partial-*"):
                sweep_unfinished(left.with_name(left.name[1:].rpartition(".partial-")[0]))


def hold_as_worker(root: Path) -> IO[bytes] | None:
    """Show, for as long as the returned file is open, that a worker may write results; None where that cannot be."""
    file = (root / WORKERS_FILE).open("a+b")
    if not _lock(file, exclusive=False, wait_s=ORPHANS_LAST_S):
        file.close()
        return None
    return file


def key_of(parts: Mapping[str, Any]) -> str:
    """Return the hash of what a piece of work depends on, with the product's version and its models."""
    from calcimeasure import __version__

    made_by = {"calcimeasure": __version__, "models": _models_sha256()}
    text = json.dumps({**made_by, **parts}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _models_sha256() -> str:
    """Return the hash of the trained models and calibrations that are shipped: another model reads anew."""
    digest = hashlib.sha256()
    for package, folder in (("calcimeasure.models", "weights"), ("calcimeasure.measurement", "")):
        place = resources.files(package)
        for one in sorted((place / folder if folder else place).iterdir(), key=lambda one: one.name):
            if one.name.endswith((".onnx", ".json", ".npz")) and one.is_file():
                digest.update(one.name.encode() + b"\0" + hashlib.sha256(one.read_bytes()).digest())
    return digest.hexdigest()


def read_mark(path: Path, key: str) -> dict[str, Any] | None:
    """Return a mark's content where it is there, whole, and made from the same inputs."""
    try:
        mark: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return mark if mark.get("key") == key else None


def write_mark(path: Path, mark: Mapping[str, Any]) -> None:
    """Write a mark, whole or not at all."""
    write_whole(path, json.dumps(mark, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step: a temporary file in its folder, forced to the disk, then renamed over it.

    Raises
    ------
    OutputError
        When it could not be written; nothing half-written is left.
    """
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise OutputError(
            f"could not be written: {(error.strerror or 'unknown').lower()}",
            where=str(path),
            remedy="Check that the study's folder can be written to and that the disk has space.",
        ) from error


class Hashes:
    """SHA-256 of files, cached by name, size and times of change: an unchanged file is read once.

    The cache holds no path, for folders and files may name people: a file is known by a hash of its path, as seen from
    the cache's folder.

    The second time is the system's own, which no program sets: a file that was put in place of another with its size
    and date is seen.

    Parameters
    ----------
    path
        Where they are remembered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[tuple[str, int, int, int], str] = {}
        self._new = False
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.reader(file):
                    if len(row) == 5 and _NAME_HASH.fullmatch(row[0]) and all(cell.isdigit() for cell in row[1:4]):
                        self._known[row[0], int(row[1]), int(row[2]), int(row[3])] = row[4]

    def of(self, file: Path, frame: int | None = None) -> str | None:
        """Return the hash of a file (of a frame, counted from 1, as `read_film` makes it); None where unreadable."""
        try:
            state = file.stat()
            name = self._name_of(file, frame)
            known = (name, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            if known not in self._known:
                digest = hashlib.sha256()
                with file.open("rb") as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
                if frame is not None:
                    digest.update(f"\nframe {frame - 1}".encode())
                self._known[known] = digest.hexdigest()
                self._new = True
        except OSError:
            return None
        return self._known[known]

    def _name_of(self, file: Path, frame: int | None) -> str:
        try:
            place = os.path.relpath(file, self._path.parent)
        except ValueError:
            # Another drive.
            place = str(file)
        text = f"{Path(place).as_posix()}#{frame or ''}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def save(self) -> None:
        """Remember what was read."""
        if self._new:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows((*known, value) for known, value in self._known.items())
            write_whole(self._path, text.getvalue().encode())


def _word(text: str) -> str:
    return text.replace(" ", "-")


def _lock(file: IO[bytes], *, exclusive: bool, wait_s: float | None) -> bool:
    """Lock an open file until it is closed or its process ends; False when that is not to be had in time."""
    end = None if wait_s is None else time.monotonic() + wait_s
    while not _try_lock(file, exclusive=exclusive):
        if end is not None and time.monotonic() >= end:
            return False
        time.sleep(0.05)
    return True


def _try_lock(file: IO[bytes], *, exclusive: bool) -> bool:
    if os.name == "nt":
        import msvcrt

        # One byte of the file; a shared lock is not to be had there, and workers do without.
        if not exclusive:
            return True
        try:
            file.seek(0)
            getattr(msvcrt, "locking")(file.fileno(), getattr(msvcrt, "LK_NBLCK"), 1)  # noqa: B009
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
