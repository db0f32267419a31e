"""What a reader's table shows: a row a link of a pair, a row a deposit of one film. No window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calcimeasure.change.change_records import Interval, Link
from calcimeasure.measurement.measurement_records import DepositMeasurement
from calcimeasure.notices import TimePoint
from calcimeasure.review.review_session import ReviewSession


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row.

    Attributes
    ----------
    number
        What stands beside the deposits on both films: the link's number, or the deposit's on a film of its own.
    status
        Of the link; empty for one film.
    deposits
        The state's numbers, by film.
    areas
        Their summed area by film, in `unit`, as in `links.csv`; None where there is none.
    unit
        ``mm²`` or ``px``.
    change_percent, ci95_percent, detectable
        Of the link, None where it has none.
    findings, origins
        Each once, in the order of the deposits.
    confidence
        The least of the deposits'.
    reason
        Why it is not evaluable, or what widened the interval.
    """

    number: int
    status: str
    deposits: Mapping[TimePoint, tuple[int, ...]]
    areas: Mapping[TimePoint, float | None]
    unit: str
    change_percent: float | None = None
    ci95_percent: Interval | None = None
    detectable: bool | None = None
    findings: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    confidence: float = 1.0
    reason: str = ""


def table_rows(session: ReviewSession) -> list[TableRow]:
    """Return the rows of a session as it stands."""
    if session.comparison is not None and session.comparison.links:
        return [_of_link(session, number, link) for number, link in enumerate(session.links, start=1)]
    rows: list[TableRow] = []
    for visit, live in session.live.items():
        for label in live.numbers:
            rows.append(_row(session, len(rows) + 1, {visit: (label,)}, None))
    return rows


def numbers_on(rows: list[TableRow], visit: TimePoint) -> dict[int, int]:
    """Return the row's number of each of the state's deposits of a film."""
    return {deposit: row.number for row in rows for deposit in row.deposits.get(visit, ())}


def centre(session: ReviewSession, row: TableRow, visit: TimePoint) -> tuple[float, float] | None:
    """Return where a row's deposits lie on a film, (row, col) in its pixels, or None where it has none there."""
    measured = _measured(session, visit, row.deposits.get(visit, ()))
    total = sum(deposit.area_px for deposit in measured)
    if not measured:
        return None
    weights = [deposit.area_px / total if total > 0 else 1 / len(measured) for deposit in measured]
    return (
        sum(w * deposit.centroid_row for w, deposit in zip(weights, measured, strict=True)),
        sum(w * deposit.centroid_col for w, deposit in zip(weights, measured, strict=True)),
    )


def _of_link(session: ReviewSession, number: int, link: Link) -> TableRow:
    labels = {TimePoint.BASELINE: link.baseline_labels, TimePoint.FOLLOWUP: link.followup_labels}
    deposits = {visit: tuple(session.live[visit].numbers[k - 1] for k in known) for visit, known in labels.items()}
    return _row(session, number, deposits, link)


def _row(
    session: ReviewSession, number: int, deposits: dict[TimePoint, tuple[int, ...]], link: Link | None
) -> TableRow:
    measured = {visit: _measured(session, visit, known) for visit, known in deposits.items()}
    everyone = [deposit for side in measured.values() for deposit in side]
    in_mm = all(live.film.spacing.known for live in session.live.values())
    return TableRow(
        number=number,
        status="" if link is None else link.status.value,
        deposits=deposits,
        areas=_areas(measured, link, in_mm=in_mm),
        unit="mm²" if in_mm else "px",
        change_percent=None if link is None else link.area_change_percent,
        ci95_percent=None if link is None else link.ci95_percent,
        detectable=None if link is None else link.detectable,
        findings=tuple(dict.fromkeys(deposit.finding.value for deposit in everyone)),
        origins=tuple(dict.fromkeys(deposit.origin.value for deposit in everyone)),
        confidence=min((deposit.confidence for deposit in everyone), default=1.0),
        reason="" if link is None else link.reason,
    )


def _measured(session: ReviewSession, visit: TimePoint, known: tuple[int, ...]) -> list[DepositMeasurement]:
    rows = (session.live[visit].row(number) for number in known)
    return [row for row in rows if row is not None]


def _areas(
    measured: Mapping[TimePoint, list[DepositMeasurement]], link: Link | None, *, in_mm: bool
) -> dict[TimePoint, float | None]:
    """Return the areas that stand in the row: those of `links.csv`, or each film's own where there is no link."""
    if link is not None:
        mm2 = {TimePoint.BASELINE: link.baseline_area_mm2, TimePoint.FOLLOWUP: link.followup_area_mm2}
        px = {TimePoint.BASELINE: link.baseline_area_px, TimePoint.FOLLOWUP: link.followup_area_px}
        return {visit: (mm2 if in_mm else px)[visit] if side else None for visit, side in measured.items()}
    return {
        visit: sum((deposit.area_mm2 or 0.0) if in_mm else deposit.area_px for deposit in side) if side else None
        for visit, side in measured.items()
    }
