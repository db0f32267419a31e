"""Simulated studies from the command line."""

from __future__ import annotations

import csv

import pytest
from click.testing import CliRunner

from calcimeasure.cli.simulate_command import simulate
from calcimeasure.io import read_film


def run(*arguments):
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_study_has_a_film_a_visit_and_its_truth(tmp_path):
    result = run("study", "--out", tmp_path, "--subjects", 2, "--visits", 2, "--spacing", 0.9, "--area-ratio", 1.2)
    assert result.exit_code == 0, result.output
    rows = table(tmp_path / "manifest.csv")
    assert [(row["subject"], row["visit"]) for row in rows] == [
        (subject, visit) for subject in ("S001", "S002") for visit in ("baseline", "month 3")
    ]
    for row in rows:
        film = read_film(tmp_path / row["path"])
        assert film.identity.study_date == row["date"]
        assert film.identity.side == row["side"]
    truth = table(tmp_path / "truth.csv")
    areas = {(row["subject"], row["visit"], row["deposit"]): float(row["area_common_mm2"]) for row in truth}
    ratios = [
        area / areas[subject, "baseline", deposit]
        for (subject, visit, deposit), area in areas.items()
        if visit != "baseline"
    ]
    assert ratios
    assert sum(ratio == pytest.approx(1.2, rel=1e-3) for ratio in ratios) >= len(ratios) - 1


def test_pair_writes_films_labels_and_truth(tmp_path):
    result = run("pair", "--out", tmp_path, "--spacing", 0.6, "--deposits", 3, "--png")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "baseline.dcm", "baseline.png", "baseline_labels.tif",
        "followup.dcm", "followup.png", "followup_labels.tif", "truth.json"]  # fmt: skip


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    result = run("film", "--out", tmp_path)
    assert result.exit_code != 0
    assert "not empty" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
