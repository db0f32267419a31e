"""From rows of a validation to its figures, on tables small enough to work out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from calcimeasure.validation.validation_summary import (
    by_background,
    by_size,
    figures,
    intervals_by_stratum,
    verdicts_by_change,
)


def pair(change, true_ratio, ratio, verdict, *, low=-10.0, high=10.0, one_sided=0):
    def log(value):
        return None if value is None else math.log(value)

    return {
        "change": change,
        "true_ratio": true_ratio,
        "true_log_ratio": log(true_ratio),
        "log_ratio": log(ratio),
        "verdict": verdict,
        "ci95_low": low,
        "ci95_high": high,
        "ci90_low": low / 2,
        "ci90_high": high / 2,
        "smallest_detectable_change_percent": 12.0,
        "one_sided": one_sided,
        "one_sided_of": 4,
        "left_out": 1,
        "left_out_of": 5,
        "registration": "ok",
        "elapsed_s": 3.0,
    }


def link(true_ratio, ratio, *, area=10.0, background="over_bone", above=False, below=False, status="matched"):
    return {
        "area_mm2": area,
        "background": background,
        "true_log_ratio": math.log(true_ratio),
        "log_ratio": math.log(ratio),
        "above": above,
        "below": below,
        "width": 0.2,
        "right": status == "matched",
        "true_status": "matched",
        "found_status": status,
    }


def deposit(area, found, *, background="over_bone", ratio=1.0, in_field=True):
    return {
        "area_mm2": area,
        "found": found,
        "in_field": in_field,
        "background": background,
        "kind": "nodule",
        "dice": 0.9 if found else None,
        "jaccard": 0.9 / 1.1 if found else None,
        "hausdorff_mm": 0.1 * math.sqrt(area) if found else None,
        "surface_distance_mm": 0.2 if found else None,
        "area_ratio": ratio if found else None,
        "area_z": 0.5 if found else None,
    }


@pytest.fixture
def tables():
    pairs = [
        pair("+0 %", 1.0, 1.0, "no_change"),
        pair("+0 %", 1.0, 1.1, "increase", low=2.0, high=18.0),
        pair("+0 %", None, None, "no_deposits"),
        pair("+25 %", 1.25, 1.2, "no_change"),
        pair("-20 %", 0.8, 0.8, "decrease", low=-30.0, high=-12.0),
        pair("+50 %", 1.5, 1.5, "increase", low=30.0, high=70.0, one_sided=1),
        pair("-33 %", 2 / 3, 2 / 3, "increase", low=-50.0, high=-10.0),
    ]
    links = [
        link(1.0, 1.0),
        link(1.5, 1.5, area=60.0),
        link(1.0, math.exp(0.2), above=True),
        link(1.0, 1.0, area=1.0, background="soft_tissue", below=True, status="split"),
    ]
    deposits = [
        deposit(10.0, True, ratio=1.1),
        deposit(10.0, False),
        deposit(60.0, True, ratio=0.9),
        deposit(60.0, True, in_field=False),
        deposit(1.0, True, background="soft_tissue"),
    ]
    return {
        "pairs": pd.DataFrame(pairs),
        "links": pd.DataFrame(links),
        "films": pd.DataFrame({"dice": [0.5, 0.7, None], "jaccard": [1 / 3, 0.54, None]}),
        "deposits": pd.DataFrame(deposits),
        "false_finds": pd.DataFrame({"film": ["baseline"] * 7}),
        "alignment": pd.DataFrame({"error_mm": [0.1, 0.3, 0.5]}),
    }


def test_deposits_that_only_one_film_shows_do_not_count(tables):
    reported = figures(tables)
    assert reported["deposits_of_2_mm2_and_more"] == 3
    assert reported["sensitivity"] == pytest.approx(2 / 3)
    assert reported["area_ratio_median"] == pytest.approx(1.0)
    assert reported["false_finds_a_film"] == pytest.approx(7 / 14)
    assert reported["hausdorff_mm_median"] == pytest.approx(0.1 * (math.sqrt(10) + math.sqrt(60)) / 2)
    assert reported["surface_distance_mm_median"] == pytest.approx(0.2)
    assert reported["film_dice_median"] == pytest.approx(0.6)


def test_errors_are_of_log_ratios_in_percent(tables):
    reported = figures(tables)
    assert reported["deposit_change_rms_percent"] == pytest.approx(100 * math.sqrt(0.2**2 / 3)), "of 2 mm² and more"
    assert reported["deposit_change_median_percent"] == pytest.approx(0.0)
    errors = [0.0, math.log(1.1), math.log(1.2 / 1.25), 0.0, 0.0, 0.0]
    assert reported["burden_change_rms_percent"] == pytest.approx(100 * math.sqrt(sum(e * e for e in errors) / 6))


def test_verdicts_are_counted_where_there_is_something_to_judge(tables):
    reported = figures(tables)
    assert reported["unchanged_called_changed"] == reported["unchanged_called_no_change"] == 0.5
    assert reported["margin_called_no_change"] == 0.5
    assert reported["changes_of_50_called_right"] == 0.5
    assert reported["found_on_one_film_only"] == pytest.approx(1 / 28)
    curve = verdicts_by_change(tables).set_index("change")
    assert list(curve.index) == ["-33 %", "-20 %", "+0 %", "+25 %", "+50 %"]
    assert curve.loc["+0 %", "pairs"] == 3
    assert curve.loc["+0 %", "no_deposits"] == pytest.approx(1 / 3)


def test_intervals_tell_on_which_side_the_truth_lies(tables):
    reported = figures(tables)
    assert reported["coverage_95"]["of"] == 6
    assert reported["coverage_95"]["truth_below"] == pytest.approx(1 / 6), "0 % lies below 2 to 18 %"
    assert reported["coverage_95"]["truth_above"] == pytest.approx(1 / 6), "25 % lies above -10 to 10 %"
    of_links = intervals_by_stratum(tables).set_index("stratum")
    assert of_links.loc["all", "coverage"] == 0.5
    assert of_links.loc["over_bone", "truth_below"] == pytest.approx(1 / 3), "the interval lies above it"
    assert of_links.loc["soft_tissue", "truth_above"] == 1.0
    assert of_links.loc["all", "width_percent"] == pytest.approx(100 * math.expm1(0.1))


def test_links_of_another_kind_are_not_right(tables):
    assert figures(tables)["link_f1"] == pytest.approx(2 * 3 / 8)


def test_strata_add_up_to_all(tables):
    sizes, backgrounds = by_size(tables), by_background(tables)
    assert sizes["deposits"].sum() == backgrounds["deposits"].sum() == 4
    assert sizes["links"].sum() == backgrounds["links"].sum() == 4
    assert list(sizes["size_mm2"]) == ["0-2", "5-15", "over 50"]


def test_a_limit_of_detection_that_no_deposit_was_near_is_not_reported(tables):
    few = [deposit(float(area), found) for area in (20, 30, 40, 60, 80, 120) for found in (True,) * 60 + (area != 20,)]
    assert figures({**tables, "deposits": pd.DataFrame(few)})["limit_of_detection_mm2"] is None
    many = [deposit(float(area), n < share) for area, share in ((1, 5), (4, 12), (16, 17), (64, 20)) for n in range(20)]
    assert 10 < figures({**tables, "deposits": pd.DataFrame(many)})["limit_of_detection_mm2"] < 64


def test_where_nothing_was_measured_there_is_no_figure(tables):
    empty = {name: table.iloc[:0] for name, table in tables.items()}
    reported = figures(empty)
    assert reported["pairs"] == 0
    assert (
        reported["sensitivity"]
        is reported["slope"]
        is reported["coverage_95"]
        is reported["limit_of_detection_mm2"]
        is None
    )
    assert verdicts_by_change(empty).empty
    assert intervals_by_stratum(empty).empty
