"""`overlay.png`: one film with its deposits outlined and numbered, and a scale bar; blank outside the limbs."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.deposits import Finding
from calcimeasure.errors import OutputError
from calcimeasure.export.film_picture import DisplayedFilm, Viewport, display_film
from calcimeasure.export.label_placement import Box, Tag, place_tags
from calcimeasure.export.outline_marks import DASHES, UNLINKED, OutlineMark
from calcimeasure.radiograph import Radiograph, SpacingBasis

Colour = NDArray[np.uint8]
Points = NDArray[np.float64]

_SUBPIXEL_BITS = 4
# Distance of the circle around a deposit too small for an outline, in thousandths of the picture.
_CLEAR = 3.0
# On noisy greys a higher level takes twice as long and comes out larger.
_PNG_LEVEL = 3

BASIS_WORDS = {
    SpacingBasis.USER: "spacing as given by the user",
    SpacingBasis.CALIBRATED: "calibrated in the patient's plane",
    SpacingBasis.DETECTOR: "at the detector: magnified by an unknown factor",
    SpacingBasis.SCANNED_FILM: "on the scanned film: magnified by an unknown factor",
    SpacingBasis.ASSUMED_DETECTOR: "calibration not stated in the file",
    SpacingBasis.FILE_RESOLUTION: "from the file's resolution tag, plane unknown",
    SpacingBasis.MAGNIFICATION_CORRECTED: "detector spacing, corrected for the stated magnification",
    SpacingBasis.NONE: "no spacing known: lengths in pixels",
}


def overlay_png(film: Radiograph, anatomy: Anatomy, marks: Sequence[OutlineMark], labels: NDArray[np.uint16]) -> bytes:
    """Return `overlay.png`: everything outside the limbs is blanked; `labels` keeps all deposits inside the picture."""
    return draw_overlay(display_film(film, anatomy, labels), marks)


def draw_overlay(shown: DisplayedFilm, marks: Sequence[OutlineMark]) -> bytes:
    """Return `overlay.png` of a displayed film."""
    view, grey = shown.view, shown.grey
    drawn = np.ascontiguousarray(np.repeat(grey[:, :, np.newaxis], 3, axis=2))
    unit = max(max(view.height, view.width) / 1000.0, 0.5)
    for mark in marks:
        draw_outline(drawn, mark, view, unit)
    image = Image.fromarray(drawn)
    _draw_tags(image, marks, view, unit)
    return encode_png(np.asarray(_with_caption(image, shown.film, view, marks, unit)))


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Return an RGB or grey image as PNG; the same image gives the same bytes."""
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    done, data = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    if not done:
        raise OutputError("a picture could not be coded as PNG")
    return data.tobytes()


def draw_outline(image: Colour, mark: OutlineMark, view: Viewport, unit: float) -> None:
    """Draw one deposit's outline, in its colour on a white halo, onto an RGB image."""
    width = max(round(2.0 * unit), 1)
    halo = width + max(round(2.0 * unit), 2)
    lines = [view.to_picture(np.vstack([outline, outline[:1]])) for outline in mark.outlines]
    lines = ring_around(lines, _CLEAR * unit) or lines
    for colour, thickness in (((255, 255, 255), halo), (ImageColor.getrgb(mark.colour), width)):
        for line in lines:
            for stroke in dashed(line, tuple(length * 2.0 * unit for length in mark.dashes)):
                points = np.round((stroke - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
                cv2.polylines(image, [points], False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def ring_around(lines: Sequence[Points], clear: float) -> list[Points] | None:
    """Return a circle around a deposit so small that its own outline would hide it; None for one large enough.

    Parameters
    ----------
    lines
        The outline, as (x, y) in the picture.
    clear
        Distance of the circle from the deposit, in picture pixels.
    """
    points = np.vstack(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    radius = float((high - low).max()) / 2.0
    if radius > 2.5 * clear:
        return None
    angle = np.linspace(0.0, 2.0 * np.pi, 25)
    return [(low + high) / 2.0 + (radius + clear) * np.column_stack([np.cos(angle), np.sin(angle)])]


def dashed(line: Points, dashes: tuple[float, ...]) -> list[Points]:
    """Return the dashes of a line; without `dashes` the line itself."""
    if not dashes:
        return [line]
    lengths = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    strokes = []
    start = 0.0
    while start < along[-1]:
        for index, length in enumerate(dashes):
            end = min(start + length, float(along[-1]))
            if index % 2 == 0 and end > start:
                at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
                strokes.append(np.column_stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])]))
            start = end
    return strokes


