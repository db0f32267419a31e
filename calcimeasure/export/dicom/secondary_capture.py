"""Secondary Capture Images and Encapsulated PDF: films from plain files, pictures of the deposits, the report.

All are DICOM objects of the film's own patient and study. Pictures and report carry no name.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure import __version__
from calcimeasure.export.dicom.equipment import CHARACTER_SET, MANUFACTURER, PRODUCT
from calcimeasure.export.dicom.reading_context import ReadingContext, creation_time, date_object, dicom_date_time
from calcimeasure.io.coded_stream import encode_rle
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import write_object
from calcimeasure.io.dicom_source import (
    PATIENT_AND_STUDY,
    SECONDARY_CAPTURE,
    Source,
    header_of_plain_film,
    read_source,
)
from calcimeasure.io.dicom_uids import place_holder_uid, settle_instance_uids
from calcimeasure.radiograph import SpacingBasis

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from calcimeasure.radiograph import Radiograph

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
PICTURE_SERIES_NUMBER = 9103
DOCUMENT_SERIES_NUMBER = 9104
_LARGEST_SAMPLE = int(np.iinfo(np.uint16).max)
_COPIED = (*PATIENT_AND_STUDY, "StudyInstanceUID", "StudyDescription")


@discreet()
def write_picture(film: Radiograph, png: bytes, path: Path, *, reading: ReadingContext | None = None) -> None:
    """Write a PNG of a film's deposits as a Secondary Capture Image in colour.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    source = read_source(film)
    dataset = _object_of(source, SECONDARY_CAPTURE, modality="OT", series_number=PICTURE_SERIES_NUMBER)
    dataset.SeriesDescription = "Calcinosis: picture of the deposits"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.DerivationDescription = "Outlines of calcinosis drawn on the film; for viewing only"
    dataset.PatientOrientation = ""
    dataset.Laterality = film.identity.side if film.identity.side in ("L", "R") else ""
    dataset.SourceImageSequence = [_reference(source)]
    _add_pixels(dataset, png)
    _finish(dataset, path, creation_time(source.header, reading))


@discreet()
def write_document(
    film: Radiograph, pdf: bytes, path: Path, *, title: str, reading: ReadingContext | None = None
) -> None:
    """Write a PDF as an Encapsulated PDF object in the study of a film.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    source = read_source(film)
    moment = creation_time(source.header, reading)
    dataset = _object_of(source, ENCAPSULATED_PDF, modality="DOC", series_number=DOCUMENT_SERIES_NUMBER)
    dataset.SeriesDescription = "Calcinosis: report"
    dataset.AcquisitionDateTime = "" if moment is None else "".join(dicom_date_time(moment))
    dataset.BurnedInAnnotation = "NO"
    dataset.DocumentTitle = title
    dataset.ConceptNameCodeSequence = []
    dataset.SourceInstanceSequence = [_reference(source)]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)
    _finish(dataset, path, moment)


def write_secondary_capture(film: Radiograph, path: Path, *, created: tuple[str, str] | None) -> None:
    """Write a film from a plain file as a Secondary Capture Image, for results to refer to.

    The pixels are the canonical ones. Where these are whole numbers, as in every PNG, TIFF or JPEG, reading the file
    back gives the same film. `created` is the DICOM date and time of the object; None for a film without a date.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    image = header_of_plain_film(film)
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
    write_object(image, path, "image")


def _object_of(source: Source, sop_class: str, *, modality: str, series_number: int) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.SpecificCharacterSet = CHARACTER_SET
    for keyword in _COPIED:
        if keyword in source.header:
            dataset[keyword] = source.header[keyword]
    dataset.SOPClassUID = sop_class
    dataset.Modality = modality
    dataset.SeriesNumber = series_number
    dataset.InstanceNumber = 1
    dataset.ConversionType = "WSD"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = PRODUCT
    dataset.SoftwareVersions = __version__
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = place_holder_uid()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(place_holder_uid())
    dataset.file_meta = meta
    return dataset


def _reference(source: Source) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = source.header.SOPClassUID
    item.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    if source.frame_number is not None:
        item.ReferencedFrameNumber = source.frame_number
    return item


def _add_pixels(dataset: Dataset, png: bytes) -> None:
    from PIL import Image
    from pydicom.encaps import encapsulate
    from pydicom.uid import RLELossless

    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3
    dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    # RLE is the one lossless compression that every toolkit decodes, dcmtk among them. pydicom's own encoder may reach
    # a library that ends the process.
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([encode_rle(pixels)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _finish(dataset: Dataset, path: Path, moment: datetime | None) -> None:
    date_object(dataset, moment, demanded=False)
    settle_instance_uids(dataset)
    write_object(dataset, path, "object")


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
