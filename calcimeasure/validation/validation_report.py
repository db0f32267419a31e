"""What a validation leaves: a printed table, tidy CSV, one JSON record, and a page with plots."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcimeasure import __version__
from calcimeasure.validation.plots import bar_plot, scatter_plot
from calcimeasure.validation.validation_summary import (
    by_background,
    by_kind,
    by_size,
    figures,
    intervals_by_stratum,
    verdicts_by_change,
)

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = "calcimeasure.validation/1"
LAST_RELEASE = "last_release.json"
CALIBRATION_NOTE = "Simulated films with known truth; not yet verified on patients' repeat films."

# Figure: (what a person reads, the target: at least / at most / between, unit factor)
_WANTED: dict[str, tuple[str, str]] = {
    "sensitivity": ("sensitivity, deposits of 2 mm² and more", "0.88 or more"),
    "limit_of_detection_mm2": ("limit of detection, mm² (found 95 times in 100)", ""),
    "false_finds_a_film": ("false finds a film", "0.4 or less"),
    "dice_median": ("Dice, median", "0.84 or more"),
    "jaccard_median": ("Jaccard, median", ""),
    "hausdorff_mm_median": ("Hausdorff distance, median mm", ""),
    "surface_distance_mm_median": ("mean surface distance, median mm", ""),
    "film_dice_median": ("Dice of a whole film, median", ""),
    "film_jaccard_median": ("Jaccard of a whole film, median", ""),
    "area_ratio_median": ("area over truth, median", "0.95 to 1.05"),
    "area_ratio_sd": ("area over truth, SD", ""),
    "area_z_sd": ("(area - truth) / SE, SD", "about 1"),
    "deposit_change_rms_percent": ("error of a deposit's change, rms %", "12 or less"),
    "deposit_change_median_percent": ("error of a deposit's change, median %", ""),
    "burden_change_rms_percent": ("error of the burden's change, rms %", "8 or less"),
    "burden_change_median_percent": ("error of the burden's change, median %", ""),
    "slope": ("slope of estimated on true log change, burdens", "0.95 to 1.05"),
    "link_slope": ("slope of estimated on true log change, links", "0.95 to 1.05"),
    "interval_width_median_percent": ("smallest detectable change, median %", ""),
    "unchanged_called_changed": ("unchanged pairs called changed", "0.05 or less"),
    "unchanged_called_no_change": ("unchanged pairs shown unchanged", ""),
    "margin_called_no_change": ("pairs at the margin called no change", "0.07 or less"),
    "changes_of_50_called_right": ("changes of 50 % called right", "0.95 or more"),
    "found_on_one_film_only": ("deposits found on one film only", "0.03 or less"),
    "left_out_of_the_change": ("deposits found and left out, not in both fields", ""),
    "link_f1": ("links, F1", "0.97 or more"),
    "alignment_median_mm": ("alignment error at deposits, median mm", "0.5 or less"),
    "alignment_95_mm": ("alignment error at deposits, 95 % mm", "1.5 or less"),
    "registration_failed": ("pairs not aligned", ""),
    "seconds_a_pair_median": ("seconds a pair, median", ""),
}
_COVERED = {"coverage_95": "95 % interval of the burden", "coverage_90": "90 % interval of the burden",
            "link_coverage_95": "95 % interval of a link"}  # fmt: skip


def summary_record(tables: Mapping[str, DataFrame], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything a validation says, as JSON."""
    frames = dict(tables)
    return {
        "schema": SCHEMA,
        "calcimeasure_version": __version__,
        "settings": dict(settings),
        "figures": figures(frames),
        "by_size": _rows(by_size(frames)),
        "by_background": _rows(by_background(frames)),
        "by_kind": _rows(by_kind(frames)),
        "verdicts": _rows(verdicts_by_change(frames)),
        "intervals": _rows(intervals_by_stratum(frames)),
        "note": CALIBRATION_NOTE,
    }


