"""The columns of the exported tables: name, type, unit, meaning. The data dictionary is this, written out."""

from __future__ import annotations

from dataclasses import dataclass

TEXT, WHOLE, NUMBER, TRUTH = "text", "integer", "number", "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table."""

    name: str
    kind: str
    unit: str
    meaning: str


_KEY = (
    Column("subject", TEXT, "", "Pseudonym"),
    Column("visit", TEXT, "", "Name of the visit"),
    Column("body_part", TEXT, "", "Body part"),
    Column("side", TEXT, "", "L, R, or B for both limbs on one film"),
    Column("view", TEXT, "", "Projection"),
)

FILMS = (
    *_KEY,
    Column("repeat", WHOLE, "", "Number of the exposure at this visit; above 1 it is precision data"),
    Column("date", TEXT, "", "Date of the exposure"),
    Column("film_id", TEXT, "", "Start of the file's hash"),
    Column("sha256", TEXT, "", "Hash of the file (and frame)"),
    Column("status", TEXT, "", "ok, failed, left_out, or pending"),
    Column("reason", TEXT, "", "Why it failed or was left out"),
    Column("read_by", TEXT, "", "program or person"),
    Column("spacing_basis", TEXT, "", "Where the millimetres come from, and so the plane they lie in"),
    Column("row_spacing_mm", NUMBER, "mm", "Distance of rows"),
    Column("col_spacing_mm", NUMBER, "mm", "Distance of columns"),
    Column("deposits", WHOLE, "", "Deposits on the film, whatever their finding"),
    Column("total_area_mm2", NUMBER, "mm2", "Burden: footprint area of calcinosis, in the plane of spacing_basis"),
    Column("total_area_se_mm2", NUMBER, "mm2", "Its standard error"),
    Column("total_area_px", NUMBER, "px", "The same in pixels of the film"),
    Column("total_area_se_px", NUMBER, "px", "Its standard error"),
    Column("warnings", TEXT, "", "Sentences that a person should read"),
)

DEPOSIT_COLUMNS = (
    *_KEY,
    Column("repeat", WHOLE, "", "Number of the exposure at this visit"),
    Column("film_id", TEXT, "", "Start of the file's hash"),
    Column("label", WHOLE, "", "Number of the deposit in the film's label image"),
    Column("finding", TEXT, "", "calcinosis, vascular, articular, ossification, artefact, uncertain"),
    Column("area_mm2", NUMBER, "mm2", "Footprint area"),
    Column("area_se_mm2", NUMBER, "mm2", "Its standard error"),
    Column("area_px", NUMBER, "px", "Footprint area in pixels of the film"),
    Column("area_se_px", NUMBER, "px", "Its standard error"),
    Column("area_method", TEXT, "", "edge_model (automatic, clicked) or outline (painted by a person)"),
    Column("centroid_row", NUMBER, "px", "Row of the centre; 0 is the centre of the first pixel"),
    Column("centroid_col", NUMBER, "px", "Column of the centre"),
    Column("limb", WHOLE, "", "Number of the limb on the film, from the left; 0 for none"),
    Column("over_bone_fraction", NUMBER, "", "Share of the deposit over bone"),
    Column("confidence", NUMBER, "", "Probability that it is calcinosis; 1 for what a person confirmed"),
    Column("origin", TEXT, "", "auto, clicked, edited, drawn"),
    Column("integrated_contrast", NUMBER, "", "Excess signal summed; absent where the grey scale does not allow it"),
    Column("area_estimator", TEXT, "", "coverage_network, edge_model, or outline: which estimator gave the area"),
)

LINKS = (
    *_KEY,
    Column("link", WHOLE, "", "Number of the link within its pair"),
    Column("status", TEXT, "", "matched, new, resolved, split, merged, group, not_evaluable"),
    Column("baseline_labels", TEXT, "", "Deposits on the baseline film, joined by semicolons"),
    Column("followup_labels", TEXT, "", "Deposits on the follow-up film"),
    Column("baseline_area_mm2", NUMBER, "mm2", "Area at baseline, within the common field"),
    Column("followup_area_mm2", NUMBER, "mm2", "Area at the visit, at the baseline's magnification"),
    Column("area_change_percent", NUMBER, "%", "Change"),
    Column("ci95_low_percent", NUMBER, "%", "Lower 95 % limit"),
    Column("ci95_high_percent", NUMBER, "%", "Upper 95 % limit"),
    Column("log_ratio", NUMBER, "", "Natural logarithm of follow-up over baseline"),
    Column("log_ratio_se", NUMBER, "", "Its standard error"),
    Column("detectable", TRUTH, "", "Differs from none at 5 %, adjusted for the number of links (Holm)"),
    Column("reason", TEXT, "", "Why it is not evaluable, or what widened the interval"),
)

