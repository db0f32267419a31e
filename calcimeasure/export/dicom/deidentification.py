"""A film without identity, by the Basic Application Level Confidentiality Profile of DICOM PS3.15 Annex E.

Which attribute is removed, emptied, replaced or kept is the table of the standard as the `dicom-anonymizer` library
carries it, applied at every level of nesting; of what the table does not list, free text goes (`unlisted_attributes`).
The pixels are stored anew (`pixel_cleaning`). On top of it, as the standard's options allow:

- dates are moved by a whole number of days that is one subject's own (Retain Longitudinal Temporal Information With
  Modified Dates), so that every interval between visits stays true;
- age at the exposure, sex and size of the body stay (Retain Patient Characteristics);
- UIDs and the subject's pseudonym follow from a secret key, so that films de-identified on different days still fit
  together, and nobody without the key finds the way back.

Spacing, side, view and body part are no identity and stay as they are.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from calcimeasure.errors import CalciMeasureError, DecoderError, FilmError
from calcimeasure.export.dicom.pixel_blanking import blank_outside_limbs
from calcimeasure.export.dicom.pixel_cleaning import clean_pixels
from calcimeasure.export.dicom.unlisted_attributes import remove_unlisted
from calcimeasure.io.dicom_file import parse_dicom, read_file_bytes
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.dicom_source import SECONDARY_CAPTURE, is_dicom_file
from calcimeasure.io.dicom_uids import content_uid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    Tag = tuple[int, ...]
    Action = Callable[[Dataset, Tag], None]

TABLE = "dicomfields_2026c"
SMALLEST_DATE_OFFSET_DAYS, LARGEST_DATE_OFFSET_DAYS = 365, 3650
# Ages beyond this are so rare that they identify a person.
OLDEST_STATED_YEARS = 89
_KEPT = ("PatientAge", "PatientSex", "PatientSize", "PatientWeight")
_METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
_CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
# Kinds of object whose content the table does not clean: text of people in content trees, documents.
_REFUSED = {
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report",
    "1.2.840.10008.5.1.4.1.1.104.": "an encapsulated document",
    "1.2.840.10008.5.1.4.1.1.66.": "a segmentation",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deidentified:
    """One film without identity.

    Attributes
    ----------
    dataset, subject, name
        The object, the pseudonym, and a file name made of pseudonym, date, body part and side.
    warnings
        What the profile cannot promise for this film: text burned into the picture.
    """

    dataset: Dataset
    subject: str
    name: str
    warnings: tuple[str, ...]


@discreet()
def deidentify(path: Path, key: bytes, *, subject: str | None = None, blank: bool = False) -> Deidentified:
    """Return a DICOM film without identity.

    Parameters
    ----------
    path
        The film.
    key
        The study's secret; the same key gives the same pseudonyms, UIDs and offsets.
    subject
        The pseudonym to use; made from the key and the patient identifier where it is not given.
    blank
        Whether the picture is blanked outside the limbs, where text is burned in.

    Raises
    ------
    FilmError
        When the file is no DICOM image, or an object that the profile's table does not clean.
    """
    dataset = _open(path)
    where = str(path)
    _refuse_other_objects(dataset, where)
    try:
        return _deidentified(dataset, key, subject, where, blank=blank)
    except CalciMeasureError:
        raise
    except Exception as error:
        # A header that breaks the rules raises whatever its values are made to do; text of it is in some messages.
        raise FilmError(
            f"its header cannot be cleaned ({type(error).__name__})", where=where, remedy="Export the film again."
        ) from None


def _deidentified(dataset: Dataset, key: bytes, subject: str | None, where: str, *, blank: bool) -> Deidentified:
    patient = f"{dataset.get('IssuerOfPatientID', '')}\n{dataset.get('PatientID', '')}".encode()
    pseudonym = subject or f"S{_keyed(key, b'subject', patient).hex()[:8].upper()}"
    offset = timedelta(days=-_offset_days(key, patient))
    _state_age(dataset)
    clean_pixels(dataset, where)
    _apply(dataset, _rules(key, offset), offset)
    remove_unlisted(dataset, _listed())
    dataset.PatientID = dataset.PatientName = pseudonym
    noted = _burned_in(dataset)
    if blank:
        try:
            text = blank_outside_limbs(dataset)
        except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
            raise DecoderError(f"its pixels cannot be blanked: {error}", where=where) from error
        noted = (f"Text over the limb was blanked in {text} places; look at the picture.",) if text else ()
    _declare(dataset, blanked=blank)
    return Deidentified(dataset=dataset, subject=pseudonym, name=_name(dataset, pseudonym), warnings=noted)


def with_own_uid(film: Deidentified) -> Deidentified:
    """Return a film that shares its SOP Instance UID with another one, under a UID made from its picture."""
    dataset = film.dataset
    picture = hashlib.sha256(dataset.PixelData).digest()
    dataset.SOPInstanceUID = content_uid("deidentified twin", str(dataset.SOPInstanceUID), picture)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    text = "Another film has the same SOP Instance UID; this one was given a UID of its own."
    return replace(film, name=_name(dataset, film.subject), warnings=(*film.warnings, text))


def _open(path: Path) -> Dataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    if not is_dicom_file(path):
        raise FilmError("it is no DICOM file", where=str(path))
    data = read_file_bytes(path)
    dataset = parse_dicom(data, str(path))
    try:
        dataset.decode()
    except Exception as error:
        # pydicom lets many kinds of exception out on damaged values.
        raise FilmError(f"its header is damaged ({type(error).__name__})", where=str(path)) from None
    if not dataset.get("SOPInstanceUID"):
        dataset.SOPInstanceUID = content_uid("film image", hashlib.sha256(data).digest())
    if not dataset.get("SOPClassUID"):
        dataset.SOPClassUID = SECONDARY_CAPTURE
    # A header of our own: the file's names who sent it, and its transfer syntax may be false.
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


def _refuse_other_objects(dataset: Dataset, where: str) -> None:
    kind = str(dataset.get("SOPClassUID", ""))
    for root, name in _REFUSED.items():
        if kind.startswith(root):
            raise FilmError(
                f"it is {name}, whose content may name people in ways that no table knows",
                where=where,
                remedy="De-identify the films and make the results anew from them.",
            )
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise FilmError("it holds no picture", where=where)


def _keyed(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"\0".join(parts), hashlib.sha256)


def _offset_days(key: bytes, patient: bytes) -> int:
    span = LARGEST_DATE_OFFSET_DAYS - SMALLEST_DATE_OFFSET_DAYS
    return SMALLEST_DATE_OFFSET_DAYS + int.from_bytes(_keyed(key, b"days", patient)[:8], "big") % span


def _state_age(dataset: Dataset) -> None:
    """State the age at the exposure before the dates that give it go."""
    age = str(dataset.get("PatientAge") or "")
    born, exposed = _day(dataset.get("PatientBirthDate")), _day(dataset.get("StudyDate"))
    if born is not None and exposed is not None and born <= exposed:
        years = exposed.year - born.year - ((exposed.month, exposed.day) < (born.month, born.day))
        age = f"{years:03d}Y" if years >= 2 else age or f"{(exposed - born).days // 30:03d}M"
    if age.endswith("Y") and age[:-1].isdigit() and int(age[:-1]) > OLDEST_STATED_YEARS:
        age = f"{OLDEST_STATED_YEARS + 1:03d}Y"
    if age:
        dataset.PatientAge = age


def _day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value or ""), "%Y%m%d").date()
    except ValueError:
        return None


@cache
def _table() -> dict[Tag, Action]:
    from dicomanonymizer.simpledicomanonymizer import initialize_actions

    return dict(initialize_actions(TABLE))


def _rules(key: bytes, offset: timedelta) -> dict[Tag, Action]:
    """Return the standard's table with our actions where its options leave a choice or the library uses chance."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
    from pydicom.tag import Tag as TagOf

    actions = {
        "DA": _offsetting(offset),
        "DT": _offsetting(offset),
        "TM": _keep,
        "UI": _replacing(key),
    }
    rules = {tag: actions.get(_kind(tag), action) for tag, action in _table().items()}
    # Sequences of references are kept where the standard lets them, for the UIDs inside them are replaced.
    for tag in dicom_anonymization_database_selector(TABLE)["X_Z_U_STAR_TAGS"]:
        if _kind(tag) == "SQ":
            rules[tag] = _keep
    for keyword, action in {**dict.fromkeys(_KEPT, _keep), "PatientBirthDate": _empty}.items():
        tag = TagOf(keyword)
        rules[tag.group, tag.element] = action
    return rules


