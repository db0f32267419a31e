"""From linked deposits to the change of the burden over the common field: `assess_change`. Pure numbers.

Areas of the follow-up are brought to the baseline's magnification by dividing by s^2 where the scale s of the bones is
applied; all mm² of a change (`followup_common_area_mm2`, `total_area_change_mm2`, a link's `followup_area_mm2`) are in
that plane, so that percent, mm² and ratio agree with one another. Pixel areas stay those of each film's own grid.
Only deposits found to be calcinosis count for the burden; links of other findings get their own change and no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from calcimeasure.change.change_records import UNMATCHED, Change, Interval, Link, LinkStatus, Verdict
from calcimeasure.change.film_burden import (
    AreaUnits,
    FilmBurden,
    PairRatio,
    area_units,
    check_links,
    link_burdens,
    total_burden,
    with_all_findings,
)
from calcimeasure.change.intervals import IntervalModel, LogRatio, Variances, holm, percent
from calcimeasure.change.verdict import Decision, area_change_band, checked_margin, decide_from_zero, decide_on_ratio
from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.registration.registration_records import Registration

METHOD_WARNING = Notice(
    NoticeCode.AREA_METHOD_DIFFERS,
    "A deposit was painted by a person on one film and measured automatically on the other; its interval is wider.",
)
PROCESSING_WARNING = Notice(
    NoticeCode.PROCESSING_DIFFERS, "The two films were processed differently; the intervals are wider."
)
NO_FIELD_REASON = "Deposits are there, but none that both films show and that can be compared."

BurdenPair = tuple[FilmBurden, FilmBurden]
"""Baseline and follow-up."""


def assess_change(
    links: Sequence[Link],
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    registration: Registration,
    *,
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    model: IntervalModel | None = None,
    repositioning_sd: float | None = None,
    processing_differs: bool = False,
    baseline_lod_px: float | None = None,
    followup_lod_px: float | None = None,
    baseline_detection_se_px: float = 0.0,
    followup_detection_se_px: float = 0.0,
    pair_ratios: Mapping[int, PairRatio] | None = None,
) -> Change:
    """Return the change of a pair that can be compared: links completed, interval, verdict.

    The caller decides on `not_comparable` (identity, view, alignment). Swapping the films (links with their labels and
    statuses swapped, scale inverted) negates `log_ratio` and mirrors every status.

    Parameters
    ----------
    links
        Every calcinosis deposit of either film in exactly one link. Areas in pixels are sums within the common
        field; left at 0 they are taken from the measurements. All other numbers of a link are computed here.
    baseline, followup
        The measured films; with a spacing on both, areas are compared in mm², else in pixels.
    registration
        `scale`, `scale_se` and `scale_applied` are used.
    margin_ratio
        The margin of equivalence, as ratios.
    model
        Priors and law of the interval.
    repositioning_sd
        In place of the model's.
    processing_differs
        Whether the two films were clearly processed differently.
    baseline_lod_px, followup_lod_px
        Limit of detection of each film in its own pixels: used where that film shows none. None where unknown.
    baseline_detection_se_px, followup_detection_se_px
        Standard error, in each film's own pixels, of the area that was missed or falsely found *beyond* what the
        confidence of unmatched deposits already contributes. Each link takes its share of it.
    pair_ratios
        By number of the link: log ratio of a deposit matched one to one, and its error, from both films together.

    Raises
    ------
    UsageError
        For a margin that does not enclose 1 or a negative SD.
    LabelsError
        When the links do not hold each calcinosis deposit once.
    """
    margin = checked_margin(margin_ratio)
    model = model or IntervalModel()
    if repositioning_sd is not None:
        model = replace(model, repositioning_sd=repositioning_sd)
    check_links(links, baseline, followup)
    ratios = pair_ratios or {}
    burdens = [link_burdens(link, baseline, followup, ratios.get(number)) for number, link in enumerate(links, start=1)]
    terms = _PairTerms(
        units=area_units(baseline, followup, registration),
        model=model,
        shared=_shared_variances(registration, model, processing_differs),
        margin=margin,
        baseline_lod_px=baseline_lod_px,
        followup_lod_px=followup_lod_px,
    )
    undetected = tuple(
        se_px / film.total_area_px if film.total_area_px > 0.0 else 0.0
        for se_px, film in ((baseline_detection_se_px, baseline), (followup_detection_se_px, followup))
    )
    completed = _complete_links(links, burdens, undetected, terms)
    evaluable = [
        pair for link, pair in zip(completed, burdens, strict=True) if link.status is not LinkStatus.NOT_EVALUABLE
    ]
    before = total_burden([pair[0] for pair in evaluable], baseline, baseline_detection_se_px)
    after = total_burden([pair[1] for pair in evaluable], followup, followup_detection_se_px)
    change = _burden_change(before, after, evaluable, terms)
    if change.verdict is Verdict.NO_DEPOSITS and (baseline.total_area_px > 0.0 or followup.total_area_px > 0.0):
        change = replace(change, verdict=Verdict.INDETERMINATE, reasons=(NO_FIELD_REASON,))
    changed = tuple(
        number
        for number, (link, (one, two)) in enumerate(zip(completed, burdens, strict=True), start=1)
        if (link.status in UNMATCHED or link.detectable) and (one.area_px > 0.0 or two.area_px > 0.0)
    )
    return replace(change, links=completed, changed_links=changed)


@dataclass(frozen=True, kw_only=True, slots=True)
class _PairTerms:
    """What every link of a pair and its burden have in common: units, priors, shared variances, limits."""

    units: AreaUnits
    model: IntervalModel
    shared: Variances
    margin: Interval
    baseline_lod_px: float | None
    followup_lod_px: float | None

    @property
    def baseline_lod(self) -> float | None:
        """The baseline's limit of detection in the common unit."""
        return None if self.baseline_lod_px is None else self.units.baseline(self.baseline_lod_px)

    @property
    def followup_lod(self) -> float | None:
        """The follow-up's limit of detection in the common unit, at the baseline's magnification."""
        return None if self.followup_lod_px is None else self.units.followup(self.followup_lod_px)

    def variances(self, before: FilmBurden, after: FilmBurden, mismatch: float) -> Variances:
        """Return all parts for one pair of areas; `mismatch` is the share of area painted on one film only."""
        if before.area_px <= 0.0 or after.area_px <= 0.0:
            return self.shared
        return replace(
            self.shared,
            measurement=(before.se_px / before.area_px) ** 2 + (after.se_px / after.area_px) ** 2,
            detection=(before.detection_se_px / before.area_px) ** 2 + (after.detection_se_px / after.area_px) ** 2,
            area_method=(self.model.method_sd * mismatch) ** 2,
        )

    def log_ratio(self, before: FilmBurden, after: FilmBurden, variances: Variances) -> LogRatio | None:
        """Return the log ratio with its SE; None where a film shows no area."""
        if before.area_px <= 0.0 or after.area_px <= 0.0:
            return None
        # Logarithms before the difference: that, unlike the log of a quotient, negates exactly when swapped.
        value = (math.log(after.area_px) - math.log(before.area_px)) + self.units.log_unit_ratio
        return LogRatio(value=value, se=self.model.inflation * math.sqrt(variances.total), model=self.model)


