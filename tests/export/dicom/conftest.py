"""Sources of each kind: what a segmentation or report can be about."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from calcimeasure.deposits import AreaMethod, Deposit, DepositLabels, Finding, Origin
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import GreyScale, Identity, Radiograph, Spacing, SpacingBasis

SOURCES = ("cr_calibrated", "dx_detector", "mg_detector", "no_spacing", "monochrome1", "plain")
CLASSES = {
    "dx_detector": ("DX", DigitalXRayImageStorageForPresentation),
    "mg_detector": ("MG", DigitalMammographyXRayImageStorageForPresentation),
}
SHAPE = (120, 90)


def film_pixels(shape: tuple[int, int] = SHAPE, seed: int = 1) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(100, 3000, shape, dtype=np.uint16)


def make_source(kind: str, path: Path, *, shape: tuple[int, int] = SHAPE, seed: int = 1, **attributes: object) -> Path:
    """Write a DICOM film of one kind."""
    image = Dataset()
    image.Modality, image.SOPClassUID = CLASSES.get(kind, ("CR", ComputedRadiographyImageStorage))
    number = zlib.crc32(f"{kind} {seed}".encode())
    image.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}.3"
    image.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}.2"
    image.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}.1"
    image.SpecificCharacterSet = "ISO_IR 100"
    image.PatientName = "M\u00fcller^Zo\u00eb"
    image.PatientID = "SECRET-4711"
    image.PatientBirthDate = "19600102"
    image.PatientSex = "F"
    image.AccessionNumber, image.StudyID, image.ReferringPhysicianName = "A1", "S1", "Referrer^Rita"
    image.StudyDate, image.StudyTime = "20250301", "101500"
    image.ContentDate, image.ContentTime = "20250301", "101627"
    image.BodyPartExamined, image.ViewPosition = "HAND", "PA"
    image.SeriesNumber = image.InstanceNumber = 1
    if kind in CLASSES:
        image.PatientOrientation = ["L", "F"]
        image.ImagerPixelSpacing = ["0.1", "0.15"]
        image.ImageLaterality = "L"
        image.PresentationIntentType = "FOR PRESENTATION"
    if kind == "cr_calibrated":
        image.ImagerPixelSpacing = ["0.1", "0.1"]
        image.PixelSpacing = ["0.09", "0.09"]
        image.PixelSpacingCalibrationType = "GEOMETRY"
    image.PhotometricInterpretation = "MONOCHROME1" if kind == "monochrome1" else "MONOCHROME2"
    pixels = film_pixels(shape, seed)
    image.Rows, image.Columns = shape
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.add_new("PixelData", "OW", pixels.tobytes())
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.save_as(path, enforce_file_format=True)
    return path


def make_film(kind: str, folder: Path, *, shape: tuple[int, int] = SHAPE, seed: int = 1) -> Radiograph:
    """Return a film of one kind, with its file where it has one."""
    spacing = {
        "cr_calibrated": Spacing(row_mm=0.09, col_mm=0.09, basis=SpacingBasis.CALIBRATED),
        "dx_detector": Spacing(row_mm=0.1, col_mm=0.15, basis=SpacingBasis.DETECTOR),
        "mg_detector": Spacing(row_mm=0.1, col_mm=0.15, basis=SpacingBasis.DETECTOR),
        "plain": Spacing(row_mm=0.2, col_mm=0.2, basis=SpacingBasis.USER),
    }.get(kind, Spacing())
    path = None if kind == "plain" else make_source(kind, folder / f"{kind}{seed}.dcm", shape=shape, seed=seed)
    side = "L" if kind in CLASSES else None
    return Radiograph(
        pixels=film_pixels(shape, seed).astype(np.float32),
        spacing=spacing,
        grey=GreyScale(lowest=0, highest=4095, inverted=kind == "monochrome1"),
        identity=Identity(side=side, body_part="HAND", view="PA"),
        path=path,
    )


def make_labels(image: NDArray[np.integer], film: Radiograph, origin: Origin | None = None) -> DepositLabels:
    """Return deposits on a label image, with findings and origins taken in turn."""
    findings, origins = list(Finding), list(Origin)
    deposits = tuple(
        Deposit(
            label=label,
            finding=findings[(label - 1) % len(findings)] if origin is None else Finding.CALCINOSIS,
            origin=origin or origins[(label - 1) % len(origins)],
            confidence=1.0 - 0.1 / label,
        )
        for label in range(1, int(image.max(initial=0)) + 1)
    )
    return DepositLabels(
        image=image.astype(np.uint16), deposits=deposits, method="classical/1", film_sha256=film.sha256
    )


def measured(film: Radiograph, labels: DepositLabels) -> FilmMeasurement:
    """Return a measurement whose areas have all the digits a float has."""
    pixel_mm2 = film.spacing.pixel_area_mm2
    rows = []
    for deposit in labels.deposits:
        area_px = float(labels.mask(deposit.label).sum()) * (1 + 1 / 3)
        area_mm2 = None if pixel_mm2 is None else area_px * pixel_mm2
        rows.append(
            DepositMeasurement(
                label=deposit.label,
                finding=deposit.finding,
                area_mm2=area_mm2,
                area_se_mm2=None if area_mm2 is None else area_mm2 / 7,
                area_px=area_px,
                area_se_px=area_px / 7,
                area_method=AreaMethod.EDGE_MODEL if deposit.origin is Origin.AUTO else deposit.area_method,
                centroid_row=1.0,
                centroid_col=1.0,
                limb=1,
                over_bone_fraction=0.0,
                confidence=deposit.confidence,
                origin=deposit.origin,
                integrated_contrast=None,
            )
        )
    counted = [row for row in rows if row.finding is Finding.CALCINOSIS]
    total_px = sum(row.area_px for row in counted)
    return FilmMeasurement(
        film=film,
        labels=labels,
        deposits=tuple(rows),
        total_area_px=total_px,
        total_area_se_px=total_px / 9,
        total_area_mm2=None if pixel_mm2 is None else total_px * pixel_mm2,
        total_area_se_mm2=None if pixel_mm2 is None else total_px * pixel_mm2 / 9,
    )


def three_deposits(shape: tuple[int, int] = SHAPE) -> NDArray[np.uint16]:
    image = np.zeros(shape, np.uint16)
    image[0:4, 0:5] = 1
    image[30:41, 20:33] = 2
    image[32:35, 22:24] = 0
    image[shape[0] - 1, shape[1] - 1] = 3
    return image


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The makers above, for tests that need more than one film; tests cannot import a conftest."""
    return SimpleNamespace(
        film=make_film, source=make_source, labels=make_labels, measured=measured, three_deposits=three_deposits
    )


@dataclass
class Validator:
    """dicom3tools' dciodvfy, whose exit status says nothing: its Error lines do."""

    program: str

    def errors(self, path: Path) -> list[str]:
        run = subprocess.run([self.program, str(path)], capture_output=True, text=True, errors="replace", check=False)
        return [line for line in run.stderr.splitlines() if line.startswith("Error")]


@pytest.fixture(scope="session")
def dciodvfy() -> Validator:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    return Validator(program)


@pytest.fixture(scope="session")
def dsrdump() -> str:
    program = shutil.which("dsrdump")
    if program is None:
        pytest.skip("dsrdump is not installed (Debian package dcmtk)")
    return program


@pytest.fixture(scope="module", params=SOURCES)
def measurement(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FilmMeasurement:
    """Three deposits on a film of each kind; it makes its own film, so that no module's `film` can stand in for it."""
    film = make_film(request.param, tmp_path_factory.mktemp(request.param))
    return measured(film, make_labels(three_deposits(), film))
