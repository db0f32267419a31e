"""Results for an archive whose viewer shows neither SEG nor SR: pictures, and the report as a PDF.

Both are DICOM objects of the film's own patient and study. What they show carries no name.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure import __version__
from calcimeasure.errors import OutputError
from calcimeasure.export.dicom.content_uids import place_holder_uid, settle_instance_uids
from calcimeasure.export.dicom.equipment import CHARACTER_SET, MANUFACTURER, PRODUCT
from calcimeasure.export.dicom.reading_context import ReadingContext, creation_time, date_object, dicom_date_time
from calcimeasure.export.dicom.source_image import PATIENT_AND_STUDY, SECONDARY_CAPTURE, Source, read_source
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_object import encoded

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pydicom.dataset import Dataset

    from calcimeasure.radiograph import Radiograph

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
PICTURE_SERIES_NUMBER = 9103
DOCUMENT_SERIES_NUMBER = 9104
_COPIED = (*PATIENT_AND_STUDY, "StudyInstanceUID", "StudyDescription")


@discreet()
def write_picture(film: Radiograph, png: bytes, path: Path, *, reading: ReadingContext | None = None) -> None:
    """Write a picture of a film's deposits as a Secondary Capture Image in colour.

    Parameters
    ----------
    film
        The film that the picture is of: it gives patient, study and reference.
    png
        The picture, e.g. the bytes of ``overlay.png``.

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
    # RLE is the one lossless compression that every toolkit decodes, dcmtk among them.
    dataset.compress(RLELossless, pixels, generate_instance_uid=False)


def _finish(dataset: Dataset, path: Path, moment: datetime | None) -> None:
    date_object(dataset, moment, demanded=False)
    settle_instance_uids(dataset)
    try:
        path.write_bytes(encoded(dataset))
    except OSError as error:
        raise OutputError(f"the object could not be written: {error.strerror}", where=path.name) from error
