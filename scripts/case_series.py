"""A case series, simulated again: who was given what and when, and films of the same limbs before and after.

Four women (two with dermatomyositis, two with systemic sclerosis) were given abatacept and thiosulfate, with films
before and at three months; two more patients were given thiosulfate once a week for seven months. Doses and pain
are those of the series; limbs and films are simulated, and in truth no deposit changes. The first limb of each of the
four was laid down and exposed a second time before treatment, which no series did: precision is estimated from it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from calcimeasure.simulation.collimation_and_markers import draw_furniture
from calcimeasure.simulation.exposure import draw_exposure
from calcimeasure.simulation.formats import format_at
from calcimeasure.simulation.geometry import union_area
from calcimeasure.simulation.hardware import Hardware
from calcimeasure.simulation.limb_parts import part_named
from calcimeasure.simulation.simulated_dicom import write_dicom
from calcimeasure.simulation.simulated_film import Sitting, render_film
from calcimeasure.simulation.simulated_pair import draw_visits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FILMS, EXPOSURES, OUTCOMES, TRUTH = "films", "exposures.csv", "outcomes.csv", "truth.csv"
ADULT_YEARS = 18
LEAST_BURDEN_MM2 = 20.0
EXPOSURE_COLUMNS = ("subject", "drug", "dose", "unit", "route", "date")
OUTCOME_COLUMNS = ("subject", "date", "measure", "value")
TRUTH_COLUMNS = ("subject", "visit", "body_part", "side", "deposit", "area_mm2", "area_common_mm2")

Course = tuple[tuple[int, str, float, str], ...]
"""Doses: day, drug, dose, unit."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One patient.

    Attributes
    ----------
    name
        Pseudonym, with the diagnosis.
    limbs
        (part, side, deposits tried for) of each limb that is filmed.
    start
        Day of the first film; doses and scores are counted from the day after it.
    film_day
        Of the second film.
    course
        Doses.
    pain
        (day, score from 0 to 10).
    repeated
        Whether the first limb has a second exposure at the first visit.
    """

    name: str
    limbs: tuple[tuple[str, str, int], ...]
    start: date
    film_day: int
    course: Course
    pain: tuple[tuple[int, float], ...] = ()
    repeated: bool = False


def _combined() -> Course:
    """Abatacept 10 mg/kg at weeks 0, 2, 4, then monthly; thiosulfate 10 g x 3 for 2 weeks, 15 g x 2 for 3 months."""
    abatacept = [(7 * week, "abatacept", 10.0, "mg/kg") for week in (0, 2, 4, 8, 12)]
    first = [(7 * week + day, "thiosulfate", 10.0, "g") for week in range(2) for day in (0, 2, 4)]
    then = [(7 * week + day, "thiosulfate", 15.0, "g") for week in range(2, 15) for day in (0, 3)]
    return tuple(sorted(abatacept + first + then))


def _weekly() -> Course:
    """Thiosulfate once a week for seven months, 12.5 g rising to 15 and 25 g."""
    steps = [(week, 12.5 if week < 4 else 15.0 if week < 8 else 25.0) for week in range(30)]
    return tuple((7 * week, "thiosulfate", dose, "g") for week, dose in steps)


_FOUR: dict[str, Any] = {"course": _combined(), "repeated": True}
CASES = (
    Case(name="DM-1", limbs=(("forearm", "R", 5), ("hand", "R", 5)), start=date(2024, 1, 15), film_day=93, **_FOUR),
    Case(name="DM-2", limbs=(("elbow", "L", 5),), start=date(2024, 2, 5), film_day=91, **_FOUR),
    Case(name="SSc-1", limbs=(("hands", "B", 9),), start=date(2024, 3, 4), film_day=94, **_FOUR),
    Case(name="SSc-2", limbs=(("hand", "L", 6), ("forearm", "L", 4)), start=date(2024, 4, 8), film_day=90, **_FOUR),
    Case(
        name="SSc-3",
        limbs=(("hand", "R", 6),),
        start=date(2024, 5, 6),
        film_day=212,
        course=_weekly(),
        pain=((-1, 9.0), (7, 6.0), (14, 4.0), (21, 2.0), (28, 1.0), (84, 1.0), (210, 0.0)),
    ),
    Case(
        name="PM-1",
        limbs=(("elbow", "L", 5),),
        start=date(2024, 6, 3),
        film_day=214,
        course=_weekly(),
        pain=((-1, 8.0), (7, 5.0), (14, 3.0), (21, 1.0), (28, 0.0), (84, 0.0), (210, 0.0)),
    ),
)
SERIES = tuple(case.name for case in CASES[:4])
"""The four women of the series; the other two were treated otherwise, and longer."""


def write_case_series(folder: Path, *, seed: int = 1, spacing_mm: float = 0.2, cases: Sequence[Case] = CASES) -> int:
    """Write the films, `exposures.csv`, `outcomes.csv` and `truth.csv` of the series.

    Parameters
    ----------
    folder
        Written to; the films in `films/` below it, a folder a patient.
    seed
        Every patient draws from a stream of its own.
    spacing_mm
        Pixel spacing.
    cases
        Some of them alone.

    Returns
    -------
    int
        Number of films.
    """
    truth: list[tuple[object, ...]] = []
    films = 0
    for case, stream in zip(CASES, np.random.SeedSequence(seed).spawn(len(CASES)), strict=True):
        if case not in cases:
            continue
        rng = np.random.default_rng(stream)
        place = folder / FILMS / case.name
        place.mkdir(parents=True, exist_ok=True)
        for number, (part, side, deposits) in enumerate(case.limbs):
            before, after = _adult_visits(rng, case, part=part, side=side, deposits=deposits, spacing_mm=spacing_mm)
            sittings = {"before": before, "after": after}
            if case.repeated and number == 0:
                sittings["before_again"] = _again(rng, before)
            for name, sitting in sittings.items():
                film = render_film(sitting, rng)
                write_dicom(film, place / f"{part}_{side}_{name}.dcm")
                films += 1
                truth += [
                    (case.name, name, film.film.identity.body_part, side, one.identity, one.area_mm2,
                     one.area_common_mm2)
                    for one in film.truth.deposits
                ]  # fmt: skip
    _write(folder / TRUTH, TRUTH_COLUMNS, truth)
    _write(folder / EXPOSURES, EXPOSURE_COLUMNS, _exposures(cases))
    _write(folder / OUTCOMES, OUTCOME_COLUMNS, _outcomes(cases))
    return films


def _adult_visits(
    rng: np.random.Generator, case: Case, *, part: str, side: str, deposits: int, spacing_mm: float
) -> tuple[Sitting, Sitting]:
    """Return two sittings of a grown person with a burden worth following, without hardware.

    One limb in twelve is drawn as a child's, and many carry specks alone: both are drawn again.
    """
    while True:
        first, second, _ = draw_visits(
            rng, part=part, side=side, deposits=deposits, film_format=format_at(spacing_mm, part=part)
        )
        if first.limb.age_years >= ADULT_YEARS and _burden_mm2(first) >= LEAST_BURDEN_MM2:
            break
    days = (case.start, case.start + timedelta(days=case.film_day))
    one, two = (
        replace(sitting, hardware=Hardware(), patient=case.name, study_date=day.isoformat())
        for sitting, day in zip((first, second), days, strict=True)
    )
    return one, two


def _again(rng: np.random.Generator, first: Sitting) -> Sitting:
    """Return a second exposure of a sitting: laid down and exposed anew, on the same machine minutes later."""
    return replace(
        first,
        pose=part_named(first.part).pose(rng, first.limb, near=first.pose),
        exposure=draw_exposure(rng, near=first.exposure, part=first.part),
        furniture=draw_furniture(rng, side=first.limb.side),
    )


def _burden_mm2(sitting: Sitting) -> float:
    return union_area([outline for held in sitting.deposits for outline in held.shape.outlines])


def _exposures(cases: Sequence[Case]) -> Iterator[tuple[object, ...]]:
    for case in cases:
        for day, drug, dose, unit in case.course:
            yield case.name, drug, f"{dose:g}", unit, "iv", _day(case, day)


def _outcomes(cases: Sequence[Case]) -> Iterator[tuple[object, ...]]:
    for case in cases:
        for day, score in case.pain:
            yield case.name, _day(case, day), "pain_nrs", f"{score:g}"


def _day(case: Case, day: int) -> str:
    return (case.start + timedelta(days=day + 1)).isoformat()


def _write(path: Path, columns: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([f"{cell:.5f}" if isinstance(cell, float) else cell for cell in row])
