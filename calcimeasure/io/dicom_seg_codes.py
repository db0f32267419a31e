"""The codes by which a DICOM Segmentation states the finding of each deposit, for the writer and the reader.

SNOMED CT codes are those of DICOM PS3.16. What no standard code says is coded under our private scheme, and a private
block in each segment keeps finding, origin, confidence and method exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from calcimeasure.deposits import Finding

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept
    from pydicom.dataset import Dataset

PRIVATE_SCHEME = "99CALCIMEASURE"
PRIVATE_GROUP = 0x0063
PRIVATE_CREATOR = "CALCIMEASURE"
# Elements of the private block in an item of the Segment Sequence.
FINDING_ELEMENT, ORIGIN_ELEMENT, CONFIDENCE_ELEMENT, METHOD_ELEMENT = 0x01, 0x02, 0x03, 0x04


class Concept(NamedTuple):
    """One coded concept: value, scheme and meaning."""

    value: str
    scheme: str
    meaning: str

    def coded(self) -> CodedConcept:
        """Return it as highdicom writes it."""
        from highdicom.sr import CodedConcept

        return CodedConcept(value=self.value, scheme_designator=self.scheme, meaning=self.meaning)


def sct(value: str, meaning: str) -> Concept:
    """Return a concept of SNOMED CT."""
    return Concept(value, "SCT", meaning)


def own(value: str, meaning: str) -> Concept:
    """Return a concept of our private scheme."""
    return Concept(value, PRIVATE_SCHEME, meaning)


FINDING = {
    Finding.CALCINOSIS: sct("18115005", "Pathologic calcification, calcified structure"),
    Finding.VASCULAR: sct("237897009", "Vascular Calcification"),
    Finding.ARTICULAR: own("articular", "Articular calcification"),
    Finding.OSSIFICATION: sct("83323007", "Ossification"),
    Finding.ARTEFACT: own("artefact", "Artefact, not of the patient"),
    Finding.UNCERTAIN: own("uncertain", "Shadow of uncertain nature"),
}

_FINDING_OF_CODE = {(concept.value, concept.scheme): finding for finding, concept in FINDING.items()}


def finding_of(item: Dataset) -> Finding | None:
    """Return our finding for a coded type as another program wrote it, or None where it has no such meaning."""
    return _FINDING_OF_CODE.get((str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", ""))))
