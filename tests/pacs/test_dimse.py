"""DIMSE against a small archive made of pynetdicom's own server."""

from __future__ import annotations

import copy
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from calcimeasure.errors import PacsError
from calcimeasure.pacs.dimse import STORED_CLASSES, TRANSFER_SYNTAXES, DimseArchive
from calcimeasure.pacs.pacs_records import Query, Status
from calcimeasure.pacs.profiles import DimseProfile, Patience
from calcimeasure.pacs.transfer import fetch, find, send

UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class DimseServer:
    """Keeps objects in memory and answers C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE on loopback."""

    def __init__(self) -> None:
        self.objects: dict[str, Dataset] = {}
        self.refuse: int | None = None
        self.abort = False
        self.wait_s = 0.0
        self.alter: Callable[[Dataset], object] = lambda _: None
        self.move_to: tuple[str, int] | None = None
        entity = AE(ae_title="ARCHIVE")
        entity.require_called_aet = True
        for model in (
            Verification,
            StudyRootQueryRetrieveInformationModelFind,
            StudyRootQueryRetrieveInformationModelGet,
            StudyRootQueryRetrieveInformationModelMove,
        ):
            entity.add_supported_context(model)
        for kind in STORED_CLASSES:
            entity.add_supported_context(kind, list(TRANSFER_SYNTAXES), scp_role=True, scu_role=True)
            entity.add_requested_context(kind, ExplicitVRLittleEndian)
        handlers = [
            (evt.EVT_C_FIND, self.on_find),
            (evt.EVT_C_GET, self.on_get),
            (evt.EVT_C_MOVE, self.on_move),
            (evt.EVT_C_STORE, self.on_store),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        self._server.shutdown()

    def matching(self, identifier: Dataset) -> list[Dataset]:
        return [
            kept
            for kept in self.objects.values()
            if all(
                not identifier.get(keyword) or identifier[keyword].value == kept.get(keyword)
                for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
            )
        ]

    def on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        if self.abort:
            event.assoc.abort()
            return
        time.sleep(self.wait_s)
        level = event.identifier.QueryRetrieveLevel
        for kept in {kept[UNIQUE[level]].value: kept for kept in self.matching(event.identifier)}.values():
            answer = Dataset()
            answer.QueryRetrieveLevel = level
            for element in event.identifier:
                setattr(answer, element.keyword, kept.get(element.keyword, ""))
            yield 0xFF00, answer

    def on_get(self, event: evt.Event):
        found = self.matching(event.identifier)
        yield len(found)
        for kept in found:
            given = copy.deepcopy(kept)
            self.alter(given)
            yield 0xFF00, given

    def on_move(self, event: evt.Event):
        yield self.move_to
        yield from self.on_get(event)

    def on_store(self, event: evt.Event) -> int:
        if self.refuse is not None:
            return self.refuse
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.objects[dataset.SOPInstanceUID] = dataset
        return 0


@pytest.fixture
def server() -> Iterator[DimseServer]:
    server = DimseServer()
    yield server
    server.stop()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def client_of(server: DimseServer, **settings: object) -> DimseArchive:
    values = {"name": "test", "host": "127.0.0.1", "port": server.port, "called_ae": "ARCHIVE"}
    patience = Patience(connect_s=2, answer_s=3, attempts=2, first_wait_s=0)
    return DimseArchive(DimseProfile(**{**values, "patience": patience, **settings}))


@pytest.fixture
def client(server: DimseServer) -> DimseArchive:
    return client_of(server)


def test_an_echo_is_answered(client) -> None:
    assert client.check() == "test: the archive answers over DIMSE"


def test_films_go_and_come_back_the_same(client, server, make_film, tmp_path: Path) -> None:
    paths = [make_film(1), make_film(2, PatientID="P2")]
    sent = list(send(client, paths))
    fetched = list(fetch(client, find(client, Query(patient_id="P2")), tmp_path / "in"))

    assert [outcome.status for outcome in sent] == [Status.SENT, Status.SENT]
    assert [outcome.status for outcome in fetched] == [Status.FETCHED]
    back, film = pydicom.dcmread(tmp_path / "in" / fetched[0].file), pydicom.dcmread(paths[1])
    assert back == film
    assert [outcome.status for outcome in send(client, paths)] == [Status.ALREADY_THERE] * 2


def test_series_are_described(client, server, make_film) -> None:
    list(send(client, [make_film(1)]))
    (series,) = find(client, Query(modality="CR", body_part="HAND", date_from="20250101"))

    assert (series.patient_id, series.study_date, series.modality, series.body_part) == ("P1", "20250301", "CR", "HAND")
    assert find(client, Query(date_to="20250101")) == []


def test_films_can_be_moved_to_us(server, make_film, tmp_path: Path) -> None:
    port = free_port()
    server.move_to = ("127.0.0.1", port)
    client = client_of(server, move_port=port)
    film = pydicom.dcmread(make_film(1))
    server.objects[film.SOPInstanceUID] = film
    (outcome,) = fetch(client, find(client, Query()), tmp_path / "in")

    assert outcome.status is Status.FETCHED
    assert pydicom.dcmread(tmp_path / "in" / outcome.file).PixelData == film.PixelData


def deliver(port: int, film: pydicom.Dataset, *, calling: str, called: str) -> bool:
    """Try to store a film with us, as a stranger; tell whether the association came about and it was taken."""
    entity = AE(ae_title=calling)
    entity.add_requested_context(film.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return False
    status = association.send_c_store(film)
    association.release()
    return "Status" in status and int(status.Status) == 0


@pytest.mark.parametrize(
    ("calling", "called"), [("STRANGER", "CALCIMEASURE"), ("ARCHIVE", "ANYBODY"), ("ARCHIVE", "CALCIMEASURE")]
)
def test_strangers_deliver_nothing_while_films_are_moved(server, make_film, tmp_path, calling, called) -> None:
    """Under a false title, to a false title, or something else than what was asked for."""
    port = free_port()
    server.move_to = ("127.0.0.1", port)
    client = client_of(server, move_port=port, calling_ae="CALCIMEASURE")
    film = pydicom.dcmread(make_film(1))
    server.objects[film.SOPInstanceUID] = film
    stranger = copy.deepcopy(film)
    stranger.SOPInstanceUID = stranger.file_meta.MediaStorageSOPInstanceUID = "1.2.3.999"
    taken: list[bool] = []
    server.alter = lambda _given: taken.append(deliver(port, stranger, calling=calling, called=called))
    outcomes = list(fetch(client, find(client, Query()), tmp_path / "in", sleep=lambda _: None))

    assert taken
    assert not any(taken)
    assert [path.stem for path in (tmp_path / "in").rglob("*.dcm")] == [
        outcome.uid for outcome in outcomes if outcome.status is Status.FETCHED
    ]


def test_the_listener_is_on_one_interface(server) -> None:
    assert client_of(server)._listening_address() == "127.0.0.1"
    assert client_of(server, move_address="127.0.0.2")._listening_address() == "127.0.0.2"


@pytest.mark.parametrize(
    ("code", "message"),
    [(0x0122, "objects of this kind are not taken (0x0122)"), (0xA700, "out of resources (0xA700) (tried 2 times)")],
)
def test_a_refusal_is_told(client, server, make_film, code: int, message: str) -> None:
    server.refuse = code
    (outcome,) = send(client, [make_film(1)])

    assert outcome.status is Status.FAILED
    assert message in outcome.reason


def test_an_association_that_is_rejected_is_not_tried_again(server) -> None:
    with pytest.raises(PacsError, match="the archive rejects the association"):
        find(client_of(server, called_ae="SOMEBODY"), Query(), sleep=lambda _: pytest.fail("waited"))


def test_an_association_that_is_aborted_is_tried_again(client, server) -> None:
    server.abort = True
    waits: list[float] = []
    with pytest.raises(PacsError, match=r"broke off during the search, .* \(tried 2 times\)"):
        find(client, Query(), sleep=waits.append)
    assert len(waits) == 1


def test_a_slow_archive_is_not_waited_for_without_end(server) -> None:
    server.wait_s = 0.8
    patience = Patience(connect_s=2, answer_s=0.3, attempts=2, first_wait_s=0)
    start = time.monotonic()
    with pytest.raises(PacsError, match=r"did not answer in time \(tried 2 times\)"):
        find(client_of(server, patience=patience), Query())
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("PatientID", "P2", "the archive sent another patient's object"),
        ("SOPInstanceUID", "1.2.3", "the archive sent another object than the one asked for"),
        ("SeriesInstanceUID", "1.2.3", "the archive sent an object of another series"),
        ("PixelData", b"\0\0", "the object's picture is cut short (tried 2 times)"),
    ],
)
def test_what_was_not_asked_for_is_not_kept(
    client, server, make_film, tmp_path: Path, attribute: str, value: object, message: str
) -> None:
    film = pydicom.dcmread(make_film(1))
    server.objects[film.SOPInstanceUID] = film
    server.alter = lambda given: setattr(given, attribute, value)
    (outcome,) = fetch(client, find(client, Query()), tmp_path / "in", sleep=lambda _: None)

    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith(message)
    assert not [path for path in (tmp_path / "in").rglob("*") if path.is_file()]


