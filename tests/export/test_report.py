"""The page says what the record says, escapes what files say, and asks nobody for anything."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from calcimeasure.change.change_records import Comparison, Verdict
from calcimeasure.change.intervals import CALIBRATION_NOTE
from calcimeasure.change.verdict_sentence import verdict_sentence
from calcimeasure.deposits import Origin
from calcimeasure.export.json_records import comparison_record
from calcimeasure.export.report import wording
from calcimeasure.export.report.report_notes import limit_of_detection_text, why_areas_differ
from calcimeasure.export.report.report_page import NOT_A_DEVICE, _tiles, report_html
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Spacing, SpacingBasis
from calcimeasure.segmentation import get_segmenter
from tests.fixtures.drawn_pairs import with_change

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The page's elements and text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not set(self.open) & {"style", "script", "title"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).replace("\u2212", "-").replace("\u202f", " ")


def page_of(comparison: Comparison, **options: object) -> str:
    return report_html(comparison, comparison_record(comparison, **options))


@pytest.fixture(scope="module")
def page(pair: Comparison) -> str:
    return page_of(pair, settings={"method": "auto"})


def test_says_the_verdict_and_what_it_is_not(pair: Comparison, page: str) -> None:
    text = Page(page).text
    assert re.sub(r"\s+", " ", verdict_sentence(pair)).split(". ")[0] in text
    assert CALIBRATION_NOTE in text
    assert CALIBRATION_NOTE == "Calibrated on simulated films; not yet verified on patients' repeat films."
    assert NOT_A_DEVICE in text
    assert "Not a medical device" in text


def test_says_the_numbers(pair: Comparison, page: str) -> None:
    text = Page(page).text
    for value in (
        f"+{pair.total_area_change_percent:.0f} %",
        f"{pair.baseline_common_area_mm2:.1f} mm²",
        f"{pair.smallest_detectable_change_percent:.0f} %",
        "Resolved",
        "New",
        "Group, 2 to 2",
        "vascular, not counted",
        "ImagerPixelSpacing 0.1",
        "the limb is shown larger than it is",
        pair.baseline.film.sha256,
        "20 mm",
    ):
        assert value in text, value


def test_two_areas_of_one_film_are_told_apart(pair: Comparison) -> None:
    scaled = replace(pair, registration=replace(pair.registration, scale=1.034, scale_applied=True))
    text = Page(page_of(scaled)).text
    assert "Under each film stands all the calcinosis on it" in text
    assert "only what both films show" in text
    assert "whose bones are 1.034 times as large, to the baseline's size" in text
    assert "in view on both films, at the baseline's size" in text


def test_equal_areas_need_no_word(pair: Comparison) -> None:
    alike = with_change(
        replace(pair, registration=replace(pair.registration, scale_applied=False)),
        baseline_common_area_px=pair.baseline.total_area_px,
        followup_common_area_px=pair.followup.total_area_px,
    )
    assert why_areas_differ(alike) == ""
    assert "differ from that" not in Page(page_of(alike)).text


def test_what_a_film_may_have_hidden_is_told(pair: Comparison) -> None:
    assert "Limit of detection" in Page(page_of(pair)).text
    assert "not known of who or what read these films" in Page(page_of(pair)).text
    text = Page(page_of(pair, settings={"limit_of_detection_mm2": 12.5})).text
    assert "12.5 mm²: a deposit of this size is found 95 times in 100" in text
    from_zero = with_change(pair, total_area_change_percent=None, smallest_detectable_change_percent=None)
    record = {"settings": {"limit_of_detection_mm2": 12.5}}
    assert limit_of_detection_text(from_zero, record) == 12.5
    tiles = {tile["term"]: tile["value"] for tile in _tiles(from_zero, 12.5)}
    assert tiles["Could be missed up to"] == "12.5\u202fmm²"


@pytest.mark.parametrize("method", ["network", "classical"])
def test_the_limit_is_the_segmenters_where_it_alone_read(pair: Comparison, method: str) -> None:
    def read_by(film: FilmMeasurement, origin: Origin) -> FilmMeasurement:
        deposits = tuple(replace(deposit, origin=origin) for deposit in film.deposits)
        return replace(film, deposits=deposits, labels=replace(film.labels, method=f"{method}/1"))

    by_program, by_person = (
        replace(pair, baseline=read_by(pair.baseline, origin), followup=read_by(pair.followup, origin))
        for origin in (Origin.AUTO, Origin.CLICKED)
    )
    assert limit_of_detection_text(by_program, {}) == get_segmenter(method).limit_of_detection_mm2
    assert limit_of_detection_text(by_person, {}) is None


def test_is_well_formed(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.elements:
        for name in ("href", "aria-labelledby"):
            target = attributes.get(name) or ""
            if name == "aria-labelledby" and target:
                assert target in ids
            elif target.startswith("#"):
                assert target[1:] in ids


def test_asks_nobody_for_anything(page: str) -> None:
    parsed = Page(page)
    for tag, attributes in parsed.elements:
        for name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href"):
            target = attributes.get(name)
            if target is not None:
                assert target.startswith(("data:image/jpeg;base64,", "#")), (tag, name)
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest", page)
    policy = next(a["content"] for t, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_size(page: str) -> None:
    assert len(page) < 3_000_000


def test_every_bar_has_words(page: str) -> None:
    bars = [a for tag, a in Page(page).elements if tag == "svg" and a.get("class") in {"bar", "headline"}]
    assert len(bars) == 7
    assert all(bar["role"] == "img" and len(bar["aria-label"] or "") > 10 for bar in bars)


HOSTILE = '<script>alert("x")</script><img src=x onerror=y>&amp;'


def hostile(pair: Comparison) -> Comparison:
    film = replace(
        pair.baseline.film,
        spacing=replace(pair.baseline.film.spacing, note=HOSTILE),
        identity=replace(pair.baseline.film.identity, body_part=HOSTILE, view=HOSTILE),
    )
    baseline = replace(
        pair.baseline,
        film=film,
        warnings=(Notice(NoticeCode.FILM_NOISY, HOSTILE),),
        labels=replace(pair.baseline.labels, method=HOSTILE),
    )
    links = tuple(replace(link, reason=HOSTILE) for link in pair.links)
    registration = replace(pair.registration, reason=HOSTILE)
    return replace(
        with_change(pair, links=links, reasons=(HOSTILE,)), baseline=baseline, registration=registration,
        warnings=(Notice(NoticeCode.FILM_NOISY, HOSTILE),), self_check={HOSTILE: HOSTILE, "verdict": []},
    )  # fmt: skip


def test_text_from_files_is_escaped(pair: Comparison, page: str) -> None:
    told = page_of(hostile(pair), settings={HOSTILE: HOSTILE}, include_paths=True)
    parsed = Page(told)
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert "img" not in [tag for tag, _ in parsed.elements]
    assert "alert" in html.unescape(told)
    assert parsed.open == []
    # The only script and style are those that the policy names.
    policy = re.search(r"sha256-[^']+'; script-src '[^']+'", html.unescape(told))
    assert policy is not None
    assert policy.group() in html.unescape(page)


def test_paths_only_when_asked_for(pair: Comparison, page: str) -> None:
    assert "Jane" not in page
    assert "Doe Jane" in page_of(pair, include_paths=True)


def test_same_pair_same_page(pair: Comparison, page: str) -> None:
    assert page_of(pair, settings={"method": "auto"}) == page


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_page(pair: Comparison, verdict: Verdict) -> None:
    told = page_of(with_change(pair, verdict=verdict))
    assert wording.VERDICT_WORDS[verdict] in Page(told).text
    assert f'class="verdict-{verdict}"' in told
    assert Page(told).open == []


def test_not_comparable_shows_films_and_reason_and_no_change(not_comparable: Comparison) -> None:
    parsed = Page(page_of(not_comparable))
    assert "could not be aligned" in parsed.text
    assert "Numbers are each film's own" in parsed.text
    assert "flicker" not in [attributes.get("id") for _, attributes in parsed.elements]
    assert "Smallest detectable change" not in parsed.text
    assert [a.get("id") for t, a in parsed.elements if t == "image"] == ["picture-baseline", "picture-followup"]


def test_without_spacing_areas_are_in_pixels(build_pair: Callable[..., Comparison]) -> None:
    text = Page(page_of(build_pair(height=240, spacing=Spacing()))).text
    assert "px²" in text
    assert "mm²" not in text
    assert "areas are in pixels, change in percent only" in text


@pytest.mark.parametrize("basis", [basis for basis in SpacingBasis if basis is not SpacingBasis.NONE])
def test_every_basis_is_told_in_words(pair: Comparison, basis: SpacingBasis) -> None:
    baseline = replace(
        pair.baseline, film=pair.baseline.film.with_spacing(replace(pair.baseline.film.spacing, basis=basis))
    )
    text = Page(page_of(replace(pair, baseline=baseline))).text
    assert wording.BASIS_SENTENCES[basis] in text


def test_no_deposits(build_pair: Callable[..., Comparison]) -> None:
    comparison = build_pair(height=240, baseline_blobs=(), followup_blobs=(), links=())
    assert comparison.verdict is Verdict.NO_DEPOSITS
    text = Page(page_of(comparison)).text
    assert "No deposits on either film" in text
    assert "no deposits" in text


def test_hundreds_of_deposits_stay_in_bounds(pair: Comparison) -> None:
    many = with_change(pair, links=pair.links[:2] + pair.links[4:] * 150)
    told = page_of(many)
    assert len(told) < 3_000_000
    assert sum(tag == "tr" for tag, _ in Page(told).elements) == 2 + 152


def test_self_check_is_a_table(pair: Comparison) -> None:
    check: dict[str, object] = {
        "synthetic_followups": 2,
        "true_change_percent": [0.0, 25.4],
        "measured_change_percent": [1.2, None],
        "verdict": ["no_change", "not_comparable"],
    }
    text = Page(page_of(replace(pair, self_check=check))).text
    assert "Tried on this very film" in text
    assert "0 % +1 % No change +25 % \u2013 Not comparable".replace(" ", "") in text.replace(" ", "")
    assert "Tried on" not in Page(page_of(pair)).text
    nothing: dict[str, object] = {"synthetic_followups": 0, "reason": "no deposits on the baseline film"}
    assert "Tried on" not in Page(page_of(replace(pair, self_check=nothing))).text
