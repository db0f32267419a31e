"""The films as the page shows them: grey pictures as data, outlines as vectors, the follow-up laid on the baseline."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.change.change_records import Comparison
from calcimeasure.errors import OutputError
from calcimeasure.export.film_picture import DisplayedFilm, Viewport, limb_mask
from calcimeasure.export.label_placement import Box, Tag
from calcimeasure.export.outline_marks import OutlineMark, pair_marks
from calcimeasure.export.overlay import ring_around, scale_bar, tag_places
from calcimeasure.registration.registration_records import Alignment

Grey = NDArray[np.uint8]
Points = NDArray[np.float64]

_JPEG_QUALITY = 82
_GRID = 16
# Width of a figure of the numbers beside the outlines, as a share of the picture's longer side.
_LETTER = 1 / 100
# What is left free around a small deposit, in figures' widths.
_CLEAR = 0.55


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One deposit as the page draws it, in picture pixels.

    Attributes
    ----------
    path
        The outline, as the ``d`` of an SVG path.
    ring
        A circle around it, where the outline would hide so small a deposit; empty where not.
    centre, reach
        Middle and half size of its box.
    """

    mark: OutlineMark
    path: str
    ring: str
    centre: tuple[float, float]
    reach: float
    tag: Tag | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmPicture:
    """One film as the page shows it.

    Attributes
    ----------
    key
        ``baseline`` or ``followup``.
    data
        The picture, as a data address.
    mm_per_pixel
        Of the picture; None without a spacing.
    bar, bar_words
        Scale bar: length in picture pixels, and what it stands for.
    letter
        Width of a figure of the numbers, in picture pixels.
    box
        What is shown of it (x, y, width, height in picture pixels): larger than the picture where the other film's
        is, so that both are shown at the same scale.
    """

    key: str
    view: Viewport
    grey: Grey
    data: str
    shapes: tuple[Shape, ...]
    mm_per_pixel: float | None
    bar: float
    bar_words: str
    letter: float
    box: Box


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """The follow-up laid on the baseline's picture: its grey picture as data, its outlines as paths there."""

    data: str
    shapes: tuple[Shape, ...]


def film_pictures(
    comparison: Comparison, shown: tuple[DisplayedFilm, DisplayedFilm]
) -> tuple[FilmPicture, FilmPicture]:
    """Return both films as the page shows them; with links, a deposit has the same number and colour on both."""
    baseline_marks, followup_marks = pair_marks(comparison)
    return _same_scale(
        film_picture("baseline", shown[0], baseline_marks), film_picture("followup", shown[1], followup_marks)
    )


def film_picture(key: str, shown: DisplayedFilm, marks: Sequence[OutlineMark]) -> FilmPicture:
    """Return one film as the page shows it."""
    film, view, grey = shown.film, shown.view, shown.grey
    letter = max(max(view.height, view.width) * _LETTER, 4.0)
    bar, bar_words = scale_bar(film, view)
    numbered = [mark for mark in marks if mark.text]
    tags = dict(
        zip(
            (mark.label for mark in numbered),
            tag_places(numbered, view, unit=letter / 10.0, letter=letter, clear=_CLEAR * letter),
            strict=True,
        )
    )
    return FilmPicture(
        key=key,
        view=view,
        grey=grey,
        data=jpeg_address(grey),
        shapes=tuple(
            _shape(mark, [view.to_picture(line) for line in mark.outlines], tags.get(mark.label), letter)
            for mark in marks
        ),
        mm_per_pixel=None if film.spacing.mm is None else film.spacing.mm[1] / view.scale_col,
        bar=bar,
        bar_words=bar_words,
        letter=letter,
        box=(0.0, 0.0, float(view.width), float(view.height)),
    )


def overlay_on_baseline(
    comparison: Comparison, baseline: FilmPicture, followup: FilmPicture, anatomy: Anatomy
) -> Overlay | None:
    """Return the follow-up laid on the baseline's picture; None where the films were not aligned.

    The grey values are matched over the limb of the baseline's masks (`anatomy`).
    """
    alignment = comparison.alignment
    if alignment is None or comparison.registration.status != "ok":
        return None
    warped = _warped(alignment, baseline.view, followup)
    limb = limb_mask(anatomy, baseline.view) & (warped > 0)
    matched = _matched(warped, baseline.grey, limb)
    return Overlay(data=jpeg_address(matched), shapes=_shapes_on_baseline(comparison, alignment, baseline, followup))


