"""Arms against the reference: burden at the same baseline, ranks of change, and who could not be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcimeasure.errors import UsageError
from calcimeasure.statistics import ArmEffect, RankComparison, analysis_of_covariance, rank_comparison
from calcimeasure.study.arm_result import LIMIT_FACTORS, ArmResult
from calcimeasure.study.patient_ratios import PatientRatio
from calcimeasure.study.study_settings import StudySettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmComparison:
    """What is said between arms.

    Attributes
    ----------
    effects
        Analysis of covariance, one an arm other than the reference.
    ranks
        Gehan's test of change, one an arm other than the reference.
    missing
        Reason by patient of those in no comparison.
    unit_only
        Patients who have a ratio but no area in mm²: in the ranks, and not in the analysis of covariance.
    problem
        Why there are no effects; empty where there are.
    zeros
        What the effects owe to the limit of detection; None where nobody has a burden of zero.
    """

    effects: tuple[ArmEffect, ...]
    ranks: tuple[RankComparison, ...]
    missing: dict[str, str]
    unit_only: tuple[str, ...]
    problem: str
    zeros: pd.DataFrame | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Burden:
    """One patient in the analysis of covariance."""

    arm: str
    before: float
    after: float
    limit: float


def compare_arms(results: Sequence[ArmResult], settings: StudySettings) -> ArmComparison:
    """Return the comparison of every arm with the reference.

    Patients without deposits at baseline are compared among themselves, all of them or none: where nobody of them had
    a deposit at the visit either, they say nothing of the arms and are counted apart.
    """
    reference = settings.analysis.reference_arm
    ratios = [(result.arm, one) for result in results for one in result.analysed.ratios]
    missing = {name: reason for result in results for name, reason in result.analysed.missing.items()}
    burdens, unit_only = _burdens(results, ratios)
    effects, problem = _effects(burdens, settings)
    ranks = []
    for result in results:
        if result.arm != reference:
            try:
                ranks.append(
                    rank_comparison(
                        [one.log_ratio for _, one in ratios],
                        [one.side for _, one in ratios],
                        [arm for arm, _ in ratios],
                        arm=result.arm,
                        reference=reference,
                    )
                )
            except UsageError as error:
                problem = problem or error.problem
    has_zeros = any(burden.after == 0.0 for burden in burdens)
    return ArmComparison(
        effects=effects,
        ranks=tuple(ranks),
        missing=missing,
        unit_only=unit_only,
        problem=problem,
        zeros=_limits_table(burdens, settings) if effects and has_zeros else None,
    )


def _burdens(
    results: Sequence[ArmResult], ratios: Sequence[tuple[str, PatientRatio]]
) -> tuple[list[_Burden], tuple[str, ...]]:
    """Return who has burdens to be compared, and the names of those who have a ratio alone."""
    burdens, unit_only = [], []
    for arm, one in ratios:
        before, after = one.change.baseline_area_mm2, one.change.followup_area_mm2
        if before is None or after is None:
            unit_only.append(one.subject)
        else:
            burdens.append(_Burden(arm=arm, before=before, after=after, limit=one.limit or 1.0))
    if any(burden.before == 0.0 for burden in burdens):
        for result in results:
            empty = [one for one in result.subjects if one.subject in result.analysed.empty]
            limits = [one.limit for _, one in ratios if one.limit is not None]
            burdens += [
                _Burden(arm=result.arm, before=0.0, after=0.0, limit=one.limit_of_detection_mm2 or min(limits))
                for one in empty
            ]
    return burdens, tuple(unit_only)


def _effects(
    burdens: Sequence[_Burden], settings: StudySettings, *, limit_factor: float = 1.0
) -> tuple[tuple[ArmEffect, ...], str]:
    """Return effects between arms, and why there are none."""
    try:
        effects = analysis_of_covariance(
            [one.before for one in burdens],
            [one.after for one in burdens],
            [one.arm for one in burdens],
            reference=settings.analysis.reference_arm,
            limit_of_detection=[limit_factor * one.limit for one in burdens],
            margin_ratio=settings.margin_ratio,
        )
    except UsageError as error:
        return (), error.problem
    return effects, ""


def _limits_table(burdens: Sequence[_Burden], settings: StudySettings) -> pd.DataFrame:
    """Return the effects for several limits of detection."""
    import pandas as pd

    rows = []
    for factor in LIMIT_FACTORS:
        effects, _ = _effects(burdens, settings, limit_factor=factor)
        rows += [
            {
                "analysis": f"{one.arm} against {one.reference}, limit of detection times {factor:g}",
                "patients": one.patients + one.reference_patients,
                "ratio": one.ratio,
                "ratio_low": one.interval[0],
                "ratio_high": one.interval[1],
                "p_no_change": one.p_value,
            }
            for one in effects
        ]
    return pd.DataFrame(rows)
