"""A whole validation, small: simulated and inserted pairs, resumed, summed up and written."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from calcimeasure.cli.main import run
from calcimeasure.errors import UsageError
from calcimeasure.simulation import simulate_film
from calcimeasure.validation import ValidationSettings, last_release, run_scenarios, scenarios, summary_text
from calcimeasure.validation.scenarios import CYCLE, FIRST_SEED
from calcimeasure.validation.validation_report import release_key

SPACING_MM = 0.35


@pytest.fixture(scope="module")
def plain_film(tmp_path_factory) -> Path:
    """Return a hand without deposits as a plain picture."""
    film = simulate_film(np.random.default_rng(600_001), deposits=0, spacing_mm=0.25).film
    path = tmp_path_factory.mktemp("real") / "hand.png"
    cv2.imwrite(str(path), np.round(film.pixels / film.pixels.max() * 65535).astype(np.uint16))
    return path


def validated(out: Path, *arguments: str) -> dict:
    with pytest.raises(SystemExit) as stopped:
        run(["validate", "--pairs", "2", "--workers", "1", "--out", str(out), "--quiet", *arguments])
    assert stopped.value.code == 0
    return json.loads((out / "validation.json").read_text(encoding="utf-8"))


def test_seeds_and_changes_go_round():
    wanted = scenarios(2 * len(CYCLE))
    assert [s.seed for s in wanted] == list(range(FIRST_SEED, FIRST_SEED + len(wanted)))
    assert [s.ratio for s in wanted[: len(CYCLE)]] == [s.ratio for s in wanted[len(CYCLE) :]] == list(CYCLE)


def test_simulated_pairs_are_kept_and_not_made_twice(tmp_path):
    options = ("--spacing", str(SPACING_MM), "--first-seed", "600010", "--method", "classical")
    record = validated(tmp_path / "v", *options)
    assert record["settings"]["source"] == "simulated"
    assert record["figures"]["pairs"] == 2
    assert "seeds 600010 to 600011" in (tmp_path / "v" / "validation.txt").read_text(encoding="utf-8")
    assert "seeds 600010 to 600011" in (tmp_path / "v" / "validation.html").read_text(encoding="utf-8")
    kept = sorted((tmp_path / "v" / "pairs").glob("*.json"))
    assert [path.stem for path in kept] == ["600010", "600011"]
    # A pair that is kept is read, not made: what is changed on disk shows in the next run's table.
    content = json.loads(kept[0].read_text(encoding="utf-8"))
    content["rows"]["pairs"][0]["elapsed_s"] = 12345.0
    kept[0].write_text(json.dumps(content), encoding="utf-8")
    validated(tmp_path / "v", *options)
    assert "12345.0" in (tmp_path / "v" / "pairs.csv").read_text(encoding="utf-8")
    for name in ("deposits.csv", "links.csv", "false_finds.csv", "alignment.csv", "validation.txt", "validation.html"):
        assert (tmp_path / "v" / name).stat().st_size > 0


def test_deposits_put_into_real_films(plain_film, tmp_path):
    options = ("--first-seed", "600020", "--method", "classical", "--deposit-style", "blobs")
    record = validated(tmp_path / "v", str(plain_film.parent), *options)
    assert record["settings"]["source"] == "inserted"
    assert (record["settings"]["style"], record["settings"]["deposit_style"]) == ("standard", "blobs")
    assert "deposits blobs" in (tmp_path / "v" / "validation.txt").read_text(encoding="utf-8")
    assert {row["kind"] for row in record["by_kind"]} <= {"metaballs", "bump", "fractal"}
    rows = (tmp_path / "v" / "deposits.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) > 2
    assert str(plain_film.parent) not in (tmp_path / "v" / "pairs" / "600020.json").read_text(encoding="utf-8")


def test_bones_of_real_films_have_no_style(plain_film):
    with pytest.raises(UsageError, match="real films"):
        ValidationSettings(films=(plain_film,), style="shell")


def test_figures_of_a_style_do_not_stand_beside_those_of_another():
    usual = {"source": "simulated", "mode": "automatic"}
    assert release_key(usual) == release_key({**usual, "style": "standard", "film_style": None})
    assert release_key({**usual, "style": "left_out"}) == "simulated automatic bones left_out"


def test_clicks_find_what_is_clicked():
    wanted = scenarios(1, first_seed=600_031)
    tables = run_scenarios(wanted, ValidationSettings(mode="assisted", spacing_mm=SPACING_MM), workers=1)
    assert tables["deposits"]["found"].mean() > 0.8
    assert tables["false_finds"].empty


def test_the_last_release_stands_beside_the_same_source_and_mode(tmp_path):
    released = last_release()
    assert released is not None
    assert released["simulated automatic"]["figures"]["pairs"] >= 100
    record = validated(tmp_path / "v", "--spacing", str(SPACING_MM), "--first-seed", "600010", "--method", "classical")
    old = f"{released['simulated automatic']['figures']['sensitivity']:.3g}"
    line = next(row for row in summary_text(record, released).splitlines() if row.startswith("sensitivity"))
    assert line.rstrip().endswith(old)
    elsewhere = {**record, "settings": {**record["settings"], "mode": "unheard of"}}
    line = next(row for row in summary_text(elsewhere, released).splitlines() if row.startswith("sensitivity"))
    assert line.rstrip().endswith("-")
