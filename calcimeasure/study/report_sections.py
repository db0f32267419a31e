"""The parts of a study's page that hold its result: patients, mean, repeats, methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from calcimeasure.change.verdict import UNSURE
from calcimeasure.export.json_records import library_versions
from calcimeasure.export.report.change_bars import make_bar
from calcimeasure.study.cohort_sentences import interval_words, p_words, patients, signed_digit
from calcimeasure.study.endpoint import Endpoint
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.proposed_names import UNKNOWN
from calcimeasure.study.series import CHANGE, REPEAT
from calcimeasure.study.study_state import StudyState
from calcimeasure.study.subject_burden import SubjectChange

FEW_REPEATS = 10
VERDICT_WORDS = {
    "no_change": "No change",
    "increase": "Increase",
    "decrease": "Decrease",
    "indeterminate": "Cannot tell",
    "no_deposits": "No deposits",
    "not_evaluable": "Not evaluable",
    "not_comparable": "Not comparable",
}


def largest_first(changes: Sequence[SubjectChange]) -> list[SubjectChange]:
    """Return subjects by their change, largest increase first, as in a waterfall plot; those without one last."""
    return sorted(changes, key=lambda c: (c.log_ratio is None, -(c.log_ratio or 0.0), c.subject))


def patient_row(change: SubjectChange, axis: Any) -> dict[str, Any]:
    """Return a row of the table of patients: what it says and its bar."""
    interval = change.ci95_percent
    return {
        "subject": change.subject,
        "arm": change.arm,
        "limbs": change.limbs,
        "before": area_text(change.baseline_area_mm2),
        "after": area_text(change.followup_area_mm2),
        "change": "" if change.area_change_percent is None else signed(change.area_change_percent),
        "interval": "" if interval is None else range_words(interval),
        "smallest": _could_show(change),
        "verdict": verdict_words(change.verdict, detectable=change.detectable),
        "band": change.area_change_band or "",
        # What every indeterminate patient has in common is stated once, below the table.
        "reason": change.reason.replace(UNSURE, "").strip(),
        "bar": make_bar(axis, change.area_change_percent, interval),
    }


def _could_show(change: SubjectChange) -> str:
    """Return the smallest change that the films could have shown; from or to zero, the area that they could."""
    if change.smallest_detectable_change_percent is not None:
        return f"{change.smallest_detectable_change_percent:.0f} %"
    return "" if change.limit_of_detection_mm2 is None else f"{change.limit_of_detection_mm2:.3g} mm²"


def mean_rows(endpoint: Endpoint, axis: Any) -> list[dict[str, Any]]:
    """Return the row of each arm's mean; none where an arm has no mean."""
    rows = []
    for result in endpoint.results:
        mean = result.mean_ratio
        if mean is None:
            continue
        low, high = mean.change_percent_interval
        ci90 = tuple(100.0 * (bound - 1.0) for bound in mean.interval_90)
        finite = math.isfinite(high) and math.isfinite(ci90[1]) and low > -100.0
        rows.append(
            {
                "name": result.arm or "All",
                "patients": mean.patients,
                "change": signed_digit(mean.change_percent),
                "interval": interval_words((low, high)).removeprefix("95 % interval "),
                "bar": make_bar(axis, mean.change_percent, (low, high), (ci90[0], ci90[1])) if finite else None,
            }
        )
    return rows


def tiles_of(endpoint: Endpoint) -> list[dict[str, str]]:
    """Return the few numbers that stand large at the top: of the only arm, else of each arm and between them."""
    tiles = []
    for result in endpoint.results:
        arm = f", {result.arm}" if result.arm else ""
        mean = result.mean_ratio
        if mean is not None:
            note = interval_words(mean.change_percent_interval)
            tiles.append({"term": f"Mean change{arm}", "value": signed_digit(mean.change_percent), "note": note})
        shares = (("No change beyond the margin", result.unchanged), ("Detectable change", result.changed))
        for term, share in shares:
            if share is not None:
                low, high = (100.0 * bound for bound in share.interval)
                value, note = f"{share.count} of {share.total}", f"95 % interval {low:.0f} to {high:.0f} %"
                tiles.append({"term": f"{term}{arm}", "value": value, "note": note})
    for effect in endpoint.arms:
        low, high = effect.interval
        note = f"95 % interval {low:.2f} to {high:.2f}"
        tiles.append({"term": f"{effect.arm} over {effect.reference}", "value": f"{effect.ratio:.2f}", "note": note})
    if endpoint.detectable is not None:
        value = f"{endpoint.detectable.smallest_increase_percent:+.0f} %"
        tiles.append({"term": "Mean change it could detect", "value": value, "note": "80 times in 100"})
    return tiles


