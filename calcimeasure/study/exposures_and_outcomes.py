"""Exposures and outcomes: `exposures.csv`, `outcomes.csv`, cumulative doses, minimal differences.

They are reported with the area and never combined with it: a smaller area is not a claim of benefit.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from calcimeasure.errors import StudyError
from calcimeasure.io.table_reader import (
    PLAIN,
    TableStyle,
    check_columns,
    date_of,
    date_remedy,
    near_miss,
    number_of,
    number_remedy,
    read_csv_table,
)
from calcimeasure.study.manifest import FilmRow, Problem, raise_problems

EXPOSURES_CSV, OUTCOMES_CSV = "exposures.csv", "outcomes.csv"
EXPOSURE_COLUMNS = ("subject", "drug", "dose", "unit", "route", "date")
OUTCOME_COLUMNS = ("subject", "date", "measure", "value")
PAIN = "pain_nrs"
ADVERSE_EVENT = "adverse_event"

Row = TypeVar("Row")
ReportProblem = Callable[[str, str, str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """One dose of one drug."""

    subject: str
    drug: str
    dose: float
    unit: str
    route: str
    date: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One score of one subject, or an adverse event in words (`value` is then None)."""

    subject: str
    date: str
    measure: str
    value: float | None
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MinimalDifference:
    """A published minimal important difference: the change of a score that patients call better."""

    measure: str
    change: float
    lowest: float
    highest: float
    source: str


