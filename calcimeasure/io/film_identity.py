"""Patient, side, body part, view and date of a film, from header values."""

from __future__ import annotations

import hashlib
import re
from datetime import date

from calcimeasure.io.dicom_header import Header, code_of
from calcimeasure.io.film_options import upper_words
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Identity

# Identifiers that de-identification leaves behind: equal on films of different people.
_PLACEHOLDERS = {"ANONYMOUS", "ANONYMIZED", "ANONYMISED", "ANON", "UNKNOWN", "NONE", "NA", "N/A", "0", "REMOVED"}
_MODIFIER_SIDES = {
    "24028007": "R", "7771000": "L", "51440002": "B",
    "G-A100": "R", "G-A101": "L", "G-A102": "B",
}  # fmt: skip
_REGIONS = {
    "85562004": "HAND", "T-D8700": "HAND", "74670003": "WRIST", "8205005": "WRIST", "T-15460": "WRIST",
    "14975008": "FOREARM", "T-D8500": "FOREARM", "16953009": "ELBOW", "T-15430": "ELBOW",
    "40983000": "ARM", "T-D8200": "ARM", "16982005": "SHOULDER", "T-D2220": "SHOULDER",
    "56459004": "FOOT", "T-D9700": "FOOT", "70258002": "ANKLE", "T-15750": "ANKLE",
    "72696002": "KNEE", "T-D9200": "KNEE", "30021000": "LEG", "T-D9400": "LEG",
    "68367000": "THIGH", "T-D9100": "THIGH", "24136001": "HIP", "T-15710": "HIP",
    "7569003": "FINGER", "T-D8800": "FINGER", "76505004": "THUMB", "T-D8810": "THUMB",
    "29707007": "TOE", "T-D9800": "TOE",
}  # fmt: skip
_VIEWS = {
    "399348003": "AP", "R-10206": "AP", "272479007": "PA", "R-10214": "PA",
    "399067008": "LATERAL", "R-10236": "LATERAL",
}  # fmt: skip
# What de-identification puts in place of a date of birth.
_PLACEHOLDER_BIRTHS = {date(1900, 1, 1), date(1800, 1, 1), date(1901, 1, 1), date(1, 1, 1)}
_DAYS_A_YEAR = 365.25
_OLDEST_YEARS = 120
_UNITS_A_YEAR = {"Y": 1.0, "M": 12.0, "W": _DAYS_A_YEAR / 7, "D": _DAYS_A_YEAR}


def identity_of(header: Header, warnings: list[Notice]) -> Identity:
    """Return the identity that a header states; doubts are added to the warnings."""
    study_date = next(
        (d for k in ("StudyDate", "AcquisitionDate", "ContentDate") if (d := iso_date(header.words(k)))), None
    )
    return Identity(
        patient_key=patient_key(header.words("PatientID"), header.words("IssuerOfPatientID")),
        side=_side(header, warnings),
        body_part=_word(header, "BodyPartExamined", "AnatomicRegionSequence", _REGIONS),
        view=_word(header, "ViewPosition", "ViewCodeSequence", _VIEWS),
        study_date=study_date.isoformat() if study_date else None,
        modality=header.words("Modality"),
        age_years=age_years(header.words("PatientAge"), iso_date(header.words("PatientBirthDate")), study_date),
    )


def patient_key(patient_id: str | None, issuer: str | None = None) -> str | None:
    """Return a one-way hash of an identifier and who issued it; None when there is none worth comparing."""
    identifier = upper_words(patient_id)
    if identifier is None or identifier in _PLACEHOLDERS:
        return None
    text = f"{identifier}\x1f{upper_words(issuer) or ''}"
    return hashlib.sha256(text.encode()).hexdigest()


def iso_date(text: str | None) -> date | None:
    """Return the day of a DICOM date (YYYYMMDD, or the old YYYY.MM.DD); None for anything else."""
    match = re.fullmatch(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})", text or "")
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def age_years(age: str | None, born: date | None, on: date | None) -> float | None:
    """Return the age from PatientAge (as 045Y), else from the dates of birth and of the film."""
    match = re.fullmatch(r"(\d{1,4})([YMWD])", age or "")
    if match is not None:
        years = int(match[1]) / _UNITS_A_YEAR[match[2]]
    elif born is None or on is None or on < born or born in _PLACEHOLDER_BIRTHS:
        return None
    else:
        years = (on - born).days / _DAYS_A_YEAR
    return round(years, 2) if years <= _OLDEST_YEARS else None


def _side(header: Header, warnings: list[Notice]) -> str | None:
    tags = ("ImageLaterality", "FrameLaterality", "Laterality")
    stated = {tag: side for tag in tags if (side := header.words(tag)) in ("L", "R", "B")}
    for region in header.items("AnatomicRegionSequence"):
        for modifier in Header(region).items("AnatomicRegionModifierSequence"):
            side = _MODIFIER_SIDES.get(code_of(modifier)[0] or "")
            if side:
                stated["AnatomicRegionModifierSequence"] = side
    if len(set(stated.values())) > 1:
        listed = ", ".join(f"{tag} {side}" for tag, side in stated.items())
        text = f"The header names different sides ({listed}); the first is used. Use --side to say which."
        warnings.append(Notice(NoticeCode.SIDE_CONTRADICTORY, text))
    return next(iter(stated.values()), None)


def _word(header: Header, keyword: str, sequence: str, words: dict[str, str]) -> str | None:
    """Return what a tag says, else what the first code of a sequence means."""
    stated = header.words(keyword)
    if stated is not None:
        return stated
    coded = (code_of(item) for item in header.items(sequence))
    return next((words.get(code or "", meaning) for code, meaning in coded if code or meaning), None)