def zero_rows(endpoint: Endpoint) -> list[dict[str, str]]:
    """Return what means and comparisons owe to the limit of detection, in words."""
    tables = [(result.arm, result.zeros) for result in endpoint.results]
    tables.append(("", None if endpoint.comparison is None else endpoint.comparison.zeros))
    rows = []
    for arm, table in tables:
        for row in [] if table is None else table.to_dict("records"):
            known = math.isfinite(row["ratio"])
            rows.append(
                {
                    "analysis": f"{arm}: {row['analysis']}" if arm else str(row["analysis"]),
                    "patients": str(row["patients"]),
                    "ratio": f"{row['ratio']:.2f}" if known else "none",
                    "interval": f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}" if known else "",
                    "p_value": p_words(row["p_no_change"]) if known else "",
                }
            )
    return rows


def analysis_rows(endpoint: Endpoint) -> list[dict[str, str]]:
    """Return who is in which number: a row an arm, with everybody who is missing and why."""
    rows = []
    for result in endpoint.results:
        analysed = result.analysed
        reasons = [f"{name}: {reason.rstrip('.')}" for name, reason in sorted(analysed.missing.items())]
        reasons += [f"{name}: no deposits at either visit" for name in analysed.empty]
        rows.append(
            {
                "arm": result.arm or "All",
                "patients": str(len(result.subjects)),
                "measured": str(len(analysed.measured)),
                "bounded": str(len(analysed.bounded)),
                "empty": str(len(analysed.empty)),
                "missing": str(len(analysed.missing)),
                "reasons": "; ".join(reasons),
            }
        )
    return rows


def areas_over_time(
    changes: Sequence[SubjectChange], state: StudyState
) -> list[tuple[str, list[tuple[int, str, float]]]]:
    """Return each subject's burden over time: the baseline of the primary visit's limbs, then each visit as a ratio.

    Each visit sums the limbs evaluable there and at baseline; drawn is the baseline times the ratio, so that a limb
    that is missing once does not look like a change.
    """
    days = {visit.name: visit.day for visit in state.settings.visits}
    drawn: dict[str, list[tuple[int, str, float]]] = {}
    for change in changes:
        if change.log_ratio is None or change.baseline_area_mm2 is None:
            continue
        points = drawn.setdefault(
            change.subject, [(days[state.settings.baseline], state.settings.baseline, change.baseline_area_mm2)]
        )
        points.append((days[change.visit], change.visit, points[0][2] * math.exp(change.log_ratio)))
    return sorted(drawn.items())


def limit_sentence(state: StudyState, pairs: Sequence[Mapping[str, Any]]) -> str:
    """Return what a film of this study may have hidden, and whose figure that is."""
    declared = state.settings.analysis.limit_of_detection_mm2
    known = {mark["limit_of_detection_mm2"] for mark in pairs if mark.get("limit_of_detection_mm2") is not None}
    if declared is None and not known:
        return (
            "What a film may have hidden is not known: its readers' limit of detection is not declared "
            "(limit_of_detection_mm2 in study.toml)."
        )
    limit = declared if declared is not None else max(known)
    whose = "as declared" if declared is not None else "the segmenter's, on simulated films"
    return (
        f"Limit of detection: {limit:.3g} mm² ({whose}). A deposit of that size is found 95 times in 100, a smaller "
        "one less often: so much may be hidden where nothing was found."
    )


