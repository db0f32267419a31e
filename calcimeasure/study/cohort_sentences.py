"""The conclusions on a cohort, in the order in which a paper would print it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from calcimeasure.study.study_settings import StudySettings

if TYPE_CHECKING:
    from calcimeasure.statistics import ArmEffect, Detectable, GeometricMeanRatio, SignFlip
    from calcimeasure.study.endpoint import Endpoint

NO_EFFECT = "A single arm shows change, not the effect of a treatment; no treatment effect can be estimated."
FEW_PATIENTS = 10
"""Below it the sentence says that a mean rests on the normal law, which so few cannot check."""


def sentences_of(endpoint: Endpoint, settings: StudySettings, arm_note: str) -> tuple[str, ...]:
    """Return the sentences of an analysis.

    Parameters
    ----------
    endpoint
        Everything but its sentences.
    arm_note
        Why arms are not compared; empty where they are.
    """
    if endpoint.unchanged is None:
        return (f"No patient is evaluable at {endpoint.visit}.", NO_EFFECT)
    sentences = [_patients_sentence(endpoint, settings)]
    if endpoint.changed is not None and endpoint.changed.count:
        sentences.append(_chance_sentence(endpoint.changed.total))
    if endpoint.mean_ratio is not None:
        sentences.append(_mean_sentence(endpoint.mean_ratio, endpoint.imputed, settings))
    if endpoint.sign_flip is not None and endpoint.sign_flip.smallest_p_two_sided > 0.05:
        sentences.append(_sign_flip_sentence(endpoint.sign_flip))
    if endpoint.detectable is not None:
        sentences.append(_detectable_sentence(endpoint.detectable))
    sentences += [_arm_sentence(one) for one in endpoint.arms]
    if arm_note:
        sentences.append(arm_note)
    if settings.analysis.population:
        sentences.append(
            "The analysis is of the patients that were declared for it; others are shown and counted nowhere."
        )
    return tuple(sentences)


def _patients_sentence(endpoint: Endpoint, settings: StudySettings) -> str:
    unchanged, changed = endpoint.unchanged, endpoint.changed
    if unchanged is None or changed is None:
        return ""
    missing = len(endpoint.subjects) - unchanged.total
    without = f" ({missing} more {'is' if missing == 1 else 'are'} not evaluable)" if missing else ""
    evaluable = [change for change in endpoint.subjects if change.verdict != "not_evaluable"]
    unsure = sum(change.verdict == "indeterminate" for change in evaluable)
    small = sum(change.verdict == "no_change" and change.detectable is True for change in evaluable)
    within = f", though {small} of them did change detectably" if small else ""
    unclear = f"; the films of {unsure} cannot tell" if unsure else ""
    return (
        f"At {endpoint.visit}, of {patients(unchanged.total)}{without}, {unchanged.count} "
        f"{'was' if unchanged.count == 1 else 'were'} shown to have no change beyond {margin_words(settings)}{within} "
        f"({_share(unchanged.interval)}), and {changed.count} showed a detectable change "
        f"({_share(changed.interval)}){unclear}."
    )


def _chance_sentence(total: int) -> str:
    """Return how many would show a change where none changed: each patient's interval is one of 95 %."""
    expected = 0.05 * total
    return (
        f"Each patient is judged at 5 %: if none of the {total} had changed, {expected:.1f} would be expected to show "
        "a change by chance."
    )


def _mean_sentence(mean: GeometricMeanRatio, imputed: int, settings: StudySettings) -> str:
    low, high = mean.change_percent_interval
    if settings.analysis.primary == "change":
        is_shown = mean.p_no_change < 0.05
        shown = f"a change of the mean is {'' if is_shown else 'not '}shown (t test, {p_words(mean.p_no_change)})"
    else:
        shown = (
            f"that the mean changed by less than the margin is {'' if mean.equivalent else 'not '}shown (two one-sided "
            f"tests, {p_words(mean.p_equivalence)})"
        )
    zeros = f", {imputed} of them with half the limit of detection for a burden of zero" if imputed else ""
    few = "" if mean.patients >= FEW_PATIENTS else "; with so few this rests on log ratios being normal"
    interval = f"95 % interval {low:+.1f} to {high:+.1f} %"
    return (
        f"The geometric mean change of area was {mean.change_percent:+.1f} % ({interval}, "
        f"{patients(mean.patients)}{zeros}); {shown}{few}."
    )


def _sign_flip_sentence(flips: SignFlip) -> str:
    return (
        f"With {patients(flips.patients)} no exact test of change can fall below p = {flips.smallest_p_one_sided:.3g} "
        f"one-sided or {flips.smallest_p_two_sided:.3g} two-sided."
    )


def _detectable_sentence(could: Detectable) -> str:
    low, high = could.smallest_margin_ratio
    return (
        f"This study could have detected a mean increase of {could.smallest_increase_percent:.0f} % or a decrease of "
        f"{-could.smallest_decrease_percent:.0f} % 80 times in 100, and could have shown a mean without change to lie "
        f"within {100 * (low - 1):+.0f} to {100 * (high - 1):+.0f} % as often."
    )


def _arm_sentence(one: ArmEffect) -> str:
    return (
        f"At the same baseline, burden in {one.arm} was {one.ratio:.2f} times that in {one.reference} (95 % interval "
        f"{one.interval[0]:.2f} to {one.interval[1]:.2f}, {p_words(one.p_value)})."
    )


def patients(count: int) -> str:
    """Return a number of patients in words."""
    return "1 patient" if count == 1 else f"{count} patients"


def p_words(p_value: float) -> str:
    """Return a p value as papers print it: three digits, and never zero."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def margin_words(settings: StudySettings) -> str:
    """Return the margin in percent."""
    low, high = (100.0 * math.expm1(math.log(bound)) for bound in settings.margin_ratio)
    return f"{low:+.0f} to {high:+.0f} %"


def _share(interval: tuple[float, float]) -> str:
    return f"95 % interval {100 * interval[0]:.0f} to {100 * interval[1]:.0f} % of such patients"
