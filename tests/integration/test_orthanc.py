"""A real Orthanc: films go in, are found, come out, are measured; SEG and SR go in and come back equal."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from calcimeasure.cli.pacs_command import pacs as command
from calcimeasure.cli.study_command import study
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.export.dicom import read_segmentation, write_measurement_dicom
from calcimeasure.export.dicom.secondary_capture import write_secondary_capture
from calcimeasure.io import read_film
from calcimeasure.measurement import measure_film
from calcimeasure.pacs.archive import open_archive
from calcimeasure.pacs.dicomweb import WebArchive
from calcimeasure.pacs.integrity import same_object
from calcimeasure.pacs.pacs_records import Query, Status
from calcimeasure.pacs.profiles import Patience, WebProfile, load_profile
from calcimeasure.pacs.transfer import fetch, find, send

HERE = Path(__file__).parent


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


orthanc_server = load("orthanc_server", HERE / "orthanc_server.py")
fault_servers = load("pacs_test_servers", HERE.parent / "pacs" / "servers.py")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    if orthanc_server.find_program() is None or orthanc_server.find_plugin() is None:
        pytest.skip("Orthanc is not installed (Debian packages orthanc and orthanc-dicomweb)")
    with orthanc_server.OrthancServer(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(params=["trial", "trial-dimse"])
def profile_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def archive(orthanc, profile_name: str, tmp_path: Path):
    config = tmp_path / "pacs.toml"
    config.write_text(orthanc.profiles())
    with open_archive(load_profile(profile_name, config)) as archive:
        yield archive


def write_film(path: Path, seed: int) -> Path:
    """Write a film of blurred discs on a ground of noise, as a DICOM file with an identity of its own."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:300, :240]
    grey = 1000 + rng.normal(0, 8, (300, 240))
    for row, col, radius in ((80, 60, 12), (150, 140, 20), (230, 90, 8)):
        grey += 900 / (1 + np.exp((np.hypot(rows - row, cols - col) - radius) / 0.7))
    from calcimeasure.io import film_from_array

    film = film_from_array(np.clip(grey, 0, 4095).astype(np.uint16), spacing_mm=0.15, side="L", body_part="HAND")
    write_secondary_capture(film, path, created=("20250301", "120000"))
    dataset = pydicom.dcmread(path)
    dataset.PatientID, dataset.PatientName, dataset.StudyDate = f"P{seed}", "M\u00fcller^Zo\u00eb", "20250301"
    dataset.Modality = "OT"
    dataset.save_as(path)
    return path


def labels_of(shape: tuple[int, int]) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape, np.uint16)
    for label, (row, col, radius) in enumerate(((80, 60, 13), (150, 140, 21), (230, 90, 9)), start=1):
        image[np.hypot(rows - row, cols - col) <= radius] = label
    return image


