from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from calcimeasure.errors import UsageError
from calcimeasure.pacs.dicomweb import WebArchive
from calcimeasure.pacs.integrity import same_object
from calcimeasure.pacs.pacs_records import Instance, Query, SeriesRecord, Status
from calcimeasure.pacs.profiles import Patience, WebProfile
from calcimeasure.pacs.transfer import fetch, find, send, short_names

PASSWORD = "s3cret"  # noqa: S105 - of a server made for the test


@pytest.fixture
def client(archive) -> WebArchive:
    return WebArchive(WebProfile(name="test", url=archive.url, patience=Patience(first_wait_s=0)))


@pytest.fixture
def filled(archive, make_film):
    archive.put(make_film(1).read_bytes())
    archive.put(make_film(2, StudyDate="20250603").read_bytes())
    archive.put(make_film(3, PatientID="P2", BodyPartExamined="FOOT").read_bytes())
    archive.put(make_film(4, PatientID="P2", Modality="DX").read_bytes())
    return archive


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (Query(), [1, 2, 3, 4]),
        (Query(patient_id="P1"), [1, 2]),
        (Query(date_from="20250302"), [2]),
        (Query(date_to="20250302", patient_id="P1"), [1]),
        (Query(modality="DX"), [4]),
        (Query(body_part="foot"), [3]),
        (Query(study_uid="1.2.826.0.1.3680043.8.498.7.4"), [4]),
        (Query(patient_id="P9"), []),
    ],
)
def test_films_are_found_even_where_the_archive_ignores_what_is_asked(client, filled, query, numbers) -> None:
    found = find(client, query)

    assert sorted(int(series.study_uid.rsplit(".", 1)[1]) for series in found) == numbers


def test_an_answer_of_many_pages_is_collected(client, archive, make_film, monkeypatch) -> None:
    monkeypatch.setattr("calcimeasure.pacs.dicomweb._PAGE", 2)
    for number in range(1, 6):
        archive.put(make_film(number).read_bytes())

    assert len(find(client, Query())) == 5


def test_a_fetch_that_was_cut_off_goes_on(client, filled, tmp_path: Path) -> None:
    series = find(client, Query())
    first = list(fetch(client, series[:2], tmp_path))
    # One file is damaged, one lies there half-written.
    damaged = tmp_path / first[0].file
    damaged.write_bytes(damaged.read_bytes()[:-500])
    (damaged.parent / "half.dcm.part").write_bytes(b"x")
    second = list(fetch(client, series, tmp_path))

    assert [outcome.status for outcome in second] == [
        Status.FETCHED,
        Status.ALREADY_THERE,
        Status.FETCHED,
        Status.FETCHED,
    ]


def test_fetched_files_are_what_the_archive_keeps(client, filled, make_film, tmp_path: Path) -> None:
    for outcome in fetch(client, find(client, Query()), tmp_path):
        number = int(outcome.uid.split(".")[-3])
        assert pydicom.dcmread(tmp_path / outcome.file).PixelData == pydicom.dcmread(make_film(number)).PixelData


def test_a_uid_that_is_no_uid_never_becomes_a_path(client, servers, make_film, tmp_path: Path) -> None:
    evil = SeriesRecord(patient_id="P1", study_uid="../../evil", series_uid="1.2")

    class Listing:
        patience = client.patience

        def list_instances(self, series: SeriesRecord):
            return [Instance(series=series, sop_instance_uid="1.2.3")]

    (outcome,) = fetch(Listing(), [evil], tmp_path / "in")
    assert outcome.reason == "the archive names it by something that is no UID"
    assert not (tmp_path / "in").exists()


def test_what_is_there_already_is_not_sent_again(client, archive, make_film) -> None:
    path = make_film()
    statuses = [next(send(client, [path])).status for _ in range(2)]

    assert statuses == [Status.SENT, Status.ALREADY_THERE]
    assert len(archive.stored) == 1


def test_another_object_under_the_same_uid_is_not_overwritten(client, archive, make_film) -> None:
    archive.put(make_film(1, ViewPosition="AP").read_bytes())
    (outcome,) = send(client, [make_film(1, ViewPosition="PA")])

    assert outcome.status is Status.FAILED
    assert outcome.reason == "the archive has another object under the same UID; nothing was sent"
    assert archive.stored == []


def test_files_that_are_no_objects_fail_alone(client, make_film, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(make_film(2).read_bytes()[:-100])
    outcomes = list(send(client, [text, make_film(1), cut]))

    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.SENT, Status.FAILED]
    assert outcomes[2].reason == "it is no whole DICOM object"


def test_compressed_pixels_compare_by_value(make_film) -> None:
    one = pydicom.dcmread(make_film())
    other = pydicom.dcmread(make_film())
    other.compress(JPEG2000Lossless, generate_instance_uid=False)
    changed = pydicom.dcmread(make_film())
    changed.PatientName = "Other^One"

    assert same_object(one, other)
    assert not same_object(one, changed)


def test_the_icon_of_a_film_is_compared_too(make_film) -> None:
    one, other = pydicom.dcmread(make_film()), pydicom.dcmread(make_film())
    for film, pixel in ((one, b"\0\0"), (other, b"\1\0")):
        icon = pydicom.Dataset()
        icon.Rows = icon.Columns = icon.SamplesPerPixel = 1
        icon.BitsAllocated = icon.BitsStored = 8
        icon.add_new("PixelData", "OB", pixel)
        film.IconImageSequence = [icon]

    assert same_object(one, one)
    assert not same_object(one, other)


def test_credentials_travel_in_headers_only(archive, make_film) -> None:
    profile = WebProfile(name="t", url=archive.url, username="me", password=PASSWORD)
    find(WebArchive(profile), Query())

    assert archive.seen_headers[0]["Authorization"].startswith("Basic ")
    assert PASSWORD not in repr(profile)


@pytest.mark.parametrize(
    "asked",
    [{"date_from": "2025"}, {"date_from": "20250102", "date_to": "20250101"}, {"patient_id": "P*"}],
)
def test_queries_that_make_no_sense_are_refused(asked: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Query(**asked)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], []),
        (["/Doe Jane/a.dcm"], ["a.dcm"]),
        (["/x/Doe/a.dcm", "/x/Doe/b.dcm"], ["a.dcm", "b.dcm"]),
        (["/x/out/baseline/s.dcm", "/x/out/followup/s.dcm"], ["baseline/s.dcm", "followup/s.dcm"]),
        (["s.dcm", "out/s.dcm"], ["s.dcm", "out/s.dcm"]),
        (["a.dcm", "a.dcm"], ["a.dcm", "a.dcm"]),
    ],
)
def test_files_are_told_apart_by_as_little_as_needed(paths: list[str], names: list[str]) -> None:
    assert short_names([Path(path) for path in paths]) == names


@pytest.mark.parametrize("date", ["yesterday", "20251340", "2025", "2025031", " 2025031"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        Query(date_from=date)
