"""What a compared pair is: links, change, verdict. Values only; the rules are in their own modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from calcimeasure.change.intervals import IntervalModel, Variances
from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.measurement.area_ratio import AreaRatio
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice
from calcimeasure.registration.registration_records import Alignment, Registration

if TYPE_CHECKING:
    from pandas import DataFrame

    from calcimeasure.plotting import Axes, Figure, FilmPanel

Interval = tuple[float, float]
Value = TypeVar("Value")


class Verdict(StrEnum):
    """What the pair shows; `docs/records.md` gives the order in which they are tried."""

    NOT_COMPARABLE = "not_comparable"
    NO_DEPOSITS = "no_deposits"
    NO_CHANGE = "no_change"
    INCREASE = "increase"
    DECREASE = "decrease"
    INDETERMINATE = "indeterminate"


class LinkStatus(StrEnum):
    """How a deposit (or a group of them) corresponds across the two films."""

    MATCHED = "matched"
    NEW = "new"
    RESOLVED = "resolved"
    SPLIT = "split"
    MERGED = "merged"
    GROUP = "group"
    NOT_EVALUABLE = "not_evaluable"


UNMATCHED = (LinkStatus.NEW, LinkStatus.RESOLVED)
"""Statuses of deposits that only one film shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """The same deposit or deposits on both films. Areas are sums over the group, within the common field.

    Attributes
    ----------
    baseline_area_mm2, followup_area_mm2
        None without spacing; `baseline_area_px` and `followup_area_px` are always there.
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
        Probability that a new or resolved deposit is absent on the other film; None where it was not searched for.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """The change of the burden over the common field; its fields up to `reasons` are keys of `comparison.json`.

    Attributes
    ----------
    verdict, reasons
        What the pair shows, and why the films cannot tell or be compared, in sentences.
    baseline_common_area_mm2, followup_common_area_mm2
        The burdens, both at the baseline's magnification; None without spacing.
    log_ratio, log_ratio_se
        Natural logarithm of follow-up over baseline with its standard error; None where a film shows none.
    changed_links
        Numbers of the links, counted from 1 in their order, of calcinosis that is new, resolved or detectably changed.
    warnings
        What widened the interval.
    variances, model
        The parts of the variance of `log_ratio` by name, and the priors.
    """

    links: tuple[Link, ...] = ()
    baseline_common_area_mm2: float | None = None
    followup_common_area_mm2: float | None = None
    baseline_common_area_px: float | None = None
    followup_common_area_px: float | None = None
    total_area_change_percent: float | None = None
    ci95_percent: Interval | None = None
    ci90_percent: Interval | None = None
    log_ratio: float | None = None
    log_ratio_se: float | None = None
    total_area_change_mm2: float | None = None
    smallest_detectable_change_percent: float | None = None
    change_detected_with_80_percent_power_percent: float | None = None
    detectable: bool | None = None
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO
    beyond_margin: bool | None = None
    changed_links: tuple[int, ...] = ()
    area_change_band: str | None = None
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()
    variances: Variances | None = None
    model: IntervalModel = field(default_factory=IntervalModel)


class _OfChange(Generic[Value]):
    """An attribute of `Comparison` that reads the field of the same name of its `change`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, comparison: None, owner: type) -> _OfChange[Value]: ...
    @overload
    def __get__(self, comparison: Comparison, owner: type) -> Value: ...
    def __get__(self, comparison: Comparison | None, owner: type) -> Any:
        return self if comparison is None else getattr(comparison.change, self._name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A compared pair: both films measured, how they align, and the change.

    The fields of `change` are read from the comparison too: `comparison.verdict` is `comparison.change.verdict`.
    `docs/records.md` has their meaning.

    Attributes
    ----------
    alignment
        Baseline to follow-up; None for a pair that does not align.
    warnings
        Everything that a person should read of the pair, those of the films and of `change` included.
    self_check
        What `calcimeasure.change.self_check` found, where it ran.
    ratios
        By labels, the area ratio of each deposit matched one to one, in pixels; not in `comparison.json`.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("grown")
    >>> change = cm.compare(baseline, followup)
    >>> change
    <Comparison: increase, 6 links>
    >>> sorted(set(change.to_frame()["status"]))
    ['matched', 'new']
    """

    baseline: FilmMeasurement
    followup: FilmMeasurement
    registration: Registration
    alignment: Alignment | None
    change: Change
    warnings: tuple[Notice, ...] = ()
    self_check: dict[str, object] | None = None
    ratios: Mapping[tuple[int, int], AreaRatio] = field(default_factory=dict)

    links = _OfChange[tuple[Link, ...]]()
    verdict = _OfChange[Verdict]()
    baseline_common_area_mm2 = _OfChange[float | None]()
    followup_common_area_mm2 = _OfChange[float | None]()
    baseline_common_area_px = _OfChange[float | None]()
    followup_common_area_px = _OfChange[float | None]()
    log_ratio = _OfChange[float | None]()
    log_ratio_se = _OfChange[float | None]()
    total_area_change_percent = _OfChange[float | None]()
    ci95_percent = _OfChange[Interval | None]()
    ci90_percent = _OfChange[Interval | None]()
    total_area_change_mm2 = _OfChange[float | None]()
    smallest_detectable_change_percent = _OfChange[float | None]()
    change_detected_with_80_percent_power_percent = _OfChange[float | None]()
    detectable = _OfChange[bool | None]()
    margin_ratio = _OfChange[Interval]()
    beyond_margin = _OfChange[bool | None]()
    changed_links = _OfChange[tuple[int, ...]]()
    area_change_band = _OfChange[str | None]()
    reasons = _OfChange[tuple[str, ...]]()

    def to_frame(self) -> DataFrame:
        """Return the links as a tidy table: a row a link, the columns and numbers of `links.csv`."""
        from calcimeasure.change.links_table import links_frame

        return links_frame(self.links)

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw both films side by side with matplotlib (the extra ``plot``), outlines numbered by link.

        Everything outside the limbs is black, so that text burned into the films is not drawn.

        Parameters
        ----------
        axes
            Where to draw baseline and follow-up; a new figure, with the verdict above, when None.

        Returns
        -------
        Figure
            Shown by a notebook; ``change.plot().savefig("change.png")`` saves it.

        Raises
        ------
        MissingExtraError
            When matplotlib is not installed.
        """
        from calcimeasure.change.verdict_sentence import verdict_sentence
        from calcimeasure.plotting import draw_panels

        linked = [[link.baseline_labels for link in self.links], [link.followup_labels for link in self.links]]
        panels = [
            _panel(self.baseline, linked[0], "Baseline"),
            _panel(self.followup, linked[1], "Follow-up"),
        ]
        return draw_panels(panels, axes, title=verdict_sentence(self))

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict}, {len(self.links)} links>"

    def _repr_html_(self) -> str:
        from calcimeasure.change.verdict_sentence import verdict_sentence
        from calcimeasure.notebook_summary import summary_html

        percent = {
            "change": self.total_area_change_percent,
            "smallest detectable": self.smallest_detectable_change_percent,
        }
        rows = {
            "baseline": f"{len(self.baseline.deposits)} deposits, {_area(self.baseline)}",
            "follow-up": f"{len(self.followup.deposits)} deposits, {_area(self.followup)}",
            **{name: f"{value:+.1f} %" for name, value in percent.items() if value is not None},
            "links": len(self.links),
        }
        return summary_html(verdict_sentence(self), rows, self.warnings)


def _panel(measured: FilmMeasurement, linked: list[tuple[int, ...]], title: str) -> FilmPanel:
    from calcimeasure.plotting import FilmPanel

    film, anatomy = measured.film, measured.anatomy
    return FilmPanel(
        pixels=film.pixels,
        spacing_mm=film.spacing.mm,
        pixel_aspect=film.spacing.pixel_aspect,
        labels=measured.labels.image,
        numbers={label: number for number, labels in enumerate(linked, start=1) for label in labels}
        if linked
        else None,
        shown=None if anatomy is None else anatomy.on_film(anatomy.limbs > 0).astype(np.bool_),
        title=title,
    )


def _area(measured: FilmMeasurement) -> str:
    if measured.total_area_mm2 is None:
        return f"{measured.total_area_px:.0f} pixels"
    return f"{measured.total_area_mm2:.1f} mm²"
