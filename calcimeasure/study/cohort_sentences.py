"""The conclusions on a cohort, in the order in which a paper would print it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from calcimeasure.study.patient_ratios import NOT_EVALUABLE
from calcimeasure.study.study_settings import StudySettings

if TYPE_CHECKING:
    from calcimeasure.statistics import ArmEffect, Detectable
    from calcimeasure.study.arm_comparison import ArmComparison
    from calcimeasure.study.arm_result import ArmResult
    from calcimeasure.study.endpoint import Endpoint

NO_EFFECT = "A single arm shows change, not the effect of a treatment; no treatment effect can be estimated."
FEW_PATIENTS = 10
"""Below it the sentence says that a mean rests on the normal law, which so few cannot check."""


def sentences_of(endpoint: Endpoint, settings: StudySettings) -> tuple[str, ...]:
    """Return the sentences of an analysis: of the arms one by one, then of what lies between them.

    Parameters
    ----------
    endpoint
        Everything but its sentences.
    """
    if all(result.unchanged is None and not result.analysed.empty for result in endpoint.results):
        return (f"No patient is evaluable at {endpoint.visit}.", NO_EFFECT)
    alone = len(endpoint.results) == 1
    sentences: list[str] = []
    for result in endpoint.results:
        sentences += _result_sentences(result, endpoint.visit, settings, alone=alone)
    changed = [result.changed for result in endpoint.results if result.changed is not None]
    if any(share.count for share in changed):
        sentences.insert(1 if alone else len(sentences), _chance_sentence(sum(share.total for share in changed)))
    if endpoint.comparison is None:
        sentences.append(NO_EFFECT)
    else:
        sentences += _comparison_sentences(endpoint.comparison, settings)
    if endpoint.unassigned:
        names = ", ".join(endpoint.unassigned)
        sentences.append(f"No arm is declared for {names}: in none of these numbers.")
    if settings.analysis.population:
        sentences.append(
            "The analysis is of the patients that were declared for it; others are shown and counted nowhere."
        )
    return tuple(sentences)


def _result_sentences(result: ArmResult, visit: str, settings: StudySettings, *, alone: bool) -> list[str]:
    sentences = [_patients_sentence(result, visit, settings)]
    if result.mean_ratio is not None:
        sentences.append(_mean_sentence(result, settings, alone=alone))
    elif result.analysed.bounded:
        sentences.append(_no_mean_sentence(result))
    if result.analysed.bounded:
        sentences.append(_bounds_sentence(result))
    if alone and result.signs is not None and result.signs.smallest_p > 0.05:
        sentences.append(_few_sentence(result))
    if alone and result.detectable is not None:
        sentences.append(_detectable_sentence(result.detectable))
    return sentences


def _patients_sentence(result: ArmResult, visit: str, settings: StudySettings) -> str:
    unchanged, changed = result.unchanged, result.changed
    where = f"At {visit}, " if not result.arm else f"In {result.arm} at {visit}, "
    missing, empty = len(result.analysed.missing), len(result.analysed.empty)
    apart = [f"{missing} more {'is' if missing == 1 else 'are'} not evaluable"] if missing else []
    if empty:
        apart.append(f"{empty} more had no deposits at either visit, which shows nothing about change")
    without = f" ({'; '.join(apart)})" if apart else ""
    if unchanged is None or changed is None:
        return f"{where}no patient with deposits is evaluable{without}."
    evaluable = [one for one in result.subjects if one.verdict != NOT_EVALUABLE]
    unsure = sum(one.verdict == "indeterminate" for one in evaluable)
    small = sum(one.verdict == "no_change" and one.detectable is True for one in evaluable)
    within = f", though {small} of them did change detectably" if small else ""
    unclear = f"; the films of {unsure} cannot tell" if unsure else ""
    return (
        f"{where}of {patients(unchanged.total)}{without}, {unchanged.count} "
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


def _mean_sentence(result: ArmResult, settings: StudySettings, *, alone: bool) -> str:
    """Return the mean with its interval; with arms no test, for the arms are compared with one another."""
    mean = result.mean_ratio
    if mean is None:
        return ""
    where = f" in {result.arm}" if result.arm else ""
    bounded = f", {mean.censored} of them known only by a bound" if mean.censored else ""
    said = (
        f"The geometric mean change of area{where} was {signed_digit(mean.change_percent)} ("
        f"{interval_words(mean.change_percent_interval)}, {patients(mean.patients)}{bounded})"
    )
    if not alone:
        return f"{said}."
    if settings.analysis.primary == "change":
        is_shown = mean.p_no_change < 0.05
        shown = f"a change of the mean is {'' if is_shown else 'not '}shown (t test, {p_words(mean.p_no_change)})"
    else:
        shown = (
            f"that the mean changed by less than the margin is {'' if mean.equivalent else 'not '}shown (two one-sided "
            f"tests, {p_words(mean.p_equivalence)})"
        )
    few = "" if mean.patients >= FEW_PATIENTS else "; with so few this rests on log ratios being normal"
    return f"{said}; {shown}{few}.{_skewness_words(result, settings)}"


def _skewness_words(result: ArmResult, settings: StudySettings) -> str:
    """Return what the bootstrap-t says beside the t interval, which skewed errors make too sure."""
    robust, mean = result.skewness, result.mean_ratio
    if robust is None or mean is None:
        return ""
    low, high = (100.0 * (bound - 1.0) for bound in robust.interval)
    inside = settings.margin_ratio[0] < robust.interval[0] and robust.interval[1] < settings.margin_ratio[1]
    agrees = "agrees" if inside == mean.equivalent else "does not agree: the result rests on log ratios being normal"
    if settings.analysis.primary == "change":
        agrees = "allows for skewness"
    return f" The 90 % bootstrap-t interval, {low:+.1f} to {high:+.1f} %, {agrees}."


def _no_mean_sentence(result: ArmResult) -> str:
    measured, bounded = len(result.analysed.measured), len(result.analysed.bounded)
    where = f" in {result.arm}" if result.arm else ""
    return (
        f"No mean change is given{where}: of {patients(measured + bounded)} {bounded} had a burden of zero at one "
        f"visit, and the measured changes of {measured} are too few, or too alike, for a mean."
    )


def _bounds_sentence(result: ArmResult) -> str:
    """Return how burdens of zero are analysed, the rank analysis, and what the mean owes to the limit."""
    analysed, signs = result.analysed, result.signs
    count = len(analysed.bounded)
    limit = "its limit of detection"
    if analysed.limit_from_study is not None:
        limit = f"the smallest burden of the study, {analysed.limit_from_study:.3g} mm², for no limit is declared"
    said = f"A burden of zero ({patients(count)}) counts as one below {limit}, not as a number."
    if signs is not None:
        unknown = f", {signs.unknown} may have done either" if signs.unknown else ""
        said += f" Of {patients(signs.rose + signs.fell + signs.unknown)}, {signs.fell} surely fell and {signs.rose} "
        said += f"surely rose{unknown} (sign test, {p_words(signs.p_two_sided)})."
    if result.zeros is not None and result.mean_ratio is not None:
        half, double = result.zeros["ratio"].iloc[0], result.zeros["ratio"].iloc[2]
        said += (
            f" With half that limit the mean change would be {100.0 * (half - 1.0):+.0f} %, with twice it "
            f"{100.0 * (double - 1.0):+.0f} %."
        )
    return said


def _few_sentence(result: ArmResult) -> str:
    known = 0 if result.signs is None else result.signs.rose + result.signs.fell
    direction = " whose change has a direction" if known < len(result.analysed.ratios) else ""
    return (
        f"With {patients(known)}{direction} no exact test of change can fall below p = {1.0 / 2**known:.3g} one-sided "
        f"or {min(1.0, 2.0 / 2**known):.3g} two-sided."
    )


def _detectable_sentence(could: Detectable) -> str:
    low, high = could.smallest_margin_ratio
    return (
        f"This study could have detected a mean increase of {could.smallest_increase_percent:.0f} % or a decrease of "
        f"{-could.smallest_decrease_percent:.0f} % 80 times in 100, and could have shown a mean without change to lie "
        f"within {100 * (low - 1):+.0f} to {100 * (high - 1):+.0f} % as often."
    )


def _comparison_sentences(comparison: ArmComparison, settings: StudySettings) -> list[str]:
    sentences = [_arm_sentence(one, settings) for one in comparison.effects]
    if not comparison.effects:
        sentences.append(f"The arms cannot be compared at the same baseline: {comparison.problem}.")
    for ranks in comparison.ranks:
        kind = "exact" if ranks.exact else "large-sample"
        sentences.append(
            f"By ranks of change, a patient in {ranks.arm} fell against one in {ranks.reference} with a chance of "
            f"{100.0 * ranks.probability_less:.0f} % ({patients(ranks.patients)} and {ranks.reference_patients}; 50 % "
            f"is no difference; Gehan's {kind} test, {p_words(ranks.p_value)})."
        )
    if comparison.zeros is not None:
        sentences.append(
            "A burden of zero counts as one below its limit of detection; what the comparison owes to that limit is in "
            "the table of burdens of zero."
        )
    if comparison.unit_only:
        names = ", ".join(comparison.unit_only)
        sentences.append(f"In the ranks alone, for their films have no millimetres: {names}.")
    if comparison.missing:
        listed = "; ".join(f"{name} ({reason.rstrip('.')})" for name, reason in sorted(comparison.missing.items()))
        sentences.append(f"In no comparison: {listed}.")
    return sentences


def _arm_sentence(one: ArmEffect, settings: StudySettings) -> str:
    if settings.analysis.primary == "change":
        shown = f"a difference is {'' if one.p_value < 0.05 else 'not '}shown, {p_words(one.p_value)}"
    else:
        low, high = settings.margin_ratio
        shown = (
            f"that the ratio lies within {low:g} to {high:g} is {'' if one.equivalent else 'not '}shown, two one-sided "
            f"tests, {p_words(one.p_equivalence)}; no difference: {p_words(one.p_value)}"
        )
    ratio = f"{one.ratio:.2f} times" if one.ratio > 0.0 else "not to be told from none, against"
    counts = (
        f"{_with_zeros(one.patients, one.censored)} in {one.arm}, "
        f"{_with_zeros(one.reference_patients, one.reference_censored)} in {one.reference}"
    )
    return (
        f"At the same baseline, burden in {one.arm} was {ratio} that in {one.reference} (95 % interval "
        f"{_ratio_words(one.interval)}; {counts}): {shown}."
    )


def _with_zeros(count: int, zeros: int) -> str:
    return f"{count}, {zeros} of them with a burden of zero," if zeros else str(count)


def _ratio_words(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:.2f} to {high:.2f}" if math.isfinite(high) else f"{low:.2f} upwards, without an upper limit"


def interval_words(percent: tuple[float, float]) -> str:
    """Return a 95 % interval of change in percent; a limit that the data do not set is said so."""
    low, high = percent
    if not math.isfinite(high):
        return f"95 % interval {signed_digit(low)} upwards, without an upper limit"
    return f"95 % interval {signed_digit(low).removesuffix(' %')} to {signed_digit(high)}"


def signed_digit(percent: float) -> str:
    """Return a change in percent with its sign and one digit, none as "0.0 %"."""
    rounded = round(percent, 1)
    return f"{rounded:+.1f} %" if rounded else "0.0 %"


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
