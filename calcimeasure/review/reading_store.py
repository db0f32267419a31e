"""Where readings lie on disk: `readings/<film_id or pair_id>/<reader>/vN/`, and beside the versions the unfinished one.

A version is signed and never changes again: the files of `docs/records.md`, `history.jsonl` and `signature.json`, which
is written last and holds the hash of each file. A folder without a signature is no reading.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from calcimeasure import __version__
from calcimeasure.change.change_records import Comparison
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import ReadingError, UsageError
from calcimeasure.export import write_comparison, write_measurement
from calcimeasure.io.label_images import read_labels
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph
from calcimeasure.review.draft import DRAFT_NAME, Action

READINGS = "readings"
SIGNATURE_NAME = "signature.json"
HISTORY_NAME = "history.jsonl"
SIGNATURE_SCHEMA = "calcimeasure.signature/1"
_READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_VERSION = re.compile(r"v([1-9][0-9]*)")


class SignedFilm(TypedDict, total=False):
    """A film in a signature: its hash and, in a pair, the version of its own reading."""

    sha256: str
    version: int


@dataclass(frozen=True, kw_only=True)
class ReadingLocation:
    """The folder of one reader's readings of one film or pair.

    Attributes
    ----------
    root
        The output folder or the study.
    key
        Film id, or both ids of a pair with a hyphen between them.
    reader
        The reader's name or code.
    """

    root: Path
    key: str
    reader: str

    def __post_init__(self) -> None:
        checked_reader(self.reader)

    @property
    def folder(self) -> Path:
        """The folder itself; it need not be there yet."""
        return self.root / READINGS / self.key / self.reader

    @property
    def draft(self) -> Path:
        """The unfinished reading."""
        return self.folder / DRAFT_NAME

    def of(self, key: str) -> ReadingLocation:
        """Return the same reader's folder of another film or pair."""
        return ReadingLocation(root=self.root, key=key, reader=self.reader)

    def versions(self) -> list[Path]:
        """Return the signed versions, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _VERSION.fullmatch(path.name)]
        signed = [path for path in found if (path / SIGNATURE_NAME).is_file()]
        return sorted(signed, key=version_number)

    def next_version(self) -> Path:
        """Return the folder that the next signed version takes."""
        last = self.versions()
        return self.folder / f"v{version_number(last[-1]) + 1 if last else 1}"


def checked_reader(reader: str) -> str:
    """Return a reader's code that can name a folder on any system.

    Raises
    ------
    UsageError
        For anything else.
    """
    if not _READER.fullmatch(reader) or reader.endswith("."):
        raise UsageError(
            f"'{reader}' cannot be a reader's code",
            where="reader",
            remedy="Use up to 32 letters, digits, points, hyphens and underscores, e.g. R1.",
        )
    return reader


def version_number(folder: Path) -> int:
    """Return N of a folder `vN`."""
    match = _VERSION.fullmatch(folder.name)
    if match is None:
        raise ReadingError("this is no version of a reading", where=folder.name)
    return int(match.group(1))


def latest_version(folder: Path) -> Path | None:
    """Return the newest signed version in a reader's folder, or None."""
    location = ReadingLocation(root=folder.parent.parent.parent, key=folder.parent.name, reader=folder.name)
    versions = location.versions()
    return versions[-1] if versions else None


def signed_labels(root: str | Path, film: Radiograph, reader: str) -> DepositLabels | None:
    """Return the deposits of a film as a reader signed them last, or None where the reader has signed none.

    Parameters
    ----------
    root
        The output folder or study that holds `readings/`.
    film, reader
        The film, and whose reading.

    Raises
    ------
    ReadingError
        When the signed files were altered since.
    """
    versions = ReadingLocation(root=Path(root), key=film.film_id, reader=reader).versions()
    if not versions:
        return None
    check_signature(versions[-1])
    return read_labels(versions[-1] / "labels.tif", film)


def readers_of(root: str | Path, key: str) -> list[str]:
    """Return who has a reading (signed or not) of a film or pair."""
    folder = Path(root) / READINGS / key
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and _READER.fullmatch(path.name))


def read_signature(version: Path) -> dict[str, Any]:
    """Return what `signature.json` of a version says."""
    try:
        record: dict[str, Any] = json.loads((version / SIGNATURE_NAME).read_text(encoding="utf-8"))
        whole = all(isinstance(digest, str) for digest in record["files"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ReadingError(
            "the signature is damaged or cannot be read",
            where=f"{version.parent.name}/{version.name}",
            remedy="Restore the folder from a backup, or read the film again.",
        )
    return record


def check_signature(version: Path) -> dict[str, Any]:
    """Return the signature of a version whose files are what was signed.

    Raises
    ------
    ReadingError
        Naming the file that was altered or is missing.
    """
    record = read_signature(version)
    for name, digest in record["files"].items():
        path = version / name
        if not path.is_file() or _sha256(path) != digest:
            raise ReadingError(
                f"'{name}' is not what was signed",
                where=f"{version.parent.name}/{version.name}",
                remedy="Restore the folder from a backup, or read the film again.",
            )
    return record


def write_signed(
    version: Path,
    content: FilmMeasurement | Comparison,
    *,
    signed_at: datetime,
    actions: Sequence[Action],
    films: Mapping[str, SignedFilm],
    about: Mapping[str, object] | None = None,
) -> Path:
    """Write one version, whole or not at all: the results (see `docs/records.md`), the history, and last the signature.

    Parameters
    ----------
    version
        The folder, which must not be there; the reader is the folder above it.
    content
        A measured film, or a pair.
    signed_at
        With its time zone.
    actions
        What was done, in order.
    films
        For each film its sha256 and, in a pair, the version of its own reading.
    about
        What else the signature should say: the version it goes on from, blinding.
    """
    stage = version.with_name(f".{version.name}.signing-{os.getpid()}")
    for left in version.parent.glob(".v*.signing-*"):
        # Of a process that was ended while it signed: who signs holds the reading's lock.
        shutil.rmtree(left, ignore_errors=True)
    settings = {"reader": version.parent.name, "signed_at": signed_at.isoformat()}
    try:
        if isinstance(content, Comparison):
            write_comparison(content, stage, settings=settings)
        else:
            write_measurement(content, stage, settings=settings)
        lines = [json.dumps(action, ensure_ascii=False) + "\n" for action in actions]
        _write(stage / HISTORY_NAME, "".join(lines))
        files = {str(path.relative_to(stage).as_posix()): _sha256(path) for path in _files(stage)}
        record = {
            "schema": SIGNATURE_SCHEMA,
            "calcimeasure_version": __version__,
            "reader": version.parent.name,
            "version": version_number(version),
            "signed_at": signed_at.isoformat(),
            "films": {visit: dict(signed) for visit, signed in films.items()},
            **(about or {}),
            "files": files,
        }
        _write(stage / SIGNATURE_NAME, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        for path in _files(stage):
            path.chmod(0o444)
        stage.rename(version)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return version


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
