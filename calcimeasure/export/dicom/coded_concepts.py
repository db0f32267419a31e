"""The coded concepts that our objects use, and their way back to our own words.

SNOMED CT, DCM and UCUM codes are those of DICOM PS3.16. What no standard code says is coded under our private
scheme, whose designator the objects declare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from calcimeasure.change.change_records import LinkStatus, Verdict
from calcimeasure.deposits import AreaEstimator, AreaMethod, Finding
from calcimeasure.radiograph import SpacingBasis

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept
    from pydicom.dataset import Dataset

PRIVATE_SCHEME = "99CALCIMEASURE"
PRIVATE_SCHEME_NAME = "calcimeasure private codes"


class Concept(NamedTuple):
    """One coded concept: value, scheme and meaning."""

    value: str
    scheme: str
    meaning: str

    def coded(self) -> CodedConcept:
        """Return it as highdicom writes it."""
        from highdicom.sr import CodedConcept

        return CodedConcept(value=self.value, scheme_designator=self.scheme, meaning=self.meaning)


def _sct(value: str, meaning: str) -> Concept:
    return Concept(value, "SCT", meaning)


def _own(value: str, meaning: str) -> Concept:
    return Concept(value, PRIVATE_SCHEME, meaning)


MORPHOLOGIC_CATEGORY = _sct("49755003", "Morphologically Abnormal Structure")
PATHOLOGIC_CALCIFICATION = _sct("18115005", "Pathologic calcification, calcified structure")
PLAIN_RADIOGRAPHY = _sct("168537006", "Plain radiography")
AREA = _sct("42798000", "Area")
TOTAL = _sct("255619001", "Total")
UNCERTAINTY = _sct("371884006", "+/-, range of measurement uncertainty")
BASELINE = Concept("C1442488", "UMLS", "Baseline")
BASELINE_EVENT = Concept("121079", "DCM", "Baseline")
VERDICT_TEXT = Concept("121073", "DCM", "Impression")
ARTIFICIAL_INTELLIGENCE = Concept("123110", "DCM", "Artificial Intelligence")
EDGE_DETECTION = Concept("123103", "DCM", "Edge Detection")
COMMENT = Concept("121106", "DCM", "Comment")

MM2 = Concept("mm2", "UCUM", "square millimeter")
PIXELS = Concept("{pixels}", "UCUM", "pixels")
PERCENT = Concept("%", "UCUM", "percent")
DAYS = Concept("d", "UCUM", "day")
RATIO = Concept("1", "UCUM", "no units")

FINDING = {
    Finding.CALCINOSIS: PATHOLOGIC_CALCIFICATION,
    Finding.VASCULAR: _sct("237897009", "Vascular Calcification"),
    Finding.ARTICULAR: _own("articular", "Articular calcification"),
    Finding.OSSIFICATION: _sct("83323007", "Ossification"),
    Finding.ARTEFACT: _own("artefact", "Artefact, not of the patient"),
    Finding.UNCERTAIN: _own("uncertain", "Shadow of uncertain nature"),
}

AREA_METHOD = {
    AreaMethod.EDGE_MODEL: _own("edge_model", "Footprint area by a model of the edge"),
    AreaMethod.OUTLINE: _own("outline", "Footprint area of the pixels as outlined"),
}

AREA_ESTIMATED_BY = _own("estimator", "Estimator of the area")
AREA_ESTIMATOR = {
    AreaEstimator.COVERAGE_NETWORK: _own("by_network", "Sum of a network's coverage of each cell"),
    AreaEstimator.EDGE_MODEL: _own("by_edge", "Model of the edge's profile"),
    AreaEstimator.OUTLINE: _own("by_outline", "Pixels of the outline"),
}

SPACING_BASIS = {
    SpacingBasis.USER: _own("user", "Spacing as given by the user"),
    SpacingBasis.CALIBRATED: _own("calibrated", "Spacing calibrated in the patient's plane"),
    SpacingBasis.DETECTOR: _own("detector", "Spacing at the detector, magnified by an unknown factor"),
    SpacingBasis.SCANNED_FILM: _own("scanned_film", "Spacing on the scanned film, magnified by an unknown factor"),
    SpacingBasis.ASSUMED_DETECTOR: _own("assumed_detector", "Spacing of unknown calibration"),
    SpacingBasis.FILE_RESOLUTION: _own("file_resolution", "Spacing from the resolution of an image file"),
    SpacingBasis.MAGNIFICATION_CORRECTED: _own("mag_corrected", "Spacing at the detector, magnification corrected"),
    SpacingBasis.NONE: _own("none", "No spacing"),
}

VERDICT = {
    Verdict.INCREASE: _sct("15454001", "Increase in size"),
    Verdict.DECREASE: _sct("19776001", "Decrease in size"),
    Verdict.NO_CHANGE: _sct("129723006", "No significant changes in the finding"),
    Verdict.INDETERMINATE: _sct("82334004", "Indeterminate"),
    Verdict.NO_DEPOSITS: _own("no_deposits", "No deposits on either film"),
    Verdict.NOT_COMPARABLE: _own("not_comparable", "The films cannot be compared"),
}

LINK_STATUS = {
    LinkStatus.NEW: _sct("129721008", "New finding"),
    LinkStatus.MATCHED: _own("matched", "The same deposit on both films"),
    LinkStatus.RESOLVED: _own("resolved", "Deposit no longer seen"),
    LinkStatus.SPLIT: _own("split", "One deposit has become several"),
    LinkStatus.MERGED: _own("merged", "Several deposits have become one"),
    LinkStatus.GROUP: _own("group", "Several deposits correspond to several"),
    LinkStatus.NOT_EVALUABLE: _own("not_evaluable", "Not evaluable on both films"),
}

# Names of measurements and evaluations that the standard does not have.
CHANGE_PERCENT = _own("change_percent", "Change of area, percent")
CI95_LOW = _own("ci95_low", "Lower limit of the 95 % interval")
CI95_HIGH = _own("ci95_high", "Upper limit of the 95 % interval")
CI90_LOW = _own("ci90_low", "Lower limit of the 90 % interval")
CI90_HIGH = _own("ci90_high", "Upper limit of the 90 % interval")
CHANGE_MM2 = _own("change_mm2", "Change of area")
SMALLEST_CHANGE = _own("smallest_change", "Smallest detectable change, percent")
COMMON_AREA = _own("common_area", "Area within the field common to both films")
CHANGE_EVALUATION = _own("change", "Change from baseline to follow-up")
LINK_EVALUATION = _own("link", "How the deposits of the two films correspond")
SPACING_EVALUATION = _own("spacing_basis", "Where the millimetres come from")
MARGIN_LOW = _own("margin_low", "Lower margin of equivalence, as a ratio")
MARGIN_HIGH = _own("margin_high", "Upper margin of equivalence, as a ratio")
DETECTABLE = _own("detectable", "Whether the 95 % interval excludes no change")
BEYOND_MARGIN = _own("beyond_margin", "Whether the 95 % interval lies outside the margin")
YES, NO = _sct("373066001", "Yes"), _sct("373067005", "No")
GROUP_IDENTIFIER = _own("group_uid", "UID of the group that the deposit belongs to")

_FINDING_OF_CODE = {(concept.value, concept.scheme): finding for finding, concept in FINDING.items()}

_REGION = {
    "HAND": _sct("85562004", "Hand"),
    "FINGER": _sct("7569003", "Finger"),
    "THUMB": _sct("76505004", "Thumb"),
    "WRIST": _sct("74670003", "Wrist joint"),
    "FOREARM": _sct("14975008", "Forearm"),
    "ELBOW": _sct("16953009", "Elbow joint"),
    "HUMERUS": _sct("40983000", "Upper arm"),
    "UPPERARM": _sct("40983000", "Upper arm"),
    "SHOULDER": _sct("16982005", "Shoulder"),
    "FOOT": _sct("56459004", "Foot"),
    "TOE": _sct("29707007", "Toe"),
    "ANKLE": _sct("70258002", "Ankle joint"),
    "LEG": _sct("30021000", "Lower leg"),
    "TIBFIB": _sct("30021000", "Lower leg"),
    "LOWERLEG": _sct("30021000", "Lower leg"),
    "KNEE": _sct("72696002", "Knee"),
    "THIGH": _sct("68367000", "Thigh"),
    "FEMUR": _sct("68367000", "Thigh"),
    "HIP": _sct("29836001", "Hip"),
    "PELVIS": _sct("12921003", "Pelvis"),
    "CHEST": _sct("51185008", "Chest"),
}

_SINGLE = frozenset(
    ("SKULL", "HEAD", "NECK", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "SPINE", "COCCYX", "CHEST", "ABDOMEN", "PELVIS")
)

_SIDE = {
    "L": _sct("7771000", "Left"),
    "R": _sct("24028007", "Right"),
    "B": _sct("51440002", "Bilateral"),
}


def private_scheme() -> Dataset:
    """Return the item by which an object declares our private scheme."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return CodingSchemeIdentificationItem(designator=PRIVATE_SCHEME, name=PRIVATE_SCHEME_NAME)


def region(body_part: str | None) -> Concept | None:
    """Return the code of a body part as headers spell it (``HAND``), or None."""
    return _REGION.get((body_part or "").replace(" ", "").replace("_", "").upper())


def is_single(body_part: str | None) -> bool:
    """Tell whether a body has one of a part, so that a laterality would be wrong (PS3.16 Annex L)."""
    return (body_part or "").upper() in _SINGLE


def side(letter: str | None) -> Concept | None:
    """Return the code of ``L``, ``R`` or ``B``, or None."""
    return _SIDE.get(letter or "")


def finding_of(item: Dataset) -> Finding | None:
    """Return our finding for a coded type as another program wrote it, or None where it has no such meaning."""
    return _FINDING_OF_CODE.get((str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", ""))))
