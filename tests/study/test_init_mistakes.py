"""What `study init` used to take for a film, a subject or a visit that it is not."""

from __future__ import annotations

from pathlib import Path

import pydicom

from calcimeasure.study.proposed_names import Pseudonyms
from calcimeasure.study.study_init import init_study


def test_a_slice_of_another_modality_is_left_out(films: Path, tmp_path: Path) -> None:
    path = films / "A" / "baseline.dcm"
    dataset = pydicom.dcmread(path)
    dataset.Modality = "CT"
    dataset.save_as(films / "A" / "slice.dcm")
    proposal = init_study(films, tmp_path / "study")
    assert len(proposal.films) == 4
    assert any("modality CT, not a radiograph" in reason for _, reason in proposal.left_out)


def test_a_visit_that_the_study_lacks_is_to_be_completed(films: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    init_study(films, study)
    dataset = pydicom.dcmread(films / "A" / "month3.dcm")
    dataset.StudyDate = str(int(dataset.StudyDate[:4]) + 2) + dataset.StudyDate[4:]
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.save_as(films / "A" / "later.dcm")
    proposal = init_study(films, study, update=True)
    (new,) = (film for film in proposal.films if film.path.endswith("later.dcm"))
    assert new.visit == ""
    assert "is no visit of study.toml" in new.note


def test_identifiers_that_are_nearly_alike_are_pointed_out() -> None:
    names = Pseudonyms()
    names.add(["AB-012", "AB12", "XY"])
    ((one, other),) = names.likely_doubles()
    assert {one, other} == {names["AB-012"], names["AB12"]}
