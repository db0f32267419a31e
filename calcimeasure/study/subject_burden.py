"""A subject's burden: the limbs evaluable at both visits, one declared view each, summed; and its change."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcimeasure.change.change_records import Interval, Verdict
from calcimeasure.change.intervals import IntervalModel, LogRatio, percent
from calcimeasure.change.verdict import Decision, area_change_band, decide_from_zero, decide_on_ratio
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.name_checks import declared_subjects
from calcimeasure.study.study_settings import StudySettings

Mark = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectChange:
    """The change of one subject's burden from baseline to one visit.

    Attributes
    ----------
    limbs
        Limbs that were evaluable at both visits and are summed.
    limit_of_detection_mm2
        Of all limbs together: what they would have shown 95 times in 100; None where it is not known of each.
    reason
        Why there is no change to report, or which limbs are left out.
    """

    subject: str
    arm: str
    visit: str
    limbs: int
    baseline_area_mm2: float | None = None
    followup_area_mm2: float | None = None
    area_change_mm2: float | None = None
    log_ratio: float | None = None
    log_ratio_se: float | None = None
    area_change_percent: float | None = None
    ci95_percent: Interval | None = None
    smallest_detectable_change_percent: float | None = None
    detectable: bool | None = None
    beyond_margin: bool | None = None
    verdict: str
    area_change_band: str | None = None
    limit_of_detection_mm2: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limb:
    """One limb's common areas and the standard error of their log ratio."""

    name: str
    before: float
    after: float
    se: float | None
    in_mm: bool = True
    limit: float | None = None


def subject_changes(
    films: Sequence[FilmRow], pairs: Sequence[Mark], settings: StudySettings
) -> tuple[SubjectChange, ...]:
    """Return each subject's change at each visit, in the order of subjects and visits; declared ones without films too.

    Parameters
    ----------
    films
        The manifest.
    pairs
        Marks of the finished pairs of kind ``change``.
    """
    rows = {film.name: film for film in films}
    by_visit: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    for mark in pairs:
        film = rows[mark["followup"]]
        declared = settings.analysis.burden_view.get(film.body_part)
        if declared is None or declared == film.view:
            by_visit[film.subject, film.visit].append(mark)
    subjects = sorted({film.subject for film in films if film.include} | declared_subjects(settings))
    return tuple(
        _change(subject, visit.name, by_visit.get((subject, visit.name), []), rows, settings)
        for subject in subjects
        for visit in settings.visits[1:]
        if visit.is_due(subject) or (subject, visit.name) in by_visit
    )


def _change(
    subject: str, visit: str, marks: Sequence[Mark], rows: Mapping[str, FilmRow], settings: StudySettings
) -> SubjectChange:
    limbs, left_out = _evaluable(marks, rows)
    head = {"subject": subject, "arm": settings.analysis.arms.get(subject, ""), "visit": visit, "limbs": len(limbs)}
    reason = " ".join(left_out)
    if not limbs:
        missing = reason or "No limb has films at both visits."
        return SubjectChange(verdict="not_evaluable", reason=missing, **head)  # type: ignore[arg-type]
    before, after = math.fsum(limb.before for limb in limbs), math.fsum(limb.after for limb in limbs)
    in_mm = all(limb.in_mm for limb in limbs)
    ratio = _ratio(limbs, before, after)
    limits = [limb.limit for limb in limbs if limb.limit is not None]
    # Every limb may have hidden as much as a film can hide.
    limit = math.fsum(limits) if in_mm and len(limits) == len(limbs) else None
    decision = _decide(ratio, before, after, limit, settings)
    change = percent(ratio.value) if ratio else None
    return SubjectChange(
        **head,  # type: ignore[arg-type]
        baseline_area_mm2=before if in_mm else None,
        followup_area_mm2=after if in_mm else None,
        area_change_mm2=after - before if in_mm else None,
        log_ratio=ratio.value if ratio else None,
        log_ratio_se=ratio.se if ratio else None,
        area_change_percent=change,
        ci95_percent=ratio.percent_interval(0.95) if ratio else None,
        smallest_detectable_change_percent=ratio.smallest_detectable_change_percent if ratio else None,
        detectable=decision.detectable,
        beyond_margin=decision.beyond_margin,
        verdict=str(decision.verdict),
        area_change_band=area_change_band(change, decision.verdict),
        limit_of_detection_mm2=limit,
        reason=" ".join(part for part in (*decision.reasons, reason) if part),
    )


def _evaluable(marks: Sequence[Mark], rows: Mapping[str, FilmRow]) -> tuple[list[_Limb], list[str]]:
    """Return the limbs that can be summed, and a sentence for each that cannot.

    Areas in pixels are summed with nothing: a limb without millimetres is evaluable only where it is the only one.
    """
    limbs, left_out = [], []
    for mark in sorted(marks, key=lambda one: str(one["followup"])):
        film = rows[mark["followup"]]
        name = f"{film.side} {film.body_part}"
        if mark["verdict"] == Verdict.NOT_COMPARABLE:
            left_out.append(f"{name} is left out: {' '.join(mark['reasons'])}")
            continue
        before, after = mark["baseline_common_area_mm2"], mark["followup_common_area_mm2"]
        if before is None or after is None:
            if len(marks) > 1:
                left_out.append(f"{name} is left out: its films have no common millimetres.")
                continue
            left_out.append("The change is in percent alone: the films have no millimetres.")
            pixels = (mark["baseline_common_area_px"], mark["followup_common_area_px"])
            # The ratio of pixel areas, with the scale of the bones: moved wholly into the second.
            limbs.append(
                _Limb(name=name, before=pixels[0], after=_scaled(mark, *pixels), se=mark["log_ratio_se"], in_mm=False)
            )
            continue
        limit = mark.get("limit_of_detection_mm2")
        limbs.append(_Limb(name=name, before=before, after=after, se=mark["log_ratio_se"], limit=limit))
    return limbs, left_out


def _scaled(mark: Mark, before: float, after: float) -> float:
    """Return the second film's area in the first film's pixels, as the pair's own ratio has it."""
    return after if mark["log_ratio"] is None else before * math.exp(mark["log_ratio"])


def _ratio(limbs: Sequence[_Limb], before: float, after: float) -> LogRatio | None:
    """Return the log ratio of the sums.

    With shares w of area (the mean of both visits') the variance is the sum of (w se)^2: limbs are laid down one by
    one, so that their errors are independent.
    """
    if before <= 0.0 or after <= 0.0:
        return None
    variance = math.fsum(_share_of_error(limb, before, after) ** 2 for limb in limbs)
    return LogRatio(value=math.log(after) - math.log(before), se=math.sqrt(variance), model=IntervalModel())


def _share_of_error(limb: _Limb, before: float, after: float) -> float:
    """Return a limb's part of the standard error of the log ratio of the sums.

    A limb with deposits at one visit only has no ratio. What it shows is there or is not: the error of its area is
    taken as half of it, the most that something with a probability can have.
    """
    if limb.se is None:
        return 0.5 * (limb.before / before + limb.after / after)
    return 0.5 * (limb.before / before + limb.after / after) * limb.se


def _decide(
    ratio: LogRatio | None, before: float, after: float, limit: float | None, settings: StudySettings
) -> Decision:
    if ratio is not None:
        return decide_on_ratio(ratio, settings.margin_ratio)
    if before <= 0.0 and after <= 0.0:
        return Decision(verdict=Verdict.NO_DEPOSITS)
    return decide_from_zero(
        area=max(before, after),
        limit_of_detection=limit,
        empty_is_baseline=before <= 0.0,
        margin_ratio=settings.margin_ratio,
    )