PAIRS = (
    *_KEY,
    Column("repeat", WHOLE, "", "Number of the exposure"),
    Column("kind", TEXT, "", "change (with baseline) or repeat (two exposures of one visit: precision data)"),
    Column("baseline", TEXT, "", "Name of the film it is compared with"),
    Column("status", TEXT, "", "ok or failed"),
    Column("verdict", TEXT, "", "no_change, increase, decrease, indeterminate, no_deposits, not_comparable"),
    Column("baseline_common_area_mm2", NUMBER, "mm2", "Burden of the first film over the common field"),
    Column("followup_common_area_mm2", NUMBER, "mm2", "Burden of the second, at the first's magnification"),
    Column("total_area_change_mm2", NUMBER, "mm2", "Change"),
    Column("total_area_change_percent", NUMBER, "%", "Change"),
    Column("ci95_low_percent", NUMBER, "%", "Lower 95 % limit"),
    Column("ci95_high_percent", NUMBER, "%", "Upper 95 % limit"),
    Column("ci90_low_percent", NUMBER, "%", "Lower 90 % limit"),
    Column("ci90_high_percent", NUMBER, "%", "Upper 90 % limit"),
    Column("log_ratio", NUMBER, "", "Natural logarithm of follow-up over baseline"),
    Column("log_ratio_se", NUMBER, "", "Its standard error"),
    Column("smallest_detectable_change_percent", NUMBER, "%", "Smallest change that this pair could have shown"),
    Column("change_detected_with_80_percent_power_percent", NUMBER, "%", "True change shown 80 times in 100"),
    Column("detectable", TRUTH, "", "The 95 % interval excludes no change"),
    Column("beyond_margin", TRUTH, "", "The 95 % interval lies outside the margin; empty where it straddles it"),
    Column("area_change_band", TEXT, "", "The clinical score's band: a label, not that score"),
    Column("sentence", TEXT, "", "The verdict in words"),
    Column("reason", TEXT, "", "Why it failed, is not comparable, or cannot tell"),
    Column("warnings", TEXT, "", "Sentences that a person should read"),
)

SUBJECTS = (
    Column("subject", TEXT, "", "Pseudonym"),
    Column("arm", TEXT, "", "Arm, where study.toml declares arms"),
    Column("visit", TEXT, "", "Visit compared with baseline"),
    Column("limbs", WHOLE, "", "Limbs evaluable at both visits, one declared view each"),
    Column("baseline_area_mm2", NUMBER, "mm2", "Burden at baseline: sum over those limbs"),
    Column("followup_area_mm2", NUMBER, "mm2", "Burden at the visit, at the baseline's magnification"),
    Column("area_change_mm2", NUMBER, "mm2", "Change"),
    Column("area_change_percent", NUMBER, "%", "Change"),
    Column("ci95_low_percent", NUMBER, "%", "Lower 95 % limit"),
    Column("ci95_high_percent", NUMBER, "%", "Upper 95 % limit"),
    Column("log_ratio", NUMBER, "", "Natural logarithm of follow-up over baseline"),
    Column("log_ratio_se", NUMBER, "", "Its standard error"),
    Column("smallest_detectable_change_percent", NUMBER, "%", "Smallest change that could have been shown"),
    Column("detectable", TRUTH, "", "The 95 % interval excludes no change"),
    Column("beyond_margin", TRUTH, "", "The 95 % interval lies outside the margin"),
    Column("verdict", TEXT, "", "As of a pair, or not_evaluable"),
    Column("area_change_band", TEXT, "", "The clinical score's band: a label, not that score"),
    Column("limit_of_detection_mm2", NUMBER, "mm2", "What the limbs would have shown 95 times in 100"),
    Column("reason", TEXT, "", "Why it is not evaluable, or which limbs are left out"),
)

EXPOSURES = (
    Column("subject", TEXT, "", "Pseudonym"),
    Column("visit", TEXT, "", "Visit up to whose film doses are summed"),
    Column("drug", TEXT, "", "Drug"),
    Column("unit", TEXT, "", "Unit of the dose; doses of different units are never added"),
    Column("doses", WHOLE, "", "Number of doses"),
    Column("cumulative_dose", NUMBER, "see unit", "Their sum"),
)

