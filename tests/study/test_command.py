"""`calcimeasure study`: what the commands say and with which status they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from calcimeasure.cli.study_command import study as command

STUBS = Path(__file__).parent


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def stubbed_processes(stubbed_work: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Worker processes take the path of this one, and find the stubs by name.
    monkeypatch.syspath_prepend(str(STUBS))


@pytest.mark.usefixtures("stubbed_processes")
def test_from_a_folder_to_a_page(films: Path, tmp_path: Path) -> None:
    study = tmp_path / "trial"
    (films / "A" / "notes.dcm").write_bytes(b"not a film at all")
    (films / "B" / "copy.dcm").write_bytes((films / "B" / "baseline.dcm").read_bytes())
    result = call("init", films, "--out", study, "--title", "Trial")
    assert result.return_value == 0
    assert "4 films of 2 subjects; visits: baseline, month 3." in result.output
    assert "1 file that is no film:" in result.output
    assert "1 copy of another film, left out:" in result.output
    assert (study / "left_out.csv").exists()

    result = call("run", study, "--dry-run")
    assert "To do: 4 films of 2 limbs" in result.output
    assert not (study / "results" / "tables").exists()

    result = call("run", study, "--workers", 2)
    assert result.exception is None, result.exception
    assert result.return_value == 0
    assert "Trial: 4 of 4 films read." in result.output
    assert "2 pairs of films compared with baseline: 2 no change." in result.output
    page = study / "results" / "report.html"
    assert f"Report: {page}" in result.output
    before = page.read_bytes()

    assert (
        "To do: 0 films of 0 limbs to be read, with their pairs; 0 other pairs."
        in call("run", study, "--dry-run").output
    )
    result = call("status", study)
    assert result.return_value == 0
    assert "not done yet" not in result.output

    page.unlink()
    call("report", study)
    assert page.read_bytes() == before

    result = call("export", study, "--out", tmp_path / "tables")
    assert {path.stem for path in (tmp_path / "tables").glob("*.parquet")} >= {"films", "deposits", "links", "subjects"}


@pytest.mark.usefixtures("stubbed_work")
def test_what_is_not_done_is_reported(study: Path) -> None:
    result = call("status", study)
    assert result.return_value == 0
    assert "2 pieces of work are not done yet." in result.output


def test_films_that_failed_give_status_five(study: Path, films: Path) -> None:
    for path in films.rglob("*.dcm"):
        path.write_bytes(path.read_bytes()[:2000])
    result = call("run", study, "--workers", 1)
    assert result.return_value == 5
    assert "4 failed films:" in result.output
    assert str(films) not in result.output
    assert call("status", study).return_value == 5


def test_a_run_says_what_it_read_with_verbose(study: Path, films: Path) -> None:
    for path in films.rglob("*.dcm"):
        path.unlink()
    result = call("run", study, "--workers", 1, "--verbose")
    assert result.output.count("there is no such file") >= 4
