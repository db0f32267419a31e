"""The bars of change: each link's change with its interval against the margin, on a logarithmic axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calcimeasure.change.change_records import Comparison, Interval
from calcimeasure.export.report.wording import signed_percent

ROW_WIDTH = 320.0
HEADLINE_WIDTH = 1040.0
_PAD = 14.0
_TICKS = (-90, -80, -67, -50, -33, -20, 0, 25, 50, 100, 200, 400, 900)
_NARROWEST, _WIDEST = math.log(1.6), math.log(6.0)
_APART = 34.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """A logarithmic axis of change, the same length either way: halving is as far from none as doubling."""

    reach: float
    margin: Interval
    width: float

    def x(self, percent: float) -> float:
        """Return the place of a change in percent, held within the axis."""
        log = math.log(max(1.0 + percent / 100.0, 1e-9))
        share = min(max(log / self.reach, -1.0), 1.0)
        return round(self.width / 2.0 + share * (self.width / 2.0 - _PAD), 2)

    def beyond(self, percent: float) -> bool:
        """Return whether a change lies off the axis."""
        return abs(math.log(max(1.0 + percent / 100.0, 1e-9))) > self.reach * 1.0001

    @property
    def band(self) -> tuple[float, float]:
        """Both ends of the margin."""
        return (self.x(100.0 * (self.margin[0] - 1.0)), self.x(100.0 * (self.margin[1] - 1.0)))

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and words of the ticks, nowhere closer than the words are wide."""
        chosen: list[tuple[float, str]] = [(self.x(0), "0")]
        # The margin's own ends first: they are what a bar is read against.
        ends = [100.0 * (ratio - 1.0) for ratio in self.margin]
        for percent in (*ends, *sorted(_TICKS, key=abs)):
            x = self.x(percent)
            if not self.beyond(percent) and all(abs(x - other) >= _APART for other, _ in chosen):
                chosen.append((x, signed_percent(percent).replace("\u202f%", "")))
        return sorted(chosen)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One bar: point, 95 % interval and (for the total) 90 % interval, as places on the axis.

    Attributes
    ----------
    off_low, off_high
        Whether the interval runs off the axis there: drawn with an arrow.
    """

    point: float
    low: float
    high: float
    off_low: bool
    off_high: bool
    inner: tuple[float, float] | None = None


def make_axis(comparison: Comparison, *, width: float = ROW_WIDTH, links: bool = True) -> Axis:
    """Return the axis that holds the margin, the total and (with `links`) every link's change.

    The interval of a link that changed is held too. That of another may run off, with an arrow: one speck that nothing
    can be said of would else press all others together.
    """
    logs = [1.25 * abs(math.log(ratio)) for ratio in comparison.margin_ratio]
    ends: list[float] = [*(comparison.ci95_percent or ())]
    for number, link in enumerate(comparison.links if links else (), start=1):
        if link.area_change_percent is not None:
            ends.append(link.area_change_percent)
        if number in comparison.changed_links:
            ends.extend(link.ci95_percent or ())
    logs += [abs(math.log(max(1.0 + end / 100.0, 1e-3))) for end in ends]
    return Axis(reach=min(max(max(logs) * 1.06, _NARROWEST), _WIDEST), margin=comparison.margin_ratio, width=width)


def make_bar(axis: Axis, percent: float | None, ci95: Interval | None, ci90: Interval | None = None) -> Bar | None:
    """Return a bar, or None without a percentage."""
    if percent is None or ci95 is None:
        return None
    return Bar(
        point=axis.x(percent),
        low=axis.x(ci95[0]),
        high=axis.x(ci95[1]),
        off_low=axis.beyond(ci95[0]),
        off_high=axis.beyond(ci95[1]),
        inner=None if ci90 is None else (axis.x(ci90[0]), axis.x(ci90[1])),
    )
