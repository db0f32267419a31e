"""The drawings of a study's page, as places on a canvas; the template makes SVG of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from calcimeasure.change.change_records import Interval
from calcimeasure.export.report.change_bars import ROW_WIDTH, Axis
from calcimeasure.study.endpoint import Endpoint
from calcimeasure.study.exposures_and_outcomes import Exposure

_NARROWEST, _WIDEST = math.log(1.6), math.log(6.0)
WIDTH, HEIGHT = 640.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 64.0, 22.0, 40.0
MOST_NAMED = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A tick: its position and its text."""

    at: float
    word: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A point of a chart with its description."""

    x: float
    y: float
    spoken: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Areas over time: a line a subject, on a logarithmic axis of area."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[tuple[str, tuple[Dot, ...]], ...]
    names: tuple[tuple[float, Tick], ...]
    """Where each line ends, and its name there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Repeat exposures: change against mean area, with the limits between which 95 % lie."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    zero: float
    bias: float
    limits: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fall:
    """One patient's bar of a waterfall: from no change up or down."""

    x: float
    width: float
    y: float
    height: float
    spoken: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Waterfall:
    """Every patient's change as a bar, largest increase first, with the margin's two edges."""

    y_ticks: tuple[Tick, ...]
    bars: tuple[Fall, ...]
    names: tuple[Tick, ...]
    zero: float
    edges: tuple[float, float]
    x_ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """The doses of one drug: a stroke each, and how much it came to."""

    name: str
    y: float
    strokes: tuple[float, ...]
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """One subject over time: doses, pain, and the films with the change of area at each."""

    subject: str
    height: float
    lanes: tuple[Lane, ...]
    pain: tuple[Dot, ...]
    pain_ticks: tuple[Tick, ...]
    films: tuple[Tick, ...]
    weeks: tuple[Tick, ...]
    spoken: str


