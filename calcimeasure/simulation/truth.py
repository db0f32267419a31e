"""What is known of a simulated film or pair: frozen records, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_FILM = "calcimeasure.truth.film/1"
SCHEMA_PAIR = "calcimeasure.truth.pair/1"
DIGITS = 5


@dataclass(frozen=True, kw_only=True)
class DepositTruth:
    """One deposit on one film.

    Attributes
    ----------
    label
        Its number in the truth's label image.
    identity
        The same at every visit.
    kind, background
        What it was drawn as, and ``soft_tissue``, ``touching_bone`` or ``over_bone`` as it lies on this film.
    area_mm2, area_px
        Footprint at the detector: exact to 0.1 %.
    area_common_mm2
        Footprint at the common pose, without magnification or tilt: what a change is stated in.
    centroid_row, centroid_col
        Pixel indices, the centre of the first pixel being (0, 0).
    outlines_px
        Polygons of its pieces as (row, column); they may overlap.
    bone_overlap
        Share of the footprint that lies over bone.
    volume_mm3, thickness_mm
        Integrated thickness in pure hydroxyapatite (at its true size) and the thickest pixel's thickness.
    in_field
        Share of the footprint inside the collimated field of the film.
    """

    label: int
    identity: int
    kind: str
    background: str
    area_mm2: float
    area_px: float
    area_common_mm2: float
    centroid_row: float
    centroid_col: float
    outlines_px: tuple[tuple[tuple[float, float], ...], ...]
    bone_overlap: float
    volume_mm3: float
    thickness_mm: float
    in_field: float = 1.0


@dataclass(frozen=True, kw_only=True)
class FilmTruth:
    """One film.

    Attributes
    ----------
    pixel_spacing_mm
        (row, column) at the detector.
    total_area_mm2, total_area_px
        Area of the union of all footprints at the detector.
    total_area_common_mm2
        Their sum at the common pose.
    pose, exposure, processing
        The settings it was made with.
    styles
        In which styles its bones, film and deposits were drawn; empty, and not written, when all are the standard.
    """

    body_part: str
    side: str
    shape: tuple[int, int]
    pixel_spacing_mm: tuple[float, float]
    total_area_mm2: float
    total_area_px: float
    total_area_common_mm2: float
    deposits: tuple[DepositTruth, ...]
    pose: dict[str, Any] = field(default_factory=dict)
    exposure: dict[str, Any] = field(default_factory=dict)
    processing: dict[str, Any] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LinkTruth:
    """The same deposit or deposits on both films, by label.

    `area_ratio` is at the common pose; None from or to zero.
    """

    status: str
    baseline_labels: tuple[int, ...]
    followup_labels: tuple[int, ...]
    area_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class PairTruth:
    """Two films of one limb.

    Attributes
    ----------
    total_area_ratio
        Follow-up over baseline of the deposits' total area at the common pose: the estimand. None from zero.
    baseline_total_area_mm2, followup_total_area_mm2
        Of each film at its own detector.
    """

    total_area_ratio: float | None
    baseline_total_area_mm2: float
    followup_total_area_mm2: float
    links: tuple[LinkTruth, ...]
    baseline: FilmTruth
    followup: FilmTruth


def truth_record(truth: FilmTruth | PairTruth) -> dict[str, Any]:
    """Return the truth as plain JSON values, lengths and areas rounded to five digits after the point."""
    schema = SCHEMA_PAIR if isinstance(truth, PairTruth) else SCHEMA_FILM
    record = _rounded(asdict(truth))
    for film in (record["baseline"], record["followup"]) if isinstance(truth, PairTruth) else (record,):
        if not film["styles"]:
            del film["styles"]
    return {"schema": schema, **record}


def write_truth(truth: FilmTruth | PairTruth, path: Path) -> None:
    """Write the truth as JSON."""
    text = json.dumps(truth_record(truth), indent=1, sort_keys=False, allow_nan=False)
    path.write_text(_compact_points(text) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return value


def _compact_points(text: str) -> str:
    """Put points and short lists of numbers on one line, so that a person can read the file."""
    import re

    return re.sub(
        r"\[\s*(-?[\d.e+-]+(?:,\s*-?[\d.e+-]+)*)\s*\]", lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", text
    )
