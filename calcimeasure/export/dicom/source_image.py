"""The image that a result is about: the header that results copy, and a plain image wrapped as one.

Identity lives here and nowhere else in the house: a `Radiograph` knows only a one-way hash of the patient, so the
header is read again from the film's own file when a DICOM object is made of it, and only then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import OutputError
from calcimeasure.export.dicom import coded_concepts
from calcimeasure.export.dicom.content_uids import content_uid
from calcimeasure.export.dicom.equipment import CHARACTER_SET
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import encoded
from calcimeasure.io.file_format import FileFormat, find_format
from calcimeasure.radiograph import SpacingBasis

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from calcimeasure.radiograph import Radiograph

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PATIENT_AND_STUDY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_TYPE_2 = (*PATIENT_AND_STUDY, "PatientOrientation", "Modality")
_COPIED = (
    *_TYPE_2,
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "ContentDate",
    "ContentTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "SeriesDate",
    "SeriesTime",
    "StudyDescription",
    "PatientAge",
    "IssuerOfPatientID",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "BodyPartExamined",
    "ImageLaterality",
    "Laterality",
    "ViewPosition",
)
_DATE_OR_TIME = {"DA": re.compile(r"\d{8}"), "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")}
_SEXES = ("M", "F", "O", "")
_HEAD_BYTES = 132
_LARGEST_SAMPLE = int(np.iinfo(np.uint16).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What results need to know of the image they are about.

    Attributes
    ----------
    header
        Single-frame header of the image: identity, study, references, geometry; no pixels.
    frame_number
        Number of the frame in a multi-frame image, from 1; None for a single frame.
    wrapped
        Whether the image exists only as a plain file, so that `wrap` has to make one.
    """

    header: Dataset
    frame_number: int | None = None
    wrapped: bool = False


def read_source(film: Radiograph) -> Source:
    """Return the header of a film's image, with gaps filled by values made from the film's content."""
    if film.path is not None and is_dicom_file(film.path):
        frame_number = None if film.frame is None else film.frame + 1
        return Source(header=_header_of_file(film), frame_number=frame_number)
    return Source(header=_header_of_plain_film(film), wrapped=True)


def is_dicom_file(path: Path) -> bool:
    """Tell whether a file is DICOM by its content, with or without the file meta header."""
    try:
        with path.open("rb") as file:
            return find_format(file.read(_HEAD_BYTES)) in (FileFormat.DICOM, FileFormat.DICOM_WITHOUT_META)
    except OSError:
        return False


def _header_of_file(film: Radiograph) -> Dataset:
    from pydicom import dcmread
    from pydicom.dataset import Dataset

    # Whatever is odd in a film's header has been said when the film was read.
    with discreet():
        full = dcmread(film.path, stop_before_pixels=True, force=True)  # type: ignore[arg-type]
        header = Dataset()
        for keyword in _COPIED:
            if keyword in full:
                header[keyword] = full[keyword]
        _fill(header, film)
        _clean(header)
    return header


def _fill(header: Dataset, film: Radiograph) -> None:
    """Give a header what every object must have and this one lacks."""
    for keyword in _TYPE_2:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    if not header.get("SOPClassUID"):
        header.SOPClassUID = SECONDARY_CAPTURE
    for keyword, kind in (("StudyInstanceUID", "study"), ("SeriesInstanceUID", "series"), ("SOPInstanceUID", "image")):
        if not header.get(keyword):
            setattr(header, keyword, content_uid(f"film {kind}", film.sha256))
    if not header.StudyDate and film.identity.study_date:
        header.StudyDate = film.identity.study_date.replace("-", "")
    header.Rows, header.Columns = film.shape


def _clean(header: Dataset) -> None:
    """Drop values that no valid object may carry; the film's own file keeps them."""
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    # Text is decoded here and encoded anew in UTF-8, so that a name never passes through another alphabet.
    for keyword in ("PatientName", "ReferringPhysicianName"):
        setattr(header, keyword, str(header[keyword].value or ""))
    for element in list(header):
        if element.VR in ("DA", "TM") and element.value:
            element.value = _plain_date_or_time(element.VR, str(element.value))


