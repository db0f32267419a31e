"""Whose film it is and what it shows."""

from __future__ import annotations

from datetime import date

import pytest
from pydicom.dataset import Dataset

from calcimeasure import read_film
from calcimeasure.io.film_identity import age_years, iso_date, patient_key


def code(value: str, meaning: str, **attributes) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    for keyword, content in attributes.items():
        setattr(item, keyword, content)
    return [item]


def test_the_key_is_one_way_and_says_whether_two_films_agree():
    key = patient_key("ID-4711", "Hospital")
    assert len(key) == 64
    assert "4711" not in key
    assert key == patient_key("  id-4711 ", "HOSPITAL")
    assert key != patient_key("ID-4712", "Hospital")
    assert key != patient_key("ID-4711", "Elsewhere")
    assert patient_key("AB", "C") != patient_key("A", "BC")


@pytest.mark.parametrize("identifier", [None, "", "   ", "ANONYMOUS", "anonymized", "0", "Unknown"])
def test_identifiers_that_say_nothing(identifier):
    assert patient_key(identifier, "Hospital") is None


def test_the_key_of_a_film_rests_on_the_identifier_not_the_name(write_film):
    first = read_film(write_film(PatientName="A^B", PatientID="7")).identity.patient_key
    second = read_film(write_film(PatientName="C^D", PatientID="7")).identity.patient_key
    assert first == second == patient_key("7")
    assert read_film(write_film(PatientName="A^B", PatientID="")).identity.patient_key is None


@pytest.mark.parametrize(
    ("attributes", "side", "warned"),
    [
        ({}, None, False),
        ({"Laterality": "R"}, "R", False),
        ({"Laterality": "B"}, "B", False),
        ({"Laterality": "U"}, None, False),
        ({"ImageLaterality": "L"}, "L", False),
        ({"ImageLaterality": "L", "Laterality": "L"}, "L", False),
        ({"ImageLaterality": "L", "Laterality": "R"}, "L", True),
        ({"FrameLaterality": "R"}, "R", False),
    ],
)
def test_side(write_film, attributes, side, warned):
    film = read_film(write_film(**attributes))
    assert film.identity.side == side
    assert any("different sides" in sentence for sentence in map(str, film.warnings)) is warned


@pytest.mark.parametrize(("value", "side"), [("24028007", "R"), ("7771000", "L"), ("51440002", "B"), ("1", None)])
def test_side_of_the_anatomic_region(write_film, value, side):
    region = code("85562004", "Hand", AnatomicRegionModifierSequence=code(value, "side"))
    identity = read_film(write_film(AnatomicRegionSequence=region)).identity
    assert (identity.side, identity.body_part) == (side, "HAND")


def test_body_part_and_view(write_film):
    identity = read_film(write_film(BodyPartExamined="HAND", ViewPosition="PA")).identity
    assert (identity.body_part, identity.view, identity.modality) == ("HAND", "PA", "DX")


@pytest.mark.parametrize(
    ("value", "meaning", "view"),
    [("272479007", "postero-anterior", "PA"), ("399348003", "x", "AP"), ("9", "Oblique  view", "OBLIQUE VIEW")],
)
def test_view_of_a_code(write_film, value, meaning, view):
    assert read_film(write_film(ViewCodeSequence=code(value, meaning))).identity.view == view


def test_a_region_in_words_only(write_film):
    region = code("99", "Left  little finger")
    assert read_film(write_film(AnatomicRegionSequence=region)).identity.body_part == "LEFT LITTLE FINGER"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20240229", date(2024, 2, 29)),
        ("2024.02.28", date(2024, 2, 28)),
        ("20230229", None),
        ("", None),
        (None, None),
        ("2024", None),
        ("yesterday", None),
    ],
)
def test_dates(text, day):
    assert iso_date(text) == day


@pytest.mark.parametrize(
    ("age", "born", "on", "years"),
    [
        ("045Y", None, None, 45),
        ("018M", None, None, 1.5),
        ("052W", None, None, 1.0),
        ("010D", None, None, 0.03),
        ("045Y", date(1990, 1, 1), date(2000, 1, 1), 45),
        (None, date(1990, 1, 1), date(2000, 1, 1), 10.0),
        (None, date(1900, 1, 1), date(2000, 1, 1), None),
        (None, date(1850, 3, 1), date(2000, 1, 1), None),
        (None, date(2001, 1, 1), date(2000, 1, 1), None),
        (None, date(1990, 1, 1), None, None),
        ("old", None, None, None),
        ("999Y", None, None, None),
    ],
)
def test_ages(age, born, on, years):
    assert age_years(age, born, on) == years


def test_age_and_date_of_a_film(write_film):
    identity = read_film(write_film(PatientBirthDate="19700601", StudyDate="20200601")).identity
    assert identity.age_years == pytest.approx(50, abs=0.01)
    assert identity.study_date == "2020-06-01"
    assert read_film(write_film(AcquisitionDate="20200602")).identity.study_date == "2020-06-02"