@cache
def _listed() -> frozenset[int]:
    """Return the tags of the table; its repeating groups are removed whole elsewhere."""
    return frozenset((tag[0] << 16) + tag[1] for tag in _table() if len(tag) == 2)


def _kind(tag: Tag) -> str:
    """Return the value representation of an attribute of the table; empty for a repeating group or none."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR((tag[0] << 16) + tag[1]) if len(tag) == 2 else ""
    except KeyError:
        return ""


def _offsetting(offset: timedelta) -> Action:
    def offset_dates(dataset: Dataset, tag: Tag) -> None:
        if (element := _element(dataset, tag)) is not None:
            _offset_element(element, offset)

    return offset_dates


def _replacing(key: bytes) -> Action:
    def replace_uids(dataset: Dataset, tag: Tag) -> None:
        if (element := _element(dataset, tag)) is not None:
            _replace_uids(element, key)

    return replace_uids


def _keep(dataset: Dataset, tag: Tag) -> None:
    """Leave the attribute: an option of the standard says so."""


def _empty(dataset: Dataset, tag: Tag) -> None:
    if (element := _element(dataset, tag)) is not None:
        element.value = ""


def _element(dataset: Dataset, tag: Tag) -> DataElement | None:
    number = (tag[0] << 16) + tag[1]
    return dataset.get(number)


def _apply(dataset: Dataset, rules: dict[Tag, Action], offset: timedelta) -> None:
    """Clean a dataset and everything nested in what the table leaves."""
    from dicomanonymizer.simpledicomanonymizer import anonymize_dataset

    anonymize_dataset(dataset, delete_private_tags=True, base_rules_gen=lambda: rules)
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _apply(item, rules, offset)
        elif (element.tag.group, element.tag.element) not in rules:
            # Newer attributes than the table, and those it forgot: a date is a date, a name a name.
            if element.VR in ("DA", "DT"):
                _offset_element(element, offset)
            elif element.VR == "PN" and element.keyword != "PatientName":
                element.value = ""


def _offset_element(element: DataElement, offset: timedelta) -> None:
    values = [element.value] if isinstance(element.value, str) or not element.value else list(element.value)
    moved = [_with_offset(str(value), offset) for value in values if value]
    element.value = moved[0] if len(moved) == 1 else moved or ""


def _with_offset(value: str, offset: timedelta) -> str:
    """Return a DA or DT value moved by whole days; empty where it is no date."""
    day = _day(value[:8])
    return "" if day is None else (day + offset).strftime("%Y%m%d") + value[8:]


def _replace_uids(element: DataElement, key: bytes) -> None:
    if not element.value:
        return
    values = [element.value] if isinstance(element.value, str) else list(element.value)
    replaced = [content_uid("deidentified", _keyed(key, b"uid", str(value).encode())) for value in values]
    element.value = replaced[0] if len(replaced) == 1 else replaced


def _burned_in(dataset: Dataset) -> tuple[str, ...]:
    declared = str(dataset.get("BurnedInAnnotation", ""))
    if declared == "NO":
        return ()
    says = "says that identifying text is burned in" if declared == "YES" else "does not say whether text is burned in"
    return (f"The film {says}; look at the picture, or blank it outside the limbs.",)


def _declare(dataset: Dataset, *, blanked: bool) -> None:
    from pydicom.dataset import Dataset as Item

    codes = [*_METHOD_CODES, *([_CLEAN_PIXELS] if blanked else [])]
    items = []
    for value, meaning in codes:
        item = Item()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning[:64]
        items.append(item)
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = "calcimeasure: PS3.15 Basic Profile, modified dates"
    dataset.DeidentificationMethodCodeSequence = items
    if blanked:
        dataset.BurnedInAnnotation = "NO"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.preamble = b"\0" * 128


def _name(dataset: Dataset, subject: str) -> str:
    side = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "")
    words = (subject, str(dataset.get("StudyDate") or "undated"), str(dataset.get("BodyPartExamined") or ""), side)
    stem = "_".join("".join(sign for sign in word if sign.isalnum() or sign == "-") for word in words if word)
    return f"{stem}_{hashlib.sha256(str(dataset.SOPInstanceUID).encode()).hexdigest()[:8]}.dcm"