def timeline(
    subject: str,
    doses: Sequence[Exposure],
    pain: Sequence[tuple[str, float]],
    films: Sequence[tuple[str, str]],
) -> Timeline | None:
    """Return one subject's timeline, or None where there is neither a dose nor a score.

    Parameters
    ----------
    subject
        The pseudonym.
    doses
        In any order.
    pain
        (ISO date, 0 to 10).
    films
        (ISO date, words) of each visit, baseline first.
    """
    days = [date.fromisoformat(day) for day, _ in films]
    if not days or not (doses or pain):
        return None
    start = days[0]
    all_days = [(date.fromisoformat(text) - start).days for text in [d.date for d in doses] + [day for day, _ in pain]]
    all_days += [(day - start).days for day in days]
    first, last = min(all_days), max(*all_days, min(all_days) + 7)

    def x(text: str) -> float:
        day = (date.fromisoformat(text) - start).days
        return round(LEFT + 70.0 + (day - first) / (last - first) * (WIDTH - LEFT - 70.0 - RIGHT), 1)

    drugs = sorted({(dose.drug, dose.unit) for dose in doses})
    lanes = []
    for index, (drug, unit) in enumerate(drugs):
        given = [dose for dose in doses if (dose.drug, dose.unit) == (drug, unit)]
        total = math.fsum(dose.dose for dose in given)
        words = f"{drug}: {len(given)} dose{'s' if len(given) > 1 else ''}, {total:g} {unit} in all"
        strokes = tuple(sorted(x(dose.date) for dose in given))
        lanes.append(Lane(name=drug, y=TOP + 8.0 + 22.0 * index, strokes=strokes, words=words))
    top = TOP + 22.0 * len(drugs) + 14.0
    bottom = top + (80.0 if pain else 0.0)

    def level(score: float) -> float:
        return round(bottom - score / 10.0 * (bottom - top), 1)

    weeks = range(-(-first // 7), last // 7 + 1)
    step = max(1, -(-len(weeks) // 10))
    parts = [lane.words for lane in lanes]
    if pain:
        parts.append(f"pain {pain[0][1]:g} at first and {pain[-1][1]:g} at last")
    return Timeline(
        subject=subject,
        height=bottom + 46.0,
        lanes=tuple(lanes),
        pain=tuple(Dot(x=x(day), y=level(score), spoken=f"{day}: pain {score:g}") for day, score in sorted(pain)),
        pain_ticks=tuple(Tick(at=level(score), word=f"{score:g}") for score in (0.0, 5.0, 10.0)) if pain else (),
        films=tuple(Tick(at=x(day), word=words) for day, words in films),
        weeks=tuple(
            Tick(at=x((start + timedelta(days=7 * week)).isoformat()), word=f"week {week}" if week == 0 else str(week))
            for week in weeks
            if week % step == 0
        ),
        spoken=f"{subject}: {'; '.join(parts)}.",
    )


def study_axis(endpoint: Endpoint, margin: Interval) -> Axis:
    """Return the axis of change that holds the margin, the mean and every subject's change.

    A subject's interval may run off, with an arrow: the longest would press all others together.
    """
    changes = endpoint.subjects
    logs = [1.25 * abs(math.log(ratio)) for ratio in margin]
    logs += [abs(change.log_ratio) for change in changes if change.log_ratio is not None]
    halves = sorted(
        max(abs(math.log1p(bound / 100.0)) for bound in change.ci95_percent)
        for change in changes
        if change.ci95_percent is not None and min(change.ci95_percent) > -99.9
    )
    means = [result.mean_ratio for result in endpoint.results if result.mean_ratio is not None]
    logs += [abs(math.log(bound)) for mean in means for bound in mean.interval if 0.0 < bound < math.inf]
    if halves:
        logs.append(halves[len(halves) // 2])
    return Axis(reach=min(max(max(logs) * 1.06, _NARROWEST), _WIDEST), margin=margin, width=ROW_WIDTH)


def area_lines(series: Sequence[tuple[str, Sequence[tuple[int, str, float]]]]) -> Lines | None:
    """Return lines of area over days, or None where nobody has two areas.

    Parameters
    ----------
    series
        A subject with (day, visit, area in mm²) in order; areas of zero have no place on a logarithmic axis and are
        left to the table.
    """
    drawn = [(name, [p for p in points if p[2] > 0.0]) for name, points in series]
    drawn = [(name, points) for name, points in drawn if len(points) > 1]
    if not drawn:
        return None
    areas = [area for _, points in drawn for _, _, area in points]
    days = {day: visit for _, points in drawn for day, visit, _ in points}
    low, high = math.log(min(areas) / 1.15), math.log(max(areas) * 1.15)
    first, last = min(days), max(days)

    def x(day: float) -> float:
        return round(LEFT + (day - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(area: float) -> float:
        return round(TOP + (high - math.log(area)) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    return Lines(
        x_ticks=tuple(Tick(at=x(day), word=visit) for day, visit in sorted(days.items())),
        y_ticks=tuple(Tick(at=y(area), word=f"{area:g}") for area in _log_ticks(math.exp(low), math.exp(high))),
        lines=tuple(
            (
                name,
                tuple(
                    Dot(x=x(day), y=y(area), spoken=f"{name}, {visit}: {area:.1f} mm²") for day, visit, area in points
                ),
            )
            for name, points in drawn
        ),
        names=_names([(x(points[-1][0]), y(points[-1][2]), name) for name, points in drawn]),
    )


def _names(ends: list[tuple[float, float, str]]) -> tuple[tuple[float, Tick], ...]:
    """Return the names at the ends of lines, moved apart; none where there are too many to be read."""
    if len(ends) > MOST_NAMED:
        return ()
    placed: list[tuple[float, Tick]] = []
    for x, at, name in sorted(ends):
        above = [tick.at for other, tick in placed if other == x]
        placed.append((x, Tick(at=max(at, above[-1] + 13.0) if above else at, word=name)))
    return tuple(placed)


def waterfall(changes: Sequence[tuple[str, float]], margin: Interval) -> Waterfall | None:
    """Return the waterfall, or None where nobody has a change.

    Parameters
    ----------
    changes
        (subject, log ratio), in any order.
    margin
        Ratios between which a change counts as none.
    """
    if not changes:
        return None
    ordered = sorted(changes, key=lambda one: (-one[1], one[0]))
    edges = (math.log(margin[0]), math.log(margin[1]))
    reach = min(1.15 * max(*(abs(edge) for edge in edges), *(abs(log) for _, log in ordered)), math.log(20.0))
    step = (WIDTH - LEFT - RIGHT) / len(ordered)
    width = min(0.72 * step, 56.0)

    def y(log: float) -> float:
        held = min(max(log, -reach), reach)
        return round(TOP + (reach - held) / (2.0 * reach) * (HEIGHT - TOP - BOTTOM), 1)

    bars = []
    for index, (name, log) in enumerate(ordered):
        middle = LEFT + (index + 0.5) * step
        top, bottom = sorted((y(log), y(0.0)))
        spoken = f"{name}: {100.0 * math.expm1(log):+.1f} %"
        bars.append(
            # A change of nothing still shows that somebody is there.
            Fall(
                x=round(middle - width / 2.0, 1),
                width=round(width, 1),
                y=top,
                height=max(round(bottom - top, 1), 1.5),
                spoken=spoken,
            )
        )
    named = ordered if len(ordered) <= MOST_NAMED else []
    names = [Tick(at=round(LEFT + (index + 0.5) * step, 1), word=name) for index, (name, _) in enumerate(named)]
    return Waterfall(
        y_ticks=_change_ticks(reach, y),
        bars=tuple(bars),
        names=tuple(names),
        zero=y(0.0),
        edges=(y(edges[0]), y(edges[1])),
    )


def agreement(
    repeats: Sequence[tuple[str, float, float]], bias: float, limits: tuple[float, float] | None
) -> Agreement | None:
    """Return the chart of repeat exposures, or None without any.

    Parameters
    ----------
    repeats
        (name, mean area in mm², log ratio) of each pair of exposures.
    bias, limits
        Of the log ratios; limits None where there are too few.
    """
    if not repeats:
        return None
    reach = 1.15 * max(0.1, *(abs(log) for _, _, log in repeats), *(abs(limit) for limit in limits or (0.0,)))
    areas = [area for _, area, _ in repeats]
    low, high = math.log(min(areas) / 1.3), math.log(max(areas) * 1.3)

    def x(area: float) -> float:
        return round(LEFT + (math.log(area) - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(log: float) -> float:
        return round(TOP + (reach - log) / (2.0 * reach) * (HEIGHT - TOP - BOTTOM), 1)

    return Agreement(
        x_ticks=tuple(Tick(at=x(area), word=f"{area:g}") for area in _log_ticks(math.exp(low), math.exp(high))),
        y_ticks=_change_ticks(reach, y),
        dots=tuple(
            Dot(x=x(area), y=y(log), spoken=f"{name}: {100 * math.expm1(log):+.1f} % at {area:.1f} mm²")
            for name, area, log in repeats
        ),
        zero=y(0.0),
        bias=y(bias),
        limits=None if limits is None else (y(limits[0]), y(limits[1])),
    )


def _change_ticks(reach: float, y: Callable[[float], float]) -> tuple[Tick, ...]:
    """Return ticks of change in percent within a reach of log ratios, as far above none as below it."""
    every = (-90, -80, -67, -50, -33, -20, -10, -5, 0, 5, 11, 25, 50, 100, 200, 400, 900)
    ticks = [percent for percent in every if abs(_log(percent)) < reach]
    for crowded in ((-10, -5, 5, 11), (-33, 50, -67, 200)):
        if len(ticks) > 7:
            ticks = [percent for percent in ticks if percent not in crowded]
    return tuple(Tick(at=y(_log(percent)), word=f"{percent:+d}" if percent else "0") for percent in ticks)


def _log(percent: float) -> float:
    return math.log1p(percent / 100.0)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two areas, at most seven."""
    steps: tuple[float, ...]
    for steps in ((1, 2, 5), (1, 3), (1,)):
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 7:
            return inside
    return inside
