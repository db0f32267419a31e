"""Simulated films as DICOM files: valid CR or DX headers, a pseudonym, and UIDs made from the content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from calcimeasure.simulation.simulated_film import SimulatedFilm

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_XRAY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
SIMULATOR_VERSION = "simulator 1"  # not the release: the samples' bytes are not to change with it
IMPLEMENTATION_UID = "2.25.128347730281915012853418850275466237441"
VIEW_CODES = {"PA": ("272479007", "postero-anterior"), "AP": ("399348003", "antero-posterior")}
REGION_CODES = {"HAND": ("85562004", "Hand"), "FOREARM": ("14975008", "Forearm"), "ELBOW": ("16953009", "Elbow joint"),
                "KNEE": ("72696002", "Knee")}  # fmt: skip


FINGERS_UP = ("HAND", "FOREARM")


def simulated_uid(*parts: str) -> str:
    """Return a UID under the UUID root that depends on nothing but the given text."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def write_dicom(simulated: SimulatedFilm, path: Path, *, modality: str = "DX") -> None:
    """Write a simulated film as an uncompressed DICOM file.

    Parameters
    ----------
    simulated
        The film.
    path
        The file to write.
    modality
        ``DX`` (for presentation) or ``CR``.
    """
    dicom_of(simulated, modality=modality).save_as(path, enforce_file_format=True)


def dicom_of(simulated: SimulatedFilm, *, modality: str = "DX") -> Any:
    """Return the film as a pydicom dataset; see `write_dicom`."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    content = simulated.film.sha256
    sop_class = UID(DIGITAL_XRAY_FOR_PRESENTATION if modality == "DX" else COMPUTED_RADIOGRAPHY)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(simulated_uid("instance", content))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "CALCIMEASURE"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    _identify(dataset, simulated)
    _describe(dataset, simulated, modality)
    _pixels(dataset, simulated)
    return dataset


def _identify(dataset: Any, simulated: SimulatedFilm) -> None:
    identity = simulated.film.identity
    patient = identity.patient_key or "SIM-0000"
    date = (identity.study_date or "2025-01-15").replace("-", "")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Simulated^Subject"
    dataset.PatientID = patient
    dataset.PatientBirthDate = f"{int(date[:4]) - int(identity.age_years or 50)}0101"
    dataset.PatientSex = "O"
    dataset.PatientAge = f"{int(identity.age_years or 50):03d}Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.StudyInstanceUID = simulated_uid("study", patient, date)
    dataset.SeriesInstanceUID = simulated_uid("series", patient, date, simulated.film.sha256)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Simulated: no patient"


def _describe(dataset: Any, simulated: SimulatedFilm, modality: str) -> None:
    from pydicom.dataset import Dataset

    def code(value: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
        return item

    identity = simulated.film.identity
    exposure = simulated.truth.exposure
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.Manufacturer = "calcimeasure"
    dataset.ManufacturerModelName = "simulator"
    dataset.SoftwareVersions = SIMULATOR_VERSION
    dataset.StudyDescription = f"SIMULATED {identity.body_part}"
    dataset.BodyPartExamined = identity.body_part
    dataset.ViewPosition = identity.view
    if modality == "DX":
        dataset.ImageLaterality = identity.side
        dataset.PositionerType = ""
    else:
        dataset.Laterality = identity.side if identity.side in ("L", "R") else ""
    # From the tube a hand's back shows the patient's left at the left; the others are looked at face to face.
    across = "R" if identity.view == "PA" else "L"
    dataset.PatientOrientation = [across, "H" if identity.body_part in FINGERS_UP else "F"]
    dataset.BurnedInAnnotation = "YES"
    dataset.LossyImageCompression = "00"
    dataset.KVP = f"{exposure.get('voltage_kv', 52.0):.1f}"
    dataset.DistanceSourceToDetector = f"{exposure.get('source_distance_mm', 1050.0):.0f}"
    region = code(*REGION_CODES.get(identity.body_part or "", ("66019005", "Limb")))
    dataset.AnatomicRegionSequence = [region]
    if modality == "DX":
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PixelIntensityRelationship = "LOG"
        dataset.PixelIntensityRelationshipSign = 1 if simulated.processing.monochrome1 else -1
        dataset.DetectorType = "SCINTILLATOR"
        dataset.AcquisitionContextSequence = []
        view = code(*VIEW_CODES.get(identity.view or "", VIEW_CODES["PA"]))
        view.ViewModifierCodeSequence = []
        dataset.ViewCodeSequence = [view]
        dataset.AcquisitionDeviceProcessingDescription = "simulated"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
        dataset.PresentationLUTShape = "INVERSE" if simulated.processing.monochrome1 else "IDENTITY"


def _pixels(dataset: Any, simulated: SimulatedFilm) -> None:
    rows, columns = simulated.stored.shape
    spacing = [f"{length:.6g}" for length in simulated.truth.pixel_spacing_mm]
    bits = simulated.processing.bits
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if simulated.processing.monochrome1 else "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.ImagerPixelSpacing = spacing
    dataset.PixelSpacing = spacing
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    dataset.PixelData = simulated.stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
