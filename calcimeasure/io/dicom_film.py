"""Read a DICOM radiograph."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from calcimeasure.errors import FilmError
from calcimeasure.io.dicom_file import parse_dicom
from calcimeasure.io.dicom_header import Header, discreet
from calcimeasure.io.dicom_object import why_no_film
from calcimeasure.io.film_identity import identity_of
from calcimeasure.io.film_options import FilmOptions
from calcimeasure.io.film_parts import FilmParts
from calcimeasure.io.grey_scale import (
    bone_is_low,
    display_window,
    modality_values,
    padding_mask,
    processing_intent_of,
    relationship_of,
)
from calcimeasure.io.pixel_decoding import stored_values
from calcimeasure.io.pixel_spacing import SpacingTags, choose_spacing, spacing_doubts
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Identity, Spacing

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_RADIOGRAPHY = {"CR", "DX", "MG", "RF", "XA", "RG", "SC", "OT", "XC", "PX", "IO", "DF", "DS"}
_NOT_A_LIMB = {
    "CHEST", "ABDOMEN", "PELVIS", "SKULL", "HEAD", "BREAST", "NECK", "SPINE", "CSPINE", "TSPINE", "LSPINE", "SSPINE",
    "HEART", "THORAX", "RIB", "JAW", "TEETH", "SINUS", "BRAIN", "LUNG", "CTSPINE", "TLSPINE", "LSSPINE",
}  # fmt: skip
# Conventionally shown with bone dark, and declared MONOCHROME2 all the same.
_FLUOROSCOPY = {"XA", "RF", "DF", "DS"}


def read_dicom(data: bytes, options: FilmOptions, where: str) -> FilmParts:
    """Read one frame of a DICOM file, with or without the file meta header; errors as in `read_film`."""
    with discreet() as caught:
        parts = _read(data, options, where)
    parts.warnings.extend(_standard_violations(caught))
    return parts


def _read(data: bytes, options: FilmOptions, where: str) -> FilmParts:
    dataset = _parse(data, where)
    header, frame = _choose_frame(dataset, options, where)
    notes: list[Notice] = []
    stored = stored_values(header, where, notes)
    if stored.values.dtype.kind == "f":
        pixels, padding, (low, high) = stored.values, None, stored.limits
    else:
        limits = (int(stored.limits[0]), int(stored.limits[1]))
        padding = padding_mask(stored.values, header, limits)
        pixels, low, high = modality_values(stored.values, header, limits, notes)
    if stored.marks is not None:
        padding = stored.marks if padding is None else padding | stored.marks
    identity = identity_of(header, notes)
    unexpected = _unexpected_part(identity)
    notes.extend(unexpected)
    if identity.modality in _FLUOROSCOPY:
        text = (
            f"Modality {identity.modality}: fluoroscopy often shows bone dark. Look at the overlay: if bone is dark "
            "there, run again with --invert (in a pair --baseline-invert or --followup-invert)."
        )
        notes.append(Notice(NoticeCode.FLUOROSCOPY, text))
    parts = FilmParts(
        pixels=pixels,
        lowest=low,
        highest=high,
        spacing=_spacing(header, options, (pixels.shape[0], pixels.shape[1]), notes),
        identity=identity,
        window=display_window(header, (low, high), notes),
        bone_is_low=bone_is_low(header, notes),
        relationship=relationship_of(header),
        processing_intent=processing_intent_of(header),
        padding=padding,
        shows_a_limb=not unexpected,
        frame=frame,
        warnings=notes,
    )
    if header.unreadable:
        text = f"Header values that cannot be read count as absent: {', '.join(header.unreadable)}."
        notes.append(Notice(NoticeCode.HEADER_UNREADABLE, text))
    return parts


def _parse(data: bytes, where: str) -> Dataset:
    dataset = parse_dicom(data, where)
    if "Rows" not in dataset and "SOPClassUID" not in dataset:
        raise FilmError("this is not a DICOM film", where=where, remedy="Give the DICOM file of one radiograph.")
    if (reason := why_no_film(Header(dataset))) is not None:
        remedy = "Give the film itself; a segmentation of it goes with --labels."
        raise FilmError(f"this is {reason}", where=where, remedy=remedy)
    return dataset


def _choose_frame(dataset: Dataset, options: FilmOptions, where: str) -> tuple[Header, int | None]:
    count = max(Header(dataset).integer("NumberOfFrames") or 1, 1)
    if options.frame is None and count > 1:
        raise FilmError(
            f"the file holds {count} frames",
            where=where,
            remedy=f"Name one with --frame, from 1 to {count}.",
        )
    if options.frame is not None and options.frame > count:
        raise FilmError(
            f"frame {options.frame} was asked for and the file holds {count}",
            where=where,
            remedy=f"Name one from 1 to {count}.",
        )
    index = (options.frame or 1) - 1
    return Header(dataset, index), index if count > 1 else None


def spacing_tags(header: Header) -> SpacingTags:
    """Return the values of a header that bear on spacing."""
    return SpacingTags(
        pixel=header.numbers("PixelSpacing"),
        imager=header.numbers("ImagerPixelSpacing"),
        nominal_scanned=header.numbers("NominalScannedPixelSpacing"),
        calibration_type=header.words("PixelSpacingCalibrationType"),
        aspect_ratio=header.numbers("PixelAspectRatio"),
        magnification=header.number("EstimatedRadiographicMagnificationFactor"),
    )


def _spacing(header: Header, options: FilmOptions, shape: tuple[int, int], notes: list[Notice]) -> Spacing:
    tags = spacing_tags(header)
    corrected = options.magnification_corrected
    spacing = choose_spacing(tags, user_mm=options.spacing_mm, magnification_corrected=corrected)
    notes.extend(spacing_doubts(spacing, tags, shape, magnification_corrected=corrected))
    return spacing


def _unexpected_part(identity: Identity) -> list[Notice]:
    if identity.modality is not None and identity.modality not in _RADIOGRAPHY:
        named = identity.modality if re.fullmatch(r"[A-Z0-9_ ]{1,16}", identity.modality) else "of an unknown kind"
        text = f"This is not a limb radiograph: the header says Modality {named}."
        return [Notice(NoticeCode.MODALITY_UNEXPECTED, text)]
    if identity.body_part in _NOT_A_LIMB:
        text = f"This is not a limb radiograph: the header says BodyPartExamined {identity.body_part}."
        return [Notice(NoticeCode.BODY_PART_UNEXPECTED, text)]
    return []


def _standard_violations(caught: list[warnings.WarningMessage]) -> list[Notice]:
    """Report what pydicom warned of without its text, which may quote the header."""
    # Others come from importing decoders, and do not concern the film.
    about_the_file = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    if not about_the_file:
        return []
    kinds = sorted({match[1] for text in about_the_file if (match := re.search(r"\bVR ['\"]?([A-Z]{2})\b", text))})
    which = f" (values of type {', '.join(kinds)})" if kinds else ""
    text = f"The header breaks rules of DICOM{which}; it was read as well as it can be."
    return [Notice(NoticeCode.HEADER_NONSTANDARD, text)]
