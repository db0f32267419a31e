"""Unique identifiers made from content, so that the same input gives the same objects on every run."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from calcimeasure.io.dicom_object import encoded

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PLACE_HOLDER = "2.25.0"


def content_uid(*parts: str | bytes | int) -> str:
    """Return a UID that depends on nothing but `parts` (PS3.5 B.2, a UUID under 2.25).

    Parameters
    ----------
    *parts
        What it stands for; the first one names the kind of thing, so that two kinds never share a UID.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"2.25.{uuid.UUID(bytes=digest.digest()[:16], version=5).int}"


def settle_instance_uids(dataset: Dataset) -> None:
    """Give a finished object the instance and series UIDs that follow from everything else it holds.

    Objects are built under `place_holder_uid`; two objects that differ in one byte get different UIDs, and the same
    object made twice gets the same one, which is what makes sending it twice harmless.
    """
    from pydicom.uid import UID

    digest = hashlib.sha256(encoded(dataset)).digest()
    instance = content_uid("instance", digest)
    dataset.SOPInstanceUID = instance
    dataset.SeriesInstanceUID = content_uid("series", digest)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(instance)


def place_holder_uid() -> str:
    """Return the UID under which an object is built before its content is known."""
    return _PLACE_HOLDER
