"""The runner: finished work is never done twice, whatever kills it; failures are kept and the rest goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study import study_runner
from calcimeasure.study.manifest import FilmRow, read_manifest, write_manifest
from calcimeasure.study.result_store import Store
from calcimeasure.study.study_export import export_study
from calcimeasure.study.study_init import RESULTS
from calcimeasure.study.study_runner import RunProgress, run_study
from calcimeasure.study.study_settings import Analysis, StudySettings, Visit, settings_text
from calcimeasure.study.study_state import Study

STUB = Path(__file__).with_name("stub_study.py")
VISITS = tuple(Visit(name=name, day=day, window_days=30) for name, day in (("baseline", 0), ("month 3", 91)))


def tables(study: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((study / RESULTS / "tables").iterdir())}


def stubbed(folder: Path, subjects: int) -> Path:
    """A study of files that hold nothing but their names: its work is stubbed."""
    study = folder / "study"
    (study / "files").mkdir(parents=True)
    films = []
    for number in range(1, subjects + 1):
        for visit in VISITS:
            path = study / "files" / f"{number}_{visit.name}"
            path.write_text(path.name)
            subject = f"S{number:03d}"
            films.append(
                FilmRow(
                    subject=subject,
                    visit=visit.name,
                    body_part="HAND",
                    side="L",
                    view="PA",
                    path=path.relative_to(study).as_posix(),
                )
            )
    write_manifest(study / "films.csv", films)
    settings = StudySettings(title="Stub", visits=VISITS, analysis=Analysis(primary_visit="month 3"))
    (study / "study.toml").write_text(settings_text(settings))
    return study


def stub_run(study: Path, workers: int, *more: str, **environment: str) -> subprocess.Popen[bytes]:
    # A cluster's workers import the stub by name.
    path = os.pathsep.join([str(STUB.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(STUB), str(study), str(workers), *more],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def lines_of(study: Path, executor: Executor) -> list[str]:
    """Run a study and return what was reported, a line each film and pair."""
    reported: list[str] = []
    run_study(
        study,
        executor=executor,
        progress=RunProgress(done=lambda _units, line: reported.append(line) if line else None),
    )
    return reported


def test_a_study_is_really_read_and_compared(done_study: Path) -> None:
    state = Study(done_study).state()
    assert not state.failed_films
    assert not state.failed_pairs
    assert len(state.pairs) == 2
    root = Store(done_study).root
    assert len(list((root / "films").rglob("measurement.json"))) == 4
    assert len(list((root / "pairs").rglob("report.html"))) == 2


def test_a_second_run_does_nothing(done_study: Path, inline: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(work: object) -> None:
        raise AssertionError(work)

    monkeypatch.setattr(study_runner, "read_series_work", never)
    monkeypatch.setattr(study_runner, "compare_pair_work", never)
    before = tables(done_study)
    export_study(done_study, run_study(done_study, executor=inline))
    assert tables(done_study) == before


def test_two_visits_are_decided_as_a_pair_is(done_study: Path) -> None:
    from calcimeasure.change import compare
    from calcimeasure.io import read_film

    folder = done_study.parent / "films" / "A"
    pair = compare(read_film(folder / "baseline.dcm"), read_film(folder / "month3.dcm"))
    marks = [mark for mark in Study(done_study).state().pairs.values() if mark is not None]
    assert pair.baseline_common_area_px in {mark["baseline_common_area_px"] for mark in marks}
    assert pair.log_ratio in {mark["log_ratio"] for mark in marks}


def test_a_persons_reading_is_used(done_study: Path, inline: Executor, tmp_path: Path) -> None:
    shutil.copytree(done_study.parent, tmp_path / "copy")
    study = tmp_path / "copy" / "study"
    film = Study(study).films[0]
    (study / "readings").mkdir()
    shutil.copy(Store(study).film_folder(film) / "labels.tif", study / "readings" / f"{film.name}.tif")
    before, after = Study(done_study).state(), run_study(study, executor=inline)
    one, two = (
        next(mark["films"][film.name] for mark in state.readings.values() if mark and film.name in mark["films"])
        for state in (before, after)
    )
    assert (one["read_by"], two["read_by"]) == ("program", "person")
    assert two["record"]["total_area_px"] == one["record"]["total_area_px"]


@pytest.mark.slow
def test_processes_give_the_same_bytes(done_study: Path, tmp_path: Path) -> None:
    shutil.copytree(done_study.parent, tmp_path / "copy")
    study = tmp_path / "copy" / "study"
    shutil.rmtree(study / RESULTS)
    export_study(study, run_study(study, workers=2))
    for path in sorted((done_study / RESULTS).rglob("*")):
        if path.is_file() and "cache" not in path.parts and not path.name.startswith("."):
            assert (study / path.relative_to(done_study)).read_bytes() == path.read_bytes(), path


def test_broken_films_are_recorded_and_the_rest_goes_on(study: Path, films: Path, inline: Executor) -> None:
    for name in "AB":
        whole = (films / name / "month3.dcm").read_bytes()
        (films / name / "month3.dcm").write_bytes(whole[: len(whole) // 2])
    (films / "A" / "baseline.dcm").unlink()
    (films / "B" / "baseline.dcm").write_bytes(b"")
    state = run_study(study, executor=inline)
    assert len(state.failed_films) == 4
    reasons = " ".join(state.failed_films.values())
    assert "no such file" in reasons
    assert "empty" in reasons
    assert str(films) not in reasons
    export_study(study, state)
    assert (study / RESULTS / "tables" / "films.csv").read_text().count("failed") == 4


def test_rows_that_contradict_their_file_and_copies_are_reported(study: Path, films: Path, inline: Executor) -> None:
    shutil.copy(films / "B" / "baseline.dcm", films / "B" / "month3.dcm")
    rows = [
        replace(row, side="L", date="2020-01-01") if row.path.endswith("A/baseline.dcm") else row
        for row in read_manifest(study / "films.csv")
    ]
    rows = [row for row in rows if "A/month3" not in row.path]
    write_manifest(study / "films.csv", rows)
    (left,) = [row.name for row in rows if row.side == "L"]
    (copy,) = [row.name for row in rows if "B/month3" in row.path]
    (original,) = [row.name for row in rows if "B/baseline" in row.path]
    reported = run_study(study, executor=inline).contradictions
    assert sorted(reported) == sorted([left, copy])
    assert "where it says side L, the file says R." in reported[left]
    assert "where it says study date 2020-01-01, the file says" in reported[left]
    assert reported[copy] == (
        f"films.csv is followed where it says study date {next(r.date for r in rows if r.name == copy)}, the file says "
        f"{next(r.date for r in rows if r.name == original)}. The file is that of {original}, byte for byte."
    )


@pytest.mark.usefixtures("stubbed_work")
def test_a_changed_film_is_read_again_with_its_series_and_others_are_not(tmp_path: Path, inline: Executor) -> None:
    study = stubbed(tmp_path, 3)
    run_study(study, executor=inline)
    (study / "files" / "2_month 3").write_text("changed")
    reported = lines_of(study, inline)
    assert sorted(line.split(":")[0] for line in reported if line.endswith("read")) == [
        "S002_baseline_HAND_L_PA_1",
        "S002_month-3_HAND_L_PA_1",
    ]
    assert len(reported) == 3


@pytest.mark.usefixtures("stubbed_work")
def test_a_film_turned_in_its_row_is_read_again(tmp_path: Path, inline: Executor) -> None:
    study = stubbed(tmp_path, 3)
    run_study(study, executor=inline)
    films = read_manifest(study / "films.csv")
    write_manifest(study / "films.csv", [replace(films[0], invert=True), *films[1:]])
    reported = lines_of(study, inline)
    assert len([line for line in reported if line.endswith("read")]) == 2


@pytest.mark.usefixtures("stubbed_work")
def test_what_a_killed_run_had_not_finished_writing_is_removed(tmp_path: Path, inline: Executor) -> None:
    study = stubbed(tmp_path, 2)
    left = study / RESULTS / "tables" / ".films.csv.0clzrdd6"
    left.parent.mkdir(parents=True)
    left.write_text("half a ta")
    run_study(study, executor=inline)
    assert not left.exists()
    assert (study / RESULTS / ".lock").exists()


@pytest.mark.usefixtures("stubbed_work")
def test_a_run_waits_for_an_export_before_it_sweeps(tmp_path: Path, inline: Executor, monkeypatch) -> None:
    study = stubbed(tmp_path, 2)
    run_study(study, executor=inline)
    monkeypatch.setattr("calcimeasure.study.result_store.ORPHANS_LAST_S", 0.1)
    being_written = study / RESULTS / "tables" / ".films.csv.0clzrdd6"
    being_written.parent.mkdir(parents=True, exist_ok=True)
    with Store(study).beside_runs():
        being_written.write_text("half a ta")
        with pytest.raises(StudyError, match="still at work"):
            run_study(study, executor=inline)
        assert being_written.exists()
    run_study(study, executor=inline)
    assert not being_written.exists()


@pytest.mark.usefixtures("stubbed_work")
def test_another_margin_compares_again_and_reads_nothing(tmp_path: Path, inline: Executor) -> None:
    study = stubbed(tmp_path, 3)
    run_study(study, executor=inline)
    path = study / "study.toml"
    path.write_text(path.read_text().replace("[0.8, 1.25]", "[0.5, 2.0]"))
    reported = lines_of(study, inline)
    assert len(reported) == 3
    assert not any(line.endswith("read") for line in reported)


@pytest.mark.usefixtures("stubbed_work")
def test_another_version_does_everything_again(
    tmp_path: Path, inline: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = stubbed(tmp_path, 1)
    run_study(study, executor=inline)
    assert lines_of(study, inline) == []
    monkeypatch.setattr("calcimeasure.__version__", "99.0")
    assert len(lines_of(study, inline)) == 3


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path, inline: Executor) -> None:
    study = stubbed(tmp_path, 1)
    with Store(study).locked(), pytest.raises(StudyError, match="another run"):
        run_study(study, executor=inline)


def check_log(log: Path, films: int) -> None:
    """No film was begun again after it was finished."""
    begun: set[str] = set()
    finished: set[str] = set()
    for line in log.read_text().splitlines():
        what, name = line.split(" ", 1)
        if what == "done":
            finished.add(name)
        else:
            begun.add(name)
            assert name not in finished, f"{name} was read again after it was finished"
    # A kill between the mark and the line of the log leaves a film finished that the log does not call so.
    assert len(begun) == films


def kill_and_resume(tmp_path: Path, inline: Executor, kills: int, seed: int) -> None:
    subjects = 12
    quiet = stubbed(tmp_path / "quiet", subjects)
    export_study(quiet, run_study(quiet, executor=inline))
    disturbed = stubbed(tmp_path / "disturbed", subjects)
    mark = disturbed / RESULTS / "done" / "readings"
    rng = random.Random(seed)  # noqa: S311 - moments to kill at, no secret
    for kill in range(kills):
        process = stub_run(disturbed, 2)
        # The first is killed wherever it is; later ones once there is something that they could do twice.
        while kill and not mark.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 1.5))
        process.kill()
        process.communicate()
    finish(stub_run(disturbed, 2))
    assert tables(disturbed) == tables(quiet)
    check_log(disturbed.parent / "log.txt", 2 * subjects)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of another kind there")
@pytest.mark.usefixtures("stubbed_work")
def test_killed_and_run_again(tmp_path: Path, inline: Executor) -> None:
    kill_and_resume(tmp_path, inline, kills=5, seed=1)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of another kind there")
@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.usefixtures("stubbed_work")
def test_killed_at_thirty_moments(tmp_path: Path, inline: Executor, seed: int) -> None:
    kill_and_resume(tmp_path, inline, kills=10, seed=seed)


def test_a_film_at_which_workers_die_is_given_up_and_nothing_else_is_lost(tmp_path: Path) -> None:
    study = stubbed(tmp_path, 4)
    finish(stub_run(study, 2, STUB_DIES_AT="S002_month-3_HAND_L_PA_1"))
    state = Study(study).state()
    assert set(state.failed_films) == {"S002_month-3_HAND_L_PA_1", "S002_baseline_HAND_L_PA_1"}
    assert all("died" in reason for reason in state.failed_films.values())
    assert sum(mark is not None for mark in state.pairs.values()) == 3


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of another kind there")
@pytest.mark.usefixtures("stubbed_work")
def test_a_worker_killed_in_mid_run_loses_nothing(tmp_path: Path, inline: Executor) -> None:
    quiet, disturbed = stubbed(tmp_path / "quiet", 6), stubbed(tmp_path / "disturbed", 6)
    export_study(quiet, run_study(quiet, executor=inline))
    once = tmp_path / "killed"
    finish(stub_run(disturbed, 2, STUB_DIES_AT="S003_month-3_HAND_L_PA_1", STUB_DIES_ONCE=str(once)))
    assert once.exists()
    assert tables(disturbed) == tables(quiet)
    check_log(disturbed.parent / "log.txt", 12)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.usefixtures("stubbed_work")
def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path, inline: Executor, workers: int) -> None:
    here, there = stubbed(tmp_path / "here", 12), stubbed(tmp_path / "there", 12)
    export_study(here, run_study(here, executor=inline))
    finish(stub_run(there, workers))
    assert tables(there) == tables(here)


@pytest.mark.slow
@pytest.mark.usefixtures("stubbed_work")
def test_a_cluster_gives_the_same_bytes(tmp_path: Path, inline: Executor) -> None:
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    here, there = stubbed(tmp_path / "here", 6), stubbed(tmp_path / "there", 6)
    export_study(here, run_study(here, executor=inline))
    finish(stub_run(there, 2, "cluster"))
    assert tables(there) == tables(here)


@pytest.mark.slow
def test_a_cluster_measures_as_processes_do(done_study: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the cluster extra is not installed")
    shutil.copytree(done_study.parent, tmp_path / "copy")
    study = tmp_path / "copy" / "study"
    shutil.rmtree(study / RESULTS)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:
        export_study(study, run_study(study, scheduler=local.scheduler_address))
    assert tables(study) == tables(done_study)
    for path in sorted((done_study / RESULTS).rglob("labels.tif")):
        assert (study / path.relative_to(done_study)).read_bytes() == path.read_bytes(), path


def test_a_scheduler_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    from calcimeasure.study.executors import cluster

    with pytest.raises(StudyError, match="does not answer"), cluster("nonsense://nowhere"):
        pass
