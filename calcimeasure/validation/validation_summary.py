"""From the rows of a validation to its figures: each a small function of tidy tables."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.statistics import limit_of_detection, proportion
from calcimeasure.validation.film_scoring import OUTLINE_COLUMNS

if TYPE_CHECKING:
    from pandas import DataFrame, Series

SIZES_MM2 = (0.0, 2.0, 5.0, 15.0, 50.0, math.inf)
LEAST_MM2 = 2.0
VERDICTS = ("no_change", "increase", "decrease", "indeterminate", "no_deposits", "not_comparable")

Tables = dict[str, "DataFrame"]
Figures = dict[str, Any]


def figures(tables: Tables) -> Figures:
    """Return the headline figures by name; None where there was nothing to measure."""
    pairs, links = tables["pairs"], tables["links"]
    kept = _kept(tables["deposits"])
    large = kept[kept["area_mm2"] >= LEAST_MM2] if len(kept) else kept
    films = 2 * len(pairs)
    matched = _with_truth(links, "true_log_ratio")
    matched_large = matched[matched["area_mm2"] >= LEAST_MM2] if len(matched) else matched
    burden = _with_truth(pairs, "log_ratio").dropna(subset=["true_log_ratio"])
    # Where there is no deposit, nothing changed, whatever was planned.
    changed = _with_truth(pairs, "true_log_ratio")
    return {
        "pairs": len(pairs),
        "films": films,
        "deposits_of_2_mm2_and_more": len(large),
        "sensitivity": _mean(large, "found"),
        "limit_of_detection_mm2": _limit_of_detection(kept),
        "false_finds_a_film": len(tables["false_finds"]) / films if films else None,
        **{f"{name}_median": _median(large, name) for name in OUTLINE_COLUMNS},
        **{f"film_{name}_median": _median(tables["films"], name) for name in ("dice", "jaccard")},
        "area_ratio_median": _median(large, "area_ratio"),
        "area_ratio_sd": _spread(large, "area_ratio"),
        "area_z_sd": _spread(large, "area_z"),
        "deposit_change_rms_percent": _rms_percent(matched_large),
        "deposit_change_median_percent": _median_error_percent(matched_large),
        "burden_change_rms_percent": _rms_percent(burden),
        "burden_change_median_percent": _median_error_percent(burden),
        "slope": _slope(burden),
        "link_slope": _slope(matched),
        "coverage_95": interval_coverage(pairs, "95"),
        "coverage_90": interval_coverage(pairs, "90"),
        "link_coverage_95": _link_coverage(matched),
        "interval_width_median_percent": _width(pairs),
        "unchanged_called_changed": _share_called(pairs, "+0 %", ("increase", "decrease")),
        "unchanged_called_no_change": _share_called(pairs, "+0 %", ("no_change",)),
        "margin_called_no_change": _share_called(changed, ("+25 %", "-20 %"), ("no_change",)),
        "changes_of_50_called_right": _called_right(changed),
        "found_on_one_film_only": _share_of(pairs, "one_sided"),
        "left_out_of_the_change": _share_of(pairs, "left_out"),
        "link_f1": _link_f1(links),
        "alignment_median_mm": _median(tables["alignment"], "error_mm"),
        "alignment_95_mm": _quantile(tables["alignment"], "error_mm", 0.95),
        "registration_failed": _mean_of(pairs, lambda table: table["registration"] != "ok"),
        "seconds_a_pair_median": _median(pairs, "elapsed_s"),
    }


def by_size(tables: Tables) -> DataFrame:
    """Return the precision profile: sensitivity, area and change by the true size of a deposit."""
    return _profile(tables, lambda table: _size_names(table["area_mm2"]), "size_mm2")


def by_background(tables: Tables) -> DataFrame:
    """Return the same by what the deposit lies on."""
    return _profile(tables, lambda table: table["background"], "background")


def by_kind(tables: Tables) -> DataFrame:
    """Return sensitivity and area by the shape of the deposit."""
    return _profile({**tables, "links": tables["links"].iloc[:0]}, lambda table: table["kind"], "kind")


def verdicts_by_change(tables: Tables) -> DataFrame:
    """Return the operating curve: how often each verdict was given at each true change, with the number of pairs."""
    import pandas as pd

    pairs = tables["pairs"]
    if pairs.empty:
        return pd.DataFrame(columns=["change", "pairs", *VERDICTS])
    counted = pd.crosstab(pairs["change"], pairs["verdict"]).reindex(columns=list(VERDICTS), fill_value=0)
    counted.insert(0, "pairs", counted.sum(axis=1))
    counted[list(VERDICTS)] = counted[list(VERDICTS)].div(counted["pairs"], axis=0)
    return (
        counted.reset_index().sort_values("change", key=lambda names: names.map(_change_order)).reset_index(drop=True)
    )


def intervals_by_stratum(tables: Tables) -> DataFrame:
    """Return coverage of the 95 % interval of links by size and background, with each tail."""
    import pandas as pd

    links = _with_truth(tables["links"], "true_log_ratio")
    if links.empty:
        return pd.DataFrame(columns=["stratum", "links", "coverage", "truth_below", "truth_above", "width_percent"])
    rows = [_interval_row("all", links)]
    for name, part in links.groupby(_size_names(links["area_mm2"]), sort=False, observed=True):
        rows.append(_interval_row(f"{name} mm²", part))
    for name, part in links.groupby("background"):
        rows.append(_interval_row(str(name), part))
    return pd.DataFrame(rows)


def interval_coverage(pairs: DataFrame, level: str) -> dict[str, float] | None:
    """Return how often the interval of the burden's change held the truth, with exact limits and the two tails."""
    known = pairs.dropna(subset=[f"ci{level}_low", "true_ratio"]) if len(pairs) else pairs
    if known.empty:
        return None
    percent = 100.0 * (known["true_ratio"].astype(float) - 1.0)
    below = percent < known[f"ci{level}_low"].astype(float)
    above = percent > known[f"ci{level}_high"].astype(float)
    return _held(below, above)


