"""Fetching from and sending to an archive: one object at a time, each with its outcome, nothing half-stored."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from calcimeasure.errors import PacsError
from calcimeasure.io.atomic_output import replace_file
from calcimeasure.io.dicom_object import encoded
from calcimeasure.pacs.integrity import check_received, read_whole, same_object
from calcimeasure.pacs.pacs_records import Instance, SeriesRecord, Status, TransferOutcome
from calcimeasure.pacs.retries import TransientError, retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from calcimeasure.pacs.archive import Archive
    from calcimeasure.pacs.pacs_records import Query

    Sleep = Callable[[float], None]

_CHANGED = "the archive took it but gives back something else"
_NOT_KEPT = "the archive took it but does not have it when asked for it again"
_OTHER_CONTENT = "the archive has another object under the same UID; nothing was sent"
_LONGEST_UID = 64
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_NEEDED = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID")


def find(archive: Archive, query: Query, *, sleep: Sleep = time.sleep) -> list[SeriesRecord]:
    """Return the series that an archive has, oldest study first.

    Raises
    ------
    PacsError
        When the archive does not answer.
    """
    found, _ = retry(lambda: archive.find_series(query), archive.patience, sleep=sleep)
    return sorted(found, key=lambda series: (series.patient_id, series.study_date, series.study_uid, series.series_uid))


def fetch(
    archive: Archive, series: Iterable[SeriesRecord], folder: Path, *, sleep: Sleep = time.sleep
) -> Iterator[TransferOutcome]:
    """Fetch every object of some series into ``folder/STUDY_UID/SERIES_UID/INSTANCE_UID.dcm``; yield each outcome.

    A complete file is not fetched again, so an interrupted fetch can be repeated. An object is checked before it is
    kept: the right object, the right patient, and complete. A series whose objects cannot be listed gives one outcome.
    """
    for one in series:
        try:
            instances, _ = retry(lambda one=one: archive.list_instances(one), archive.patience, sleep=sleep)  # type: ignore[misc]
        except PacsError as error:
            yield TransferOutcome(uid=one.series_uid, status=Status.FAILED, reason=_reason(error))
            continue
        for instance in instances:
            yield _fetch_one(archive, instance, folder, sleep)


def _fetch_one(archive: Archive, instance: Instance, folder: Path, sleep: Sleep) -> TransferOutcome:
    uid = instance.sop_instance_uid
    parts = (instance.series.study_uid, instance.series.series_uid, uid)
    if not all(len(part) <= _LONGEST_UID and _UID.fullmatch(part) for part in parts):
        # A UID becomes a path: one with anything else in it is not made into a file.
        reason = "the archive names it by something that is no UID"
        return TransferOutcome(uid=uid[:_LONGEST_UID], status=Status.FAILED, reason=reason)
    name = f"{parts[0]}/{parts[1]}/{uid}.dcm"
    path = folder / name
    if path.is_file() and (kept := read_whole(path)) is not None and kept.SOPInstanceUID == uid:
        return TransferOutcome(uid=uid, status=Status.ALREADY_THERE, file=name)

    def retrieve() -> Dataset:
        dataset = archive.retrieve(instance)
        check_received(dataset, instance, uid)
        return dataset

    try:
        dataset, attempts = retry(retrieve, archive.patience, sleep=sleep)
        replace_file(path, encoded(dataset))
    except PacsError as error:
        return TransferOutcome(uid=uid, status=Status.FAILED, reason=_reason(error))
    except OSError as error:
        return TransferOutcome(uid=uid, status=Status.FAILED, reason=f"it could not be written: {error.strerror}")
    return TransferOutcome(uid=uid, status=Status.FETCHED, file=name, attempts=attempts)


def send(archive: Archive, files: Sequence[Path], *, sleep: Sleep = time.sleep) -> Iterator[TransferOutcome]:
    """Send files to an archive, and fetch each again before it counts as sent.

    An object that the archive has already, and the same, is not sent again.

    Yields
    ------
    TransferOutcome
        One a file, as it is done.
    """
    for path, name in zip(files, short_names(files), strict=True):
        dataset = read_whole(path)
        if dataset is None or not all(dataset.get(keyword) for keyword in _NEEDED):
            yield TransferOutcome(uid=path.name, status=Status.FAILED, file=name, reason="it is no whole DICOM object")
            continue
        yield _send_one(archive, dataset, name, sleep)


def short_names(files: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that tell each file from the others: folders may carry names of people."""
    longest = max((len(path.parts) for path in files), default=1)
    for depth in range(1, longest):
        names = ["/".join(path.parts[-depth:]) for path in files]
        if len(set(names)) == len(set(files)):
            return names
    return [path.as_posix() for path in files]


def _send_one(archive: Archive, dataset: Dataset, name: str, sleep: Sleep) -> TransferOutcome:
    uid = str(dataset.SOPInstanceUID)
    try:
        kept = _copy_in_archive(archive, dataset, sleep)
        if kept is not None:
            if same_object(dataset, kept):
                return TransferOutcome(uid=uid, status=Status.ALREADY_THERE, file=name)
            return TransferOutcome(uid=uid, status=Status.FAILED, file=name, reason=_OTHER_CONTENT)
        _, attempts = retry(lambda: archive.store(dataset), archive.patience, sleep=sleep)
        kept = _copy_in_archive(archive, dataset, sleep)
    except PacsError as error:
        return TransferOutcome(uid=uid, status=Status.FAILED, file=name, reason=_reason(error))
    if kept is None:
        return TransferOutcome(uid=uid, status=Status.FAILED, file=name, reason=_NOT_KEPT)
    if not same_object(dataset, kept):
        return TransferOutcome(uid=uid, status=Status.FAILED, file=name, reason=_CHANGED)
    return TransferOutcome(uid=uid, status=Status.SENT, file=name, attempts=attempts)


def _copy_in_archive(archive: Archive, dataset: Dataset, sleep: Sleep) -> Dataset | None:
    """Return the archive's copy of an object, or None where it has none."""
    series = SeriesRecord(
        patient_id=str(dataset.get("PatientID", "") or ""),
        study_uid=str(dataset.StudyInstanceUID),
        series_uid=str(dataset.SeriesInstanceUID),
    )
    wanted = str(dataset.SOPInstanceUID)

    def fetch_copy() -> Dataset | None:
        listed = [found for found in archive.list_instances(series) if found.sop_instance_uid == wanted]
        if not listed:
            return None
        received = archive.retrieve(listed[0])
        if str(received.get("SOPInstanceUID", "")) != wanted:
            raise TransientError("the archive sent another object than the one asked for", where=wanted)
        return received

    return retry(fetch_copy, archive.patience, sleep=sleep)[0]


def _reason(error: PacsError) -> str:
    return f"{error.problem}. {error.remedy}".rstrip(". ") if error.remedy else error.problem