def last_release() -> dict[str, Any] | None:
    """Return what the last release reached, by source and mode; None before the first.

    The file ships with the package: ``{"simulated automatic": {"settings": ..., "figures": ...}, ...}``.
    """
    file = resources.files("calcimeasure.validation").joinpath(LAST_RELEASE)
    if not file.is_file():
        return None
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def release_key(settings: Mapping[str, Any]) -> str:
    """Return under what name the last release keeps the figures of a validation with these settings."""
    return " ".join([settings["source"], settings["mode"], *styles_of(settings)])


def styles_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the styles of a validation's films in words; none where all are the standard."""
    words = (("style", "bones"), ("film_style", "films"), ("deposit_style", "deposits"))
    return [f"{what} {settings[key]}" for key, what in words if settings.get(key) not in (None, "standard")]


def summary_text(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """Return the tables as text, with the last release's figures of the same settings."""
    old = _comparable(record, before)
    settings = record["settings"]
    how = ", ".join([settings["source"], settings["mode"], *styles_of(settings)])
    made = f"{record['figures']['pairs']} pairs ({how}; seeds {settings['seeds']})"
    lines = [f"calcimeasure {record['calcimeasure_version']}: {made}. {record['note']}", ""]
    lines += _aligned([["figure", "value", "target", "last release"], *_figure_rows(record["figures"], old)])
    for title, name in (
        ("Precision profile by size (mm²)", "by_size"),
        ("By background", "by_background"),
        ("By shape", "by_kind"),
        ("Verdicts at each true change (share of pairs)", "verdicts"),
        ("95 % intervals of links", "intervals"),
    ):
        rows = record[name]
        if rows:
            lines += ["", title, *_aligned([list(rows[0]), *[[shown(v) for v in row.values()] for row in rows]])]
    return "\n".join(lines) + "\n"


def write_validation(tables: Mapping[str, DataFrame], record: Mapping[str, Any], text: str, folder: Path) -> None:
    """Write the tables as CSV, the record as JSON, the text and the page into a folder that is made here."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    (folder / "validation.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "validation.txt").write_text(text, encoding="utf-8")
    (folder / "validation.html").write_text(_page(tables, record, text), encoding="utf-8")


def _comparable(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the figures of the last release for the same source and mode."""
    kept = (before or {}).get(release_key(record["settings"]), {})
    old: Mapping[str, Any] = kept.get("figures", {})
    return old


def _figure_rows(now: Mapping[str, Any], old: Mapping[str, Any]) -> list[list[str]]:
    rows = [[words, shown(now.get(name)), wanted, shown(old.get(name))] for name, (words, wanted) in _WANTED.items()]
    for name, words in _COVERED.items():
        held = now.get(name)
        if held:
            limits = f"{shown(held['share'])} ({shown(held['low'])}-{shown(held['high'])})"
            tails = f"tails {shown(held['truth_below'])} / {shown(held['truth_above'])}"
            nominal = "0.925 to 0.975" if name != "coverage_90" else "0.875 to 0.925"
            rows.append(
                [f"coverage, {words}", f"{limits}; {tails}", nominal, shown((old.get(name) or {}).get("share"))]
            )
    return rows


def _rows(table: DataFrame) -> list[dict[str, Any]]:
    return [{str(key): _plain(value) for key, value in row.items()} for row in table.to_dict(orient="records")]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def shown(value: Any) -> str:
    """Return a figure as it is read: three digits, a dash for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _page(tables: Mapping[str, DataFrame], record: Mapping[str, Any], text: str) -> str:
    from jinja2 import Environment, PackageLoader

    pairs = tables["pairs"].dropna(subset=["log_ratio", "true_log_ratio"])
    points = [
        (100 * math.expm1(true), 100 * math.expm1(got))
        for true, got in zip(pairs["true_log_ratio"], pairs["log_ratio"], strict=True)
    ]
    environment = Environment(loader=PackageLoader("calcimeasure.validation", "templates"), autoescape=True)
    return environment.get_template("validation.html.j2").render(
        record=record,
        text=text,
        styles="".join(f", {words}" for words in styles_of(record["settings"])),
        change_plot=scatter_plot(points, x_title="true change, %", y_title="measured change, %"),
        size_plot=bar_plot(
            [(row["size_mm2"], row["sensitivity"]) for row in record["by_size"] if row.get("sensitivity") is not None],
            x_title="size, mm²",
            y_title="sensitivity",
        ),
    )
