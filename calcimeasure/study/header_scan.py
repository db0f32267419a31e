"""What a file says of itself, read from its header alone: thousands of films without decoding a pixel."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from calcimeasure.errors import CalciMeasureError
from calcimeasure.io.dicom_file import parse_dicom, read_file_bytes
from calcimeasure.io.dicom_film import spacing_tags
from calcimeasure.io.dicom_header import Header, discreet
from calcimeasure.io.dicom_object import why_no_film
from calcimeasure.io.file_format import FileFormat, describe_content, find_format
from calcimeasure.io.film_identity import identity_of
from calcimeasure.io.pixel_spacing import choose_spacing
from calcimeasure.radiograph import Identity, Spacing

_NOT_FILMS = {"DICOMDIR"}
# Modalities whose pictures may be radiographs: secondary captures and photographed or scanned films among them.
_RADIOGRAPHS = {"CR", "DX", "RG", "MG", "IO", "PX", "XA", "RF", "OT", "SC", "HC", "XC", "DR"}
_NEVER_FILMS = {".csv", ".toml", ".json", ".txt", ".md", ".html", ".xml", ".xlsx", ".log", ".parquet", ".jsonl"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FileHeader:
    """One file.

    Attributes
    ----------
    sha256
        Of its bytes.
    problem
        Why it is no film, in words; empty for a film.
    patient_id
        In upper case, as identifiers are compared: for the key file alone.
    patient_id_as_written
        The same as the header writes it.
    frames
        Frames in the file; films are proposed for each.
    time
        Acquisition time, to number repeat exposures in their order.
    """

    path: Path
    sha256: str = ""
    problem: str = ""
    patient_id: str | None = None
    patient_id_as_written: str | None = None
    identity: Identity = field(default_factory=Identity)
    spacing: Spacing = field(default_factory=Spacing)
    frames: int = 1
    time: str = ""


def read_header(path: Path) -> FileHeader | None:
    """Return what a file says of itself; None for a file that nobody would take for a film.

    A plain picture is decoded, having no header worth the name; a DICOM file is not.
    """
    if path.name.startswith(".") or path.name in _NOT_FILMS or path.suffix.lower() in _NEVER_FILMS:
        return None
    try:
        data = read_file_bytes(path)
    except CalciMeasureError as error:
        return FileHeader(path=path, problem=error.problem.removeprefix("the file "))
    digest = hashlib.sha256(data).hexdigest()
    kind = find_format(data)
    if kind is None:
        return FileHeader(path=path, sha256=digest, problem=f"holds {describe_content(data)}, not a film")
    if kind in (FileFormat.DICOM, FileFormat.DICOM_WITHOUT_META):
        return _dicom_header(path, data, digest)
    return _plain_header(path, digest)


def _dicom_header(path: Path, data: bytes, digest: str) -> FileHeader:
    with discreet():
        try:
            dataset = parse_dicom(data, path.name, pixels=False)
            if "Rows" not in dataset:
                problem = "is DICOM without a picture"
                return FileHeader(path=path, sha256=digest, problem=problem)
            header = Header(dataset)
            if (reason := why_no_film(header)) is not None:
                return FileHeader(path=path, sha256=digest, problem=f"is {reason}")
            identity = identity_of(header, [])
            if identity.modality and identity.modality not in _RADIOGRAPHS:
                problem = f"is a picture of modality {identity.modality}, not a radiograph"
                return FileHeader(path=path, sha256=digest, problem=problem)
        except CalciMeasureError as error:
            return FileHeader(path=path, sha256=digest, problem=f"cannot be read: {error.problem}")
        except Exception as error:  # pydicom lets many kinds out on damaged files
            problem = f"has a damaged DICOM header ({type(error).__name__})"
            return FileHeader(path=path, sha256=digest, problem=problem)
        return FileHeader(
            path=path,
            sha256=digest,
            patient_id=header.words("PatientID"),
            patient_id_as_written=" ".join(str(header.of_frame("PatientID") or "").split()) or None,
            identity=identity,
            spacing=choose_spacing(spacing_tags(header)),
            frames=max(header.integer("NumberOfFrames") or 1, 1),
            time=header.words("AcquisitionTime") or header.words("ContentTime") or "",
        )


def _plain_header(path: Path, digest: str) -> FileHeader:
    from calcimeasure.io import read_film

    try:
        film = read_film(path)
    except CalciMeasureError as error:
        return FileHeader(path=path, sha256=digest, problem=error.problem)
    return FileHeader(path=path, sha256=digest, identity=film.identity, spacing=film.spacing)