def repeats_of(pairs: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    """Return (name, mean area in mm², log ratio) of every pair of exposures of one visit."""
    return [
        (
            mark["followup"],
            math.sqrt(mark["baseline_common_area_mm2"] * mark["followup_common_area_mm2"]),
            mark["log_ratio"],
        )
        for mark in pairs
        if mark["kind"] == REPEAT and mark["log_ratio"] is not None and mark["baseline_common_area_mm2"]
    ]


def limits_of(repeats: Sequence[tuple[str, float, float]]) -> tuple[float, tuple[float, float] | None]:
    """Return the mean log ratio of repeats and their limits of agreement; None where there are too few."""
    from calcimeasure.statistics import bland_altman

    logs = [log for _, _, log in repeats]
    if len(logs) < 3 or max(logs) == min(logs):
        return (sum(logs) / len(logs) if logs else 0.0), None
    result = bland_altman(logs, [0.0] * len(logs))
    return result.bias, result.limits


def repeat_words(repeats: Sequence[tuple[str, float, float]], limits: tuple[float, tuple[float, float] | None]) -> str:
    """Return what repeats say of precision, in a sentence."""
    from calcimeasure.statistics import repeatability

    if not repeats:
        return "No visit has a second exposure: the precision of this study rests on simulated films alone."
    areas = [area * math.exp(sign * log / 2.0) for _, area, log in repeats for sign in (-1.0, 1.0)]
    within = repeatability(areas, [name for name, _, _ in repeats for _ in range(2)])
    exposures = "1 repeat exposure" if len(repeats) == 1 else f"{len(repeats)} repeat exposures"
    said = f"{exposures}: within-patient CV {100.0 * (within.wcv or 0.0):.1f} %"
    if within.wcv_interval is not None and within.wcv:
        low, high = (100.0 * bound for bound in within.wcv_interval)
        said = f"{said} (95 % interval {low:.1f} to {high:.1f} %)"
    if limits[1] is None:
        return f"{said}; too few for limits of agreement."
    low, high = (100.0 * math.expm1(limit) for limit in limits[1])
    few = " as far as so few can tell" if len(repeats) < FEW_REPEATS else ""
    return f"{said}; two exposures differ by {low:+.0f} to {high:+.0f} % 95 times in 100{few}."


def repeat_rows(repeats: Sequence[tuple[str, float, float]]) -> list[dict[str, str]]:
    """Return the repeat exposures as a table."""
    return [
        {"name": name, "area": f"{area:.1f}", "change": f"{100.0 * math.expm1(log):+.1f} %"}
        for name, area, log in repeats
    ]


def facts_of(state: StudyState, endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return the methods: what was declared, the prior, versions."""
    settings, analysis = state.settings, state.settings.analysis
    low, high = settings.margin_ratio
    facts = [
        ("Estimand", analysis.estimand),
        ("Primary analysis", f"{analysis.primary} at {endpoint.visit}"),
        ("Margin", f"ratios {low:g} to {high:g}, two one-sided tests at 5 % each"),
        ("Visits", ", ".join(f"{v.name} (day {v.day} ± {v.window_days})" for v in settings.visits)),
        ("Burden", ", ".join(f"{part}: {view}" for part, view in analysis.burden_view.items()) or "every view"),
        ("Segmenter", settings.method),
        ("Readings", settings.primary_reader or "the program's, and signed ones where there are any"),
        ("Interval of a pair", "Student's t on the log ratio; see docs/statistics.md"),
    ]
    if analysis.population:
        facts.append(("Population", f"{', '.join(analysis.population)}; declared beforehand"))
    if any(result.analysed.bounded for result in endpoint.results):
        whose = "declared" if analysis.limit_of_detection_mm2 is not None else "the segmenter's on simulated films"
        words = f"a burden below the limit of detection ({whose}): a normal law censored there (Tobin 1958)"
        facts.append(("A burden of zero", words))
    if endpoint.posterior is not None:
        low, high = (100.0 * (bound - 1.0) for bound in endpoint.posterior.interval)
        chance = 100.0 * endpoint.posterior.probability_inside_margin
        words = (
            f"mean change {100.0 * (endpoint.posterior.ratio - 1.0):+.1f} % (95 % interval {low:+.1f} to {high:+.1f} %)"
        )
        facts.append(("Bayesian", f"{words}; {chance:.1f} % that it is within the margin. {endpoint.posterior.prior}"))
    for one in endpoint.clustered:
        low, high = (100.0 * (bound - 1.0) for bound in one.interval)
        words = f"mean change {100.0 * (one.ratio - 1.0):+.1f} % (95 % interval {low:+.1f} to {high:+.1f} %), "
        facts.append(
            (one.method.split(",")[0].capitalize(), f"{words}{patients(one.patients)}; besides the t interval")
        )
    facts += [(name, version) for name, version in library_versions().items()]
    return facts


def signed(percent: float) -> str:
    """Return a change in percent with its sign, none as "0 %"."""
    # Rounded first: a change of -0.3 % is "0 %", not "-0 %".
    rounded = round(percent)
    return f"{rounded:+d} %" if rounded else "0 %"


def range_words(interval: tuple[float, float]) -> str:
    """Return an interval of change in percent."""
    low, high = (signed(bound).removesuffix(" %") for bound in interval)
    return f"{low} to {high} %"


def area_text(value: float | None) -> str:
    """Return an area with one digit, or nothing."""
    return "" if value is None else f"{value:.1f}"


def verdict_words(verdict: str, *, detectable: bool | None) -> str:
    """Return a verdict for a table; a change that is detectable is never called none."""
    if verdict == "no_change" and detectable:
        return "Less than the margin"
    return VERDICT_WORDS.get(verdict, verdict)


def limb_words(film: FilmRow) -> str:
    """Return a limb in words."""
    return " ".join(word for word in (film.side, film.body_part, film.view) if word != UNKNOWN)


def patient_tables(
    state: StudyState, pairs: Sequence[Mapping[str, Any]], changes: Sequence[SubjectChange]
) -> list[dict[str, Any]]:
    """Return a table a patient: each limb and visit against baseline, and the patient's sums.

    Each row of a pair names its own page, relative to the study's.
    """
    films = {film.name: film for film in state.films}
    order = {name: index for index, name in enumerate(state.settings.visit_names)}
    marks: dict[str, list[Mapping[str, Any]]] = {}
    for mark in pairs:
        if mark["kind"] == CHANGE:
            marks.setdefault(films[mark["followup"]].subject, []).append(mark)
    tables = []
    for subject in sorted({film.subject for film in state.films if film.include}):
        mine = sorted(marks.get(subject, []), key=lambda m: (order[films[m["followup"]].visit], m["followup"]))
        rows = [_pair_row(mark, films[mark["followup"]], subject) for mark in mine]
        sums = [_sum_row(change) for change in changes if change.subject == subject and change.limbs > 1]
        tables.append({"subject": subject, "rows": rows, "sums": sums})
    return tables


def _pair_row(mark: Mapping[str, Any], film: FilmRow, subject: str) -> dict[str, str]:
    change, interval = mark["total_area_change_percent"], mark["ci95_percent"]
    return {
        "limb": limb_words(film),
        "visit": film.visit,
        "before": area_text(mark["baseline_common_area_mm2"]),
        "after": area_text(mark["followup_common_area_mm2"]),
        "change": "" if change is None else signed(change),
        "interval": "" if interval is None else range_words(interval),
        "verdict": verdict_words(mark["verdict"], detectable=mark["detectable"]),
        "sentence": str(mark["sentence"]),
        "page": f"pairs/{subject.replace(' ', '-')}/{film.name}/report.html",
    }


def _sum_row(change: SubjectChange) -> dict[str, str]:
    interval = change.ci95_percent
    return {
        "visit": change.visit,
        "before": area_text(change.baseline_area_mm2),
        "after": area_text(change.followup_area_mm2),
        "change": "" if change.area_change_percent is None else signed(change.area_change_percent),
        "interval": "" if interval is None else range_words(interval),
        "verdict": verdict_words(change.verdict, detectable=change.detectable),
    }


def clustered_deposits(state: StudyState, pairs: Sequence[Mapping[str, Any]], visit: str) -> list[tuple[str, float]]:
    """Return (subject, log ratio) of every matched deposit of a visit, in the declared views."""
    films = {film.name: film for film in state.films}
    declared = state.settings.analysis.burden_view
    found = []
    for mark in pairs:
        film = films[mark["followup"]]
        if mark["kind"] != CHANGE or film.visit != visit or declared.get(film.body_part, film.view) != film.view:
            continue
        found += [
            (film.subject, float(link["log_ratio"]))
            for link in mark["links"]
            if link["status"] == "matched" and link["log_ratio"] is not None
        ]
    return found
