"""The program run as a person runs it, in this process (fast), with what it said and its exit status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from calcimeasure.cli.main import run


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one run of the program left behind."""

    status: int
    out: str
    err: str


Program = Callable[..., Ran]


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    """Run `calcimeasure` with arguments; anything may be a path."""

    def call(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stopped:
            run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(status=int(stopped.value.code or 0), out=said.out, err=said.err)

    return call


@pytest.fixture
def grey_film() -> Callable[..., np.ndarray]:
    """Make a plain 16-bit picture: a soft-edged limb on air, no deposit."""

    def make(shape: tuple[int, int] = (400, 300), seed: int = 5) -> np.ndarray:
        rng = np.random.default_rng(seed)
        cols = np.arange(shape[1], dtype=float)[np.newaxis, :]
        across = np.abs(cols - shape[1] / 2) / (shape[1] / 4)
        soft = np.clip(1.2 - across, 0, 1)
        bone = np.clip(0.5 - across, 0, 0.2) * 3
        return np.clip(2000 + 20000 * soft + 30000 * bone + rng.normal(0, 150, shape), 0, 65535).astype(np.uint16)

    return make


@pytest.fixture(scope="session")
def header_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM file with a patient's name in it and no pixels."""
    import pydicom
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, "1.2.3.4"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "DOE^JANE", "SECRET-77", "CR"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = tmp_path_factory.mktemp("header") / "header_only.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