def jpeg_address(grey: Grey) -> str:
    """Return a grey picture as a JPEG data address; the same picture gives the same text."""
    done, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not done:
        raise OutputError("a picture could not be coded as JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def place_on_other(comparison: Comparison, point: tuple[float, float], *, of: str) -> tuple[float, float] | None:
    """Return where a (row, col) place of one film (`of`: its key) lies on the other; None without an alignment."""
    from calcimeasure.registration.alignment import inverse, map_points

    if comparison.alignment is None:
        return None
    mapping = comparison.alignment
    if of == "followup":
        mapping = inverse(mapping, comparison.followup.film.shape)
    row, col = np.asarray(map_points(mapping, np.array([point], dtype=np.float64)))[0]
    return (float(row), float(col))


def _same_scale(first: FilmPicture, second: FilmPicture) -> tuple[FilmPicture, FilmPicture]:
    """Return both with boxes of the same size: in mm, or in film pixels where neither film has a spacing."""
    if (first.mm_per_pixel is None) != (second.mm_per_pixel is None):
        return first, second
    units = [picture.mm_per_pixel or 1.0 / picture.view.scale_col for picture in (first, second)]
    if not 0.5 < units[0] * first.view.height / (units[1] * second.view.height) < 2.0:
        return first, second
    width = max(unit * picture.view.width for unit, picture in zip(units, (first, second), strict=True))
    height = max(unit * picture.view.height for unit, picture in zip(units, (first, second), strict=True))
    return (_in_box(first, width / units[0], height / units[0]), _in_box(second, width / units[1], height / units[1]))


def _in_box(picture: FilmPicture, width: float, height: float) -> FilmPicture:
    x, y = (picture.view.width - width) / 2.0, (picture.view.height - height) / 2.0
    return replace(picture, box=(round(x, 1), round(y, 1), round(width, 1), round(height, 1)))


def _warped(alignment: Alignment, view: Viewport, followup: FilmPicture) -> Grey:
    """Return the follow-up's picture on the baseline's grid of picture pixels; 0 where it has none."""
    from calcimeasure.registration.alignment import map_points

    # The mapping is smooth: it is followed exactly on a coarse grid, and in between on straight lines.
    ys = np.append(np.arange(0, view.height - 1, _GRID), view.height - 1)
    xs = np.append(np.arange(0, view.width - 1, _GRID), view.width - 1)
    grid_y, grid_x = np.meshgrid(ys, xs, indexing="ij")
    rows = (grid_y + 0.5) / view.scale_row + view.row0 - 0.5
    cols = (grid_x + 0.5) / view.scale_col + view.col0 - 0.5
    mapped = np.asarray(map_points(alignment, np.column_stack([rows.ravel(), cols.ravel()])), dtype=np.float64)
    there = (followup.view.to_picture(mapped) - 0.5).reshape(*grid_y.shape, 2).astype(np.float32)
    between_x = np.interp(np.arange(view.width), xs, np.arange(xs.size)).astype(np.float32)
    between_y = np.interp(np.arange(view.height), ys, np.arange(ys.size)).astype(np.float32)
    fine_x, fine_y = np.meshgrid(between_x, between_y)
    dense = cv2.remap(there, fine_x, fine_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = np.ascontiguousarray(dense[:, :, 0]), np.ascontiguousarray(dense[:, :, 1])
    warped = cv2.remap(followup.grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(warped, dtype=np.uint8)


def _matched(grey: Grey, like: Grey, where: NDArray[np.bool_]) -> Grey:
    """Return a picture with its contrast brought to another's, so that blending shows anatomy and not exposure."""
    if np.count_nonzero(where) < 100:
        return grey
    share = (0.05, 0.5, 0.95)
    have, want = np.quantile(grey[where], share), np.quantile(like[where], share)
    if have[2] <= have[0]:
        return grey
    table = np.interp(np.arange(256), np.concatenate([[0], np.maximum.accumulate(have), [255]]), [0, *want, 255])
    table[0] = 0
    matched: Grey = table.round().astype(np.uint8)[grey]
    return matched


def _shapes_on_baseline(
    comparison: Comparison, alignment: Alignment, baseline: FilmPicture, followup: FilmPicture
) -> tuple[Shape, ...]:
    from calcimeasure.registration.alignment import inverse, map_points

    marks = [shape.mark for shape in followup.shapes]
    lines = [line for mark in marks for line in mark.outlines]
    if not lines:
        return ()
    back = inverse(alignment, comparison.followup.film.shape)
    mapped = np.asarray(map_points(back, np.vstack(lines)), dtype=np.float64)
    parts = iter(np.split(baseline.view.to_picture(mapped), np.cumsum([len(line) for line in lines])[:-1]))
    return tuple(_shape(mark, [next(parts) for _ in mark.outlines], None, baseline.letter) for mark in marks)


def _shape(mark: OutlineMark, lines: Sequence[Points], tag: Tag | None, letter: float) -> Shape:
    low = np.min([line.min(axis=0) for line in lines], axis=0)
    high = np.max([line.max(axis=0) for line in lines], axis=0)
    centre = (low + high) / 2.0
    return Shape(
        mark=mark,
        path="".join(_path(line) for line in lines),
        ring="".join(_path(line[:-1]) for line in ring_around(lines, _CLEAR * letter) or ()),
        centre=(float(centre[0]), float(centre[1])),
        reach=float((high - low).max() / 2.0),
        tag=tag,
    )


def _path(line: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + "Z"
