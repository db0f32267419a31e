"""What a command line names, and how far each reading is. No window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("napari", reason="the viewer extra is not installed")
pytest.importorskip("pytestqt", reason="the viewer's test tools are not installed")

from calcimeasure.errors import UsageError
from calcimeasure.notices import TimePoint
from calcimeasure.review.draft import read_draft
from calcimeasure.review.reading_store import ReadingLocation
from calcimeasure.review.review_session import ReviewSession
from napari_calcimeasure.worklist import ReviewCase, cases_of

B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP


def parsed(arguments: list[str]) -> dict[str, Any]:
    """The options of a command line."""
    from napari_calcimeasure.__main__ import review

    return review.make_context("review", arguments).params


def test_two_films_are_a_pair(sample_images: Path, tmp_path: Path) -> None:
    films = [sample_images / "grown" / f"{visit.value}.dcm" for visit in TimePoint]
    (case,) = cases_of(films, out=tmp_path)
    assert dict(case.paths) == {B: films[0], F: films[1]}
    assert case.root == tmp_path
    assert case.title == "baseline.dcm and followup.dcm"


def test_a_name_that_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        cases_of([tmp_path / "absent.dcm"])


def test_results_that_name_no_films_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text(json.dumps({"baseline": {"path": None}, "followup": {"path": None}}))
    with pytest.raises(UsageError, match="calcimeasure review BASELINE FOLLOWUP --out"):
        cases_of([tmp_path])


def test_results_with_paths_or_a_draft_are_gone_on_with(sample_images: Path, tmp_path: Path, review_input: Any) -> None:
    films = {visit: sample_images / "grown" / f"{visit.value}.dcm" for visit in TimePoint}
    record = {visit.value: {"path": str(path)} for visit, path in films.items()}
    (tmp_path / "comparison.json").write_text(json.dumps(record))
    (case,) = cases_of([tmp_path])
    assert dict(case.paths) == films
    assert case.found == tmp_path


def test_a_case_tells_how_far_its_reading_is(review_input: Any, tmp_path: Path) -> None:
    from calcimeasure.review import editing_tools

    case = ReviewCase(title="one", root=tmp_path, paths={}, key=review_input.key)
    assert case.status("R1") == "unread"
    session = ReviewSession(review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R1"))
    session.do(editing_tools.delete(session.state, F, 4))
    session.save()
    assert case.status("R1") == "draft"
    session.sign()
    assert case.status("R1") == "signed"
    assert case.status("R2") == "unread"


def test_a_study_is_a_worklist_of_its_pairs(sample_images: Path, tmp_path: Path) -> None:
    from calcimeasure.study.study_init import init_study

    study = tmp_path / "study"
    init_study(sample_images, study)
    cases = cases_of([study])
    assert cases
    assert all(set(case.paths) == {B, F} and all(path.is_file() for path in case.paths.values()) for case in cases)
    assert all(case.root == study for case in cases)


def test_a_spacing_that_was_measured_is_gone_on_with(review_input: Any, tmp_path: Path) -> None:
    case = ReviewCase(title="one", root=tmp_path, paths={B: tmp_path / "a.png", F: tmp_path / "b.png"})
    session = ReviewSession(review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R1"))
    session.about["spacing_mm"] = {"followup": (0.15, 0.14)}
    session.note("Calibrate followup: 10 mm over 71.4 pixels", F)
    session.close()
    draft = read_draft(ReadingLocation(root=tmp_path, key=review_input.key, reader="R1").draft)
    assert draft.actions[-1]["what"].startswith("Calibrate followup")
    again = case.calibrated_as(draft)
    assert again.film_options[F] == {"spacing_mm": (0.15, 0.14)}
    assert again.film_options[B] == {}
    assert again.calibrated_as(draft) is again


@pytest.mark.parametrize(
    ("said", "meant"), [("0.15", {"spacing_mm": (0.15, 0.15)}), ("0.15,0.14", {"spacing_mm": (0.15, 0.14)})]
)
def test_spacing_on_the_command_line(sample_images: Path, tmp_path: Path, said: str, meant: Any) -> None:
    from napari_calcimeasure.__main__ import cases_from

    film = str(sample_images / "grown" / "baseline.dcm")
    (case,) = cases_from(parsed(["--baseline-spacing", said, film, film, "--out", str(tmp_path)]))
    assert dict(case.film_options) == {B: meant, F: {}}


def test_a_spacing_that_is_none_is_told(sample_images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from napari_calcimeasure.__main__ import main

    assert main([str(sample_images / "grown" / "baseline.dcm"), "--spacing", "wide"]) == 2
    assert "'wide' is not a spacing" in capsys.readouterr().err


def test_options_of_one_film_and_of_both(tmp_path: Path) -> None:
    from calcimeasure.notices import TimePoint
    from napari_calcimeasure.__main__ import cases_from

    films = [tmp_path / "a.dcm", tmp_path / "b.dcm"]
    for film in films:
        film.write_bytes(b"")
    said = ["--view", "PA", "--followup-view", "AP", "--side", "L", "--baseline-invert", "--no-invert"]
    (case,) = cases_from(parsed([*said, *map(str, films), "--followup-date", "2025-03-01"]))
    assert case.film_options[TimePoint.BASELINE] == {"view": "PA", "side": "L", "invert": True}
    assert case.film_options[TimePoint.FOLLOWUP] == {
        "view": "AP",
        "side": "L",
        "study_date": "2025-03-01",
        "invert": False,
    }
