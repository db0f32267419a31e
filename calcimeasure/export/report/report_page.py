"""`report_html`: the page of a compared pair, one file that needs nothing else.

Text that came from files is escaped by the template engine. Pictures, styles and the script are in the page; its
content security policy names the hashes of both and forbids everything else, so that nothing can be fetched even if
a file's text found a way in. Neither a time nor a path is written: the same pair gives the same page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from calcimeasure.change.change_records import Comparison, Verdict
from calcimeasure.change.intervals import CALIBRATION_NOTE
from calcimeasure.change.verdict_sentence import verdict_sentence
from calcimeasure.export.film_picture import DisplayedFilm, display_measured
from calcimeasure.export.report import wording
from calcimeasure.export.report.change_bars import HEADLINE_WIDTH, Axis, Bar, make_axis, make_bar
from calcimeasure.export.report.report_notes import limit_of_detection_text, limit_words, why_areas_differ
from calcimeasure.export.report.report_pictures import FilmPicture, film_pictures, overlay_on_baseline
from calcimeasure.export.report.report_table import report_link_rows, unlinked_words
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import SpacingBasis

if TYPE_CHECKING:
    from jinja2 import Environment

NOT_A_DEVICE = "For research. Not a medical device; not for decisions about one patient's treatment."

_SHOWN_ALREADY = ("Margin ratio", "Limit of detection mm2")

Facts = list[tuple[str, str]]

_PARTICULARS = r" (?=(?:But|Among the deposits): )"


def report_html(
    comparison: Comparison, record: Mapping[str, Any], *, shown: tuple[DisplayedFilm, DisplayedFilm] | None = None
) -> str:
    """Return the page of a compared pair.

    Settings, versions, hashes and (on request) paths are shown as `record` holds them; `shown` are the films as
    displayed, where they are known already.
    """
    style, script = _resource("style.css"), _resource("script.js")
    shown = shown or (display_measured(comparison.baseline), display_measured(comparison.followup))
    pictures = film_pictures(comparison, shown)
    page = page_environment("calcimeasure.export.report").get_template("report.html.j2")
    return page.render(
        style=style,
        script=script,
        policy=content_policy(style, script),
        **_headline(comparison, record),
        films=_films(comparison, pictures, shown),
        linked=bool(comparison.links),
        overlay=overlay_on_baseline(comparison, *pictures, shown[0].anatomy),
        alignment=wording.alignment_words(comparison.registration),
        basis_sentences=_basis_sentences(comparison),
        why_areas_differ=why_areas_differ(comparison),
        **_table(comparison, pictures),
        check=_self_check(record["self_check"]),
        facts=_facts(comparison, record),
        version=record["calcimeasure_version"],
    )


def _headline(comparison: Comparison, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands at the top: the verdict in words, numbers and a bar, and what to keep in mind."""
    lead, particulars = _sentences(comparison)
    axis = make_axis(comparison, width=HEADLINE_WIDTH, links=False)
    return {
        "verdict": comparison.verdict,
        "verdict_word": wording.VERDICT_WORDS[comparison.verdict],
        "sentence": lead,
        "particulars": particulars,
        "subject": _subject(comparison),
        "calibration_note": CALIBRATION_NOTE,
        "not_a_device": NOT_A_DEVICE,
        "tiles": _tiles(comparison, limit_of_detection_text(comparison, record)),
        "reasons": [wording.typographic(reason) for reason in comparison.reasons],
        "warnings": [wording.typographic(warning) for warning in _warnings(comparison)],
        "headline_axis": axis,
        "headline_bar": _total_bar(comparison, axis),
        "spoken_total": wording.spoken_total(comparison),
    }


def _table(comparison: Comparison, pictures: tuple[FilmPicture, FilmPicture]) -> dict[str, Any]:
    """Return the rows of the links and of the total, with their bars."""
    axis = make_axis(comparison)
    return {
        "axis": axis,
        "rows": report_link_rows(comparison, pictures, axis),
        "unlinked": unlinked_words(comparison),
        "total": _total(comparison),
        "total_bar": _total_bar(comparison, axis),
        "margin": wording.margin(comparison.margin_ratio),
        "scale_applied": comparison.registration.scale_applied,
    }


