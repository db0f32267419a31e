"""Options that name the reader of `--points` and `--labels` and the visit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.cli.shared_options import Command
from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.export.dicom import ReadingContext

reader_option = click.option(
    "--reader", help="Who made --points or --labels, as 'Doe^Jane' or a code: named in SEG, SR and record."
)


def visit_option(film: str = "") -> Callable[[Command], Command]:
    """Return the option that names the visit of a film."""
    start, film_words = (f"--{film}-", f" of the {film}") if film else ("--", "")
    return click.option(
        f"{start}visit", help=f"What the study calls the visit{film_words}, e.g. 'month 3': named in the SR."
    )


def reading_of(points: Path | None, labels: Path | None, reader: str | None) -> ReadingContext | None:
    """Return the reader of a film: the one named, else the one who signed the labels.

    Raises
    ------
    UsageError
        When a reader is named for a film without a reading, or the name cannot be a DICOM person name.
    ReadingError
        When the labels belong to a signed reading whose files were altered since.
    """
    if points is None and labels is None:
        if reader is not None:
            raise UsageError(
                "--reader names who made a reading, and none was given",
                remedy="Give it together with --points or --labels.",
            )
        return None
    from calcimeasure.export.dicom import ReadingContext

    signature = None if labels is None else _signature_beside(labels)
    if signature is None:
        return None if reader is None else ReadingContext(reader=reader)
    return ReadingContext(
        reader=reader or str(signature["reader"]), signed_at=datetime.fromisoformat(str(signature["signed_at"]))
    )


def reading_settings(reading: ReadingContext | None, visit: str | None, film: str = "") -> dict[str, str]:
    """Return reader, visit and time of signature for the record, as far as they are known."""
    start = f"{film}_" if film else ""
    known = {"reader": None if reading is None else reading.reader, "visit": visit}
    if reading is not None and reading.signed_at is not None:
        known["signed_at"] = reading.signed_at.isoformat()
    return {f"{start}{name}": value for name, value in known.items() if value is not None}


def _signature_beside(labels: Path) -> dict[str, Any] | None:
    """Return the checked signature of the version of a reading that a label image belongs to, or None."""
    from calcimeasure.review.reading_store import SIGNATURE_NAME, check_signature

    version = labels.parent.parent if labels.parent.name in ("baseline", "followup") else labels.parent
    return check_signature(version) if (version / SIGNATURE_NAME).is_file() else None
