"""The same number everywhere: record, table and report; and the same area after a round trip through a SEG."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.export import write_comparison
from calcimeasure.export.dicom import read_segmentation, write_segmentation
from calcimeasure.io import film_from_array, read_film
from calcimeasure.measurement import measure_film


def areas_in_report(path: Path) -> list[tuple[float, float]]:
    """Return (area, uncertainty) in mm² of each deposit, with all their digits."""
    found = []
    for group in hd.sr.srread(path).content.get_planar_roi_measurement_groups():
        (area,) = [item[0] for item in group.get_measurements() if item.unit.value == "mm2"]
        (error,) = area.ContentSequence
        found.append(
            (
                float(area.MeasuredValueSequence[0].FloatingPointValue),
                float(error.MeasuredValueSequence[0].FloatingPointValue),
            )
        )
    return found


@pytest.fixture(scope="module")
def folder(pair, tmp_path_factory) -> Path:
    return write_comparison(pair, tmp_path_factory.mktemp("pair") / "out", dicom=True)


def test_record_table_and_report_give_the_same_areas(folder: Path) -> None:
    record = json.loads((folder / "comparison.json").read_text())
    with (folder / "deposits.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    in_record = [
        (row["area_mm2"], row["area_se_mm2"]) for side in ("baseline", "followup") for row in record[side]["deposits"]
    ]

    assert len(in_record) == 10
    assert [(float(row["area_mm2"]), float(row["area_se_mm2"])) for row in table] == in_record
    assert areas_in_report(folder / "change.sr.dcm") == in_record


def test_the_segmentations_number_deposits_as_the_label_images_do(folder: Path, pair) -> None:
    for name, side in (("baseline", pair.baseline), ("followup", pair.followup)):
        back = read_segmentation(folder / name / "segmentation.dcm", side.film)
        np.testing.assert_array_equal(back.image, side.labels.image)
        assert [deposit.finding for deposit in back.deposits] == [deposit.finding for deposit in side.labels.deposits]


@pytest.mark.parametrize("origin", [Origin.AUTO, Origin.CLICKED, Origin.DRAWN])
def test_a_round_trip_measures_the_same_to_the_last_digit(tmp_path: Path, origin: Origin) -> None:
    rng = np.random.default_rng(3)
    rows, cols = np.mgrid[:160, :140]
    grey = 1000 + rng.normal(0, 8, (160, 140)) + 800 / (1 + np.exp((np.hypot(rows - 70, cols - 60) - 15) / 0.8))
    film = film_from_array(grey.astype(np.uint16), spacing_mm=0.13)
    image = (np.hypot(rows - 70, cols - 60) <= 16).astype(np.uint16)
    image[130:134, 100:109] = 2
    labels = from_label_image(image, origin=origin, method="test/1", film_sha256=film.sha256)
    before = measure_film(film, labels)
    write_segmentation(before, tmp_path / "seg.dcm")
    after = measure_film(film, read_segmentation(tmp_path / "seg.dcm", film))

    assert after.deposits == before.deposits
    assert (after.total_area_mm2, after.total_area_se_mm2) == (before.total_area_mm2, before.total_area_se_mm2)


def test_a_real_film_has_a_valid_segmentation(kit, films_folder: Path, tmp_path: Path, dciodvfy) -> None:
    film = read_film(films_folder / "dicom" / "hand_pa_adult_cr_j2k.dcm")
    image = np.zeros(film.shape, np.uint16)
    image[1000:1040, 800:850] = 1
    image[-1, -1] = 2
    path = tmp_path / "seg.dcm"
    write_segmentation(kit.measured(film, kit.labels(image, film)), path)

    assert dciodvfy.errors(path) == []
    np.testing.assert_array_equal(read_segmentation(path, film).image, image)