def _total_bar(comparison: Comparison, axis: Axis) -> Bar | None:
    return make_bar(axis, comparison.total_area_change_percent, comparison.ci95_percent, comparison.ci90_percent)


def _sentences(comparison: Comparison) -> tuple[str, str]:
    """Return the verdict on the total, and what it says of single deposits after that."""
    lead, *rest = re.split(_PARTICULARS, wording.typographic(verdict_sentence(comparison)), maxsplit=1)
    return lead, "".join(rest)


def _subject(comparison: Comparison) -> list[str]:
    baseline, followup = comparison.baseline.film.identity, comparison.followup.film.identity
    shown = wording.what_is_shown(baseline) or wording.what_is_shown(followup)
    return [part for part in (shown, wording.time_between(baseline, followup)) if part]


def _tiles(comparison: Comparison, limit_mm2: float | None) -> list[dict[str, str]]:
    """Return the headline numbers: areas, change, and what the pair could have shown."""
    c = comparison
    if c.verdict is Verdict.NOT_COMPARABLE:
        return []
    tiles = [
        {"term": "Baseline area", "value": wording.area(c.baseline_common_area_mm2, c.baseline_common_area_px)},
        {"term": "Follow-up area", "value": wording.area(c.followup_common_area_mm2, c.followup_common_area_px)},
    ]
    tiles[0]["note"] = tiles[1]["note"] = "calcinosis, in view on both films"
    if c.registration.scale_applied:
        tiles[1]["note"] += ", at the baseline's size"
    if c.total_area_change_percent is not None:
        digits = wording.percent_digits(c)
        note = wording.typographic(f"95 % interval {wording.interval_percent(c.ci95_percent, digits)}")
        change = wording.signed_percent(c.total_area_change_percent, digits)
        tiles.append({"term": "Change", "value": change, "note": note})
    elif c.total_area_change_mm2 is not None:
        sign = "+" if c.total_area_change_mm2 > 0 else ""
        tiles.append(
            {"term": "Change", "value": f"{sign}{wording.number_text(c.total_area_change_mm2)}\u202fmm²", "note": ""}
        )
    if c.smallest_detectable_change_percent is not None:
        tiles.append(
            {
                "term": "Smallest detectable change",
                "value": f"{wording.number_text(c.smallest_detectable_change_percent, 0)}\u202f%",
                "note": "with 80\u202f% power: "
                f"{wording.number_text(c.change_detected_with_80_percent_power_percent, 0)}\u202f%",
            }
        )
    elif limit_mm2 is not None:
        value = wording.area(limit_mm2, None)
        tiles.append({"term": "Could be missed up to", "value": value, "note": "found 95 times in 100 at that size"})
    return tiles


def _warnings(comparison: Comparison) -> list[str]:
    """Return the pair's warnings, and those of a film that the pair's do not repeat."""
    films = (("Baseline film", comparison.baseline), ("Follow-up film", comparison.followup))
    own = [
        f"{name}: {warning}"
        for name, film in films
        for warning in film.warnings
        if not any(warning.text in of_pair.text for of_pair in comparison.warnings)
    ]
    return list(dict.fromkeys([*map(str, comparison.warnings), *own]))


def _films(
    comparison: Comparison, pictures: tuple[FilmPicture, FilmPicture], shown: tuple[DisplayedFilm, DisplayedFilm]
) -> list[dict[str, Any]]:
    measured = (("Baseline", comparison.baseline), ("Follow-up", comparison.followup))
    return [
        {
            "picture": picture,
            "title": title,
            "area": wording.area_with_error(measurement),
            "count": wording.count_of_deposits(measurement),
            "blank": one.anatomy.limb_count == 0,
        }
        for picture, (title, measurement), one in zip(pictures, measured, shown, strict=True)
    ]


