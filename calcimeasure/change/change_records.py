"""What a compared pair is: registration, links, change, verdict. Values only; the rules are in their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from calcimeasure.measurement.area_ratio import AreaRatio
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice
from calcimeasure.registration.registration_records import Alignment, Registration

if TYPE_CHECKING:
    from pandas import DataFrame

Interval = tuple[float, float]


class Verdict(StrEnum):
    """What the pair shows; see `docs/records.md` for the order in which they are tried."""

    NOT_COMPARABLE = "not_comparable"
    NO_DEPOSITS = "no_deposits"
    NO_CHANGE = "no_change"
    INCREASE = "increase"
    DECREASE = "decrease"
    INDETERMINATE = "indeterminate"


class LinkStatus(StrEnum):
    """How a deposit (or a group of them) stands across the two films."""

    MATCHED = "matched"
    NEW = "new"
    RESOLVED = "resolved"
    SPLIT = "split"
    MERGED = "merged"
    GROUP = "group"
    NOT_EVALUABLE = "not_evaluable"


UNMATCHED = (LinkStatus.NEW, LinkStatus.RESOLVED)
"""Of deposits that one film shows alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """The same deposit or deposits on both films. Areas are sums over the group, within the common field.

    Attributes
    ----------
    baseline_area_mm2, followup_area_mm2
        None without spacing; `baseline_area_px` and `followup_area_px` always stand.
    log_ratio, log_ratio_se
        Natural logarithm of follow-up over baseline, scale applied where it is, and its standard error; None where a
        side is empty.
    area_change_percent, ci95_percent
        The same in percent; None where a side is empty.
    detectable
        Whether the change differs from none at 5 % after Holm's adjustment for the number of links.
    reason
        Why it is not evaluable, or what widened the interval.
    absent_probability
        Probability that a new or resolved deposit is really not on the other film; None where nobody asked the film.
    """

    status: LinkStatus
    baseline_labels: tuple[int, ...] = ()
    followup_labels: tuple[int, ...] = ()
    baseline_area_px: float = 0.0
    followup_area_px: float = 0.0
    baseline_area_mm2: float | None = None
    followup_area_mm2: float | None = None
    log_ratio: float | None = None
    log_ratio_se: float | None = None
    area_change_percent: float | None = None
    ci95_percent: Interval | None = None
    detectable: bool | None = None
    reason: str = ""
    absent_probability: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A pair, compared. The fields are those of `comparison.json`; see `docs/records.md` for their meaning."""

    baseline: FilmMeasurement
    followup: FilmMeasurement
    registration: Registration
    alignment: Alignment | None
    links: tuple[Link, ...]
    verdict: Verdict
    baseline_common_area_mm2: float | None = None
    followup_common_area_mm2: float | None = None
    baseline_common_area_px: float | None = None
    followup_common_area_px: float | None = None
    log_ratio: float | None = None
    log_ratio_se: float | None = None
    total_area_change_percent: float | None = None
    ci95_percent: Interval | None = None
    ci90_percent: Interval | None = None
    total_area_change_mm2: float | None = None
    smallest_detectable_change_percent: float | None = None
    change_detected_with_80_percent_power_percent: float | None = None
    detectable: bool | None = None
    margin_ratio: Interval = (0.80, 1.25)
    beyond_margin: bool | None = None
    changed_links: tuple[int, ...] = ()
    area_change_band: str | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()
    self_check: dict[str, object] | None = None
    # By labels, how much the area of each deposit matched one to one changed, in pixels; not in the file.
    ratios: Mapping[tuple[int, int], AreaRatio] = field(default_factory=dict)

    def to_frame(self) -> DataFrame:
        """Return the links as a tidy table: a row a link, the columns and numbers of `links.csv`."""
        from calcimeasure.change.links_table import links_frame

        return links_frame(self.links)