MINIMAL_DIFFERENCES = {
    one.measure: one
    for one in (
        MinimalDifference(
            measure=PAIN, change=-1.0, lowest=0, highest=10, source="Salaffi et al., Eur J Pain 2004;8:283"
        ),
        MinimalDifference(
            measure="joint_pain_vas",
            change=-6.74,
            lowest=0,
            highest=100,
            source="Semin Arthritis Rheum 2019;48:694 (systemic sclerosis)",
        ),
        MinimalDifference(measure="haq", change=-0.21, lowest=0, highest=3, source="Semin Arthritis Rheum 2019;48:694"),
        MinimalDifference(
            measure="shaq", change=-0.13, lowest=0, highest=3, source="Semin Arthritis Rheum 2019;48:694"
        ),
        MinimalDifference(
            measure="chfs", change=-3.38, lowest=0, highest=90, source="Semin Arthritis Rheum 2019;48:694"
        ),
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseAtVisit:
    """What a subject had been given by the day of a visit's film."""

    subject: str
    visit: str
    drug: str
    unit: str
    doses: int
    cumulative_dose: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeChange:
    """A score's change from the last on or before baseline (else the first) to the last by a visit."""

    subject: str
    visit: str
    measure: str
    baseline: float
    value: float
    change: float
    minimal_difference: float | None
    reached: bool | None


def read_exposures(path: Path, subjects: Sequence[str], *, style: TableStyle = PLAIN) -> tuple[Exposure, ...]:
    """Read `exposures.csv`, a row a dose; nothing where there is no such file.

    Raises
    ------
    StudyError
        Naming every row and column that is wrong.
    """

    def made(row: Mapping[str, str], report: ReportProblem) -> Exposure | None:
        dose = number_of(row["dose"], TableStyle(decimal=row["_decimal"]))
        if dose is None or dose < 0.0:
            report("dose", f"'{row['dose']}' is not a dose", f"{number_remedy(row['dose'])} Its unit goes under unit.")
            return None
        words = {name: row[name] for name in ("subject", "drug", "unit", "route", "date")}
        for name in ("drug", "unit"):
            if not row[name]:
                report(name, "is empty", "Fill it in: doses of different units are never added.")
        return Exposure(dose=dose, **words)

    return _read(path, EXPOSURE_COLUMNS, subjects, style, made)


def read_outcomes(path: Path, subjects: Sequence[str], *, style: TableStyle = PLAIN) -> tuple[Outcome, ...]:
    """Read `outcomes.csv`, a row a score; nothing where there is no such file.

    Known scores are checked against their range; an adverse event has its words under `value`.

    Raises
    ------
    StudyError
        Naming every row and column that is wrong.
    """

    def made(row: Mapping[str, str], report: ReportProblem) -> Outcome | None:
        measure = row["measure"].lower()
        if measure == ADVERSE_EVENT:
            return Outcome(subject=row["subject"], date=row["date"], measure=measure, value=None, text=row["value"])
        value = number_of(row["value"], TableStyle(decimal=row["_decimal"]))
        known = MINIMAL_DIFFERENCES.get(measure)
        if not measure:
            report("measure", "is empty", f"Name the score, e.g. {PAIN}, or {ADVERSE_EVENT}.")
        elif value is None:
            report("value", f"'{row['value']}' is not a number", number_remedy(row["value"]))
        elif known is not None and not known.lowest <= value <= known.highest:
            report("value", f"{value:g} is not between {known.lowest:g} and {known.highest:g}", "Check the score.")
        else:
            return Outcome(subject=row["subject"], date=row["date"], measure=measure, value=value)
        return None

    return _read(path, OUTCOME_COLUMNS, subjects, style, made)


def visit_dates(films: Sequence[FilmRow]) -> dict[tuple[str, str], str]:
    """Return the earliest date of a subject's films at each visit."""
    dates: dict[tuple[str, str], str] = {}
    for film in films:
        if film.include and film.date:
            key = (film.subject, film.visit)
            dates[key] = min(film.date, dates.get(key, film.date))
    return dates


def doses_at_visits(exposures: Sequence[Exposure], dates: Mapping[tuple[str, str], str]) -> tuple[DoseAtVisit, ...]:
    """Return cumulative doses by drug and unit up to and including the day of each visit."""
    given: dict[tuple[str, str, str], list[Exposure]] = defaultdict(list)
    for exposure in exposures:
        given[exposure.subject, exposure.drug, exposure.unit].append(exposure)
    rows = []
    for (subject, visit), day in sorted(dates.items(), key=lambda item: (item[0][0], item[1])):
        for (who, drug, unit), doses in sorted(given.items()):
            if who == subject:
                until = [one.dose for one in doses if one.date <= day]
                rows.append(
                    DoseAtVisit(
                        subject=subject,
                        visit=visit,
                        drug=drug,
                        unit=unit,
                        doses=len(until),
                        cumulative_dose=math.fsum(until),
                    )
                )
    return tuple(rows)


def outcome_changes(
    outcomes: Sequence[Outcome], dates: Mapping[tuple[str, str], str], baseline: str
) -> tuple[OutcomeChange, ...]:
    """Return the change of each score at each visit after baseline, against its minimal important difference."""
    scores: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.value is not None:
            scores[outcome.subject, outcome.measure].append((outcome.date, outcome.value))
    rows = []
    for (subject, visit), day in sorted(dates.items(), key=lambda item: (item[0][0], item[1])):
        start = dates.get((subject, baseline))
        if visit == baseline or start is None:
            continue
        for (who, measure), values in sorted(scores.items()):
            values.sort()
            before = [value for when, value in values if when <= start] or [values[0][1]]
            until = [value for when, value in values if start < when <= day]
            if who != subject or not until:
                continue
            known = MINIMAL_DIFFERENCES.get(measure)
            change = until[-1] - before[-1]
            rows.append(
                OutcomeChange(
                    subject=subject,
                    visit=visit,
                    measure=measure,
                    baseline=before[-1],
                    value=until[-1],
                    change=change,
                    minimal_difference=None if known is None else known.change,
                    reached=None if known is None else change <= known.change,
                )
            )
    return tuple(rows)


def _read(
    path: Path,
    columns: Sequence[str],
    subjects: Sequence[str],
    style: TableStyle,
    made: Callable[[Mapping[str, str], ReportProblem], Row | None],
) -> tuple[Row, ...]:
    if not path.exists():
        return ()
    table = read_csv_table(path, style=style, error=StudyError)
    check_columns(table, columns, columns, error=StudyError)
    rows: list[Row] = []
    problems: list[Problem] = []
    first: dict[Row, int] = {}
    for number, cells in table.rows:
        row = {name: cells.get(name, "") for name in columns}
        if not any(row.values()):
            continue

        def report(column: str, problem: str, remedy: str, number: int = number) -> None:
            problems.append(Problem(row=number, column=column, problem=problem, remedy=remedy))

        if row["subject"] not in subjects:
            meant = near_miss(row["subject"], subjects)
            remedy = f"Did you mean '{meant}'?" if meant else "Write the subject's pseudonym."
            if not row["subject"]:
                remedy = "Fill it in: a merged cell fills its first row alone."
            report("subject", f"'{row['subject']}' is nobody in films.csv", remedy)
        day = date_of(row["date"], table.style)
        if day is None:
            problem = f"'{row['date']}' is not a date that can be read in one way only"
            report("date", problem, date_remedy(row["date"]))
        one = made({**row, "date": day or "", "_decimal": table.style.decimal}, report)
        if one is None:
            continue
        if first.setdefault(one, number) != number:
            report("subject", f"is row {first[one]} again", "Remove one of them: it would count twice.")
        rows.append(one)
    raise_problems(path.name, problems)
    return tuple(rows)