OUTCOMES = (
    Column("subject", TEXT, "", "Pseudonym"),
    Column("visit", TEXT, "", "Visit by whose film the score was last taken"),
    Column("measure", TEXT, "", "Score"),
    Column("baseline", NUMBER, "", "Last score on or before the baseline film, else the first"),
    Column("value", NUMBER, "", "Last score by the visit's film"),
    Column("change", NUMBER, "", "Value less baseline"),
    Column("minimal_difference", NUMBER, "", "Published minimal important difference"),
    Column("reached", TRUTH, "", "The change reaches it; no claim that area is benefit"),
)

_CDISC = (
    Column("STUDYID", TEXT, "", "Study identifier"),
    Column("DOMAIN", TEXT, "", "Domain abbreviation"),
    Column("USUBJID", TEXT, "", "Unique subject identifier (pseudonym)"),
)

TU = (
    *_CDISC,
    Column("TUSEQ", WHOLE, "", "Sequence number"),
    Column("TULNKID", TEXT, "", "Link identifier of the deposit, the same in TR"),
    Column("TUTESTCD", TEXT, "", "LESIDENT"),
    Column("TUTEST", TEXT, "", "Lesion Identification"),
    Column("TUORRES", TEXT, "", "PRESENT AT BASELINE or NEW"),
    Column("TULOC", TEXT, "", "Location"),
    Column("TULAT", TEXT, "", "Laterality"),
    Column("TUMETHOD", TEXT, "", "X-RAY"),
    Column("TUEVAL", TEXT, "", "Evaluator"),
    Column("VISIT", TEXT, "", "Visit at which it is first seen"),
    Column("TUDTC", TEXT, "", "Date of that film"),
    Column("TUSTRESC", TEXT, "", "Result in standard form"),
    Column("VISITNUM", WHOLE, "", "Number of the visit, in order of day; baseline is 1"),
)

TR = (
    *_CDISC,
    Column("TRSEQ", WHOLE, "", "Sequence number"),
    Column("TRLNKID", TEXT, "", "Link identifier of the deposit, the same in TU"),
    Column("TRTESTCD", TEXT, "", "AREA"),
    Column("TRTEST", TEXT, "", "Area"),
    Column("TRORRES", TEXT, "", "Result as measured"),
    Column("TRORRESU", TEXT, "", "Unit"),
    Column("TRSTRESN", NUMBER, "mm2", "Numeric result; 0 where the deposit is gone"),
    Column("TRSTAT", TEXT, "", "NOT DONE where it could not be evaluated"),
    Column("TRREASND", TEXT, "", "Why"),
    Column("TRMETHOD", TEXT, "", "X-RAY"),
    Column("TREVAL", TEXT, "", "Evaluator"),
    Column("VISIT", TEXT, "", "Visit"),
    Column("TRDTC", TEXT, "", "Date of the film"),
    Column("TRSTRESC", TEXT, "", "Result in standard form, as text"),
    Column("TRSTRESU", TEXT, "", "Standard unit: mm2"),
    Column("VISITNUM", WHOLE, "", "Number of the visit, in order of day; baseline is 1"),
)

RS = (
    *_CDISC,
    Column("RSSEQ", WHOLE, "", "Sequence number"),
    Column("RSTESTCD", TEXT, "", "OVRLRESP"),
    Column("RSTEST", TEXT, "", "Overall Response"),
    Column("RSCAT", TEXT, "", "Criteria: change of radiographic calcinosis area, not a clinical response"),
    Column("RSORRES", TEXT, "", "Verdict on the subject's burden"),
    Column("RSSTAT", TEXT, "", "NOT DONE where it could not be evaluated"),
    Column("RSREASND", TEXT, "", "Why"),
    Column("RSEVAL", TEXT, "", "Evaluator"),
    Column("VISIT", TEXT, "", "Visit"),
    Column("RSSTRESC", TEXT, "", "Verdict in standard form"),
    Column("RSDTC", TEXT, "", "Date of the visit's first film"),
    Column("VISITNUM", WHOLE, "", "Number of the visit, in order of day; baseline is 1"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "films": FILMS,
    "deposits": DEPOSIT_COLUMNS,
    "links": LINKS,
    "pairs": PAIRS,
    "subjects": SUBJECTS,
    "exposures": EXPOSURES,
    "outcomes": OUTCOMES,
    "tu": TU,
    "tr": TR,
    "rs": RS,
}
