"""The declared endpoint of a study: per patient against its own detectable change, and the cohort as a whole.

Every result carries what it rests on and what it cannot say; `sentences` is what a report prints first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    ArmEffect,
    Detectable,
    GeometricMeanRatio,
    Posterior,
    Proportion,
    SignFlip,
    analysis_of_covariance,
    could_have_detected,
    geometric_mean_ratio,
    posterior_ratio,
    proportion,
    sign_flip_test,
    zero_sensitivity,
)
from calcimeasure.statistics.signflip import MOST_PATIENTS
from calcimeasure.study.settings import StudySettings
from calcimeasure.study.subjects import SubjectChange

if TYPE_CHECKING:
    import pandas as pd

NOT_EVALUABLE = "not_evaluable"
NO_EFFECT = "A single arm shows change, not the effect of a treatment; no treatment effect can be estimated."


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """The analysis of one visit against baseline.

    Attributes
    ----------
    subjects
        Everybody, evaluable or not.
    ratios
        Those with a ratio: burden above zero at both visits.
    mean_ratio, sign_flip, posterior, detectable
        Of the ratios; None with fewer than two patients (or too many for the exact test).
    unchanged
        Share shown to be unchanged, of everybody who is evaluable: the indeterminate stay in the denominator.
    changed
        Share with a detectable change, likewise.
    arms
        Effects between arms; empty for a single arm.
    zeros
        Sensitivity of the ratio to what stands for a burden of zero; None where nobody has one.
    sentences
        What may be said, in order.
    """

    visit: str
    subjects: tuple[SubjectChange, ...]
    ratios: tuple[SubjectChange, ...]
    verdicts: Mapping[str, int]
    mean_ratio: GeometricMeanRatio | None
    sign_flip: SignFlip | None
    posterior: Posterior | None
    detectable: Detectable | None
    unchanged: Proportion | None
    changed: Proportion | None
    arms: tuple[ArmEffect, ...]
    zeros: pd.DataFrame | None
    sentences: tuple[str, ...]


def analyse(
    changes: Sequence[SubjectChange],
    settings: StudySettings,
    *,
    visit: str = "",
    limit_of_detection_mm2: float | None = None,
) -> Endpoint:
    """Return the analysis of a visit, the declared primary one where none is named.

    Parameters
    ----------
    changes
        From `subject_changes`.
    settings
        Margin, primary analysis and arms.
    limit_of_detection_mm2
        Half of it stands for a burden of zero in the sensitivity analysis.
    """
    visit = visit or settings.analysis.primary_visit
    subjects = tuple(change for change in changes if change.visit == visit)
    evaluable = [change for change in subjects if change.verdict != NOT_EVALUABLE]
    ratios = tuple(change for change in evaluable if change.log_ratio is not None)
    logs = [change.log_ratio for change in ratios if change.log_ratio is not None]
    errors = [change.log_ratio_se or 0.0 for change in ratios]
    enough = len(logs) > 1
    differ = enough and max(logs) > min(logs)
    mean_ratio = geometric_mean_ratio(logs, margin_ratio=settings.margin_ratio) if differ else None
    detectable = could_have_detected(logs, errors, margin_ratio=settings.margin_ratio) if differ else None
    certain = enough and min(errors) > 0.0
    posterior = posterior_ratio(logs, errors, margin_ratio=settings.margin_ratio) if certain else None
    counted = len(evaluable)
    unchanged = sum(change.verdict in ("no_change", "no_deposits") for change in evaluable)
    changed = sum(change.detectable is True for change in evaluable)
    arms, arm_note = _arms(ratios, settings)
    parts: dict[str, Any] = {
        "visit": visit,
        "subjects": subjects,
        "ratios": ratios,
        "verdicts": dict(sorted(Counter(change.verdict for change in subjects).items())),
        "mean_ratio": mean_ratio,
        "sign_flip": sign_flip_test(logs) if 0 < len(logs) <= MOST_PATIENTS else None,
        "posterior": posterior,
        "detectable": detectable,
        "unchanged": proportion(unchanged, counted) if counted else None,
        "changed": proportion(changed, counted) if counted else None,
        "arms": arms,
        "zeros": _zeros(evaluable, settings, limit_of_detection_mm2),
    }
    return Endpoint(**parts, sentences=_sentences(parts, settings, arm_note))


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


def _zeros(
    evaluable: Sequence[SubjectChange], settings: StudySettings, limit_of_detection_mm2: float | None
) -> pd.DataFrame | None:
    measured = [c for c in evaluable if c.baseline_area_mm2 is not None and c.followup_area_mm2 is not None]
    has_zero = any(0.0 in (change.baseline_area_mm2, change.followup_area_mm2) for change in measured)
    if not has_zero or limit_of_detection_mm2 is None:
        return None
    return zero_sensitivity(
        [change.baseline_area_mm2 or 0.0 for change in measured],
        [change.followup_area_mm2 or 0.0 for change in measured],
        limit_of_detection_mm2,
        margin_ratio=settings.margin_ratio,
    )


def _sentences(parts: Mapping[str, Any], settings: StudySettings, arm_note: str) -> tuple[str, ...]:
    unchanged, changed = parts["unchanged"], parts["changed"]
    if unchanged is None:
        return (f"No patient is evaluable at {parts['visit']}.", NO_EFFECT)
    missing = len(parts["subjects"]) - unchanged.total
    without = f" ({missing} more {'is' if missing == 1 else 'are'} not evaluable)" if missing else ""
    said = [
        f"At {parts['visit']}, of {_patients(unchanged.total)}{without}, {unchanged.count} were shown to be unchanged "
        f"within {_margin(settings)}, and {changed.count} showed a detectable change (95 % interval "
        f"{100 * changed.interval[0]:.0f} to {100 * changed.interval[1]:.0f} % of such patients)."
    ]
    mean: GeometricMeanRatio | None = parts["mean_ratio"]
    if mean is not None:
        low, high = mean.change_percent_interval
        shown = "equivalence is shown" if mean.equivalent else "equivalence is not shown"
        said.append(
            f"The geometric mean change of area was {mean.change_percent:+.1f} % (95 % interval {low:+.1f} to "
            f"{high:+.1f} %; {_patients(mean.patients)}); {shown} (two one-sided tests, p = {mean.p_equivalence:.3f})."
        )
    could: Detectable | None = parts["detectable"]
    if could is not None:
        said.append(
            f"This study could have detected a mean increase of {could.smallest_increase_percent:.0f} % or a decrease "
            f"of {-could.smallest_decrease_percent:.0f} % 80 times in 100."
        )
    flips: SignFlip | None = parts["sign_flip"]
    if flips is not None and flips.smallest_p_two_sided > 0.05:
        said.append(
            f"With {_patients(flips.patients)} no exact test can fall below p = {flips.smallest_p_two_sided:.3g} "
            "two-sided."
        )
    said += [
        f"At the same baseline, burden in {one.arm} was {one.ratio:.2f} times that in {one.reference} "
        f"(95 % interval {one.interval[0]:.2f} to {one.interval[1]:.2f}, p = {one.p_value:.3f})."
        for one in parts["arms"]
    ]
    if arm_note:
        said.append(arm_note)
    return tuple(said)


def _patients(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"


def _margin(settings: StudySettings) -> str:
    low, high = (100.0 * math.expm1(math.log(bound)) for bound in settings.margin_ratio)
    return f"{low:+.0f} to {high:+.0f} %"