def tag_places(marks: Sequence[OutlineMark], view: Viewport, *, unit: float, letter: float, clear: float) -> list[Tag]:
    """Return the place of each mark's number in the picture of `view`.

    Parameters
    ----------
    unit, letter
        Picture pixels of a unit of distance and of a figure's width.
    clear
        As for `ring_around`: numbers do not overlap the circles.
    """
    boxes: list[Box] = []
    for mark in marks:
        lines = [view.to_picture(outline) for outline in mark.outlines]
        points = np.vstack(ring_around(lines, clear) or lines)
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        boxes.append((float(x0), float(y0), float(x1), float(y1)))
    sizes = [(letter * (len(mark.text) + 1.1), letter * 2.2) for mark in marks]
    return place_tags(boxes, sizes, width=view.width, height=view.height, unit=unit)


def scale_bar(film: Radiograph, view: Viewport) -> tuple[float, str]:
    """Return the length of a scale bar in picture pixels and its text: a round number near a fifth of the width."""
    per_unit = view.scale_col if film.spacing.mm is None else view.scale_col / film.spacing.mm[1]
    wanted = view.width / 5.0 / per_unit
    power = 10.0 ** np.floor(np.log10(wanted))
    number = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= wanted)
    return (float(number * per_unit), f"{number:g} {'px' if film.spacing.mm is None else 'mm'}")


def _draw_tags(image: Image.Image, marks: Sequence[OutlineMark], view: Viewport, unit: float) -> None:
    numbered = [mark for mark in marks if mark.text]
    letter = 9.0 * max(unit, 1.0)
    font = ImageFont.load_default(size=letter * 1.7)
    draw = ImageDraw.Draw(image)
    for mark, tag in zip(
        numbered, tag_places(numbered, view, unit=unit, letter=letter, clear=_CLEAR * unit), strict=True
    ):
        if tag.leader is not None:
            draw.line(tag.leader, fill=mark.colour, width=max(round(1.2 * unit), 1))
        box = (tag.x, tag.y, tag.x + tag.width, tag.y + tag.height)
        draw.rounded_rectangle(
            box, radius=0.45 * letter, fill=mark.colour, outline="#ffffff", width=max(round(unit), 1)
        )
        draw.text((tag.x + tag.width / 2, tag.y + tag.height / 2), mark.text, font=font, fill="#101418", anchor="mm")


def _with_caption(
    image: Image.Image, film: Radiograph, view: Viewport, marks: Sequence[OutlineMark], unit: float
) -> Image.Image:
    unit = max(unit, 1.0)
    size = 17.0 * unit
    font = ImageFont.load_default(size=size)
    findings = sorted({mark.finding for mark in marks if mark.finding is not Finding.CALCINOSIS})
    strip = round(size * (3.3 + 1.6 * len(findings)))
    page = Image.new("RGB", (image.width, image.height + strip), "#101418")
    page.paste(image, (0, 0))
    draw = ImageDraw.Draw(page)
    left, top = 12.0 * unit, image.height + 0.9 * size
    length, words = scale_bar(film, view)
    bar = max(round(2.0 * unit), 2)
    draw.line((left, top, left + length, top), fill="#ffffff", width=bar)
    for x in (left, left + length):
        draw.line((x, top - 0.35 * size, x, top + 0.35 * size), fill="#ffffff", width=bar)
    draw.text((left + length + 0.7 * size, top), words, font=font, fill="#ffffff", anchor="lm")
    small = ImageFont.load_default(size=0.8 * size)
    draw.text((left, top + 1.3 * size), BASIS_WORDS[film.spacing.basis], font=small, fill="#c8ccd2", anchor="lm")
    for index, finding in enumerate(findings):
        y = top + size * (2.8 + 1.6 * index)
        end = np.array([[left, y], [left + 4.0 * size, y]])
        for stroke in dashed(end, tuple(length * 2.0 * unit for length in DASHES[finding])):
            draw.line([tuple(point) for point in stroke], fill=UNLINKED, width=bar)
        draw.text((left + 4.6 * size, y), f"{finding}: not counted", font=small, fill="#c8ccd2", anchor="lm")
    return page
