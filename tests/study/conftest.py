"""A small simulated study, made once: two subjects, a right hand each, baseline and month 3."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcimeasure.study.study_init import init_study


class Inline(Executor):
    """Does the work at once, in this process: the runner sees an executor like any other."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def inline() -> Inline:
    return Inline()


@pytest.fixture(scope="session")
def simulated_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DICOM film a visit: `A/baseline.dcm`, `A/month3.dcm`, `B/...`."""
    from calcimeasure.simulation import ChangePlan, simulate_pair, write_dicom

    folder = tmp_path_factory.mktemp("films")
    for seed, name in enumerate("AB", start=5):
        pair = simulate_pair(np.random.default_rng(seed), plan=ChangePlan(area_ratio=1.0), spacing_mm=0.6, deposits=1)
        (folder / name).mkdir()
        for visit, film in (("baseline", pair.baseline), ("month3", pair.followup)):
            write_dicom(film, folder / name / f"{visit}.dcm")
            _name_patient(folder / name / f"{visit}.dcm", f"Patient {name}", "R")
    return folder


def _name_patient(path: Path, patient: str, side: str) -> None:
    import pydicom

    dataset = pydicom.dcmread(path)
    dataset.PatientID = patient
    dataset.ImageLaterality = side
    dataset.save_as(path)


@pytest.fixture
def films(simulated_films: Path, tmp_path: Path) -> Path:
    """A copy of the films that a test may spoil."""
    return Path(shutil.copytree(simulated_films, tmp_path / "films"))


@pytest.fixture
def study(films: Path, tmp_path: Path) -> Path:
    """A study proposed from the films."""
    folder = tmp_path / "study"
    init_study(films, folder)
    return folder


@pytest.fixture
def stubbed_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put work that takes no time in place of reading and comparing."""
    from calcimeasure.study import study_runner

    spec = importlib.util.spec_from_file_location("stub_study", Path(__file__).with_name("stub_study.py"))
    assert spec is not None
    assert spec.loader is not None
    stub = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "stub_study", stub)
    spec.loader.exec_module(stub)
    monkeypatch.setattr(stub, "SECONDS", 0.0)
    monkeypatch.setattr(study_runner, "read_series_work", stub.read)
    monkeypatch.setattr(study_runner, "compare_pair_work", stub.pair)


@pytest.fixture(scope="session")
def done_study(simulated_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated study, really read and compared, once; its films lie beside it."""
    from calcimeasure.study.study_export import export_study
    from calcimeasure.study.study_runner import run_study

    root = tmp_path_factory.mktemp("done")
    shutil.copytree(simulated_films, root / "films")
    init_study(root / "films", root / "study")
    export_study(root / "study", run_study(root / "study", executor=Inline()))
    return root / "study"
