"""An archive behind DIMSE: C-ECHO, C-FIND, C-GET or C-MOVE, C-STORE (PS3.4, PS3.7)."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from calcimeasure.errors import PacsError
from calcimeasure.io.dicom_file import parse_dicom
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.film_parts import MAX_FILE_BYTES
from calcimeasure.pacs.pacs_records import Instance, Query, SeriesRecord
from calcimeasure.pacs.profiles import LOOPBACK
from calcimeasure.pacs.retries import TransientError, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pynetdicom.association import Association

    from calcimeasure.pacs.profiles import DimseProfile, Patience

# What films, their results and our own objects are stored as.
STORED_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.1",  # CR
    "1.2.840.10008.5.1.4.1.1.1.1",  # DX for presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # DX for processing
    "1.2.840.10008.5.1.4.1.1.1.2",  # MG for presentation
    "1.2.840.10008.5.1.4.1.1.1.2.1",  # MG for processing
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
)
# In order of preference; an archive takes the first that it knows.
TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
_SUCCESS, _PENDING = 0x0000, (0xFF00, 0xFF01)
_NOT_ASKED_FOR, _CANNOT_UNDERSTAND = 0xA900, 0xC000
_MOST_FOUND = 100_000
_NOTHING_SENT = "the archive sent nothing"
_WARNINGS = (0xB000, 0xB006, 0xB007)


class DimseArchive:
    """An archive reached by DICOM's own protocol; each call opens an association and closes it."""

    def __init__(self, profile: DimseProfile) -> None:
        self._profile = profile
        patience = profile.patience
        self._entity = AE(ae_title=profile.calling_ae)
        self._entity.connection_timeout = patience.connect_s
        self._entity.acse_timeout = patience.answer_s
        self._entity.dimse_timeout = patience.answer_s
        self._entity.network_timeout = patience.answer_s

    @property
    def patience(self) -> Patience:
        """Time-outs and retries."""
        return self._profile.patience

    def __enter__(self) -> DimseArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entity.shutdown()

    def check(self) -> str:
        """Send an echo."""
        with self._association([build_context(Verification)]) as association:
            self._status_of(association.send_c_echo(), "the echo")
        return f"{self._profile.name}: the archive answers over DIMSE"

    def find_series(self, query: Query) -> list[SeriesRecord]:
        """Match the studies, then the series of each."""
        study = _identifier("STUDY", StudyInstanceUID=query.study_uid, PatientID=query.patient_id)
        study.StudyDate = query.date_range or ""
        study.ModalitiesInStudy = query.modality or ""
        found = []
        for answer in self._find(study):
            series = _identifier("SERIES", StudyInstanceUID=answer.StudyInstanceUID, SeriesInstanceUID=query.series_uid)
            series.Modality = query.modality or ""
            series.BodyPartExamined = query.body_part or ""
            series.NumberOfSeriesRelatedInstances = None
            found += [self._series(answer, match, query) for match in self._find(series)]
        return [series for series in found if series.fits(query)]

    def _series(self, study: Dataset, match: Dataset, query: Query) -> SeriesRecord:
        count = match.get("NumberOfSeriesRelatedInstances")
        return SeriesRecord(
            patient_id=str(study.get("PatientID", "") or query.patient_id or "").strip(),
            study_uid=str(study.StudyInstanceUID),
            series_uid=str(match.SeriesInstanceUID),
            study_date=str(study.get("StudyDate", "") or ""),
            modality=str(match.get("Modality", "") or ""),
            # An archive that does not return the body part has still matched on it.
            body_part=str(match.get("BodyPartExamined", "") or query.body_part or ""),
            instance_count=None if count in (None, "") else int(str(count)),
        )

    def list_instances(self, series: SeriesRecord) -> list[Instance]:
        """Match the objects of a series."""
        identifier = _identifier("IMAGE", StudyInstanceUID=series.study_uid, SeriesInstanceUID=series.series_uid)
        identifier.SOPInstanceUID = identifier.SOPClassUID = ""
        return [
            Instance(
                series=series,
                sop_instance_uid=str(match.SOPInstanceUID),
                sop_class_uid=str(match.get("SOPClassUID", "") or ""),
            )
            for match in self._find(identifier)
        ]

    def _find(self, identifier: Dataset) -> list[Dataset]:
        model = StudyRootQueryRetrieveInformationModelFind
        found = []
        with self._association([build_context(model)]) as association:
            for status, match in association.send_c_find(identifier, model):
                if self._status_of(status, "the search") and match is not None:
                    found.append(match)
                if len(found) > _MOST_FOUND:
                    raise PacsError("the archive's answer goes on without end", where=self._profile.name)
        return found

    def retrieve(self, instance: Instance) -> Dataset:
        """Retrieve one object by C-GET, or by C-MOVE to ourselves where the profile names a port for it."""
        identifier = _identifier(
            "IMAGE",
            StudyInstanceUID=instance.series.study_uid,
            SeriesInstanceUID=instance.series.series_uid,
            SOPInstanceUID=instance.sop_instance_uid,
        )
        move = self._profile.move_port is not None
        delivery = _Delivery(instance.sop_instance_uid)
        try:
            (self._move if move else self._get)(identifier, instance, delivery)
        except PacsError:
            if not delivery.others:
                raise
        if delivery.kept is None:
            problem = "the archive sent another object than the one asked for" if delivery.others else _NOTHING_SENT
            raise PacsError(problem, where=self._profile.name)
        return delivery.kept

    def _get(self, identifier: Dataset, instance: Instance, delivery: _Delivery) -> None:
        model = StudyRootQueryRetrieveInformationModelGet
        kinds = [instance.sop_class_uid] if instance.sop_class_uid else list(STORED_CLASSES)
        contexts = [build_context(model)]
        # One transfer syntax a context: the archive then chooses the one in which the object is stored.
        contexts += [build_context(kind, syntax) for kind in kinds for syntax in _syntaxes(len(kinds))]
        roles = [build_role(UID(kind), scp_role=True) for kind in kinds]
        with self._association(contexts, roles=roles, handlers=delivery.handlers()) as association:
            for status, _ in association.send_c_get(identifier, model):
                self._status_of(status, "fetching")

    def _move(self, identifier: Dataset, _instance: Instance, delivery: _Delivery) -> None:
        profile = self._profile
        listener = AE(ae_title=profile.calling_ae)
        # Only the archive, under its own title, to ours, one delivery at a time, and only what was asked for.
        listener.require_called_aet = True
        listener.require_calling_aet = [profile.move_sender_ae or profile.called_ae]
        listener.maximum_associations = 1
        listener.network_timeout = listener.acse_timeout = listener.dimse_timeout = profile.patience.answer_s
        for kind in STORED_CLASSES:
            listener.add_supported_context(kind, list(TRANSFER_SYNTAXES))
        model = StudyRootQueryRetrieveInformationModelMove
        try:
            server = listener.start_server(
                (self._listening_address(), profile.move_port or 0),
                block=False,
                evt_handlers=delivery.handlers(),
            )
        except OSError as error:
            raise PacsError(
                f"port {profile.move_port} is in use, or its address is not this machine's",
                where=profile.name,
                remedy="Change move_port or move_address.",
            ) from error
        try:
            with self._association([build_context(model)]) as association:
                for status, _ in association.send_c_move(identifier, profile.calling_ae, model):
                    self._status_of(status, "fetching")
        finally:
            server.shutdown()  # type: ignore[union-attr]

    def _listening_address(self) -> str:
        """Return the declared address, or that of the one interface by which the archive is reached."""
        profile = self._profile
        if profile.move_address is not None:
            return profile.move_address
        if profile.host in LOOPBACK:
            return "127.0.0.1"
        try:
            # Nothing is sent: connecting a datagram socket only chooses the interface.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as chosen:
                chosen.connect((profile.host, profile.port))
                return str(chosen.getsockname()[0])
        except OSError as error:
            raise TransientError(
                "the archive's address cannot be reached", where=profile.name, remedy="Check host and network."
            ) from error

    def store(self, dataset: Dataset) -> None:
        """Store one object in the transfer syntax that it has."""
        syntax = dataset.file_meta.TransferSyntaxUID
        context = build_context(dataset.SOPClassUID, syntax)
        with self._association([context]) as association:
            self._status_of(association.send_c_store(dataset), "storing")

    @contextmanager
    def _association(
        self,
        contexts: list[Any],
        *,
        roles: list[Any] | None = None,
        handlers: list[Any] | None = None,
    ) -> Iterator[Association]:
        profile = self._profile
        association = self._entity.associate(
            profile.host,
            profile.port,
            contexts=contexts,
            ae_title=profile.called_ae,
            ext_neg=roles,
            evt_handlers=handlers,
            tls_args=self._tls(),
        )
        if not association.is_established:
            raise self._not_established(association)
        wanted = {context.abstract_syntax for context in contexts[:1]}
        taken = {context.abstract_syntax for context in association.accepted_contexts}
        try:
            if not wanted & taken:
                raise PacsError("the archive does not offer what is asked for", where=profile.name)
            yield association
        finally:
            if association.is_established:
                association.release()

    def _not_established(self, association: Association) -> PacsError:
        profile = self._profile
        if association.is_rejected:
            return PacsError(
                "the archive rejects the association",
                where=profile.name,
                remedy="Its administrator has to know the calling title, and the called title must be its own.",
            )
        return TransientError(
            "there is no connection to the archive, or it was dropped",
            where=profile.name,
            remedy="Check host, port and network.",
        )

    def _tls(self) -> tuple[ssl.SSLContext, str] | None:
        profile = self._profile
        if not profile.tls:
            return None
        bundle = None if profile.ca_bundle is None else str(profile.ca_bundle)
        return (ssl.create_default_context(cafile=bundle), profile.host)

    def _status_of(self, status: Dataset, doing: str) -> bool:
        """Return whether a match came with this answer; raise where it says that something went wrong."""
        where = self._profile.name
        if "Status" not in status:
            raise TransientError(f"the archive broke off during {doing}, or did not answer in time", where=where)
        code = int(status.Status)
        if code == _SUCCESS or code in _WARNINGS:
            return False
        if code in _PENDING:
            return True
        raise refusal(doing, code, where)


