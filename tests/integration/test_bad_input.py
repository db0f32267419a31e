"""Bad input: a clear message, the documented exit status, nothing half-written, no identity in what is said."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest


def write_png(path: Path, picture: np.ndarray) -> Path:
    cv2.imwrite(str(path), picture)
    return path


def assert_refused(ran, out: Path, status: int, *words: str) -> None:
    assert ran.status == status, ran.err
    for word in words:
        assert word in ran.err
    assert "Traceback" not in ran.err
    assert not out.exists()
    assert list(out.parent.glob(".*")) == []


def test_a_missing_film(program, tmp_path: Path) -> None:
    out = tmp_path / "results" / "out"
    assert_refused(program("segment", tmp_path / "no.dcm", "--out", out), out, 3, "no.dcm")


@pytest.mark.parametrize(
    ("name", "content"), [("empty.dcm", b""), ("text.dcm", b"Dear colleague,\nplease find attached\n" * 50)]
)
def test_a_file_that_is_no_film(program, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "results" / "out"
    assert_refused(program("segment", tmp_path / name, "--out", out), out, 3, name)


def test_a_header_without_pixels_tells_no_name(program, header_only: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = program("segment", header_only, "--out", out)
    assert_refused(ran, out, 3, "header_only.dcm")
    assert "DOE" not in ran.err
    assert "SECRET" not in ran.err


def test_truncated_pixels(program, sample_images: Path, tmp_path: Path) -> None:
    whole = (sample_images / "grown" / "baseline.dcm").read_bytes()
    short = tmp_path / "short.dcm"
    short.write_bytes(whole[: len(whole) * 2 // 3])
    out = tmp_path / "out"
    assert_refused(program("segment", short, "--out", out), out, 3, "short.dcm")


def test_a_colour_photograph(program, tmp_path: Path) -> None:
    photo = write_png(tmp_path / "photo.png", np.random.default_rng(1).integers(0, 255, (90, 80, 3), dtype=np.uint8))
    out = tmp_path / "out"
    assert_refused(program("segment", photo, "--spacing", "0.2", "--out", out), out, 3, "photo.png", "colour")


@pytest.mark.parametrize("value", [0, 40000, 65535])
def test_a_constant_film_has_no_deposits_and_says_so(program, tmp_path: Path, value: int) -> None:
    film = write_png(tmp_path / "flat.png", np.full((300, 200), value, dtype=np.uint16))
    out = tmp_path / "out"
    ran = program("segment", film, "--spacing", "0.2", "--out", out)
    assert ran.status == 0, ran.err
    record = json.loads((out / "measurement.json").read_text())
    assert record["deposits"] == []
    assert record["warnings"]


def test_no_spacing_gives_pixels_and_no_millimetres(program, tmp_path: Path, grey_film) -> None:
    film = write_png(tmp_path / "bare.png", grey_film())
    out = tmp_path / "out"
    assert program("segment", film, "--out", out).status == 0
    record = json.loads((out / "measurement.json").read_text())
    assert record["spacing_basis"] == "none"
    assert record["pixel_spacing_mm"] is None
    assert record["total_area_mm2"] is None
    assert record["total_area_px"] is not None


def other_header(source: Path, target: Path, **values: str) -> Path:
    dataset = pydicom.dcmread(source)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if "ImageLaterality" in values:
        dataset.Laterality = values["ImageLaterality"]
    dataset.save_as(target)
    return target


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"PatientID": "ANOTHER-PATIENT"}, "patient"),
        ({"BodyPartExamined": "FOOT"}, "body part"),
        ({"ImageLaterality": "R"}, "side"),
        ({"ViewPosition": "LL"}, "view"),
    ],
)
def test_a_wrong_pair_is_refused_with_a_record(program, sample_images, tmp_path: Path, values, word: str) -> None:
    baseline = sample_images / "unchanged" / "baseline.dcm"
    wanted = {**values, "ImageLaterality": values.get("ImageLaterality", "L")}
    left = other_header(baseline, tmp_path / "left.dcm", ImageLaterality="L")
    wrong = other_header(sample_images / "unchanged" / "followup.dcm", tmp_path / "wrong.dcm", **wanted)
    ran = program("compare", left, wrong, "--out", tmp_path / "out")
    assert ran.status == 4, ran.err
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert record["verdict"] == "not_comparable"
    assert record["total_area_change_percent"] is None
    assert word in " ".join(record["reasons"])
    # To compare two patients all the same is no cure.
    assert ("--force" in " ".join(record["reasons"])) is (word != "patient")
    assert "ANOTHER" not in ran.out + ran.err + json.dumps(record)


def test_force_compares_a_contradiction_and_says_so(program, sample_images, tmp_path: Path) -> None:
    pair = sample_images / "unchanged"
    wrong = other_header(pair / "followup.dcm", tmp_path / "wrong.dcm", PatientID="ANOTHER-PATIENT")
    ran = program("compare", pair / "baseline.dcm", wrong, "--force", "--out", tmp_path / "out")
    assert ran.status == 0, ran.err
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert record["verdict"] == "no_change"
    assert any("--force" in warning and "patient" in warning for warning in record["warnings"])


def test_missing_identity_is_warned_of(program, sample_images, tmp_path: Path) -> None:
    pair = sample_images / "unchanged"
    bare = other_header(pair / "followup.dcm", tmp_path / "bare.dcm", PatientID="")
    ran = program("compare", pair / "baseline.dcm", bare, "--out", tmp_path / "out")
    assert ran.status == 0
    assert "does not say its patient" in ran.err


def test_two_different_limbs_are_not_comparable(program, sample_images, tmp_path: Path, grey_film) -> None:
    stick = write_png(tmp_path / "stick.png", grey_film())
    ran = program(
        "compare",
        sample_images / "unchanged" / "baseline.dcm",
        stick,
        "--followup-spacing",
        "0.2",
        "--out",
        tmp_path / "out",
    )
    assert ran.status == 4, ran.err
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert record["registration"]["status"] == "failed"
    assert record["ci95_percent"] is None


def test_a_folder_in_use_is_refused_before_any_work(program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    ran = program("segment", tmp_path / "no.dcm", "--out", out)
    assert ran.status == 2
    assert "not empty" in ran.err
    assert (out / "thesis.txt").read_text() == "years of work"


def test_overwrite_never_takes_what_is_not_ours(program, sample_images, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    ran = program("segment", sample_images / "grown" / "baseline.dcm", "--out", out, "--overwrite")
    assert ran.status == 2
    assert (out / "thesis.txt").read_text() == "years of work"


def test_one_row_of_points_that_is_wrong_is_named(program, sample_images, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("row,col\n10,20\n30,left\n")
    out = tmp_path / "out"
    ran = program("segment", sample_images / "grown" / "baseline.dcm", "--points", points, "--out", out)
    assert ran.status in (2, 3)
    assert "points.csv" in ran.err
    assert "row 3" in ran.err or "row 2" in ran.err
    assert not out.exists()


def test_header_only_points_mean_that_the_reader_found_none(program, sample_images, tmp_path: Path) -> None:
    points = tmp_path / "none.csv"
    points.write_text("row,col\n")
    out = tmp_path / "out"
    ran = program("segment", sample_images / "grown" / "baseline.dcm", "--points", points, "--out", out)
    assert ran.status == 0, ran.err
    assert json.loads((out / "measurement.json").read_text())["deposits"] == []