def test_what_the_archive_changes_does_not_count_as_sent(client, server, make_film) -> None:
    server.alter = lambda given: setattr(given, "PatientName", "Other^One")
    (outcome,) = send(client, [make_film(1)])

    assert (outcome.status, outcome.reason) == (Status.FAILED, "the archive took it but gives back something else")


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nobody_listens() -> None:
    profile = DimseProfile(
        name="test", host="127.0.0.1", port=free_port(), called_ae="A", patience=Patience(attempts=1)
    )
    with pytest.raises(PacsError, match="there is no connection to the archive"):
        find(DimseArchive(profile), Query())


@pytest.mark.parametrize("after", [100, 2500])
def test_a_connection_that_is_cut_leaves_nothing_behind(servers, server, make_film, tmp_path: Path, after: int) -> None:
    # 100 bytes is in the middle of the negotiation, 2500 in the middle of the film.
    film = pydicom.dcmread(make_film(1))
    server.objects[film.SOPInstanceUID] = film
    with servers.CuttingProxy(server.port) as proxy:
        client = client_of(server, port=proxy.port)
        series = find(client, Query())
        (instance,) = client.list_instances(series[0])
        client.list_instances = lambda _: [instance]
        proxy.cut_after = after
        (failed,) = fetch(client, series, tmp_path / "in", sleep=lambda _: None)

        assert failed.status is Status.FAILED
        assert "(tried 2 times)" in failed.reason
        assert proxy.cuts == 2
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and "in" in path.parts]
        proxy.cut_after = None
        (fetched,) = fetch(client, series, tmp_path / "in")
        assert fetched.status is Status.FETCHED