def _shared_variances(registration: Registration, model: IntervalModel, processing_differs: bool) -> Variances:
    """Return the parts that every deposit of the pair has in common."""
    scale = magnification = 0.0
    if registration.scale_applied and registration.scale:
        scale = (2.0 * (registration.scale_se or 0.0) / registration.scale) ** 2
    else:
        magnification = model.magnification_sd**2
    return Variances(
        scale=scale,
        magnification=magnification,
        repositioning=model.repositioning_sd**2,
        processing=model.processing_sd**2 if processing_differs else 0.0,
    )


def _burden_change(before: FilmBurden, after: FilmBurden, evaluable: Sequence[BurdenPair], terms: _PairTerms) -> Change:
    """Return the change of the burden, its links still missing."""
    variances = terms.variances(before, after, _mismatch_share(evaluable, before, after))
    ratio = terms.log_ratio(before, after, variances)
    decision = decide_on_ratio(ratio, terms.margin) if ratio else _decide_without_ratio(before, after, terms)
    before_mm2, after_mm2 = terms.units.baseline_mm2(before.area_px), terms.units.followup_mm2(after.area_px)
    change = Change(
        verdict=decision.verdict,
        baseline_common_area_mm2=before_mm2,
        followup_common_area_mm2=after_mm2,
        baseline_common_area_px=before.area_px,
        followup_common_area_px=after.area_px,
        total_area_change_mm2=None if before_mm2 is None or after_mm2 is None else after_mm2 - before_mm2,
        detectable=decision.detectable,
        margin_ratio=terms.margin,
        beyond_margin=decision.beyond_margin,
        area_change_band=area_change_band(percent(ratio.value) if ratio else None, decision.verdict),
        reasons=decision.reasons,
        warnings=_warnings(variances),
        model=terms.model,
    )
    if ratio is None:
        return change
    return replace(
        change,
        log_ratio=ratio.value,
        log_ratio_se=ratio.se,
        total_area_change_percent=percent(ratio.value),
        ci95_percent=ratio.percent_interval(0.95),
        ci90_percent=ratio.percent_interval(0.90),
        smallest_detectable_change_percent=ratio.smallest_detectable_change_percent,
        change_detected_with_80_percent_power_percent=ratio.change_detected_with_80_percent_power_percent,
        variances=variances,
    )


