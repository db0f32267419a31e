from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from calcimeasure.cli.pacs_command import pacs


@pytest.fixture
def run(archive, tmp_path: Path):
    config = tmp_path / "pacs.toml"
    config.write_text(f'[site]\nkind = "dicomweb"\nurl = "{archive.url}"\nfirst_wait_s = 0\nattempts = 2\n')

    def invoke(*arguments: object):
        given = [*map(str, arguments), "--profile", "site", "--config", str(config)]
        return CliRunner().invoke(pacs, given, standalone_mode=False)

    return invoke


def test_check_says_that_the_archive_answers(run) -> None:
    assert run("check").output == "site: the archive answers over DICOMweb\n"


def test_find_prints_a_table_without_names(run, archive, make_film) -> None:
    archive.put(make_film(1).read_bytes())
    lines = run("find", "--from", "2025-01-01").output.splitlines()

    assert lines[0].split() == [
        "study_date", "modality", "body_part", "patient_id", "instance_count", "study_uid", "series_uid",
    ]  # fmt: skip
    assert lines[1].split()[:4] == ["20250301", "CR", "HAND", "P1"]
    assert "Jane" not in lines[1]
    assert run("find", "--patient", "P9").output == "Nothing found.\n"


def test_find_prints_json_for_programs(run, archive, make_film) -> None:
    archive.put(make_film(1).read_bytes())
    (series,) = json.loads(run("find", "--json").output)

    assert series["patient_id"] == "P1"
    assert series["series_uid"].endswith(".7.1.1")


def test_a_folder_is_sent_and_a_table_written(run, archive, make_film, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.dcm").write_bytes(make_film(number).read_bytes())
    (folder / "report.html").write_text("not for the archive")
    result = run("send", folder, "--table", tmp_path / "sent.csv")

    assert (result.return_value, result.output) == (0, "2 sent\n")
    rows = (tmp_path / "sent.csv").read_text().splitlines()
    assert rows[0] == "uid,status,file,reason,attempts"
    assert rows[1].endswith(".7.1.1.1,sent,1.dcm,,1")


def test_failures_are_told_and_counted(run, archive, make_film, tmp_path: Path) -> None:
    archive.refuse = 0x0122
    result = run("send", make_film(1))

    assert result.return_value == 5
    assert "film1.dcm: failed: the archive refused the object" in result.output
    assert result.output.endswith("1 failed\n")


def test_a_fetch_is_resumed_by_the_same_command(run, archive, make_film, tmp_path: Path) -> None:
    for number in (1, 2):
        archive.put(make_film(number).read_bytes())
    first = run("fetch", "--patient", "P1", "--out", tmp_path / "in")
    next(iter((tmp_path / "in").rglob("*.dcm"))).unlink()
    second = run("fetch", "--patient", "P1", "--out", tmp_path / "in")

    assert (first.output, second.output) == ("2 fetched\n", "1 already there, 1 fetched\n")


def test_an_absent_file_is_refused_before_anything_is_sent(run, archive, make_film, tmp_path: Path) -> None:
    result = run("send", make_film(1), tmp_path / "absent.dcm")

    assert str(result.exception) == f"{tmp_path / 'absent.dcm'}: no such file or folder"
    assert archive.stored == []


def test_a_folder_without_objects_is_no_success(run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert "there is nothing to send" in str(run("send", tmp_path / "empty").exception)
