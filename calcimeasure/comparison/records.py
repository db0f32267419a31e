"""What a compared pair is: registration, links, change, verdict. Values only; the rules are in their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calcimeasure.measurement.pair import AreaRatio
from calcimeasure.measurement.records import FilmMeasurement

if TYPE_CHECKING:
    from pandas import DataFrame

Interval = tuple[float, float]


class Verdict(StrEnum):
    """What the pair shows; see the contract's table for the order in which they are tried."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """How well the two films were aligned; the mapping itself is an `Alignment`.

    Attributes
    ----------
    status
        ``ok``, ``failed`` or ``mirrored`` (fits only when flipped).
    scale, scale_se
        Size of the follow-up's bones over the baseline's, in mm where both films have a spacing, else in pixels.
    scale_applied
        Whether the change is corrected by it.
    rms_mm, rms_px
        Residual of the alignment at bone, on the baseline's grid; mm only with a spacing.
    reason
        Why it failed, in words.
    """

    status: str
    scale: float | None = None
    scale_se: float | None = None
    scale_applied: bool = False
    rms_mm: float | None = None
    rms_px: float | None = None
    rotation_deg: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Alignment:
    """Where each place of the baseline lies on the follow-up.

    A similarity for the whole limb, and a smooth field of residual displacements on a coarse grid for what moves on
    its own (fingers). Used for matching and for looking at, never for measuring.

    Attributes
    ----------
    matrix
        float64, (2, 3): (row, col, 1) of the baseline to (row, col) of the follow-up, in pixels of each film.
    residual
        float32, (grid rows, grid cols, 2): what is added to the mapped (row, col), in follow-up pixels, at baseline
        positions ``index * step``; None for a rigid pair.
    step
        Baseline pixels a grid cell.
    flipped
        Whether the follow-up was mirrored left to right first (``--flip``): `matrix` then includes it.
    uncertainty
        float32, (grid rows, grid cols): standard error of the mapped position, in baseline pixels; infinite where
        nothing of the follow-up corresponds. None where it is not known.
    reverse
        The alignment the other way, where this one was made from it by turning it round. Pairs are registered in an
        order that does not depend on which film is the baseline, and matching goes by that order, so that swapping
        the films mirrors every result exactly.
    """

    matrix: NDArray[np.float64]
    residual: NDArray[np.float32] | None = None
    step: int = 1
    flipped: bool = False
    uncertainty: NDArray[np.float32] | None = None
    reverse: Alignment | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A pair, compared. The fields are those of `comparison.json`; see the contract for their meaning."""

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
    warnings: tuple[str, ...] = ()
    self_check: dict[str, object] | None = None
    # By labels, how much the area of each deposit matched one to one changed, in pixels; not in the file.
    ratios: Mapping[tuple[int, int], AreaRatio] = field(default_factory=dict)

    def to_frame(self) -> DataFrame:
        """Return the links as a tidy table: a row a link, the columns and numbers of `links.csv`."""
        from calcimeasure.comparison.table import links_frame

        return links_frame(self.links)
