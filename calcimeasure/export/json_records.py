"""The records `comparison.json` and `measurement.json`: plain dictionaries of JSON values, and their text.

Numbers keep the full precision of the float they were computed in (the shortest text that reads back to the same
value), so that equal inputs give equal bytes and nothing is lost between a record and the value it was made from.
A number that is absent or not finite is null. Names are never changed between releases; keys may be added. The JSON
Schemas of both records are in `schemas/` (`load_schema`).
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from importlib import metadata, resources
from pathlib import PurePath
from typing import Any

import numpy as np

from calcimeasure.change.change_records import Change, Comparison, Link
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.notices import notice_records
from calcimeasure.registration.registration_records import Registration

COMPARISON_SCHEMA = "calcimeasure.comparison/1"
MEASUREMENT_SCHEMA = "calcimeasure.measurement/1"

Record = dict[str, Any]

_SCHEMA_FILES = {COMPARISON_SCHEMA: "comparison-1.json", MEASUREMENT_SCHEMA: "measurement-1.json"}
_NOT_RECORDED = ("links", "warnings", "variances", "model")
_CHANGE_KEYS = tuple(field.name for field in fields(Change) if field.name not in _NOT_RECORDED)
_LIBRARIES = {
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "pydicom": ("pydicom",),
    "scikit-image": ("scikit-image",),
    "scipy": ("scipy",),
    "simpleitk": ("simpleitk",),
}


def comparison_record(
    comparison: Comparison, *, include_paths: bool = False, settings: Mapping[str, object] | None = None
) -> Record:
    """Return the record of a compared pair: the content of `comparison.json`.

    Parameters
    ----------
    comparison
        The pair.
    include_paths
        Whether the films' paths are written: paths carry names.
    settings
        The resolved options of the comparison; paths among them are left out unless `include_paths`.

    Returns
    -------
    dict
        JSON values only, in the order in which the file shows them.
    """
    c = comparison
    return {
        **_head(COMPARISON_SCHEMA),
        "baseline": film_record(c.baseline, include_paths=include_paths),
        "followup": film_record(c.followup, include_paths=include_paths),
        "registration": _registration_record(c.registration),
        "links": [_link_record(link, number) for number, link in enumerate(c.links, start=1)],
        **{name: json_value(getattr(c.change, name)) for name in _CHANGE_KEYS},
        "warnings": [warning.text for warning in c.warnings],
        "warning_details": notice_records(c.warnings),
        "self_check": json_value(c.self_check),
        **_tail(settings, include_paths=include_paths),
    }


def measurement_record(
    measurement: FilmMeasurement, *, include_paths: bool = False, settings: Mapping[str, object] | None = None
) -> Record:
    """Return the record of one measured film, the content of `measurement.json`; options as for `comparison_record`."""
    return {
        **_head(MEASUREMENT_SCHEMA),
        **film_record(measurement, include_paths=include_paths),
        **_tail(settings, include_paths=include_paths),
    }


def film_record(measurement: FilmMeasurement, *, include_paths: bool = False) -> Record:
    """Return the film object: what the film is, its burden, its deposits."""
    film, labels = measurement.film, measurement.labels
    return {
        "film_id": film.film_id,
        "path": str(film.path) if include_paths and film.path is not None else None,
        "sha256": film.sha256,
        "frame": film.frame,
        "shape": list(film.shape),
        "pixel_spacing_mm": json_value(film.spacing.mm),
        "pixel_aspect": json_value(film.spacing.pixel_aspect),
        "spacing_basis": str(film.spacing.basis),
        "spacing_note": film.spacing.note,
        "body_part": film.identity.body_part,
        "side": film.identity.side,
        "view": film.identity.view,
        "modality": film.identity.modality,
        "total_area_mm2": json_value(measurement.total_area_mm2),
        "total_area_se_mm2": json_value(measurement.total_area_se_mm2),
        "total_area_px": json_value(measurement.total_area_px),
        "total_area_se_px": json_value(measurement.total_area_se_px),
        "method": labels.method,
        "deposits": [deposit_record(deposit) for deposit in measurement.deposits],
        "warnings": [warning.text for warning in measurement.warnings],
        "warning_details": notice_records(measurement.warnings),
    }


def deposit_record(deposit: DepositMeasurement) -> Record:
    """Return one deposit; the keys are the columns of `deposits.csv`."""
    return {field.name: json_value(getattr(deposit, field.name)) for field in fields(deposit)}


def record_text(record: Mapping[str, object]) -> str:
    """Return a record as the text of its file: UTF-8, two spaces of indent, a newline at the end."""
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load_schema(name: str) -> Record:
    """Return the JSON Schema of a record, by the name in its ``schema`` key.

    Raises
    ------
    KeyError
        When no record has that name.
    """
    text = resources.files("calcimeasure.export").joinpath("schemas", _SCHEMA_FILES[name]).read_text("utf-8")
    schema: Record = json.loads(text)
    return schema


def library_versions() -> dict[str, str]:
    """Return the versions of what the numbers were computed with."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    versions = {"python": platform.python_version()}
    for name, distributions in _LIBRARIES.items():
        for distribution in distributions:
            try:
                versions[name] = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                continue
    return tuple(versions.items())


def plain_settings(settings: Mapping[str, object] | None, *, include_paths: bool = False) -> Record:
    """Return settings as JSON values, sorted by name, without paths unless `include_paths`."""
    kept = {} if settings is None else dict(settings)
    if not include_paths:
        kept = {name: value for name, value in kept.items() if not isinstance(value, PurePath)}
    return {name: json_value(kept[name]) for name in sorted(kept)}


def json_value(value: object) -> Any:  # noqa: PLR0911 - one line a kind of value
    """Return a value as JSON holds it: plain numbers, null for what is not finite, lists, texts."""
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [json_value(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _registration_record(registration: Registration) -> Record:
    return {field.name: json_value(getattr(registration, field.name)) for field in fields(registration)}


def _link_record(link: Link, number: int) -> Record:
    values = {field.name: json_value(getattr(link, field.name)) for field in fields(link)}
    head = ("baseline_labels", "followup_labels", "status", "area_change_percent", "ci95_percent", "detectable")
    return {"link": number, **{name: values.pop(name) for name in head}, **values}


def _head(schema: str) -> Record:
    from calcimeasure import __version__

    return {"schema": schema, "calcimeasure_version": __version__}


def _tail(settings: Mapping[str, object] | None, *, include_paths: bool) -> Record:
    return {"settings": plain_settings(settings, include_paths=include_paths), "versions": library_versions()}
