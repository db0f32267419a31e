"""Put the figures of finished validations where they are read: the page on the method, and the last release's record.

    calcimeasure validate --pairs 300 --out A
    calcimeasure validate --pairs 100 --mode assisted --out B
    calcimeasure validate FILMS --pairs 100 --out C
    calcimeasure validate FILMS --pairs 100 --mode assisted --out D
    python scripts/release_figures.py A B C D

The first folder's strata and verdicts are shown in full.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcimeasure.validation.validation_report import release_key, shown

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE / "docs" / "method.md"
RECORD = HERE / "calcimeasure" / "validation" / "last_release.json"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
# Figure, what it is called, the target: automatic on simulated films / assisted / automatic on real ones.
FIGURES = (
    ("sensitivity", "sensitivity, deposits of 2 mm² and more", "0.88 / - / 0.90"),
    ("false_finds_a_film", "false finds a film", "0.4 / - / 1.0"),
    ("dice_median", "Dice, median", "0.84 / - / 0.77"),
    ("hausdorff_mm_median", "Hausdorff distance, median mm", ""),
    ("surface_distance_mm_median", "mean surface distance, median mm", ""),
    ("area_ratio_median", "area over truth, median", "0.95 to 1.05"),
    ("area_z_sd", "(area - truth) over its standard error, SD", "about 1"),
    ("deposit_change_rms_percent", "error of a deposit's change, rms %", "12 / 8 / 12"),
    ("deposit_change_median_percent", "the same, median %", "- / 2.5 / -"),
    ("burden_change_rms_percent", "error of the burden's change, rms %", "8 / 4 / 8"),
    ("burden_change_median_percent", "the same, median %", ""),
    ("slope", "slope of estimated on true log change, burdens", "0.95 to 1.05"),
    ("link_slope", "the same, links", "0.95 to 1.05"),
    ("unchanged_called_changed", "unchanged pairs called changed", "0.05"),
    ("unchanged_called_no_change", "unchanged pairs shown unchanged", ""),
    ("margin_called_no_change", "pairs at the margin (0.80, 1.25) called no change", "0.07"),
    ("changes_of_50_called_right", "changes of 50 % called right", "0.95"),
    ("found_on_one_film_only", "deposits found on one film only", "0.03"),
    ("left_out_of_the_change", "deposits found and left out, not in both fields", ""),
    ("link_f1", "links, F1", "0.97"),
    ("alignment_median_mm", "alignment error at deposits, median mm", "0.5"),
    ("alignment_95_mm", "the same, 95 % mm", "1.5"),
    ("registration_failed", "pairs not aligned", ""),
    ("coverage_95", "95 % interval of the burden holds the truth", "0.925 to 0.975"),
    ("coverage_90", "90 % interval of the burden holds the truth", "0.875 to 0.925"),
    ("link_coverage_95", "95 % interval of a link holds the truth", "0.925 to 0.975"),
    ("limit_of_detection_mm2", "limit of detection, mm²", ""),
    ("interval_width_median_percent", "smallest detectable change, median %", ""),
)
STRATUM = {"over_bone": "over bone", "soft_tissue": "soft tissue", "touching_bone": "touching bone"}


def main(folders: Sequence[str]) -> None:
    """Write the figures of the validations in these folders."""
    if not folders:
        raise SystemExit(__doc__)
    records = [json.loads((Path(folder) / "validation.json").read_text(encoding="utf-8")) for folder in folders]
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    for record in records:
        kept[release_key(record["settings"])] = {
            name: record[name] for name in ("calcimeasure_version", "settings", "figures")
        }
    RECORD.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{tables(records)}\n{END}{after}", encoding="utf-8")


def tables(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the page's tables."""
    names = [f"{r['settings']['source']}, {r['settings']['mode']} ({r['figures']['pairs']} pairs)" for r in records]
    first = records[0]
    strata = [row for name in ("by_size", "by_background") for row in first[name]]
    return "\n\n".join(
        [
            table(
                ["figure", *names, "target"],
                [[words, *(cell(r["figures"].get(key)) for r in records), target] for key, words, target in FIGURES],
            ),
            f"{names[0].capitalize()}, by size and by what the deposit lies on:",
            table(
                ["stratum", "deposits", "sensitivity", "Dice", "area over truth", "links", "change, rms %"],
                [stratum_row(row) for row in strata],
            ),
            "Verdicts at each true change of the deposits that stay (share of pairs; *mixed*: new, gone, split and "
            "merged too):",
            table(
                ["true change", *(key.replace("_", " ") for key in list(first["verdicts"][0])[1:])],
                [[cell(value) for value in row.values()] for row in first["verdicts"]],
            ),
            "95 % intervals of links:",
            table(
                ["stratum", "links", "holds the truth", "truth below", "truth above", "half width %"],
                [[cell(value) for value in row.values()] for row in first["intervals"]],
            ),
            *others(names[1:], records[1:]),
        ]
    )


def others(names: Sequence[str], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how often the intervals of the other validations hold the truth, by stratum."""
    if not records:
        return []
    held = [{row["stratum"]: f"{cell(row['coverage'])} of {row['links']}" for row in r["intervals"]} for r in records]
    strata = list(dict.fromkeys(name for one in held for name in one))
    rows = [[STRATUM.get(name, name), *(one.get(name, "-") for one in held)] for name in strata]
    return ["How often they hold the truth in the others, and of how many:", table(["stratum", *names], rows)]


def stratum_row(row: Mapping[str, Any]) -> list[str]:
    """Return the row of a stratum."""
    name = row.get("size_mm2") or row.get("background")
    label = STRATUM.get(name, f"{name} mm²")
    keys = ("deposits", "sensitivity", "dice", "area_ratio", "links", "change_rms_percent")
    return [label, *(cell(row[key]) for key in keys)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of the page."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    """Return a figure of the page; a share with its interval."""
    if isinstance(value, Mapping):
        return f"{value['share']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return shown(value).replace("_", " ")


if __name__ == "__main__":
    main(sys.argv[1:])