def _kept(deposits: DataFrame) -> DataFrame:
    return deposits[deposits["in_field"]] if len(deposits) else deposits


def _with_truth(table: DataFrame, column: str) -> DataFrame:
    return table.dropna(subset=[column]) if column in table.columns else table.iloc[:0]


def _limit_of_detection(deposits: DataFrame) -> float | None:
    """Return the area found 95 times in 100; None where the deposits, none of them of that size, do not say."""
    if deposits.empty:
        return None
    sizes = deposits["area_mm2"].astype(float)
    try:
        size = limit_of_detection(sizes, deposits["found"].astype(float)).size
    except UsageError:
        return None
    return size if sizes.min() <= size <= sizes.max() else None


def _mean(table: DataFrame, column: str) -> float | None:
    return float(table[column].astype(float).mean()) if len(table) else None


def _mean_of(table: DataFrame, condition: Any) -> float | None:
    return float(condition(table).mean()) if len(table) else None


def _median(table: DataFrame, column: str) -> float | None:
    values = table[column].dropna().astype(float) if len(table) else None
    return float(values.median()) if values is not None and len(values) else None


def _quantile(table: DataFrame, column: str, share: float) -> float | None:
    return float(table[column].astype(float).quantile(share)) if len(table) else None


def _spread(table: DataFrame, column: str) -> float | None:
    values = table[column].dropna().astype(float) if len(table) else None
    return float(values.std()) if values is not None and len(values) > 1 else None


def _errors(table: DataFrame) -> Series | None:
    if table.empty:
        return None
    return table["log_ratio"].astype(float) - table["true_log_ratio"].astype(float)


def _rms_percent(table: DataFrame) -> float | None:
    errors = _errors(table)
    return None if errors is None else 100.0 * math.sqrt(float((errors**2).mean()))


def _median_error_percent(table: DataFrame) -> float | None:
    errors = _errors(table)
    return None if errors is None else 100.0 * float(errors.abs().median())


def _slope(table: DataFrame) -> float | None:
    """Return the slope of estimated on true log change (1: nothing pulls towards no change)."""
    if len(table) < 3:
        return None
    true, got = table["true_log_ratio"].astype(float), table["log_ratio"].astype(float)
    spread = float(((true - true.mean()) ** 2).sum())
    return float(((true - true.mean()) * (got - got.mean())).sum() / spread) if spread > 0 else None


