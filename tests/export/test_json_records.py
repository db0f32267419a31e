"""The records are shaped as `docs/records.md` says and hold nothing that JSON cannot."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from calcimeasure.change.change_records import Comparison
from calcimeasure.deposits import Finding
from calcimeasure.export.json_records import (
    COMPARISON_SCHEMA,
    MEASUREMENT_SCHEMA,
    comparison_record,
    json_value,
    load_schema,
    measurement_record,
    plain_settings,
    record_text,
)
from calcimeasure.radiograph import Spacing
from tests.fixtures.drawn_pairs import with_change

RECORD_KEYS = {
    "schema", "calcimeasure_version", "baseline", "followup", "registration", "links", "baseline_common_area_mm2",
    "followup_common_area_mm2", "total_area_change_percent", "ci95_percent", "ci90_percent", "total_area_change_mm2",
    "smallest_detectable_change_percent", "change_detected_with_80_percent_power_percent", "detectable",
    "margin_ratio", "beyond_margin", "changed_links", "area_change_band", "verdict", "reasons", "warnings",
}  # fmt: skip
FILM_KEYS = {
    "film_id", "path", "sha256", "shape", "pixel_spacing_mm", "spacing_basis", "total_area_mm2", "total_area_se_mm2",
    "total_area_px", "deposits",
}  # fmt: skip
DEPOSIT_KEYS = {
    "label", "finding", "area_mm2", "area_se_mm2", "area_px", "area_se_px", "area_method", "centroid_row",
    "centroid_col", "limb", "over_bone_fraction", "confidence", "origin", "integrated_contrast",
}  # fmt: skip
LINK_KEYS = {"baseline_labels", "followup_labels", "status", "area_change_percent", "ci95_percent", "detectable"}


def check(record: dict[str, object]) -> None:
    """Validate as a reader of the file would: after the way through text."""
    schema = load_schema(str(record["schema"]))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(record_text(record)), schema, jsonschema.Draft202012Validator)


def test_comparison_has_the_documented_keys(pair: Comparison) -> None:
    record = comparison_record(pair)
    assert record["schema"] == "calcimeasure.comparison/1"
    assert set(record) >= RECORD_KEYS
    assert set(record["baseline"]) >= FILM_KEYS
    assert set(record["baseline"]["deposits"][0]) >= DEPOSIT_KEYS
    assert all(set(link) >= LINK_KEYS for link in record["links"])
    check(record)


def test_numbers_are_those_of_the_value(pair: Comparison) -> None:
    record = json.loads(record_text(comparison_record(pair)))
    assert record["total_area_change_percent"] == pair.total_area_change_percent
    assert record["ci95_percent"] == list(pair.ci95_percent or ())
    assert record["baseline"]["total_area_mm2"] == pair.baseline.total_area_mm2
    assert [row["area_px"] for row in record["followup"]["deposits"]] == [d.area_px for d in pair.followup.deposits]
    assert [link["link"] for link in record["links"]] == [1, 2, 3, 4, 5]
    assert record["links"][2]["area_change_percent"] is None


def test_not_comparable_is_valid(not_comparable: Comparison) -> None:
    record = comparison_record(not_comparable)
    assert record["verdict"] == "not_comparable"
    assert record["links"] == []
    assert record["total_area_change_percent"] is None
    check(record)


def test_without_spacing_mm_are_null(build_pair) -> None:
    record = comparison_record(build_pair(height=200, spacing=Spacing(pixel_aspect=1.0)))
    assert record["baseline"]["pixel_spacing_mm"] is None
    assert record["baseline"]["total_area_mm2"] is None
    assert record["baseline"]["deposits"][0]["area_mm2"] is None
    assert record["baseline"]["total_area_px"] > 0
    check(record)


def test_measurement_is_the_film_object(pair: Comparison) -> None:
    record = measurement_record(pair.baseline)
    assert record["schema"] == MEASUREMENT_SCHEMA
    assert {key: record[key] for key in FILM_KEYS} == {
        key: comparison_record(pair)["baseline"][key] for key in FILM_KEYS
    }
    check(record)


def test_paths_only_when_asked_for(pair: Comparison) -> None:
    settings = {"method": "auto", "baseline_points": Path("/clinic/Doe Jane/points.csv"), "margin_ratio": (0.8, 1.25)}
    shy = record_text(comparison_record(pair, settings=settings))
    assert "Doe" not in shy
    assert "clinic" not in shy
    told = comparison_record(pair, settings=settings, include_paths=True)
    assert told["baseline"]["path"] == str(Path("/clinic/Doe Jane/film1.dcm"))
    assert told["settings"]["baseline_points"] == str(Path("/clinic/Doe Jane/points.csv"))
    check(told)


def test_no_identity(pair: Comparison) -> None:
    record = comparison_record(pair, include_paths=True)
    assert "patient_key" not in json.dumps(record)
    assert "study_date" not in json.dumps(record)


def test_what_is_not_finite_is_null(pair: Comparison) -> None:
    odd = with_change(pair, total_area_change_percent=math.nan, ci95_percent=(-math.inf, 3.0))
    record = json.loads(record_text(comparison_record(odd)))
    assert record["total_area_change_percent"] is None
    assert record["ci95_percent"] == [None, 3.0]


def test_a_wrong_record_is_refused_by_its_schema(pair: Comparison) -> None:
    record = comparison_record(pair)
    record["verdict"] = "much worse"
    with pytest.raises(jsonschema.ValidationError, match="much worse"):
        jsonschema.validate(record, load_schema(COMPARISON_SCHEMA))
    incomplete = comparison_record(pair)
    del incomplete["baseline"]["sha256"]
    with pytest.raises(jsonschema.ValidationError, match="sha256"):
        jsonschema.validate(incomplete, load_schema(COMPARISON_SCHEMA))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.True_, True),
        (Finding.VASCULAR, "vascular"),
        (float("nan"), None),
        ((1, (2.0, None)), [1, [2.0, None]]),
        ({"a": np.array([1.5])}, {"a": [1.5]}),
    ],
)
def test_json_value(value: object, expected: object) -> None:
    found = json_value(value)
    assert found == expected
    assert type(found) is type(expected)


def test_json_value_refuses_what_has_no_place() -> None:
    with pytest.raises(TypeError, match="object"):
        json_value(object())


def test_settings_are_sorted() -> None:
    assert list(plain_settings({"b": 1, "a": None})) == ["a", "b"]
