"""The protocol of an archive, for DICOMweb and DIMSE alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from calcimeasure.errors import MissingExtraError
from calcimeasure.pacs.profiles import DimseProfile, Patience, Profile

if TYPE_CHECKING:
    from types import TracebackType

    from pydicom.dataset import Dataset

    from calcimeasure.pacs.pacs_records import Instance, Query, SeriesRecord


class Archive(Protocol):
    """One archive. Every method raises `PacsError`, or `TransientError` where another attempt may help."""

    @property
    def patience(self) -> Patience:
        """Time-outs and retries."""

    def __enter__(self) -> Archive:
        """Reach the archive."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it."""

    def check(self) -> str:
        """Return a sentence that the archive answers."""

    def find_series(self, query: Query) -> list[SeriesRecord]:
        """Return the series that fit."""

    def list_instances(self, series: SeriesRecord) -> list[Instance]:
        """Return the objects of a series."""

    def retrieve(self, instance: Instance) -> Dataset:
        """Return one object with its file meta information."""

    def store(self, dataset: Dataset) -> None:
        """Store one object; storing it twice leaves one."""


def open_archive(profile: Profile) -> Archive:
    """Return the archive of a profile.

    Raises
    ------
    MissingExtraError
        When the libraries for it are not installed.
    """
    try:
        if isinstance(profile, DimseProfile):
            from calcimeasure.pacs.dimse import DimseArchive

            return DimseArchive(profile)
        from calcimeasure.pacs.dicomweb import WebArchive

        return WebArchive(profile)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"'{error.name}' is not installed", where="pacs", remedy="Run: pip install 'calcimeasure[pacs]'"
        ) from None