def _identifier(level: str, **keys: object) -> Dataset:
    """Return the keys of a query at one level."""
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    if level == "STUDY":
        dataset.StudyDate = dataset.PatientID = ""
    for keyword, value in keys.items():
        setattr(dataset, keyword, value or "")
    if level == "SERIES":
        dataset.SeriesInstanceUID = dataset.get("SeriesInstanceUID") or ""
    return dataset


def _syntaxes(kinds: int) -> list[list[str]]:
    """Return the transfer syntaxes of the contexts of one class; an association takes 128 contexts at most."""
    if kinds * len(TRANSFER_SYNTAXES) < 127:
        return [[syntax] for syntax in TRANSFER_SYNTAXES]
    return [[ExplicitVRLittleEndian, ImplicitVRLittleEndian]]


class _Delivery:
    """Keeps the one object that was asked for, and ends a delivery that goes on without end."""

    def __init__(self, uid: str) -> None:
        self._uid = uid
        self._received_bytes: Counter[int] = Counter()
        self.kept: Dataset | None = None
        self.others = 0

    def handlers(self) -> list[Any]:
        """Return the handlers of an association that delivers."""
        return [(evt.EVT_C_STORE, self._store), (evt.EVT_DATA_RECV, self._count)]

    def _count(self, event: evt.Event) -> None:
        received = self._received_bytes
        received[id(event.assoc)] += len(event.data)
        if received[id(event.assoc)] > MAX_FILE_BYTES:
            event.assoc.abort()

    def _store(self, event: evt.Event) -> int:
        if str(getattr(event.request, "AffectedSOPInstanceUID", "")) != self._uid or self.kept is not None:
            self.others += 1
            return _NOT_ASKED_FOR
        try:
            with discreet():
                dataset = parse_dicom(event.encoded_dataset(), "the archive")
                dataset.decode()
        except Exception:
            # Whatever is wrong with it: it is not kept, and the archive is told.
            return _CANNOT_UNDERSTAND
        self.kept = dataset
        return _SUCCESS
