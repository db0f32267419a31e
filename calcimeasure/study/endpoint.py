"""The declared endpoint of a study: per patient against its own detectable change, and the cohort as a whole.

Every result carries what it rests on and what it cannot say; `sentences` is what a report prints first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    ArmEffect,
    ClusteredRatio,
    Detectable,
    GeometricMeanRatio,
    Posterior,
    Proportion,
    SignFlip,
    analysis_of_covariance,
    bootstrap_ratio,
    could_have_detected,
    geometric_mean_ratio,
    mixed_model_ratio,
    posterior_ratio,
    proportion,
    replace_zeros,
    sign_flip_test,
    zero_sensitivity,
)
from calcimeasure.statistics.clustered import FEWEST_PATIENTS
from calcimeasure.statistics.signflip import MOST_PATIENTS
from calcimeasure.study.cohort_sentences import NO_EFFECT, sentences_of
from calcimeasure.study.study_settings import StudySettings
from calcimeasure.study.subject_burden import SubjectChange

if TYPE_CHECKING:
    import pandas as pd

NOT_EVALUABLE = "not_evaluable"


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """The analysis of one visit against baseline.

    Attributes
    ----------
    subjects
        Everybody in the declared population, evaluable or not.
    others
        Names of those outside it: measured and shown, counted nowhere.
    ratios
        Those with a ratio: burden above zero at both visits.
    imputed
        How many more enter the mean with half the limit of detection for a burden of zero.
    mean_ratio, sign_flip
        Of the ratios and the imputed; None with fewer than two patients (or too many for the exact test).
    posterior, detectable
        Of the ratios alone: they need each one's standard error.
    clustered
        Bootstrap over patients and mixed model of deposits in patients: from 20 patients on, and empty below.
    unchanged
        Share shown to have no change beyond the margin, of everybody who is evaluable: the indeterminate stay in the
        denominator.
    changed
        Share with a detectable change, likewise.
    arms
        Effects between arms; empty for a single arm.
    zeros
        Sensitivity of the ratio to what stands for a burden of zero; None where nobody has one.
    sentences
        The conclusions, in order.
    """

    visit: str
    subjects: tuple[SubjectChange, ...]
    others: tuple[str, ...]
    ratios: tuple[SubjectChange, ...]
    imputed: int
    verdicts: Mapping[str, int]
    mean_ratio: GeometricMeanRatio | None
    sign_flip: SignFlip | None
    posterior: Posterior | None
    detectable: Detectable | None
    clustered: tuple[ClusteredRatio, ...]
    unchanged: Proportion | None
    changed: Proportion | None
    arms: tuple[ArmEffect, ...]
    zeros: pd.DataFrame | None
    sentences: tuple[str, ...] = ()


def analyse(
    changes: Sequence[SubjectChange],
    settings: StudySettings,
    *,
    visit: str = "",
    deposits: Sequence[tuple[str, float]] = (),
) -> Endpoint:
    """Return the analysis of a visit, the declared primary one where none is named.

    Parameters
    ----------
    changes
        From `subject_changes`.
    settings
        Margin, primary analysis, population, arms and limit of detection.
    deposits
        (subject, log ratio) of every matched deposit of the visit, for the mixed model.
    """
    analysis = settings.analysis
    visit = visit or analysis.primary_visit
    everybody = set(analysis.population or (change.subject for change in changes))
    subjects = tuple(change for change in changes if change.visit == visit and change.subject in everybody)
    evaluable = [change for change in subjects if change.verdict != NOT_EVALUABLE]
    ratios = tuple(change for change in evaluable if change.log_ratio is not None)
    measured = [change.log_ratio for change in ratios if change.log_ratio is not None]
    errors = [change.log_ratio_se or 0.0 for change in ratios]
    imputed = _imputed(evaluable)
    logs = measured + imputed
    certain = _differ(measured) and min(errors) > 0.0
    counted = len(evaluable)
    unchanged = sum(change.verdict in ("no_change", "no_deposits") for change in evaluable)
    changed = sum(change.detectable is True for change in evaluable)
    arms, arm_note = _arms(ratios, settings)
    margin = settings.margin_ratio
    endpoint = Endpoint(
        visit=visit,
        subjects=subjects,
        others=tuple(sorted({change.subject for change in changes} - everybody)) if analysis.population else (),
        ratios=ratios,
        imputed=len(imputed),
        verdicts=dict(sorted(Counter(change.verdict for change in subjects).items())),
        mean_ratio=geometric_mean_ratio(logs, margin_ratio=margin) if _differ(logs) else None,
        sign_flip=sign_flip_test(logs) if 0 < len(logs) <= MOST_PATIENTS else None,
        posterior=posterior_ratio(measured, errors, margin_ratio=margin) if certain else None,
        detectable=could_have_detected(measured, errors, margin_ratio=margin) if _differ(measured) else None,
        clustered=_clustered(logs, [one for one in deposits if one[0] in everybody], settings),
        unchanged=proportion(unchanged, counted) if counted else None,
        changed=proportion(changed, counted) if counted else None,
        arms=arms,
        zeros=_zeros(evaluable, settings),
    )
    return replace(endpoint, sentences=sentences_of(endpoint, settings, arm_note))


def _differ(logs: Sequence[float]) -> bool:
    return len(logs) > 1 and max(logs) > min(logs)


def _imputed(evaluable: Sequence[SubjectChange]) -> list[float]:
    """Return log ratios of those with a burden of zero at either visit, half the limit of detection standing for it."""
    zeros = [change for change in evaluable if change.log_ratio is None and _can_stand(change)]
    if not zeros:
        return []
    before, after = _areas(zeros)
    limits = [_limit(change) for change in zeros]
    return [float(log) for log in np.log(replace_zeros(after, limits)) - np.log(replace_zeros(before, limits))]


def _can_stand(change: SubjectChange) -> bool:
    """Return whether both areas are known, and what would stand for one that is zero."""
    areas = (change.baseline_area_mm2, change.followup_area_mm2)
    return None not in areas and (0.0 not in areas or change.limit_of_detection_mm2 is not None)


def _limit(change: SubjectChange) -> float:
    """Return the area of which half stands for a zero: what could be hidden, at most what the other visit shows.

    Without that bound a film that could hide much would make a deposit that is gone count as grown. A burden of
    zero at both visits has the ratio 1 whatever stands for it, and an area above zero needs nothing.
    """
    areas = [area for area in (change.baseline_area_mm2, change.followup_area_mm2) if area]
    known = change.limit_of_detection_mm2 or 1.0
    return min(known, *areas) if areas else known


def _areas(changes: Sequence[SubjectChange]) -> tuple[list[float], list[float]]:
    return [change.baseline_area_mm2 or 0.0 for change in changes], [
        change.followup_area_mm2 or 0.0 for change in changes
    ]


def _clustered(
    logs: Sequence[float], deposits: Sequence[tuple[str, float]], settings: StudySettings
) -> tuple[ClusteredRatio, ...]:
    """Return what needs 20 patients. The resamples are drawn from a stream that what is declared decides."""
    found = []
    if len(logs) >= FEWEST_PATIENTS and _differ(logs):
        rng = np.random.default_rng(int(settings.declared_sha256[:16], 16))
        found.append(bootstrap_ratio(logs, rng=rng))
    names = [name for name, _ in deposits]
    values = [log for _, log in deposits]
    if len(set(names)) >= FEWEST_PATIENTS and len(names) > len(set(names)) and _differ(values):
        found.append(mixed_model_ratio(values, names))
    return tuple(found)


def _arms(ratios: Sequence[SubjectChange], settings: StudySettings) -> tuple[tuple[ArmEffect, ...], str]:
    """Return effects between arms, and why there are none."""
    armed = [change for change in ratios if change.arm and change.baseline_area_mm2 and change.followup_area_mm2]
    if len({change.arm for change in armed}) < 2:
        return (), NO_EFFECT
    try:
        effects = analysis_of_covariance(
            [change.baseline_area_mm2 or 0.0 for change in armed],
            [change.followup_area_mm2 or 0.0 for change in armed],
            [change.arm for change in armed],
            reference=settings.analysis.reference_arm,
        )
    except UsageError as error:
        return (), f"The arms cannot be compared: {error.problem}."
    return effects, ""


def _zeros(evaluable: Sequence[SubjectChange], settings: StudySettings) -> pd.DataFrame | None:
    measured = [change for change in evaluable if _can_stand(change)]
    before, after = _areas(measured)
    if 0.0 not in (*before, *after):
        return None
    return zero_sensitivity(before, after, [_limit(change) for change in measured], margin_ratio=settings.margin_ratio)