def _link_coverage(links: DataFrame) -> dict[str, float] | None:
    return None if links.empty else _held(links["above"].astype(bool), links["below"].astype(bool))


def _held(truth_below: Series, truth_above: Series) -> dict[str, float]:
    """Return how often an interval held the truth, with exact limits, and each tail."""
    total = len(truth_below)
    held = proportion(total - int((truth_below | truth_above).sum()), total)
    return {
        "share": held.share,
        "low": held.interval[0],
        "high": held.interval[1],
        "truth_below": float(truth_below.mean()),
        "truth_above": float(truth_above.mean()),
        "of": total,
    }


def _width(pairs: DataFrame) -> float | None:
    known = pairs.dropna(subset=["smallest_detectable_change_percent"]) if len(pairs) else pairs
    return _median(known, "smallest_detectable_change_percent")


def _share_called(pairs: DataFrame, change: str | tuple[str, ...], verdicts: tuple[str, ...]) -> float | None:
    wanted = (change,) if isinstance(change, str) else change
    there = pairs[pairs["change"].isin(wanted) & (pairs["verdict"] != "no_deposits")] if len(pairs) else pairs
    return _mean_of(there, lambda table: table["verdict"].isin(verdicts))


def _called_right(pairs: DataFrame) -> float | None:
    there = pairs[pairs["change"].isin(("+50 %", "-33 %")) & (pairs["verdict"] != "no_deposits")]
    right = {"+50 %": "increase", "-33 %": "decrease"}
    return _mean_of(there, lambda table: table["verdict"] == table["change"].map(right))


def _share_of(pairs: DataFrame, counted: str) -> float | None:
    of = int(pairs[f"{counted}_of"].sum()) if len(pairs) else 0
    return int(pairs[counted].sum()) / of if of else None


def _link_f1(links: DataFrame) -> float | None:
    if links.empty:
        return None
    right = int(links["right"].sum())
    true = int(links["true_status"].notna().sum())
    found = int(links["found_status"].notna().sum())
    return 2.0 * right / (true + found) if true + found else None


def _profile(tables: Tables, key: Any, name: str) -> DataFrame:
    import pandas as pd

    kept = _kept(tables["deposits"])
    if kept.empty:
        return pd.DataFrame(columns=[name])
    links = _with_truth(tables["links"], "true_log_ratio")
    link_groups = dict(iter(links.groupby(key(links), observed=True))) if len(links) else {}
    rows = []
    for value, part in kept.groupby(key(kept), sort=True, observed=True):
        changes = link_groups.get(value, links.iloc[:0])
        rms = _rms_percent(changes)
        rows.append(
            {
                name: str(value),
                "deposits": len(part),
                "sensitivity": _mean(part, "found"),
                **{column: _median(part, column) for column in OUTLINE_COLUMNS},
                "area_ratio": _median(part, "area_ratio"),
                "area_ratio_sd": _spread(part, "area_ratio"),
                "area_z_sd": _spread(part, "area_z"),
                "links": len(changes),
                "change_rms_percent": rms,
                "within_subject_cv_percent": None if rms is None else rms / math.sqrt(2.0),
                "repeatability_coefficient_percent": None if rms is None else 1.96 * rms,
            }
        )
    return pd.DataFrame(rows)


def _size_names(areas: Series) -> Series:
    import pandas as pd

    names = [f"{low:g}-{high:g}" if math.isfinite(high) else f"over {low:g}" for low, high in pairwise(SIZES_MM2)]
    return pd.Series(
        pd.cut(areas.astype(float), list(SIZES_MM2), labels=names, right=False, ordered=True), index=areas.index
    )


def _interval_row(name: str, links: DataFrame) -> Figures:
    held = _link_coverage(links) or {}
    width = float(np.expm1(links["width"].astype(float).median() / 2.0))
    return {
        "stratum": name,
        "links": len(links),
        "coverage": held.get("share"),
        "truth_below": held.get("truth_below"),
        "truth_above": held.get("truth_above"),
        "width_percent": 100.0 * width,
    }


def _change_order(name: str) -> float:
    return math.inf if name == "mixed" else float(name.removesuffix(" %"))