def test_the_whole_way_there_and_back(archive, profile_name: str, tmp_path: Path) -> None:
    seed = {"trial": 1, "trial-dimse": 2}[profile_name]
    original = write_film(tmp_path / "film.dcm", seed)
    # Send the film, find it, fetch it.
    (sent,) = send(archive, [original])
    assert sent.status is Status.SENT, sent.reason
    (series,) = find(archive, Query(patient_id=f"P{seed}", body_part="HAND", date_from="20250301"))
    assert series.instance_count in (1, None)
    (fetched,) = fetch(archive, [series], tmp_path / "in")
    assert fetched.status is Status.FETCHED, fetched.reason
    film = read_film(tmp_path / "in" / fetched.file)
    np.testing.assert_array_equal(film.pixels, read_film(original).pixels)

    # Measure, send what came of it, fetch that back.
    labels = from_label_image(labels_of(film.shape), origin=Origin.AUTO, method="test/1", film_sha256=film.sha256)
    measurement = measure_film(film, labels)
    files = write_measurement_dicom(measurement, tmp_path, visit="baseline", pictures=True)
    assert files.written == ("segmentation.dcm", "measurement.sr.dcm", "overlay.sc.dcm")
    outcomes = list(send(archive, [tmp_path / name for name in files.written]))
    assert [outcome.status for outcome in outcomes] == [Status.SENT] * 3, outcomes
    found = find(archive, Query(study_uid=series.study_uid))
    assert sorted(one.modality for one in found) == ["OT", "OT", "SEG", "SR"]
    back = {outcome.uid: tmp_path / "back" / outcome.file for outcome in fetch(archive, found, tmp_path / "back")}
    for name in files.written:
        ours = pydicom.dcmread(tmp_path / name)
        assert same_object(ours, pydicom.dcmread(back[ours.SOPInstanceUID])), name

    # The segmentation that came back measures the same, to the last digit.
    segmentation = pydicom.dcmread(tmp_path / "segmentation.dcm").SOPInstanceUID
    again = measure_film(film, read_segmentation(back[segmentation], film))
    assert [row.area_mm2 for row in again.deposits] == [row.area_mm2 for row in measurement.deposits]
    assert [row.area_se_mm2 for row in again.deposits] == [row.area_se_mm2 for row in measurement.deposits]
    # A second time nothing is sent and nothing is fetched.
    assert {outcome.status for outcome in send(archive, [original])} == {Status.ALREADY_THERE}
    assert {outcome.status for outcome in fetch(archive, found, tmp_path / "back")} == {Status.ALREADY_THERE}


def test_an_archive_answers(archive) -> None:
    assert "the archive answers" in archive.check()


def test_films_can_be_moved_to_us(orthanc, tmp_path: Path) -> None:
    config = tmp_path / "pacs.toml"
    config.write_text(orthanc.profiles() + f"move_port = {orthanc.move_port}\n")
    film = write_film(tmp_path / "film.dcm", 7)
    with open_archive(load_profile("trial-dimse", config)) as archive:
        (sent,) = send(archive, [film])

    # Sending asks for the object again, here by C-MOVE.
    assert sent.status is Status.SENT, sent.reason


def test_a_compressed_film_keeps_its_coding(archive, profile_name: str, tmp_path: Path) -> None:
    seed = {"trial": 11, "trial-dimse": 12}[profile_name]
    path = write_film(tmp_path / "film.dcm", seed)
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    dataset.save_as(path)
    (sent,) = send(archive, [path])
    (fetched,) = fetch(archive, find(archive, Query(patient_id=f"P{seed}")), tmp_path / "in")

    assert (sent.status, fetched.status) == (Status.SENT, Status.FETCHED), (sent.reason, fetched.reason)
    back = pydicom.dcmread(tmp_path / "in" / fetched.file)
    assert back.file_meta.TransferSyntaxUID == pydicom.uid.JPEG2000Lossless
    assert back.PixelData == dataset.PixelData