def _total(comparison: Comparison) -> dict[str, str] | None:
    c = comparison
    if c.baseline_common_area_px is None and c.baseline_common_area_mm2 is None:
        return None
    digits = wording.percent_digits(c)
    return {
        "baseline_area": wording.area(c.baseline_common_area_mm2, c.baseline_common_area_px),
        "followup_area": wording.area(c.followup_common_area_mm2, c.followup_common_area_px),
        "change": wording.signed_percent(c.total_area_change_percent, digits),
        "interval": wording.interval_percent(c.ci95_percent, digits),
        "detectable": {True: "Shown", False: "Not shown", None: wording.NONE}[c.detectable],
        "spoken": wording.spoken_total(c),
    }


def _self_check(check: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return a row a synthetic follow-up of this baseline: true change, measured change, verdict."""
    if not check:
        return []
    columns = (check.get(name) or () for name in ("true_change_percent", "measured_change_percent", "verdict"))
    return [
        (wording.signed_percent(true), wording.signed_percent(measured), wording.VERDICT_WORDS[Verdict(verdict)])
        for true, measured, verdict in zip(*columns, strict=True)
    ]


def _basis_sentences(comparison: Comparison) -> list[str]:
    bases = [film.film.spacing.basis for film in (comparison.baseline, comparison.followup)]
    if bases[0] is bases[1]:
        return [wording.BASIS_SENTENCES[bases[0]]]
    names = ("Baseline", "Follow-up")
    return [f"{name}: {wording.BASIS_SENTENCES[basis]}" for name, basis in zip(names, bases, strict=True)]


def _facts(comparison: Comparison, record: Mapping[str, Any]) -> list[tuple[str, Facts]]:
    """Return how it was computed, in groups of terms and values."""
    groups = [
        (title, _film_facts(measurement, record[key]))
        for title, key, measurement in (
            ("Baseline film", "baseline", comparison.baseline),
            ("Follow-up film", "followup", comparison.followup),
        )
    ]
    settings = [(_term(name), _setting(value)) for name, value in record["settings"].items()]
    versions = [("calcimeasure", record["calcimeasure_version"]), *record["versions"].items()]
    shown = [
        ("Margin of no change", wording.margin(comparison.margin_ratio)),
        ("Limit of detection", limit_words(limit_of_detection_text(comparison, record))),
    ]
    groups.append(("Settings", [*shown, *(item for item in settings if item[0] not in _SHOWN_ALREADY)]))
    groups.append(("Versions", versions))
    return groups


def _film_facts(measurement: FilmMeasurement, record: Mapping[str, Any]) -> Facts:
    film = measurement.film
    facts = [("Film", film.film_id)]
    if record["path"]:
        facts.append(("Path", record["path"]))
    facts.append(("SHA-256", film.sha256))
    if film.frame is not None:
        facts.append(("Frame", str(film.frame + 1)))
    facts.append(("Size", f"{film.shape[0]} rows, {film.shape[1]} columns"))
    facts.append(("Spacing", wording.spacing_words(film)))
    if film.spacing.basis is not SpacingBasis.NONE:
        facts.append(("Spacing basis", str(film.spacing.basis).replace("_", " ")))
    methods = sorted({wording.METHOD_WORDS[deposit.area_method] for deposit in measurement.deposits})
    origins = sorted({wording.ORIGIN_WORDS[deposit.origin] for deposit in measurement.deposits})
    facts.append(("Deposits", ", ".join(origins) or "none"))
    if methods:
        facts.append(("Area", ", ".join(methods)))
    if measurement.labels.method:
        facts.append(("Segmentation", measurement.labels.method))
    return facts


def _term(name: str) -> str:
    words_of_it = name.replace("_", " ")
    return words_of_it[:1].upper() + words_of_it[1:]


def _setting(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_setting(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{str(name).replace('_', ' ')} {_setting(item)}" for name, item in value.items())
    return str(value)


def content_policy(style: str, script: str = "") -> str:
    """Return the content security policy of a page: its own style and script, and nothing else."""
    allowed = f"script-src '{_content_hash(script)}'; " if script else ""
    style_hash = _content_hash(style)
    return f"default-src 'none'; img-src data:; style-src '{style_hash}'; {allowed}base-uri 'none'; form-action 'none'"


def _content_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"


def _resource(name: str) -> str:
    return resources.files("calcimeasure.export.report").joinpath("templates", name).read_text("utf-8")


@cache
def page_environment(package: str) -> Environment:
    """Return the template engine for the pages of a package: every value is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
