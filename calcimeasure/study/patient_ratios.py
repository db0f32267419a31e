"""Each patient's log ratio for the analysis: measured, or known only by a bound where one visit shows no deposit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calcimeasure.statistics.censored import ABOVE, BELOW, MEASURED
from calcimeasure.study.subject_burden import SubjectChange

NOT_EVALUABLE, NO_DEPOSITS = "not_evaluable", "no_deposits"


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientRatio:
    """One patient's natural log ratio, or its bound.

    Attributes
    ----------
    side
        -1 where the ratio lies below `log_ratio`, 0 where it is measured, 1 where it lies above.
    limit
        The limit of detection that a zero lies below, in mm²; None where the ratio was measured.
    """

    change: SubjectChange
    log_ratio: float
    side: int
    limit: float | None = None

    @property
    def subject(self) -> str:
        """The patient."""
        return self.change.subject


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalysisSet:
    """Who is in an analysis, and who is not and why.

    Attributes
    ----------
    ratios
        Measured and bounded.
    empty
        Patients without deposits at either visit: they show nothing about change.
    missing
        Reason by patient of all others.
    limit_from_study
        The smallest burden of the study, where it stands for a limit of detection that is not known; else None.
    """

    ratios: tuple[PatientRatio, ...]
    empty: tuple[str, ...]
    missing: dict[str, str]
    limit_from_study: float | None

    @property
    def measured(self) -> tuple[PatientRatio, ...]:
        """Those with deposits at both visits."""
        return tuple(one for one in self.ratios if one.side == MEASURED)

    @property
    def bounded(self) -> tuple[PatientRatio, ...]:
        """Those with deposits at one visit only."""
        return tuple(one for one in self.ratios if one.side != MEASURED)


def smallest_burden(changes: Sequence[SubjectChange]) -> float | None:
    """Return the smallest burden above zero that the study measured, in mm²; None without any."""
    areas = [area for one in changes for area in (one.baseline_area_mm2, one.followup_area_mm2) if area]
    return min(areas, default=None)


def analysis_set(changes: Sequence[SubjectChange], smallest: float | None, *, limit_factor: float = 1.0) -> AnalysisSet:
    """Return who has a log ratio, measured or bounded.

    A burden that fell from A to zero lies below the limit of detection L: its ratio is below L / A. One that rose from
    zero to A has a ratio above A / L. Where L is not known the smallest burden of the study stands for it, the
    consistent estimate of an unknown threshold (Carson and Sun, Econom J 2007;10:488).

    Parameters
    ----------
    changes
        Of one visit.
    smallest
        From `smallest_burden`, of the whole study.
    limit_factor
        Multiplies every limit of detection, to show what the analysis owes to it.
    """
    ratios: list[PatientRatio] = []
    empty: list[str] = []
    missing: dict[str, str] = {}
    from_study = False
    for change in changes:
        before, after = change.baseline_area_mm2, change.followup_area_mm2
        if change.verdict == NOT_EVALUABLE:
            missing[change.subject] = change.reason or "not evaluable"
        elif change.log_ratio is not None:
            ratios.append(PatientRatio(change=change, log_ratio=change.log_ratio, side=MEASURED))
        elif change.verdict == NO_DEPOSITS or (before == 0.0 and after == 0.0):
            empty.append(change.subject)
        elif before is None or after is None:
            missing[change.subject] = "one visit shows no deposit, and the films have no millimetres"
        else:
            limit = change.limit_of_detection_mm2 or smallest
            from_study |= change.limit_of_detection_mm2 is None
            if limit is not None:
                ratios.append(_bounded(change, before, after, limit_factor * limit))
    return AnalysisSet(
        ratios=tuple(ratios),
        empty=tuple(empty),
        missing=missing,
        limit_from_study=smallest if from_study else None,
    )


def _bounded(change: SubjectChange, before: float, after: float, limit: float) -> PatientRatio:
    if after > 0.0:
        return PatientRatio(change=change, log_ratio=math.log(after / limit), side=ABOVE, limit=limit)
    return PatientRatio(change=change, log_ratio=math.log(limit / before), side=BELOW, limit=limit)