@pytest.mark.parametrize("fault", ["dropped", "cut", "shortened", "status 503", "status 401", "garbage", "slow"])
def test_a_spoiled_answer_leaves_nothing_behind(orthanc, tmp_path: Path, fault: str) -> None:
    film = write_film(tmp_path / "film.dcm", 20)
    direct = WebArchive(WebProfile(name="trial", url=orthanc.url))
    list(send(direct, [film]))
    kinds = {
        "dropped": fault_servers.dropped,
        "cut": fault_servers.cut,
        "shortened": fault_servers.shortened,
        "status 503": fault_servers.status(503),
        "status 401": fault_servers.status(401),
        "garbage": fault_servers.garbage,
        "slow": fault_servers.slow(0.8),
    }
    series = find(direct, Query(patient_id="P20"))
    patience = Patience(connect_s=2, answer_s=0.5, attempts=2, first_wait_s=0)
    with fault_servers.FaultProxy(orthanc.web_port) as proxy:
        client = WebArchive(WebProfile(name="trial", url=proxy.url(), patience=patience))
        spoiled = proxy.spoil(kinds[fault], path=r"/instances/[\d.]+$")
        (failed,) = fetch(client, series, tmp_path / "in")
        assert failed.status is Status.FAILED
        assert failed.reason
        assert not [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
        # When the trouble is over, the same command goes on.
        spoiled.times = 0
        (fetched,) = fetch(client, series, tmp_path / "in")
        assert fetched.status is Status.FETCHED


def test_an_answer_that_is_lost_after_storing_stores_once(orthanc, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.dcm", 30)
    patience = Patience(attempts=2, first_wait_s=0)
    with fault_servers.FaultProxy(orthanc.web_port) as proxy:
        client = WebArchive(WebProfile(name="trial", url=proxy.url(), patience=patience))
        proxy.spoil(fault_servers.dropped, method="POST", times=1)
        (sent,) = send(client, [film])
        (series,) = find(client, Query(patient_id="P30"))
        assert sent.status is Status.SENT, sent.reason
        assert len(client.list_instances(series)) == 1


class TestCommand:
    def run(self, orthanc, tmp_path: Path, *arguments: object):
        config = tmp_path / "pacs.toml"
        config.write_text(orthanc.profiles())
        given = [*map(str, arguments), "--profile", "trial", "--config", str(config)]
        return CliRunner().invoke(command, given, standalone_mode=False)

    def test_send_find_fetch(self, orthanc, tmp_path: Path) -> None:
        film = write_film(tmp_path / "film.dcm", 40)
        sent = self.run(orthanc, tmp_path, "send", film)
        found = self.run(orthanc, tmp_path, "find", "--patient", "P40", "--from", "2025-03-01")
        fetched = self.run(orthanc, tmp_path, "fetch", "--patient", "P40", "--out", tmp_path / "in")

        assert (sent.exception, sent.return_value, sent.output) == (None, 0, "1 sent\n")
        assert found.exception is None
        assert "2025-03-01" in found.output or "20250301" in found.output
        assert "ller" not in found.output
        assert (fetched.exception, fetched.return_value, fetched.output) == (None, 0, "1 fetched\n")
        table = (tmp_path / "in" / "fetch.csv").read_text()
        assert table.startswith("uid,status,file,reason,attempts\n")
        assert ",fetched," in table

    def test_nothing_asked_for_is_refused(self, orthanc, tmp_path: Path) -> None:
        result = self.run(orthanc, tmp_path, "fetch", "--out", tmp_path / "in")

        assert "fetching a whole archive is not meant" in str(result.exception)

    def test_a_file_that_is_none_fails_with_its_reason(self, orthanc, tmp_path: Path) -> None:
        (tmp_path / "notes.dcm").write_text("no")
        result = self.run(orthanc, tmp_path, "send", tmp_path / "notes.dcm")

        assert result.return_value == 5
        assert "notes.dcm: failed: it is no whole DICOM object" in result.output


def test_a_study_starts_from_the_archive_and_takes_no_result_for_a_film(
    orthanc, sample_images: Path, tmp_path: Path
) -> None:
    config = tmp_path / "pacs.toml"
    config.write_text(orthanc.profiles())
    films = [sample_images / "grown" / f"{name}.dcm" for name in ("baseline", "followup")]
    film = read_film(films[0])
    image = np.zeros(film.shape, np.uint16)
    image[400:409, 300:309] = 1
    labels = from_label_image(image, origin=Origin.AUTO, method="test/1", film_sha256=film.sha256)
    files = write_measurement_dicom(measure_film(film, labels), tmp_path, pictures=True)
    with open_archive(load_profile("trial", config)) as archive:
        list(send(archive, [*films, *(tmp_path / name for name in files.written)]))

    query = ("--patient", "SIM-SAMPLE-GROWN", "--from-pacs", "trial", "--pacs-config", config)
    result = CliRunner().invoke(study, list(map(str, ("init", tmp_path / "study", *query))), standalone_mode=False)

    assert (result.exception, result.return_value) == (None, 0)
    assert result.output.startswith(
        "5 fetched\n2 films of 1 subject; visits: baseline, month 3.\n3 files that are no films:\n"
    )
    assert "is a segmentation, not a film" in result.output
    assert "is a picture of results, not a film" in result.output


def test_the_script_for_trying_says_what_it_needs(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(HERE / "orthanc_server.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert "--folder" in run.stdout
