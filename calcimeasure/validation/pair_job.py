"""One pair of a validation: made, compared, scored. The result is plain data."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.change import Comparison, compare
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import UsageError
from calcimeasure.io import read_film
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph
from calcimeasure.segmentation import segment_points
from calcimeasure.simulation import InsertedPair, SimulatedPair, insert_pair, simulate_pair
from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.drawing_style import DrawingStyle
from calcimeasure.simulation.truth import FilmTruth, PairTruth
from calcimeasure.validation.film_scoring import film_overlap, score_film, truth_overlaps
from calcimeasure.validation.link_scoring import (
    alignment_errors_mm,
    common_ratio,
    not_evaluated,
    one_sided,
    score_links,
)
from calcimeasure.validation.scenarios import Scenario, plan_of

AUTOMATIC, ASSISTED = "automatic", "assisted"
ONE_SIDED_LEAST_MM2 = 2.0
# About what the longer side of a hand or limb makes of a picture of a thousand pixels.
REAL_FILM_SPACING_MM = 0.2

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationSettings:
    """What a validation runs with.

    Attributes
    ----------
    mode
        ``automatic``, or ``assisted``: one click a piece, drawn from the truth.
    method
        Name of the segmenter.
    spacing_mm
        Pitch of simulated films; of real ones that state none, `REAL_FILM_SPACING_MM`.
    films
        Real films to put deposits into, taken in turn; none: the films are simulated.
    style, film_style
        Of simulated bones and films, as in `calcimeasure.simulation.simulate_film`.
    deposit_style
        Of the deposits.
    """

    mode: str = AUTOMATIC
    method: str = "auto"
    spacing_mm: float = 0.15
    films: tuple[Path, ...] = ()
    style: str = STANDARD
    film_style: str | None = None
    deposit_style: str = STANDARD

    def __post_init__(self) -> None:
        styles = DrawingStyle.of(style=self.style, film_style=self.film_style, deposit_style=self.deposit_style)
        if self.films and (styles.bones, styles.film) != (STANDARD, STANDARD):
            raise UsageError(
                "the bones of real films are drawn in no style",
                remedy="Give a style of the deposits alone, or leave the real films out.",
            )

    @property
    def source(self) -> str:
        """``simulated`` or ``inserted``."""
        return "inserted" if self.films else "simulated"


def run_pair(scenario: Scenario, settings: ValidationSettings) -> Rows:
    """Make one pair, compare it, and score it.

    Returns
    -------
    dict
        Tables by name (``pairs``, ``films``, ``deposits``, ``false_finds``, ``links``, ``alignment``): lists of rows.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng(scenario.seed)
    pair = make_pair(scenario, settings, rng)
    films = (pair.baseline, pair.followup)
    labels: list[DepositLabels | None] = [None, None]
    if settings.mode == ASSISTED:
        labels = [segment_clicked(one.film, one.labels.image, rng) for one in films]
    started = time.perf_counter()
    comparison = compare(
        pair.baseline.film,
        pair.followup.film,
        baseline_labels=labels[0],
        followup_labels=labels[1],
        method=settings.method,
    )
    elapsed_s = time.perf_counter() - started
    return _scored(scenario, pair.truth, [one.labels.image for one in films], comparison, elapsed_s)


def make_pair(
    scenario: Scenario, settings: ValidationSettings, rng: np.random.Generator
) -> SimulatedPair | InsertedPair:
    """Return the simulated or inserted pair of a scenario."""
    plan = plan_of(scenario, rng)
    if not settings.films:
        return simulate_pair(
            rng,
            plan=plan,
            spacing_mm=settings.spacing_mm,
            style=settings.style,
            film_style=settings.film_style,
            deposit_style=settings.deposit_style,
        )
    path = settings.films[scenario.number % len(settings.films)]
    film = read_film(path)
    if not film.spacing.known:
        film = read_film(path, spacing_mm=REAL_FILM_SPACING_MM)
    return insert_pair(film, rng, plan=plan, deposit_style=settings.deposit_style)


def segment_clicked(film: Radiograph, truth: NDArray[np.uint16], rng: np.random.Generator) -> DepositLabels:
    """Return the deposits of one simulated click a piece, placed as a person would: near the middle, not on it."""
    points, numbers = [], []
    for label in range(1, int(truth.max(initial=0)) + 1):
        count, pieces = cv2.connectedComponents((truth == label).astype(np.uint8), connectivity=8)
        for piece in range(1, count):
            inside = cv2.distanceTransform((pieces == piece).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            deep = np.argwhere(inside >= 0.6 * inside.max())
            points.append(deep[rng.integers(len(deep))])
            numbers.append(label)
    at = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    return segment_points(film, at, numbers)


def _scored(
    scenario: Scenario,
    truth: PairTruth,
    images: list[NDArray[np.uint16]],
    comparison: Comparison,
    elapsed_s: float,
) -> Rows:
    films: list[tuple[str, FilmTruth, FilmMeasurement, NDArray[np.uint16]]] = [
        ("baseline", truth.baseline, comparison.baseline, images[0]),
        ("followup", truth.followup, comparison.followup, images[1]),
    ]
    rows: Rows = {"pairs": [], "films": [], "deposits": [], "false_finds": [], "links": [], "alignment": []}
    overlaps = []
    for name, film_truth, measured, image in films:
        deposits, false = score_film(film_truth, image, measured)
        rows["deposits"] += [{"film": name, **row} for row in deposits]
        rows["false_finds"] += [{"film": name, **row} for row in false]
        rows["films"].append({"film": name, **film_overlap(image, measured.labels.image)})
        overlaps.append(truth_overlaps(image, measured.labels.image, len(film_truth.deposits)).answers())
    rows["links"] = score_links(truth, comparison, overlaps[0], overlaps[1])
    rows["alignment"] = [{"error_mm": value} for value in alignment_errors_mm(truth, comparison)]
    unmatched, of_either = one_sided(truth, overlaps[0], overlaps[1], ONE_SIDED_LEAST_MM2)
    left_out = not_evaluated(comparison, overlaps[0], overlaps[1])
    ratio = common_ratio(truth, left_out)
    rows["pairs"] = [
        {
            "true_ratio": ratio,
            "true_log_ratio": math.log(ratio) if ratio else None,
            "true_baseline_mm2": truth.baseline.total_area_mm2,
            "baseline_mm2": comparison.baseline.total_area_mm2,
            "one_sided": unmatched,
            "one_sided_of": of_either,
            "left_out": len(left_out[0]) + len(left_out[1]),
            "left_out_of": len(truth.baseline.deposits) + len(truth.followup.deposits),
            "elapsed_s": elapsed_s,
            **_measured_change(comparison),
        }
    ]
    return {
        table: [{"pair": scenario.number, "seed": scenario.seed, "change": scenario.name, **row} for row in content]
        for table, content in rows.items()
    }


def _measured_change(comparison: Comparison) -> dict[str, Any]:
    low95, high95 = comparison.ci95_percent or (None, None)
    low90, high90 = comparison.ci90_percent or (None, None)
    return {
        "verdict": comparison.verdict.value,
        "log_ratio": comparison.log_ratio,
        "log_ratio_se": comparison.log_ratio_se,
        "ci95_low": low95,
        "ci95_high": high95,
        "ci90_low": low90,
        "ci90_high": high90,
        "detectable": comparison.detectable,
        "smallest_detectable_change_percent": comparison.smallest_detectable_change_percent,
        "registration": comparison.registration.status,
        "scale": comparison.registration.scale,
        "scale_applied": comparison.registration.scale_applied,
    }
