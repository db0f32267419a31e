"""What happens when an archive misbehaves: each kind told by what it is, nothing half-stored, nothing twice."""

from __future__ import annotations

import socket
from pathlib import Path

import pydicom
import pytest

from calcimeasure.errors import PacsError
from calcimeasure.pacs.dicomweb import WebArchive
from calcimeasure.pacs.pacs_records import Query, Status
from calcimeasure.pacs.profiles import Patience, WebProfile
from calcimeasure.pacs.transfer import fetch, find, send

WADO = r"/instances/[\d.]+$"


class Waits(list):
    """Stands in for sleeping, and remembers for how long."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def client(proxy) -> WebArchive:
    patience = Patience(connect_s=2, answer_s=0.5, attempts=3, first_wait_s=1)
    return WebArchive(WebProfile(name="test", url=proxy.url(), patience=patience))


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def fetch_all(client, folder: Path, waits: Waits) -> list:
    return list(fetch(client, find(client, Query(), sleep=waits), folder, sleep=waits))


def test_without_faults_everything_arrives_and_goes(client, archive, make_film, tmp_path, waits) -> None:
    (sent,) = send(client, [make_film()], sleep=waits)
    (fetched,) = fetch_all(client, tmp_path / "in", waits)

    assert (sent.status, fetched.status) == (Status.SENT, Status.FETCHED)
    assert archive.stored == [sent.uid]
    assert pydicom.dcmread(tmp_path / "in" / fetched.file) == pydicom.dcmread(make_film())
    assert not waits


def test_1_nobody_listens(make_film, waits) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    profile = WebProfile(name="test", url=f"http://127.0.0.1:{port}", patience=Patience(attempts=3, first_wait_s=1))
    with pytest.raises(PacsError, match=r"no connection to the archive, or it was dropped \(tried 3 times\)"):
        find(WebArchive(profile), Query(), sleep=waits)
    assert waits == [1, 2]


def test_2_the_connection_drops_once(client, proxy, archive, servers, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    proxy.spoil(servers.dropped, path=WADO, times=1)
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert (outcome.status, outcome.attempts) == (Status.FETCHED, 2)
    assert len(files_below(tmp_path / "in")) == 1


def test_3_the_connection_drops_always(client, proxy, archive, servers, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    proxy.spoil(servers.dropped, path=WADO)
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert outcome.status is Status.FAILED
    assert "dropped (tried 3 times)" in outcome.reason
    assert files_below(tmp_path / "in") == []


def test_4_the_archive_is_slow(client, proxy, archive, servers, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    proxy.spoil(servers.slow(0.8), path=WADO)
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert outcome.reason.startswith("the archive did not answer in time (tried 3 times)")
    assert files_below(tmp_path / "in") == []


def test_5_the_archive_is_busy_and_then_not(client, proxy, archive, servers, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    proxy.spoil(servers.status(503), times=2)
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert outcome.status is Status.FETCHED
    assert waits == [1, 2]


def test_6_the_archive_does_not_let_us_in(client, proxy, servers, waits) -> None:
    proxy.spoil(servers.status(401))
    with pytest.raises(PacsError, match=r"does not let us in \(401\)"):
        find(client, Query(patient_id="P1"), sleep=waits)
    assert proxy.requests == 1


def test_7_the_body_is_cut_off(client, proxy, archive, servers, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    spoiled = proxy.spoil(servers.cut, path=WADO, times=3)
    (outcome,) = fetch_all(client, tmp_path / "in", waits)
    assert outcome.reason == "the answer was cut off (tried 3 times)"
    assert files_below(tmp_path / "in") == []

    assert spoiled.hits == 3
    (outcome,) = fetch_all(client, tmp_path / "in", waits)
    assert outcome.status is Status.FETCHED


@pytest.mark.parametrize("compressed", [False, True])
def test_8_the_picture_is_cut_short(
    client, proxy, archive, servers, make_film, tmp_path, waits, compressed: bool
) -> None:
    path = make_film()
    if compressed:
        film = pydicom.dcmread(path)
        film.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
        film.save_as(path)
    archive.put(path.read_bytes())
    proxy.spoil(servers.shortened, path=WADO)
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert outcome.status is Status.FAILED
    assert outcome.reason == "the object's picture is cut short (tried 3 times)"
    assert files_below(tmp_path / "in") == []


def test_9_another_patients_film_comes(client, archive, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    archive.alter = lambda dataset: setattr(dataset, "PatientID", "P2")
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert outcome.reason.startswith("the archive sent another patient's object")
    assert "P2" not in outcome.reason
    assert files_below(tmp_path / "in") == []
    assert not waits


def test_10_another_object_comes(client, archive, make_film, tmp_path, waits) -> None:
    archive.put(make_film().read_bytes())
    archive.alter = lambda dataset: setattr(dataset, "SOPInstanceUID", "1.2.3")
    (outcome,) = fetch_all(client, tmp_path / "in", waits)

    assert outcome.reason.startswith("the archive sent another object")
    assert files_below(tmp_path / "in") == []


def test_11_a_login_page_comes_instead(client, proxy, servers, waits) -> None:
    proxy.spoil(servers.garbage)
    with pytest.raises(PacsError, match="the answer is not what DICOMweb says"):
        find(client, Query(), sleep=waits)
    assert not waits


def test_12_the_archive_refuses_an_object(client, archive, make_film, waits) -> None:
    archive.refuse = 0x0122
    outcomes = list(send(client, [make_film(1), make_film(2)], sleep=waits))

    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.FAILED]
    assert outcomes[0].reason == "the archive refused the object: objects of this kind are not taken (0x0122)"
    assert not waits


def test_13_the_answer_to_storing_is_lost(client, proxy, archive, servers, make_film, waits) -> None:
    proxy.spoil(servers.dropped, method="POST", times=1)
    (outcome,) = send(client, [make_film()], sleep=waits)

    # It was stored the first time and is stored again under the same UID: the archive has one.
    assert (outcome.status, outcome.attempts) == (Status.SENT, 2)
    assert len(archive.objects) == 1


def test_14_the_archive_changes_what_it_takes(client, archive, make_film, waits) -> None:
    archive.alter = lambda dataset: setattr(dataset, "PixelData", bytes(len(dataset.PixelData)))
    (outcome,) = send(client, [make_film()], sleep=waits)

    assert outcome.status is Status.FAILED
    assert outcome.reason == "the archive took it but gives back something else"


def test_15_the_archive_forgets_what_it_takes(client, proxy, servers, make_film, waits) -> None:
    proxy.spoil(servers.replaced(lambda: servers.dicom_json([])), path="/instances$")
    proxy.spoil(servers.replaced(lambda: servers.dicom_json([])), path=r"/instances\?")
    (outcome,) = send(client, [make_film()], sleep=waits)

    assert outcome.reason == "the archive took it but does not have it when asked for it again"


def test_one_bad_object_does_not_stop_the_rest(client, proxy, archive, servers, make_film, tmp_path, waits) -> None:
    for number in (1, 2, 3):
        archive.put(make_film(number).read_bytes())
    proxy.spoil(servers.status(500), path=r"7\.2\.1\.1$")
    outcomes = fetch_all(client, tmp_path / "in", waits)

    assert [outcome.status for outcome in outcomes] == [Status.FETCHED, Status.FAILED, Status.FETCHED]
    assert outcomes[1].reason.startswith("the archive is in trouble (500) (tried 3 times)")


def test_no_reason_tells_a_name_or_what_was_asked(client, proxy, servers, waits) -> None:
    for fault in (servers.status(500), servers.status(403), servers.dropped, servers.garbage):
        proxy.spoiled.clear()
        proxy.spoil(fault)
        with pytest.raises(PacsError) as caught:
            find(client, Query(patient_id="SECRET-4711"), sleep=waits)
        assert "SECRET" not in str(caught.value)
        assert "127.0.0.1" not in str(caught.value)