def _decide_without_ratio(before: FilmBurden, after: FilmBurden, terms: _PairTerms) -> Decision:
    """Return the verdict where at least one film shows nothing in the common field."""
    if before.area_px <= 0.0 and after.area_px <= 0.0:
        return Decision(verdict=Verdict.NO_DEPOSITS)
    empty_is_baseline = before.area_px <= 0.0
    return decide_from_zero(
        area=terms.units.followup(after.area_px) if empty_is_baseline else terms.units.baseline(before.area_px),
        limit_of_detection=terms.baseline_lod if empty_is_baseline else terms.followup_lod,
        empty_is_baseline=empty_is_baseline,
        margin_ratio=terms.margin,
    )


def _complete_links(
    links: Sequence[Link], burdens: Sequence[BurdenPair], undetected: tuple[float, ...], terms: _PairTerms
) -> tuple[Link, ...]:
    """Return the links with areas, log ratios, intervals and Holm-adjusted `detectable`."""
    completed: list[Link] = []
    p_values: dict[int, float] = {}
    for index, bare in enumerate(links):
        before, after = (
            with_all_findings(burden, share) for burden, share in zip(burdens[index], undetected, strict=True)
        )
        link = replace(
            bare,
            baseline_area_px=before.area_px,
            followup_area_px=after.area_px,
            baseline_area_mm2=terms.units.baseline_mm2(before.area_px),
            followup_area_mm2=terms.units.followup_mm2(after.area_px),
            log_ratio=None,
            log_ratio_se=None,
            area_change_percent=None,
            ci95_percent=None,
            detectable=None,
        )
        if link.status in UNMATCHED:
            link = replace(link, detectable=_exceeds_limit(link, terms))
        elif link.status is not LinkStatus.NOT_EVALUABLE:
            mismatch = abs(before.painted_share - after.painted_share)
            ratio = terms.log_ratio(before, after, terms.variances(before, after, mismatch))
            if ratio is not None:
                p_values[index] = ratio.p_value
                link = _with_ratio(link, ratio, mismatch)
        completed.append(link)
    for index, p_value in zip(p_values, holm(list(p_values.values())), strict=True):
        completed[index] = replace(completed[index], detectable=p_value < 0.05)
    return tuple(completed)


def _with_ratio(link: Link, ratio: LogRatio, mismatch: float) -> Link:
    reason = link.reason
    if mismatch > 0.0 and METHOD_WARNING.text not in reason:
        reason = f"{reason} {METHOD_WARNING.text}".strip()
    return replace(
        link,
        log_ratio=ratio.value,
        log_ratio_se=ratio.se,
        area_change_percent=percent(ratio.value),
        ci95_percent=ratio.percent_interval(0.95),
        reason=reason,
    )


def _exceeds_limit(link: Link, terms: _PairTerms) -> bool | None:
    """Return whether a new or resolved deposit exceeds the limit of detection of the film without it."""
    if link.status is LinkStatus.NEW:
        lod, area = terms.baseline_lod, terms.units.followup(link.followup_area_px)
    else:
        lod, area = terms.followup_lod, terms.units.baseline(link.baseline_area_px)
    return None if lod is None else area > lod


def _mismatch_share(burdens: Sequence[BurdenPair], before: FilmBurden, after: FilmBurden) -> float:
    """Return the share of the burden that is painted on one film and modelled on the other."""
    if before.area_px <= 0.0 or after.area_px <= 0.0:
        return 0.0
    share = 0.0
    for one, two in burdens:
        if one.area_px > 0.0 and two.area_px > 0.0:
            weight = (one.area_px / before.area_px + two.area_px / after.area_px) / 2.0
            share += weight * abs(one.painted_share - two.painted_share)
    return min(share, 1.0)


def _warnings(variances: Variances) -> tuple[Notice, ...]:
    parts = ((variances.area_method, METHOD_WARNING), (variances.processing, PROCESSING_WARNING))
    return tuple(warning for variance, warning in parts if variance > 0.0)
