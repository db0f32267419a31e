from __future__ import annotations

from enum import StrEnum

import pytest
from pydicom.dataset import Dataset

from calcimeasure.change.change_records import LinkStatus, Verdict
from calcimeasure.deposits import AreaEstimator, AreaMethod, Finding
from calcimeasure.export.dicom import coded_concepts
from calcimeasure.io import dicom_seg_codes
from calcimeasure.io.dicom_seg_codes import Concept
from calcimeasure.radiograph import SpacingBasis

ALL = [value for value in vars(coded_concepts).values() if isinstance(value, Concept)]
TABLES: list[tuple[type[StrEnum], dict]] = [
    (Finding, dicom_seg_codes.FINDING),
    (AreaMethod, coded_concepts.AREA_METHOD),
    (AreaEstimator, coded_concepts.AREA_ESTIMATOR),
    (SpacingBasis, coded_concepts.SPACING_BASIS),
    (Verdict, coded_concepts.VERDICT),
    (LinkStatus, coded_concepts.LINK_STATUS),
]


@pytest.mark.parametrize(("words", "table"), TABLES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_word_has_a_code_of_its_own(words: type[StrEnum], table: dict) -> None:
    assert set(table) == set(words)
    assert len({(concept.value, concept.scheme) for concept in table.values()}) == len(words)


def test_codes_fit_their_attributes() -> None:
    concepts = [*ALL, *(concept for _, table in TABLES for concept in table.values())]

    assert len(concepts) > 60
    for concept in concepts:
        assert len(concept.value) <= 16, concept
        assert len(concept.scheme) <= 16, concept
        assert len(concept.meaning) <= 64, concept


def test_private_codes_are_unique() -> None:
    private = [concept for concept in ALL if concept.scheme == dicom_seg_codes.PRIVATE_SCHEME]

    assert len({concept.value for concept in private}) == len({concept.meaning for concept in private})


@pytest.mark.parametrize("finding", list(Finding))
def test_findings_come_back_from_their_codes(finding: Finding) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, _ = dicom_seg_codes.FINDING[finding]

    assert dicom_seg_codes.finding_of(item) is finding


def test_a_code_of_another_scheme_is_no_finding() -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = "18115005", "99OTHER"

    assert dicom_seg_codes.finding_of(item) is None


@pytest.mark.parametrize(
    ("part", "value"),
    [("HAND", "85562004"), ("hand", "85562004"), ("UPPER_ARM", "40983000"), ("TAIL", None), (None, None)],
)
def test_body_parts_are_known_as_headers_spell_them(part: str | None, value: str | None) -> None:
    concept = coded_concepts.region(part)

    assert (concept and concept.value) == value