def _plain_date_or_time(kind: str, value: str) -> str:
    """Return a date or time without the points and colons of the old standard; empty where it is none."""
    from pydicom.valuerep import DA, TM

    plain = value.strip().replace("." if kind == "DA" else ":", "")
    if not _DATE_OR_TIME[kind].fullmatch(plain):
        return ""
    try:
        (DA if kind == "DA" else TM)(plain)
    except ValueError:
        return ""
    return plain


def _header_of_plain_film(film: Radiograph) -> Dataset:
    from pydicom.dataset import Dataset

    header = Dataset()
    header.SOPClassUID = SECONDARY_CAPTURE
    header.Modality = "OT"
    if film.identity.body_part:
        header.BodyPartExamined = film.identity.body_part
    if not coded_concepts.is_single(film.identity.body_part):
        header.Laterality = film.identity.side if film.identity.side in ("L", "R") else ""
    _fill(header, film)
    return header


def wrap(film: Radiograph, path: Path, *, created: tuple[str, str] | None) -> None:
    """Write a film that came from no DICOM file as a Secondary Capture Image, for results to refer to.

    The pixels are the film's canonical ones. Where these are whole numbers, as in every PNG, TIFF or JPEG, reading
    the file back gives the very same film.

    Parameters
    ----------
    created
        DICOM date and time that the object states for its making; None for a film without a date.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    image = _header_of_plain_film(film)
    samples, slope, intercept = _samples(film.pixels)
    bits = 8 if film.grey.highest <= np.iinfo(np.uint8).max and int(samples.max(initial=0)) <= 255 else 16
    image.update(_image_module(film, samples, bits=bits, slope=slope, intercept=intercept))
    if created is not None:
        image.InstanceCreationDate, image.InstanceCreationTime = created
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta = meta
    try:
        path.write_bytes(encoded(image))
    except OSError as error:
        raise OutputError(f"the image could not be written: {error.strerror}", where=path.name) from error


def _samples(pixels: NDArray[np.float32]) -> tuple[NDArray[np.uint16], float, float]:
    """Return 16-bit samples with the slope and intercept that give the canonical values back."""
    low, high = float(pixels.min(initial=0.0)), float(pixels.max(initial=0.0))
    if low >= 0 and high <= _LARGEST_SAMPLE and bool(np.all(pixels == np.rint(pixels))):
        return pixels.astype(np.uint16), 1.0, 0.0
    slope = (high - low) / _LARGEST_SAMPLE or 1.0
    samples = np.rint((pixels.astype(np.float64) - low) / slope)
    return np.clip(samples, 0, _LARGEST_SAMPLE).astype(np.uint16), slope, low


def _image_module(
    film: Radiograph, samples: NDArray[np.uint16], *, bits: int, slope: float, intercept: float
) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    image = Dataset()
    image.SpecificCharacterSet = CHARACTER_SET
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.ConversionType = "WSD"
    image.SeriesNumber = 1
    image.InstanceNumber = 1
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = bits
    image.HighBit = bits - 1
    image.PixelRepresentation = 0
    if (slope, intercept) != (1.0, 0.0):
        image.RescaleSlope = format_number_as_ds(slope)
        image.RescaleIntercept = format_number_as_ds(intercept)
        image.RescaleType = "US"
    image.update(_spacing_module(film))
    frame = samples.astype(np.uint8 if bits == 8 else "<u2").tobytes()
    image.add_new("PixelData", "OB" if bits == 8 else "OW", frame + b"\0" * (len(frame) % 2))
    return image


def _spacing_module(film: Radiograph) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    image = Dataset()
    if film.spacing.mm is None:
        return image
    values = [format_number_as_ds(value) for value in film.spacing.mm]
    if film.spacing.basis in (SpacingBasis.USER, SpacingBasis.CALIBRATED):
        image.PixelSpacing = values
        image.PixelSpacingCalibrationType = "GEOMETRY"
        image.PixelSpacingCalibrationDescription = "as given by the user"
    else:
        image.NominalScannedPixelSpacing = values
    return image
