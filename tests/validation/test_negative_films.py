"""Films without calcification: what is found on them is counted, by film and by body part."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from calcimeasure.cli.main import run
from calcimeasure.simulation import simulate_film
from calcimeasure.validation.negative_films import NegativeFilm, summarise_negative_films


def found(*counts: int, group: str = "hand") -> list[NegativeFilm]:
    return [
        NegativeFilm(film=f"{n}.png", group=group, false_finds=count, areas_mm2=(2.0,) * count)
        for n, count in enumerate(counts)
    ]


def save(film, path: Path) -> None:
    cv2.imwrite(str(path), np.round(film.pixels / film.pixels.max() * 65535).astype(np.uint16))


def test_rates_medians_and_intervals_are_those_of_the_counts():
    whole, hand = summarise_negative_films(found(*[0] * 15, *[1] * 4, 6))
    assert [whole["group"], hand["group"]] == ["all", "hand"]
    assert whole["false_finds_a_film"] == pytest.approx(10 / 20)
    assert whole["median"] == 0.0
    assert whole["films_with_any"] == pytest.approx(5 / 20)
    assert whole["largest_mm2"] == 2.0
    assert whole["ci95_low"] < 0.5 < whole["ci95_high"]


def test_no_find_at_all_has_the_exact_upper_limit():
    # exp(-30 x) = 0.025 at the upper limit x of a Poisson mean of which nothing was seen on 30 films.
    whole = summarise_negative_films(found(*[0] * 30))[0]
    assert (whole["ci95_low"], whole["ci95_high"]) == (0.0, pytest.approx(0.12296, abs=1e-5))


def test_a_film_that_could_not_be_read_is_not_counted_as_clear():
    rows = [*found(1, 1), NegativeFilm(film="x.png", group="hand", false_finds=0, areas_mm2=(), error="no film")]
    assert summarise_negative_films(rows)[0]["films"] == 2
    assert summarise_negative_films(rows)[0]["false_finds_a_film"] == 1.0


def test_the_command_counts_films_by_body_part_and_goes_on_past_a_bad_one(tmp_path, capsys):
    folder = tmp_path / "films"
    folder.mkdir()
    rng = np.random.default_rng(600_201)
    save(simulate_film(rng, deposits=0, spacing_mm=0.35).film, folder / "clear.png")
    save(simulate_film(rng, deposits=6, spacing_mm=0.35).film, folder / "calcified.png")
    save(simulate_film(rng, deposits=9, part="hand", spacing_mm=0.35).film, folder / "positive.png")
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    (folder / "manifest.csv").write_text(
        "file,body_part,shows_calcification\nclear.png,hand,no\ncalcified.png,hand,yes\n"
        "positive.png,wrist,no\ndamaged.png,wrist,no\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as stopped:
        run(["validate", str(folder), "--without-deposits", "--workers", "1", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 0
    record = json.loads((tmp_path / "out" / "negative_films.json").read_text(encoding="utf-8"))
    by_film = {row["film"]: row for row in record["films"]}
    assert set(by_film) == {
        "clear.png",
        "positive.png",
        "damaged.png",
    }  # what the manifest says is calcified is left out
    assert by_film["positive.png"]["false_finds"] >= 1
    assert by_film["damaged.png"]["error"]
    assert [row["group"] for row in record["summary"]] == ["all", "hand", "wrist"]
    with (tmp_path / "out" / "negative_films.csv").open(encoding="utf-8", newline="") as lines:
        assert [row["film"] for row in csv.DictReader(lines)] == ["clear.png", "damaged.png", "positive.png"]
    assert "not searched: damaged.png" in capsys.readouterr().out


def test_without_films_the_command_says_what_to_give(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(["validate", "--without-deposits", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "Name films without calcification" in capsys.readouterr().err


def test_options_of_pairs_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(["validate", str(tmp_path), "--without-deposits", "--style", "shell", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "Leave --style out" in capsys.readouterr().err


def test_a_folder_in_which_no_film_can_be_read_says_so(tmp_path, capsys):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    with pytest.raises(SystemExit) as stopped:
        run(
            [
                "validate",
                str(tmp_path / "films"),
                "--without-deposits",
                "--workers",
                "1",
                "--out",
                str(tmp_path / "out"),
            ]
        )
    assert stopped.value.code == 0
    assert "not searched: damaged.png" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "negative_films.json").read_text(encoding="utf-8"))
    assert record["summary"][0]["films"] == 0
