"""Checks that an object from an archive is the requested one and complete, and that two objects are equal."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import PacsError
from calcimeasure.io.dicom_file import read_dicom_file
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_source import is_dicom_file
from calcimeasure.io.pixel_frames import pixel_frames
from calcimeasure.pacs.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset

    from calcimeasure.pacs.pacs_records import Instance

_PIXELS = 0x7FE00010
_TELL = "Nothing was kept. Tell whoever runs the archive."
# What an archive may add or change without changing the object: character set, retrieve addresses, paddings.
_ARCHIVE_OWN = frozenset({0x00080005, 0x00080054, 0x00080056, 0x00081190, 0xFFFCFFFC})


@discreet()
def check_received(dataset: Dataset, instance: Instance, where: str) -> None:
    """Refuse an object that is another one, another patient's, or cut short.

    Raises
    ------
    PacsError
        Saying which of these.
    """
    uid = str(dataset.get("SOPInstanceUID", ""))
    if not uid:
        # What is left of an object whose coded picture has no end: pydicom then drops all of it.
        raise TransientError("the object's picture is cut short", where=where)
    if uid != instance.sop_instance_uid:
        raise PacsError("the archive sent another object than the one asked for", where=where, remedy=_TELL)
    series = instance.series
    patient = str(dataset.get("PatientID", "") or "").strip()
    if patient != series.patient_id:
        raise PacsError("the archive sent another patient's object", where=where, remedy=_TELL)
    place = (str(dataset.get("StudyInstanceUID", "")), str(dataset.get("SeriesInstanceUID", "")))
    if place != (series.study_uid, series.series_uid):
        raise PacsError("the archive sent an object of another series", where=where, remedy=_TELL)
    check_whole(dataset, where)


def check_whole(dataset: Dataset, where: str) -> None:
    """Refuse an object whose pixels are cut short.

    Raises
    ------
    TransientError
        When pixels are missing or cannot be decoded where they ought to be.
    """
    if "Rows" not in dataset:
        return
    if "PixelData" not in dataset:
        raise TransientError("the object came without its picture", where=where)
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
        if len(dataset.PixelData) < -(-bits * frames // 8):
            raise TransientError("the object's picture is cut short", where=where)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in _frames(dataset):
                pass
    except Exception as error:
        # Decoders let out whatever a damaged stream makes them; which one it was does not matter here.
        raise TransientError("the object's picture is cut short or damaged", where=where) from error


def _frames(dataset: Dataset) -> Iterator[bytes]:
    from pydicom.encaps import generate_frames

    return generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1) or 1))


@discreet()
def same_object(sent: Dataset, received: Dataset) -> bool:
    """Return whether an archive returned the object that it was sent.

    Every attribute must be equal but those that an archive may own; pixels byte for byte, or value for value where
    the archive has coded them in another transfer syntax.
    """
    ours = {element.tag for element in sent} - _ARCHIVE_OWN - {_PIXELS}
    theirs = {element.tag for element in received} - _ARCHIVE_OWN - {_PIXELS}
    if any(tag not in theirs or not _same_element(sent, received, int(tag)) for tag in ours):
        return False
    return _same_pixels(sent, received)


def _same_element(sent: Dataset, received: Dataset, tag: int) -> bool:
    one, other = sent[tag], received[tag]
    if one.VR == "SQ":
        return len(one.value) == len(other.value) and all(
            same_object(first, second) for first, second in zip(one.value, other.value, strict=True)
        )
    if one.is_empty or other.is_empty:
        return one.is_empty and other.is_empty
    return bool(_plain(one.value) == _plain(other.value))


def _plain(value: object) -> object:
    """Return a value without what is only padding."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0")
    if isinstance(value, str):
        return value.rstrip(" \0")
    return value


def _same_pixels(sent: Dataset, received: Dataset) -> bool:
    if ("PixelData" in sent) != ("PixelData" in received):
        return False
    if "PixelData" not in sent:
        return True
    if _syntax(sent) == _syntax(received):
        return bool(_plain(sent.PixelData) == _plain(received.PixelData))
    try:
        frames = zip(pixel_frames(sent), pixel_frames(received), strict=True)
        return all(np.array_equal(one, other) for one, other in frames)
    except (RuntimeError, ValueError):
        return False


def _syntax(dataset: Dataset) -> str | None:
    """Return the transfer syntax; an item of a sequence (the icon of a film) has none, and is never coded anew."""
    meta = getattr(dataset, "file_meta", None)
    return None if meta is None else str(meta.TransferSyntaxUID)


def read_whole(path: Path) -> Dataset | None:
    """Return the object in a file, or None where the file holds none that is whole."""
    try:
        if not is_dicom_file(path):
            return None
        with discreet():
            dataset = read_dicom_file(path)
            dataset.decode()
        check_whole(dataset, path.name)
    except Exception:
        # Any damage means the same here: the file counts as absent.
        return None
    return dataset
