"""What is said of one arm (or of the only one): shares, the mean change, and what it could have detected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    ClusteredRatio,
    Detectable,
    GeometricMeanRatio,
    Posterior,
    Proportion,
    SignFlip,
    SignTest,
    bootstrap_ratio,
    bootstrap_t_ratio,
    censored_geometric_mean_ratio,
    could_have_detected,
    geometric_mean_ratio,
    mixed_model_ratio,
    posterior_ratio,
    proportion,
    sign_flip_test,
    sign_test,
)
from calcimeasure.statistics.clustered import FEWEST_FOR_BOOTSTRAP_T, FEWEST_PATIENTS
from calcimeasure.statistics.signflip import MOST_PATIENTS
from calcimeasure.study.patient_ratios import NOT_EVALUABLE, AnalysisSet, analysis_set
from calcimeasure.study.study_settings import StudySettings
from calcimeasure.study.subject_burden import SubjectChange

if TYPE_CHECKING:
    import pandas as pd

LIMIT_FACTORS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmResult:
    """The change of one arm from baseline to a visit.

    Attributes
    ----------
    arm
        Empty where the study declares no arms.
    subjects
        Everybody in it, evaluable or not.
    analysed
        Who has a ratio, measured or bounded; who had no deposits at either visit; who is missing and why.
    unchanged, changed
        Share shown to have no change beyond the margin, and with a detectable change, of the evaluable who had
        deposits at a visit: the indeterminate stay in the denominator.
    mean_ratio
        Of measured and bounded ratios; None where fewer than two were measured, or none differ.
    signs
        How many rose and fell: the rank analysis beside the mean.
    sign_flip
        Exact test of the mean, where every ratio was measured.
    posterior
        Where every ratio was measured: it needs each one's standard error.
    detectable
        What the arm could have detected.
    clustered
        Bootstrap over patients and mixed model of deposits in patients: from 20 patients on, and empty below.
    skewness
        The 90 % bootstrap-t interval beside the two one-sided tests, from 10 patients on.
    zeros
        What the mean owes to the limit of detection; None where nobody has a burden of zero.
    """

    arm: str
    subjects: tuple[SubjectChange, ...]
    analysed: AnalysisSet
    verdicts: Mapping[str, int]
    unchanged: Proportion | None
    changed: Proportion | None
    mean_ratio: GeometricMeanRatio | None
    signs: SignTest | None
    sign_flip: SignFlip | None
    posterior: Posterior | None
    detectable: Detectable | None
    clustered: tuple[ClusteredRatio, ...]
    skewness: ClusteredRatio | None
    zeros: pd.DataFrame | None


def arm_result(
    subjects: Sequence[SubjectChange],
    settings: StudySettings,
    *,
    arm: str,
    smallest: float | None,
    deposits: Sequence[tuple[str, float]] = (),
) -> ArmResult:
    """Return what is said of one arm.

    Parameters
    ----------
    subjects
        Changes of its patients at the visit.
    smallest
        Smallest burden that the study measured, for limits of detection that are not known.
    deposits
        (subject, log ratio) of every matched deposit of the arm, for the mixed model.
    """
    margin = settings.margin_ratio
    analysed = analysis_set(subjects, smallest)
    measured = [one.log_ratio for one in analysed.measured]
    errors = [one.change.log_ratio_se or 0.0 for one in analysed.measured]
    mean = mean_of(analysed, settings)
    all_measured = not analysed.bounded
    counted = [one for one in subjects if one.verdict != NOT_EVALUABLE and one.subject not in analysed.empty]
    unchanged = sum(one.verdict == "no_change" for one in counted)
    changed = sum(one.detectable is True for one in counted)
    certain = all_measured and _differ(measured) and min(errors) > 0.0
    spread = None if mean is None else mean.log_sd
    logs, sides = [one.log_ratio for one in analysed.ratios], [one.side for one in analysed.ratios]
    verdicts = sorted(one.verdict for one in subjects)
    return ArmResult(
        arm=arm,
        subjects=tuple(subjects),
        analysed=analysed,
        verdicts={verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
        unchanged=proportion(unchanged, len(counted)) if counted else None,
        changed=proportion(changed, len(counted)) if counted else None,
        mean_ratio=mean,
        signs=sign_test(logs, sides) if logs else None,
        sign_flip=sign_flip_test(logs) if all_measured and 0 < len(logs) <= MOST_PATIENTS else None,
        posterior=posterior_ratio(measured, errors, margin_ratio=margin) if certain else None,
        detectable=could_have_detected(measured, errors, margin_ratio=margin, spread=spread)
        if _differ(measured)
        else None,
        clustered=_clustered(analysed, deposits, settings, arm),
        skewness=_skewness(analysed, settings, arm),
        zeros=_limits_table(subjects, settings, smallest) if analysed.bounded else None,
    )


def mean_of(analysed: AnalysisSet, settings: StudySettings) -> GeometricMeanRatio | None:
    """Return the geometric mean ratio of measured and bounded ratios; None where too few were measured."""
    if not _differ([one.log_ratio for one in analysed.measured]):
        return None
    logs = [one.log_ratio for one in analysed.ratios]
    if not analysed.bounded:
        return geometric_mean_ratio(logs, margin_ratio=settings.margin_ratio)
    try:
        return censored_geometric_mean_ratio(
            logs, [one.side for one in analysed.ratios], margin_ratio=settings.margin_ratio
        )
    except UsageError:
        return None


def _differ(logs: Sequence[float]) -> bool:
    return len(logs) > 1 and max(logs) > min(logs)


def _limits_table(subjects: Sequence[SubjectChange], settings: StudySettings, smallest: float | None) -> pd.DataFrame:
    """Return the mean for several limits of detection, and without the patients that have a zero."""
    import pandas as pd

    cases = [
        (f"limit of detection times {factor:g}", analysis_set(subjects, smallest, limit_factor=factor))
        for factor in LIMIT_FACTORS
    ]
    present = [one for one in subjects if one.log_ratio is not None]
    cases.append(
        ("patients with a burden of zero left out (biased: shown for comparison)", analysis_set(present, None))
    )
    rows = []
    for name, analysed in cases:
        mean = mean_of(analysed, settings)
        row: dict[str, object] = {"analysis": name, "patients": len(analysed.ratios)}
        if mean is not None:
            row |= {
                "ratio": mean.ratio,
                "ratio_low": mean.interval[0],
                "ratio_high": mean.interval[1],
                "p_equivalence": mean.p_equivalence,
                "p_no_change": mean.p_no_change,
            }
        rows.append(row)
    columns = ["analysis", "patients", "ratio", "ratio_low", "ratio_high", "p_equivalence", "p_no_change"]
    return pd.DataFrame(rows, columns=columns)


def _stream(settings: StudySettings, arm: str) -> np.random.Generator:
    """Return random numbers that what is declared, and the arm, decide."""
    return np.random.default_rng([int(settings.declared_sha256[:16], 16), *arm.encode()])


def _skewness(analysed: AnalysisSet, settings: StudySettings, arm: str) -> ClusteredRatio | None:
    logs = [one.log_ratio for one in analysed.ratios]
    if analysed.bounded or len(logs) < FEWEST_FOR_BOOTSTRAP_T or not _differ(logs):
        return None
    return bootstrap_t_ratio(logs, rng=_stream(settings, arm))


def _clustered(
    analysed: AnalysisSet, deposits: Sequence[tuple[str, float]], settings: StudySettings, arm: str
) -> tuple[ClusteredRatio, ...]:
    """Return what needs 20 patients. The resamples are drawn from a stream that what is declared decides."""
    found = []
    logs = [one.log_ratio for one in analysed.ratios]
    if not analysed.bounded and len(logs) >= FEWEST_PATIENTS and _differ(logs):
        found.append(bootstrap_ratio(logs, rng=_stream(settings, arm)))
    names = [name for name, _ in deposits]
    values = [log for _, log in deposits]
    if len(set(names)) >= FEWEST_PATIENTS and len(names) > len(set(names)) and _differ(values):
        found.append(mixed_model_ratio(values, names, by_patient=True))
    return tuple(found)
