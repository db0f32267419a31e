"""The reader of a film, and the date of an object."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UNDATED = "19000101"
"""Stands for no date where the standard demands one (type 1): no film can be so old, and no archive takes it for now.

Today would change the bytes with the day of the run; the start of 1970 looks like a clock that was never set.
"""

# PS3.5 6.2: 64 characters (one is kept for the caret that a plain name gets), five components.
_LONGEST_NAME = 64
_MOST_CARETS = 4
_DATES = (
    ("ContentDate", "ContentTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("SeriesDate", "SeriesTime"),
    ("StudyDate", "StudyTime"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingContext:
    """The person who read a film: the name as they sign, and when they signed (None for an unsigned reading).

    Raises
    ------
    UsageError
        When `reader` cannot be a DICOM person name (PS3.5 6.2.1).
    """

    reader: str
    signed_at: datetime | None = None

    def __post_init__(self) -> None:
        whole = self.reader.strip(" ^") and self.reader.isprintable() and not set(self.reader) & set("\\=")
        if not whole or len(self.reader) >= _LONGEST_NAME or self.reader.count("^") > _MOST_CARETS:
            raise UsageError(
                f"'{self.reader}' cannot be a person's name in DICOM",
                where="reader",
                remedy="Write FAMILY^GIVEN, as Doe^Jane, or a code, as R1; at most 63 characters, no \\ and no =.",
            )


def creation_time(header: Dataset, reading: ReadingContext | None) -> datetime | None:
    """Return the moment that an object states for its making; None for a film without a date.

    The clock is never read, so that the same input gives the same bytes: the signature comes first, then
    SOURCE_DATE_EPOCH, then the film's own date.

    Raises
    ------
    UsageError
        When SOURCE_DATE_EPOCH is no number of seconds.
    """
    if reading is not None and reading.signed_at is not None:
        return reading.signed_at.replace(microsecond=0)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        try:
            return datetime.fromtimestamp(int(epoch), tz=UTC)
        except (ValueError, OverflowError, OSError):
            raise UsageError(
                f"'{epoch}' is no number of seconds", where="SOURCE_DATE_EPOCH", remedy="Unset it or correct it."
            ) from None
    return film_time(header)


def film_time(header: Dataset) -> datetime | None:
    """Return when the image was made, as its header says; None where it does not."""
    from pydicom.valuerep import DA, TM

    for date_keyword, time_keyword in _DATES:
        date = header.get(date_keyword)
        if date:
            day = DA(str(date))
            clock = TM(str(header.get(time_keyword) or "000000"))
            return datetime(day.year, day.month, day.day, clock.hour, clock.minute, clock.second)
    return None


def dicom_date_time(moment: datetime) -> tuple[str, str]:
    """Return a moment as DICOM date and time."""
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")


def date_object(dataset: Dataset, moment: datetime | None, *, demanded: bool = True) -> None:
    """State `moment` wherever an object says when it was made; None leaves out what may be left out.

    SEG (PS3.3 C.7.6.16) and reports (C.17.2) demand a content date; documents and pictures take an empty one (C.24.2,
    C.7.6.1).
    """
    if moment is not None:
        date, time = dicom_date_time(moment)
        dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
        dataset.ContentDate, dataset.ContentTime = date, time
        for equipment in dataset.get("ContributingEquipmentSequence", []):
            equipment.ContributionDateTime = date + time
        return
    dataset.ContentDate, dataset.ContentTime = (UNDATED, "000000") if demanded else ("", "")
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in dataset:
            delattr(dataset, keyword)
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        if "ContributionDateTime" in equipment:
            del equipment.ContributionDateTime


def person_name(reader: str) -> str:
    """Return a name in the form of a DICOM person name: one without a caret is a family name."""
    return reader if "^" in reader else f"{reader}^"
