"""The coded concepts that our SEG and SR objects use, except those of findings (`io.dicom_seg_codes`).

SNOMED CT, DCM and UCUM codes are those of DICOM PS3.16. What no standard code says is coded under our private
scheme, whose designator the objects declare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcimeasure.change.change_records import LinkStatus, Verdict
from calcimeasure.deposits import AreaEstimator, AreaMethod
from calcimeasure.io.dicom_seg_codes import PRIVATE_SCHEME, Concept, own, sct
from calcimeasure.radiograph import SpacingBasis

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PRIVATE_SCHEME_NAME = "calcimeasure private codes"


MORPHOLOGIC_CATEGORY = sct("49755003", "Morphologically Abnormal Structure")
PLAIN_RADIOGRAPHY = sct("168537006", "Plain radiography")
AREA = sct("42798000", "Area")
TOTAL = sct("255619001", "Total")
UNCERTAINTY = sct("371884006", "+/-, range of measurement uncertainty")
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

AREA_METHOD = {
    AreaMethod.EDGE_MODEL: own("edge_model", "Footprint area by a model of the edge"),
    AreaMethod.OUTLINE: own("outline", "Footprint area of the pixels as outlined"),
}

AREA_ESTIMATED_BY = own("estimator", "Estimator of the area")
AREA_ESTIMATOR = {
    AreaEstimator.COVERAGE_NETWORK: own("by_network", "Sum of a network's coverage of each cell"),
    AreaEstimator.EDGE_MODEL: own("by_edge", "Model of the edge's profile"),
    AreaEstimator.OUTLINE: own("by_outline", "Pixels of the outline"),
}

SPACING_BASIS = {
    SpacingBasis.USER: own("user", "Spacing as given by the user"),
    SpacingBasis.CALIBRATED: own("calibrated", "Spacing calibrated in the patient's plane"),
    SpacingBasis.DETECTOR: own("detector", "Spacing at the detector, magnified by an unknown factor"),
    SpacingBasis.SCANNED_FILM: own("scanned_film", "Spacing on the scanned film, magnified by an unknown factor"),
    SpacingBasis.ASSUMED_DETECTOR: own("assumed_detector", "Spacing of unknown calibration"),
    SpacingBasis.FILE_RESOLUTION: own("file_resolution", "Spacing from the resolution of an image file"),
    SpacingBasis.MAGNIFICATION_CORRECTED: own("mag_corrected", "Spacing at the detector, magnification corrected"),
    SpacingBasis.NONE: own("none", "No spacing"),
}

VERDICT = {
    Verdict.INCREASE: sct("15454001", "Increase in size"),
    Verdict.DECREASE: sct("19776001", "Decrease in size"),
    Verdict.NO_CHANGE: sct("129723006", "No significant changes in the finding"),
    Verdict.INDETERMINATE: sct("82334004", "Indeterminate"),
    Verdict.NO_DEPOSITS: own("no_deposits", "No deposits on either film"),
    Verdict.NOT_COMPARABLE: own("not_comparable", "The films cannot be compared"),
}

LINK_STATUS = {
    LinkStatus.NEW: sct("129721008", "New finding"),
    LinkStatus.MATCHED: own("matched", "The same deposit on both films"),
    LinkStatus.RESOLVED: own("resolved", "Deposit no longer seen"),
    LinkStatus.SPLIT: own("split", "One deposit has become several"),
    LinkStatus.MERGED: own("merged", "Several deposits have become one"),
    LinkStatus.GROUP: own("group", "Several deposits correspond to several"),
    LinkStatus.NOT_EVALUABLE: own("not_evaluable", "Not evaluable on both films"),
}

# Names of measurements and evaluations that the standard does not have.
CHANGE_PERCENT = own("change_percent", "Change of area, percent")
CI95_LOW = own("ci95_low", "Lower limit of the 95 % interval")
CI95_HIGH = own("ci95_high", "Upper limit of the 95 % interval")
CI90_LOW = own("ci90_low", "Lower limit of the 90 % interval")
CI90_HIGH = own("ci90_high", "Upper limit of the 90 % interval")
CHANGE_MM2 = own("change_mm2", "Change of area")
SMALLEST_CHANGE = own("smallest_change", "Smallest detectable change, percent")
COMMON_AREA = own("common_area", "Area within the field common to both films")
CHANGE_EVALUATION = own("change", "Change from baseline to follow-up")
LINK_EVALUATION = own("link", "How the deposits of the two films correspond")
SPACING_EVALUATION = own("spacing_basis", "Where the millimetres come from")
MARGIN_LOW = own("margin_low", "Lower margin of equivalence, as a ratio")
MARGIN_HIGH = own("margin_high", "Upper margin of equivalence, as a ratio")
DETECTABLE = own("detectable", "Whether the 95 % interval excludes no change")
BEYOND_MARGIN = own("beyond_margin", "Whether the 95 % interval lies outside the margin")
YES, NO = sct("373066001", "Yes"), sct("373067005", "No")
GROUP_IDENTIFIER = own("group_uid", "UID of the group that the deposit belongs to")

_REGION = {
    "HAND": sct("85562004", "Hand"), "FINGER": sct("7569003", "Finger"), "THUMB": sct("76505004", "Thumb"),
    "WRIST": sct("74670003", "Wrist joint"), "FOREARM": sct("14975008", "Forearm"),
    "ELBOW": sct("16953009", "Elbow joint"), "HUMERUS": sct("40983000", "Upper arm"),
    "UPPERARM": sct("40983000", "Upper arm"), "SHOULDER": sct("16982005", "Shoulder"),
    "FOOT": sct("56459004", "Foot"), "TOE": sct("29707007", "Toe"), "ANKLE": sct("70258002", "Ankle joint"),
    "LEG": sct("30021000", "Lower leg"), "TIBFIB": sct("30021000", "Lower leg"),
    "LOWERLEG": sct("30021000", "Lower leg"), "KNEE": sct("72696002", "Knee"), "THIGH": sct("68367000", "Thigh"),
    "FEMUR": sct("68367000", "Thigh"), "HIP": sct("29836001", "Hip"), "PELVIS": sct("12921003", "Pelvis"),
    "CHEST": sct("51185008", "Chest"),
}  # fmt: skip

_SIDE = {
    "L": sct("7771000", "Left"),
    "R": sct("24028007", "Right"),
    "B": sct("51440002", "Bilateral"),
}


def private_scheme() -> Dataset:
    """Return the item by which an object declares our private scheme."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return CodingSchemeIdentificationItem(designator=PRIVATE_SCHEME, name=PRIVATE_SCHEME_NAME)


def region(body_part: str | None) -> Concept | None:
    """Return the code of a body part as headers spell it (``HAND``), or None."""
    return _REGION.get((body_part or "").replace(" ", "").replace("_", "").upper())


def side(letter: str | None) -> Concept | None:
    """Return the code of ``L``, ``R`` or ``B``, or None."""
    return _SIDE.get(letter or "")
