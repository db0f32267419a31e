"""The report of a pair as one printed page, for archives that keep PDF: sentence, numbers, both films, links."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from calcimeasure import __version__
from calcimeasure.change.intervals import CALIBRATION_NOTE
from calcimeasure.change.verdict_sentence import verdict_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from calcimeasure.change.change_records import Comparison, Link

# A4 at 150 dots an inch.
WIDTH, HEIGHT, DPI = 1240, 1754, 150
_MARGIN = 75
_TEXT, _HEADING, _SMALL = 24, 34, 19
_INK, _QUIET = "#101418", "#505860"
_MOST_LINKS = 18
# What the built-in font has no picture of.
_IN_FONT = str.maketrans({"\u00b2": "2", "\u2212": "-", "\u2013": "-", "\u00d7": "x", "\u2026": "..."})


def report_pdf(comparison: Comparison, pictures: tuple[bytes, bytes], moment: datetime | None) -> bytes:
    """Return one A4 page as PDF; the same pair gives the same bytes.

    Parameters
    ----------
    pictures
        PNG of the baseline and of the follow-up with their deposits.
    moment
        The date that the file states; None for none.
    """
    page = report_page(comparison, pictures)
    buffer = io.BytesIO()
    date = None if moment is None else moment.timetuple()
    page.save(
        buffer,
        format="PDF",
        resolution=DPI,
        title="Calcinosis: comparison of two films",
        producer=f"calcimeasure {__version__}",
        creationDate=date,
        modDate=date,
        quality=90,
    )
    return buffer.getvalue()


def report_page(comparison: Comparison, pictures: tuple[bytes, bytes]) -> Image:
    """Return the page as a picture, white with dark ink."""
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(page)
    top = _write(draw, "Calcinosis: comparison of two films", _MARGIN, size=_HEADING)
    top = _write(draw, verdict_sentence(comparison), top + 12, size=_TEXT)
    top = _paste_films(page, draw, pictures, top + 20)
    for line in _numbers(comparison):
        top = _write(draw, line, top, size=_TEXT)
    top += 14
    for line in _links(comparison):
        top = _write(draw, line, top, size=_SMALL)
    top += 14
    for line in (*comparison.reasons, *map(str, comparison.warnings)):
        if top < HEIGHT - 160:
            top = _write(draw, line, top, size=_SMALL, ink=_QUIET)
    note = f"{CALIBRATION_NOTE} calcimeasure {__version__}; films {comparison.baseline.film.film_id} and "
    _write(draw, note + f"{comparison.followup.film.film_id}.", HEIGHT - 110, size=_SMALL, ink=_QUIET)
    return page


def _write(draw: ImageDraw, text: str, top: float, *, size: int, ink: str = _INK) -> float:
    """Write text broken into lines that fit the page; return where the next line goes."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=size)
    line = ""
    lines = []
    for word in text.translate(_IN_FONT).split():
        longer = f"{line} {word}".strip()
        if draw.textlength(longer, font=font) > WIDTH - 2 * _MARGIN and line:
            lines.append(line)
            line = word
        else:
            line = longer
    for written in [*lines, line]:
        draw.text((_MARGIN, top), written, font=font, fill=ink)
        top += 1.4 * size
    return top


def _paste_films(page: Image, draw: ImageDraw, pictures: tuple[bytes, bytes], top: float) -> float:
    from PIL import Image, ImageFont

    gap, tallest = 20, 700
    width = (WIDTH - 2 * _MARGIN - gap) // 2
    bottom = top
    for index, (png, name) in enumerate(zip(pictures, ("Baseline", "Follow-up"), strict=True)):
        left = _MARGIN + index * (width + gap)
        draw.text((left, top), name, font=ImageFont.load_default(size=_SMALL), fill=_QUIET)
        with Image.open(io.BytesIO(png)) as picture:
            shown = picture.convert("RGB")
        shown.thumbnail((width, tallest), Image.Resampling.LANCZOS)
        page.paste(shown, (left, round(top) + 28))
        bottom = max(bottom, top + 28 + shown.height)
    return bottom + 24


def _numbers(comparison: Comparison) -> Iterator[str]:
    for name, side in (("Baseline", comparison.baseline), ("Follow-up", comparison.followup)):
        area = f"{side.total_area_px:.0f} px²"
        if side.total_area_mm2 is not None:
            area = f"{side.total_area_mm2:.2f} mm² (standard error {side.total_area_se_mm2 or 0.0:.2f})"
        count = sum(row.finding == "calcinosis" for row in side.deposits)
        yield f"{name}: {count} deposits of calcinosis, {area}; spacing: {side.film.spacing.basis}"
    if comparison.total_area_change_percent is not None and comparison.ci95_percent is not None:
        low, high = comparison.ci95_percent
        yield f"Change: {comparison.total_area_change_percent:+.1f} % (95 % interval {low:+.1f} to {high:+.1f} %)"
    if comparison.smallest_detectable_change_percent is not None:
        yield f"Smallest change that these films can show: {comparison.smallest_detectable_change_percent:.1f} %"


def _links(comparison: Comparison) -> Iterator[str]:
    for number, link in enumerate(comparison.links[:_MOST_LINKS], start=1):
        yield f"Link {number}: {_link_words(link)}"
    left_out = len(comparison.links) - _MOST_LINKS
    if left_out > 0:
        yield f"and {left_out} more links; see the structured report."


def _link_words(link: Link) -> str:
    words = link.status.replace("_", " ")
    sides = f"baseline {listed_labels(link.baseline_labels)}, follow-up {listed_labels(link.followup_labels)}"
    change = ""
    if link.area_change_percent is not None and link.ci95_percent is not None:
        low, high = link.ci95_percent
        change = f": {link.area_change_percent:+.1f} % ({low:+.1f} to {high:+.1f} %)"
    return f"{words} ({sides}){change}"


def listed_labels(labels: Sequence[int]) -> str:
    """Return the numbers of deposits as text; "none" where there are none."""
    return ", ".join(map(str, labels)) or "none"
