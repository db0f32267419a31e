"""`calcimeasure deidentify FILMS... --out DIR --key FILE`: a study's films without identity."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Any

import click

from calcimeasure.errors import CalciMeasureError, OutputError, UsageError

KEY_BYTES = 32
SOME_FAILED_STATUS = 5
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@click.command()
@click.argument("films", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILM_OR_FOLDER...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the films without identity.")
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="The study's secret: made where it is missing, readable by you alone. Keep it apart from the films.",
)
@click.option(
    "--subjects",
    type=click.Path(path_type=Path),
    help="CSV of patient_id, subject: the pseudonyms to use; without it they are made from the key.",
)
@click.option("--blank-outside-limbs", is_flag=True, help="Blank the picture outside the limbs (burned-in text).")
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds files already.")
@click.option("--quiet", is_flag=True, help="Print only errors.")
def deidentify(films: tuple[Path, ...], out: Path, **options: Any) -> int:
    """Remove identity from DICOM films by the standard's profile, keeping intervals between dates, and spacing.

    The films themselves are never changed. Run it again with the same key for films that come later: the same patient
    keeps pseudonym and intervals. Looking at the pictures for burned-in text stays your task.
    """
    from calcimeasure.export.dicom.deidentification import deidentify as without_identity
    from calcimeasure.export.dicom.deidentification import with_own_uid
    from calcimeasure.io.atomic_output import replace_file
    from calcimeasure.io.dicom_object import encoded

    if out.is_dir() and any(out.iterdir()) and not options["overwrite"]:
        raise UsageError("the folder holds files already", where=str(out), remedy="Give another, or --overwrite.")
    files, others = _files(films)
    secret = _key(options["key"])
    pseudonyms = _pseudonyms(options["subjects"])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder cannot be made: {error.strerror}", where=str(out)) from error
    failed = 0
    written: dict[str, bytes] = {}
    for number, file in enumerate(files, start=1):
        try:
            subject = pseudonyms.get(_patient_of(file)) if pseudonyms else None
            if pseudonyms and subject is None:
                raise UsageError("its patient is not in the list of subjects", where=f"film {number}")
            done = without_identity(file, secret, subject=subject, blank=options["blank_outside_limbs"])
            content = encoded(done.dataset)
            if done.name in written and written[done.name] != hashlib.sha256(content).digest():
                done = with_own_uid(done)
                content = encoded(done.dataset)
            written[done.name] = hashlib.sha256(content).digest()
            replace_file(out / done.name, content)
        except (CalciMeasureError, OSError) as error:
            problem = f"it could not be written: {error.strerror}." if isinstance(error, OSError) else _problem(error)
            # File names carry names: a film that failed is reported by its number.
            click.echo(f"film {number} of {len(files)}: {problem}", err=True)
            failed += 1
            continue
        if not options["quiet"]:
            click.echo(done.name)
            for warning in done.warnings:
                click.echo(f"  {warning}", err=True)
    if others:
        click.echo(f"{others} other file{'' if others == 1 else 's'} in the folders: no DICOM, left out.", err=True)
    return SOME_FAILED_STATUS if failed else 0


def _problem(error: CalciMeasureError) -> str:
    return f"{error.problem}. {error.remedy}".rstrip()


def _files(given: tuple[Path, ...]) -> tuple[list[Path], int]:
    """Return the films, and how many other files lie in the folders that were named."""
    from calcimeasure.io.dicom_source import is_dicom_file

    files: list[Path] = []
    others = 0
    for path in given:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "DICOMDIR")
            films = [file for file in found if is_dicom_file(file)]
            files += films
            others += len(found) - len(films)
        elif path.is_file():
            files.append(path)
        else:
            raise UsageError("no such file or folder", where=str(path))
    return files, others


def _key(path: Path) -> bytes:
    """Return the secret, made on first use; a secret that others can read is refused."""
    if not path.exists():
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
        except OSError as error:
            raise OutputError(f"the key could not be made: {error.strerror}", where=str(path)) from error
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    if sys.platform != "win32" and path.stat().st_mode & _OTHERS:
        raise UsageError("others can read the key", where=str(path), remedy=f"chmod 600 {path.name}")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (ValueError, UnicodeDecodeError):
        key = b""
    if len(key) < KEY_BYTES:
        raise UsageError(f"a key is {KEY_BYTES} bytes in hexadecimal", where=str(path))
    return key


def _pseudonyms(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not in UTF-8"
        raise UsageError(f"the list of subjects cannot be read: {reason}", where=str(path)) from error
    with io.StringIO(text, newline="") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        # The column's name in a study's own key.
        identifier = "identifier" if "identifier" in columns else "patient_id"
        if not {identifier, "subject"} <= columns:
            raise UsageError("it needs the columns patient_id and subject", where=str(path))
        return {_normalised(row[identifier] or ""): (row["subject"] or "").strip() for row in rows}


def _normalised(identifier: str) -> str:
    """Return an identifier in the form in which identifiers are compared."""
    return " ".join(identifier.split()).casefold()


def _patient_of(file: Path) -> str:
    from calcimeasure.errors import FilmError
    from calcimeasure.io.dicom_file import read_dicom_file
    from calcimeasure.io.dicom_header import discreet

    try:
        with discreet():
            return _normalised(str(read_dicom_file(file, pixels=False).get("PatientID") or ""))
    except FilmError:
        return ""
