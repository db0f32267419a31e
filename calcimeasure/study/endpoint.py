"""The declared endpoint of a study: per patient against its own detectable change, and the cohort as a whole.

With arms, everything is said by arm and between arms: a mean over both is said nowhere. Every result carries what it
rests on and what it cannot say; `sentences` is what a report prints first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from calcimeasure.statistics import (
    ArmEffect,
    ClusteredRatio,
    Detectable,
    GeometricMeanRatio,
    Posterior,
    Proportion,
    RankComparison,
    SignFlip,
)
from calcimeasure.study.arm_comparison import ArmComparison, compare_arms
from calcimeasure.study.arm_result import ArmResult, arm_result
from calcimeasure.study.cohort_sentences import sentences_of
from calcimeasure.study.patient_ratios import smallest_burden
from calcimeasure.study.study_settings import StudySettings
from calcimeasure.study.subject_burden import SubjectChange

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """The analysis of one visit against baseline.

    Attributes
    ----------
    subjects
        Everybody in the declared population, evaluable or not.
    others
        Names of those outside it: measured and shown, counted nowhere.
    results
        One a declared arm, the reference first; one alone where the study declares none.
    comparison
        Between arms; None for a single arm.
    unassigned
        Patients for whom no arm is declared, though others have one: shown, and in no arm's numbers.
    sentences
        The conclusions, in order.
    """

    visit: str
    subjects: tuple[SubjectChange, ...]
    others: tuple[str, ...]
    results: tuple[ArmResult, ...]
    comparison: ArmComparison | None
    unassigned: tuple[str, ...]
    verdicts: Mapping[str, int]
    sentences: tuple[str, ...] = ()

    @property
    def _only(self) -> ArmResult | None:
        """The result of the only arm: nothing is pooled over two."""
        return self.results[0] if len(self.results) == 1 else None

    @property
    def ratios(self) -> tuple[SubjectChange, ...]:
        """Patients with deposits at both visits, of all arms."""
        return tuple(one.change for result in self.results for one in result.analysed.measured)

    @property
    def arms(self) -> tuple[ArmEffect, ...]:
        """Effects between arms; empty for a single arm."""
        return () if self.comparison is None else self.comparison.effects

    @property
    def ranks(self) -> tuple[RankComparison, ...]:
        """Rank tests between arms; empty for a single arm."""
        return () if self.comparison is None else self.comparison.ranks

    @property
    def mean_ratio(self) -> GeometricMeanRatio | None:
        """Of a single arm; None with several, as everything below."""
        return None if self._only is None else self._only.mean_ratio

    @property
    def sign_flip(self) -> SignFlip | None:
        """Of a single arm whose ratios were all measured."""
        return None if self._only is None else self._only.sign_flip

    @property
    def posterior(self) -> Posterior | None:
        """Of a single arm whose ratios were all measured."""
        return None if self._only is None else self._only.posterior

    @property
    def detectable(self) -> Detectable | None:
        """Of a single arm."""
        return None if self._only is None else self._only.detectable

    @property
    def clustered(self) -> tuple[ClusteredRatio, ...]:
        """Of a single arm of 20 patients or more."""
        return () if self._only is None else self._only.clustered

    @property
    def unchanged(self) -> Proportion | None:
        """Of a single arm."""
        return None if self._only is None else self._only.unchanged

    @property
    def changed(self) -> Proportion | None:
        """Of a single arm."""
        return None if self._only is None else self._only.changed

    @property
    def zeros(self) -> pd.DataFrame | None:
        """Of a single arm in which somebody has a burden of zero."""
        return None if self._only is None else self._only.zeros


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
    smallest = smallest_burden(subjects)
    groups = _groups(subjects, settings)
    results = tuple(
        arm_result(
            members,
            settings,
            arm=arm,
            smallest=smallest,
            deposits=[one for one in deposits if one[0] in {member.subject for member in members}],
        )
        for arm, members in groups.items()
    )
    endpoint = Endpoint(
        visit=visit,
        subjects=subjects,
        others=tuple(sorted({change.subject for change in changes} - everybody)) if analysis.population else (),
        results=results,
        comparison=compare_arms(results, settings) if len(results) > 1 else None,
        unassigned=tuple(one.subject for one in subjects if analysis.arms and not one.arm),
        verdicts=dict(sorted(Counter(change.verdict for change in subjects).items())),
    )
    return replace(endpoint, sentences=sentences_of(endpoint, settings))


def _groups(subjects: Sequence[SubjectChange], settings: StudySettings) -> dict[str, list[SubjectChange]]:
    """Return the patients of each arm, the reference first; all in one where no arms are declared."""
    arms = set(settings.analysis.arms.values())
    if not arms:
        return {"": list(subjects)}
    reference = settings.analysis.reference_arm
    ordered = sorted(arms, key=lambda arm: (arm != reference, arm))
    return {arm: [one for one in subjects if one.arm == arm] for arm in ordered}
