"""The page of a study: it says what was found, in order, and nothing in it comes from outside."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calcimeasure.errors import StudyError
from calcimeasure.study.endpoint import analyse
from calcimeasure.study.exposures_and_outcomes import Exposure
from calcimeasure.study.manifest import FilmRow, read_manifest, write_manifest
from calcimeasure.study.report_sections import limit_sentence, patient_row
from calcimeasure.study.result_store import Store
from calcimeasure.study.study_charts import agreement, area_lines, study_axis, timeline
from calcimeasure.study.study_export import export_study
from calcimeasure.study.study_report import study_report_html, write_study_report
from calcimeasure.study.study_runner import run_study
from calcimeasure.study.study_settings import Analysis, StudySettings, Visit, settings_text
from calcimeasure.study.study_state import Study
from calcimeasure.study.subject_burden import SubjectChange

VISITS = tuple(Visit(name=name, day=day, window_days=30) for name, day in (("baseline", 0), ("month 3", 91)))


@pytest.fixture
def stub(tmp_path: Path, stubbed_work: None, inline: Executor) -> Path:
    """A finished study of three stubbed subjects, the first with a repeat exposure; the third without month 3."""
    study = tmp_path / "study"
    study.mkdir()
    films = []
    for number in (1, 2, 3):
        for visit, repeat in (("baseline", 1), ("baseline", 2), ("month 3", 1)):
            if (number == 3 and visit == "month 3") or (repeat == 2 and number > 1):
                continue
            path = study / f"{number}{visit}{repeat}"
            path.write_text(path.name)
            day = "2026-01-10" if visit == "baseline" else "2026-04-10"
            key = {"subject": f"S{number}", "visit": visit, "body_part": "HAND", "side": "L", "view": "PA"}
            films.append(FilmRow(**key, repeat=repeat, path=path.name, date=day))
    write_manifest(study / "films.csv", films)
    settings = StudySettings(title="A <b>bold</b> & study", visits=VISITS, analysis=Analysis(primary_visit="month 3"))
    (study / "study.toml").write_text(settings_text(settings))
    run_study(study, executor=inline)
    return study


def page_of(study: Path) -> str:
    return study_report_html(Study(study).state(), Store(study))


def test_the_page_says_what_was_found_and_what_is_missing(stub: Path) -> None:
    page = page_of(stub)
    assert "At month 3, of 2 patients (1 more is not evaluable), 2 were shown to have no change beyond" in page
    assert "A single arm shows change" in page
    assert "S3: no film of L HAND PA at month 3." in page
    assert "1 repeat exposure: within" in page
    assert "not yet verified on patients" in page
    assert "declared before results were computed" in page


def test_the_page_says_why_areas_differ_and_what_films_may_have_hidden(stub: Path) -> None:
    page = page_of(stub)
    assert "they count only what both films of a pair show" in page
    assert "What a film may have hidden is not known" in page
    state = Study(stub).state()
    marks = [{"limit_of_detection_mm2": None}, {"limit_of_detection_mm2": 64.0}]
    assert "64 mm² (the segmenter" in limit_sentence(state, marks)
    declared = replace(state.settings, analysis=replace(state.settings.analysis, limit_of_detection_mm2=0.8))
    assert "0.8 mm² (as declared)" in limit_sentence(replace(state, settings=declared), marks)


def test_a_patient_from_zero_has_the_area_that_could_be_missed() -> None:
    change = SubjectChange(subject="S1", arm="", visit="v", limbs=1, verdict="indeterminate", limit_of_detection_mm2=64)
    settings = StudySettings(title="", visits=VISITS, analysis=Analysis(primary_visit="month 3"))
    axis = study_axis(analyse((replace(change, visit="month 3"),), settings), settings.margin_ratio)
    assert patient_row(change, axis)["smallest"] == "64 mm²"


def test_nothing_is_fetched_and_text_is_escaped(stub: Path) -> None:
    page = page_of(stub)
    assert "<b>bold</b>" not in page
    assert "A &lt;b&gt;bold&lt;/b&gt; &amp; study" in page
    assert "default-src 'none'" in html.unescape(page)
    assert not re.search(r"src=\"(?!data:)", page)
    # What it links to are the pages of pairs, beside it.
    links = re.findall(r"href=\"([^\"]*)\"", page)
    assert links
    assert all(re.fullmatch(r"pairs/[^/:]+/[^/:]+/report\.html", link) for link in links)
    assert "<script" not in page
    assert str(stub) not in page


def test_the_same_study_gives_the_same_page(stub: Path) -> None:
    path = write_study_report(stub, Study(stub).state())
    before = path.read_bytes()
    write_study_report(stub, Study(stub).state())
    assert path.read_bytes() == before


def test_a_later_change_of_what_was_declared_is_reported(stub: Path, inline: Executor) -> None:
    path = stub / "study.toml"
    path.write_text(path.read_text().replace("[0.8, 1.25]", "[0.7, 1.4]"))
    run_study(stub, executor=inline)
    page = page_of(stub)
    assert "were changed after results had been computed" in page
    assert "margin_ratio was [0.8, 1.25] and became [0.7, 1.4] (entry 2, " in page
    # Changed back, it is the declared analysis again; that it was changed is still stated.
    path.write_text(path.read_text().replace("[0.7, 1.4]", "[0.8, 1.25]"))
    page = page_of(stub)
    assert "The settings are those declared" in page
    assert "margin_ratio was [0.7, 1.4] and became [0.8, 1.25] (not run since)" in page


def test_a_declaration_that_was_removed_is_not_made_up(stub: Path, inline: Executor) -> None:
    assert "declared before results were computed" in page_of(stub)
    (stub / "declarations.jsonl").unlink()
    path = stub / "study.toml"
    path.write_text(path.read_text().replace("[0.8, 1.25]", "[0.7, 1.4]"))
    for _ in range(2):
        page = page_of(stub)
        assert "was not declared before results were computed" in page
        assert "was declared before" not in page
        run_study(stub, executor=inline)


def test_the_record_of_an_earlier_version_is_read(stub: Path) -> None:
    (stub / "declarations.jsonl").unlink()
    now = Study(stub).settings.declared_sha256
    noted = stub / "results" / "declared.json"
    noted.write_text(json.dumps([{"sha256": now, "results_existed": False}]))
    assert "was declared before results were computed" in page_of(stub)
    noted.write_text(json.dumps([{"sha256": now, "results_existed": True}]))
    assert "was not declared before results were computed" in page_of(stub)


def test_an_altered_log_is_reported(stub: Path) -> None:
    path = stub / "declarations.jsonl"
    path.write_text(path.read_text().replace('"results_existed": false', '"results_existed": true'))
    assert "entry 1 of declarations.jsonl was altered" in page_of(stub)


def test_a_film_left_out_after_results_is_listed_and_the_analysis_repeated(stub: Path, inline: Executor) -> None:
    films = [
        replace(film, include=False, note="inconvenient") if (film.subject, film.visit) == ("S1", "month 3") else film
        for film in read_manifest(stub / "films.csv")
    ]
    write_manifest(stub / "films.csv", films)
    run_study(stub, executor=inline)
    page = page_of(stub)
    assert "of 1 patient (2 more are not evaluable)" in page
    assert "<strong>S1_month-3_HAND_L_PA_1</strong> was left out after results: inconvenient" in page
    # As it was before the exclusion: two patients.
    assert "of 2 patients (1 more is not evaluable), 2 were shown" in page.split("with the films that were left out")[1]


def test_the_plan_is_declared_signed_and_verified(tmp_path: Path, stub: Path, inline: Executor) -> None:
    from click.testing import CliRunner

    from calcimeasure.cli.study_command import study as command

    fresh = tmp_path / "fresh"
    shutil.copytree(stub, fresh, ignore=shutil.ignore_patterns("results", "declarations.jsonl"))
    declared = CliRunner().invoke(command, ["declare", str(fresh), "--by", "Dr A"], catch_exceptions=False)
    digest = re.search(r"Hash: ([0-9a-f]{64})", declared.output)
    assert digest is not None
    plan = (fresh / "declaration-1.txt").read_text()
    assert "Declared by Dr A" in plan
    assert "margin_ratio: 0.8, 1.25" in plan
    assert digest.group(1) in plan
    run_study(fresh, executor=inline)
    check = ["verify", str(fresh), "--hash", digest.group(1)]
    assert CliRunner().invoke(command, check, standalone_mode=False).return_value == 0
    path = fresh / "study.toml"
    path.write_text(path.read_text().replace('primary = "equivalence"', 'primary = "change"'))
    changed = CliRunner().invoke(command, check, standalone_mode=False)
    assert changed.return_value == 6
    assert "analysis.primary was equivalence and became change" in changed.output
    assert "is entry 1 of the log" in changed.output


def test_unfinished_work_is_said_first_and_counted_nowhere(stub: Path, inline: Executor) -> None:
    path = stub / "1month 31"
    path.write_text("another film")
    page = page_of(stub)
    assert page.index("Unfinished: films of 1 of the patients") < page.index("At month 3, of 1 patient")
    assert "S1 (S1_baseline_HAND_L_PA_1, " in page
    assert "At month 3, of 1 patient (2 more are not evaluable)" in page
    run_study(stub, executor=inline)
    assert "Unfinished" not in page_of(stub)


def test_a_deleted_result_is_noticed_and_done_again(stub: Path, inline: Executor) -> None:
    shutil.rmtree(stub / "results" / "pairs" / "S2")
    assert "Unfinished" in page_of(stub)
    run_study(stub, executor=inline)
    assert (stub / "results" / "pairs" / "S2" / "S2_month-3_HAND_L_PA_1" / "comparison.json").exists()
    assert "Unfinished" not in page_of(stub)


def test_one_film_is_read_anew_and_the_log_says_so(stub: Path, inline: Executor) -> None:
    log = stub / "run.log"
    before = len(log.read_text().splitlines())
    run_study(stub, executor=inline)
    assert len(log.read_text().splitlines()) == before + 1  # nothing to do
    run_study(stub, executor=inline, redo=["S1_month-3_HAND_L_PA_1"])
    lines = log.read_text().splitlines()[before + 1 :]
    assert any(line.endswith("S1_month-3_HAND_L_PA_1: read") for line in lines)
    assert not any("S2" in line for line in lines)
    with pytest.raises(StudyError, match="Did you mean 'S1_month-3_HAND_L_PA_1'"):
        run_study(stub, executor=inline, redo=["S1_month3_HAND_L_PA_1"])


def test_a_drugs_name_is_no_formula(stub: Path) -> None:
    (stub / "exposures.csv").write_text("subject,drug,dose,unit,route,date\nS1,=1+1,15,g,iv,2026-02-01\n")
    export_study(stub, Study(stub).state())
    assert "S1,month 3,'=1+1,g" in (Store(stub).tables / "exposures.csv").read_text()


def test_exposures_and_outcomes_stand_beside(stub: Path) -> None:
    (stub / "exposures.csv").write_text("subject,drug,dose,unit,route,date\nS1,thiosulfate,15,g,iv,2026-02-01\n")
    (stub / "outcomes.csv").write_text(
        "subject,date,measure,value\nS1,2026-01-05,pain_nrs,8\nS1,2026-03-01,pain_nrs,1\n"
    )
    page = page_of(stub)
    assert "thiosulfate: 1 dose, 15 g in all; pain 8 at first and 1 at last" in page
    assert "reaches -1" in page
    assert "area is not benefit" in page
    export_study(stub, Study(stub).state())
    tables = Store(stub).tables
    assert "S1,month 3,thiosulfate,g,1,15.0" in (tables / "exposures.csv").read_text()
    assert "S1,month 3,pain_nrs,8.0,1.0,-7.0,-1.0,true" in (tables / "outcomes.csv").read_text()


def test_a_real_studys_page_shows_its_films(done_study: Path) -> None:
    page = page_of(done_study)
    assert page.count("data:image/jpeg;base64,") == 4


def test_every_table_has_its_columns_and_reads_back(stub: Path) -> None:
    import pandas as pd

    from calcimeasure.study.data_dictionary import TABLES

    folder = export_study(stub, Study(stub).state())
    dictionary = pd.read_csv(folder / "dictionary.csv", keep_default_na=False)
    for name, columns in TABLES.items():
        names = [column.name for column in columns]
        assert list(pd.read_csv(folder / f"{name}.csv").columns) == names
        assert list(pd.read_parquet(folder / f"{name}.parquet").columns) == names
        assert list(dictionary[dictionary["table"] == name]["column"]) == names
        assert all(column.meaning for column in columns)
    films = pd.read_csv(folder / "films.csv")
    assert list(films["status"].unique()) == ["ok"]
    assert len(films) == 6


def test_a_film_left_out_keeps_its_row_and_its_reason(stub: Path) -> None:
    films = list(read_manifest(stub / "films.csv"))
    films[0] = replace(films[0], include=False, note="over-exposed")
    write_manifest(stub / "films.csv", films)
    page = page_of(stub)
    assert "over-exposed" in page
    folder = export_study(stub, Study(stub).state())
    assert "left_out,over-exposed" in (folder / "films.csv").read_text()


def change(ratio: float) -> Any:
    from calcimeasure.study.subject_burden import SubjectChange

    log = math.log(ratio)
    interval = (100 * (ratio * 0.9 - 1), 100 * (ratio * 1.1 - 1))
    return SubjectChange(
        subject=f"S{ratio}",
        arm="",
        visit="month 3",
        limbs=1,
        log_ratio=log,
        log_ratio_se=0.05,
        ci95_percent=interval,
        area_change_percent=100 * (ratio - 1),
        verdict="increase",
    )


def test_the_axis_holds_margin_mean_and_every_change() -> None:
    settings = StudySettings(visits=VISITS, analysis=Analysis(primary_visit="month 3"))
    endpoint = analyse([change(0.5), change(1.0), change(2.2)], settings)
    axis = study_axis(endpoint, (0.8, 1.25))
    assert not any(axis.beyond(percent) for percent in (-50, 120, -20, 25))


def test_lines_need_two_areas_above_zero() -> None:
    assert area_lines([("S1", [(0, "baseline", 10.0)]), ("S2", [(0, "baseline", 0.0), (91, "month 3", 4.0)])]) is None
    lines = area_lines([("S1", [(0, "baseline", 10.0), (91, "month 3", 20.0)])])
    assert lines is not None
    (_, (first, second)) = lines.lines[0]
    assert second.x > first.x
    assert second.y < first.y
    assert [name.word for _, name in lines.names] == ["S1"]


def test_agreement_of_repeats() -> None:
    assert agreement([], 0.0, None) is None
    chart = agreement([("a", 10.0, 0.1), ("b", 100.0, -0.1)], 0.0, (-0.2, 0.2))
    assert chart is not None
    assert chart.limits is not None
    assert chart.limits[0] > chart.zero > chart.limits[1]


def test_a_timeline_without_doses_or_scores_is_none() -> None:
    assert timeline("S1", [], [], [("2026-01-01", "baseline")]) is None
    dose = Exposure(subject="S1", drug="x", dose=1.0, unit="g", route="iv", date="2026-01-15")
    drawn = timeline("S1", [dose], [], [("2026-01-01", "baseline"), ("2026-02-01", "month 1")])
    assert drawn is not None
    assert drawn.lanes[0].words == "x: 1 dose, 1 g in all"
    assert drawn.films[0].at < drawn.lanes[0].strokes[0] < drawn.films[1].at
