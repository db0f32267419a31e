"""Queries to an archive, its answers, and the outcome of each transfer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from calcimeasure.errors import UsageError

_DATE_LENGTH = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A search for films; None matches any.

    Attributes
    ----------
    patient_id
        The archive's own identifier of the patient, exactly.
    date_from, date_to
        First and last day of the study, ``YYYYMMDD``.
    modality, body_part
        As headers spell them: ``DX``, ``HAND``.
    study_uid, series_uid
        One study, one series.
    """

    patient_id: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    modality: str | None = None
    body_part: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None

    def __post_init__(self) -> None:
        for name in ("date_from", "date_to"):
            value = getattr(self, name)
            if value is not None and not _is_date(value):
                raise UsageError(f"'{value}' is no date", where=name, remedy="Give it as YYYY-MM-DD.")
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise UsageError(f"the first day {self.date_from} comes after the last day {self.date_to}")
        if self.patient_id is not None and set("*?\\") & set(self.patient_id):
            raise UsageError("a patient identifier holds no wildcards", where="patient")

    @property
    def date_range(self) -> str | None:
        """The days as DICOM matches them: ``20250101-20251231``, open at either end."""
        if self.date_from is None and self.date_to is None:
            return None
        return f"{self.date_from or ''}-{self.date_to or ''}"


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return len(text) == _DATE_LENGTH


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesRecord:
    """One series as the archive describes it."""

    patient_id: str
    study_uid: str
    series_uid: str
    study_date: str = ""
    modality: str = ""
    body_part: str = ""
    instance_count: int | None = None

    def fits(self, query: Query) -> bool:
        """Return whether it matches a query: archives ignore the keys that they do not match on."""
        if query.patient_id is not None and self.patient_id != query.patient_id:
            return False
        if (query.date_from and self.study_date < query.date_from) or (
            query.date_to and self.study_date > query.date_to
        ):
            return False
        pairs = (
            (query.modality, self.modality),
            (query.body_part, self.body_part),
            (query.study_uid, self.study_uid),
            (query.series_uid, self.series_uid),
        )
        return all(wanted is None or wanted.upper() == found.upper() for wanted, found in pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One object of a series."""

    series: SeriesRecord
    sop_instance_uid: str
    sop_class_uid: str = ""


class Status(StrEnum):
    """The outcome of one transfer."""

    FETCHED = "fetched"
    ALREADY_THERE = "already there"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferOutcome:
    """The outcome of one transfer: a row of the table of `fetch` and `send`.

    `uid` is the SOP Instance UID, or the file's name where it has none; `file` is relative to the folder, or as given.
    """

    uid: str
    status: Status
    file: str = ""
    reason: str = ""
    attempts: int = 1
