"""The header of the image that a DICOM object refers to.

The only place that reads the patient's identity: a `Radiograph` holds a one-way hash of it, so the header is read again
from the film's own file when a DICOM object is written or checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcimeasure.io.dicom_file import read_dicom_file
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_uids import content_uid
from calcimeasure.io.file_format import FileFormat, find_format

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from calcimeasure.radiograph import Radiograph

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
_TYPE_2 = (*PATIENT_AND_STUDY, "PatientOrientation", "Modality")
_COPIED = (
    *_TYPE_2, "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient", "LossyImageCompression",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod", "ContentDate", "ContentTime", "AcquisitionDate",
    "AcquisitionTime", "SeriesDate", "SeriesTime", "StudyDescription", "PatientAge", "IssuerOfPatientID",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence", "BodyPartExamined",
    "ImageLaterality", "Laterality", "ViewPosition",
)  # fmt: skip
_DATE_OR_TIME = {"DA": re.compile(r"\d{8}"), "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")}
_SEXES = ("M", "F", "O", "")
_HEAD_BYTES = 132
# A body has one of these, so that a laterality would be wrong (PS3.16 Annex L).
_UNPAIRED = frozenset(
    ("SKULL", "HEAD", "NECK", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "SPINE", "COCCYX", "CHEST", "ABDOMEN", "PELVIS")
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """The image that a DICOM object refers to.

    Attributes
    ----------
    header
        Single-frame header: identity, study, references, geometry; no pixels.
    frame_number
        In a multi-frame image, from 1; None for a single frame.
    wrapped
        Whether the film came from a plain file, so that the image has to be written too.
    """

    header: Dataset
    frame_number: int | None = None
    wrapped: bool = False


def read_source(film: Radiograph) -> Source:
    """Return the header of a film's image, with gaps filled by values made from the film's content."""
    if film.path is not None and is_dicom_file(film.path):
        frame_number = None if film.frame is None else film.frame + 1
        return Source(header=_header_of_file(film), frame_number=frame_number)
    return Source(header=header_of_plain_film(film), wrapped=True)


def is_dicom_file(path: Path) -> bool:
    """Tell whether a file is DICOM by its content, with or without the file meta header."""
    try:
        with path.open("rb") as file:
            return find_format(file.read(_HEAD_BYTES)) in (FileFormat.DICOM, FileFormat.DICOM_WITHOUT_META)
    except OSError:
        return False


def is_unpaired(body_part: str | None) -> bool:
    """Return whether a body has only one of a part."""
    return (body_part or "").upper() in _UNPAIRED


def _header_of_file(film: Radiograph) -> Dataset:
    from pydicom.dataset import Dataset

    if film.path is None:
        raise ValueError("the film has no file")
    # What is odd in a film's header was reported when the film was read.
    with discreet():
        full = read_dicom_file(film.path, pixels=False)
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


def header_of_plain_film(film: Radiograph) -> Dataset:
    """Return the header of the Secondary Capture Image that stands for a film from a plain file."""
    from pydicom.dataset import Dataset

    header = Dataset()
    header.SOPClassUID = SECONDARY_CAPTURE
    header.Modality = "OT"
    if film.identity.body_part:
        header.BodyPartExamined = film.identity.body_part
    if not is_unpaired(film.identity.body_part):
        header.Laterality = film.identity.side if film.identity.side in ("L", "R") else ""
    _fill(header, film)
    return header
