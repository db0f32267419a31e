"""A small archive, a proxy that spoils its answers, and films to keep in it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian


@pytest.fixture(scope="session")
def servers() -> ModuleType:
    """The module of test servers, which is no package."""
    spec = importlib.util.spec_from_file_location("pacs_test_servers", Path(__file__).with_name("servers.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["pacs_test_servers"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def archive(servers: ModuleType) -> Iterator[object]:
    with servers.SmallArchive() as archive:
        yield archive


@pytest.fixture
def proxy(servers: ModuleType, archive) -> Iterator[object]:
    with servers.FaultProxy(archive.port) as proxy:
        yield proxy


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """Write a small film; number, patient, date and body part as asked."""

    def make(number: int = 1, **attributes: object) -> Path:
        film = Dataset()
        film.SOPClassUID = ComputedRadiographyImageStorage
        film.SpecificCharacterSet = "ISO_IR 192"
        film.PatientName, film.PatientID = "D\u00f6e^Jane", "P1"
        film.PatientBirthDate = film.PatientSex = film.AccessionNumber = film.StudyID = ""
        film.ReferringPhysicianName = film.StudyTime = ""
        film.StudyDate = "20250301"
        film.Modality, film.BodyPartExamined = "CR", "HAND"
        film.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.7.{number}"
        film.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.7.{number}.1"
        film.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.7.{number}.1.1"
        film.SeriesNumber = film.InstanceNumber = 1
        film.PatientOrientation = film.Laterality = ""
        film.Rows, film.Columns, film.SamplesPerPixel = 50, 40, 1
        film.PhotometricInterpretation, film.PixelRepresentation = "MONOCHROME2", 0
        film.BitsAllocated = film.BitsStored = 16
        film.HighBit = 15
        film.PixelData = np.random.default_rng(number).integers(0, 4000, (50, 40), dtype=np.uint16).tobytes()
        for keyword, value in attributes.items():
            setattr(film, keyword, value)
        film.file_meta = FileMetaDataset()
        film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = tmp_path / f"film{number}.dcm"
        film.save_as(path, enforce_file_format=True)
        return path

    return make
