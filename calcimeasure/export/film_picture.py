"""A film as a picture: cropped to its limbs, windowed, everything outside the limbs and burned-in text blanked.

Pictures are for viewing, never for measuring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy, film_box
from calcimeasure.boxes import Box, bounding_box, box_at, pad_box, union_box
from calcimeasure.export.burned_in_text import text_boxes
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Radiograph

Grey = NDArray[np.uint8]
Points = NDArray[np.float64]

LONGEST_SIDE = 1600
_MARGIN_FRACTION = 0.03
_SAMPLES = 200_000
_DARKEST_QUANTILE = 0.01
_BRIGHTEST_QUANTILE = 0.999
# A window of the file that clips more of the limb than this suits another part of the picture.
_LARGEST_CLIPPED_FRACTION = 0.3
# The limb starts a little above black, so that its outline shows against the blanked surroundings.
_LIMB_BLACK = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewport:
    """Which part of a film a picture shows, and how large.

    Attributes
    ----------
    row0, col0
        First row and column of the film that are shown.
    rows, cols
        How many are shown.
    height, width
        Size of the picture, in its pixels, which are square in mm whatever the film's are.
    """

    row0: int
    col0: int
    rows: int
    cols: int
    height: int
    width: int

    @property
    def scale_row(self) -> float:
        """Picture pixels a row of the film."""
        return self.height / self.rows

    @property
    def scale_col(self) -> float:
        """Picture pixels a column of the film."""
        return self.width / self.cols

    def to_picture(self, points: Points) -> Points:
        """Return (x, y) in the picture, edges at 0 and width, of (row, col) pixel indices of the film."""
        x = (points[:, 1] + 0.5 - self.col0) * self.scale_col
        y = (points[:, 0] + 0.5 - self.row0) * self.scale_row
        return np.column_stack([x, y])

    def box_in_picture(self, box: Box) -> Box:
        """Return the part of the picture that a box of film pixels falls into."""
        rows = [max(edge - self.row0, 0) * self.scale_row for edge in (box[0].start, box[0].stop)]
        cols = [max(edge - self.col0, 0) * self.scale_col for edge in (box[1].start, box[1].stop)]
        return slice(math.floor(rows[0]), math.ceil(rows[1])), slice(math.floor(cols[0]), math.ceil(cols[1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class DisplayedFilm:
    """A film as it is displayed: the base of every picture of it.

    Attributes
    ----------
    film, anatomy
        The film and its masks.
    view
        Which part is shown, and how large.
    grey
        The picture: 0 outside the limbs and over burned-in text.
    """

    film: Radiograph
    anatomy: Anatomy
    view: Viewport
    grey: Grey


def display_film(
    film: Radiograph, anatomy: Anatomy, labels: NDArray[np.uint16], *, longest_side: int = LONGEST_SIDE
) -> DisplayedFilm:
    """Return a film as displayed: limbs and deposits inside, everything that could name a person blanked."""
    view = viewport(film, anatomy, longest_side=longest_side, labels=labels)
    return DisplayedFilm(film=film, anatomy=anatomy, view=view, grey=picture(film, anatomy, view))


def display_measured(measurement: FilmMeasurement) -> DisplayedFilm:
    """Return a measured film as it is shown."""
    return display_film(measurement.film, anatomy_of(measurement), measurement.labels.image)


def viewport(
    film: Radiograph, anatomy: Anatomy, *, longest_side: int, labels: NDArray[np.uint16] | None = None
) -> Viewport:
    """Return the part of a film that holds its limbs and its deposits, at most `longest_side` picture pixels long.

    Parameters
    ----------
    film, anatomy
        The film and its masks; without a limb the whole film is shown (blank).
    longest_side
        Never exceeded; the picture is not made finer than the film.
    labels
        Deposits that have to be inside, if any.
    """
    boxes = [film_box(anatomy, anatomy.limbs > 0), None if labels is None else bounding_box(labels > 0)]
    box = reduce(union_box, [box for box in boxes if box is not None] or [box_at((0, 0), film.shape)])
    margin = round(_MARGIN_FRACTION * max(side.stop - side.start for side in box))
    shown = pad_box(box, (margin, margin), film.shape)
    rows, cols = (side.stop - side.start for side in shown)
    # The finer axis keeps its sampling at most; the other follows from the pixel's aspect.
    tall = rows * film.spacing.pixel_aspect
    scale = min(longest_side / max(tall, cols), 1.0)
    return Viewport(
        row0=shown[0].start,
        col0=shown[1].start,
        rows=rows,
        cols=cols,
        height=max(round(tall * scale), 1),
        width=max(round(cols * scale), 1),
    )


def picture(film: Radiograph, anatomy: Anatomy, view: Viewport) -> Grey:
    """Return the film in its display window on the viewport's grid; 0 outside the limbs and over burned-in text."""
    rows, cols = slice(view.row0, view.row0 + view.rows), slice(view.col0, view.col0 + view.cols)
    size = (view.width, view.height)
    shown = np.asarray(cv2.resize(film.pixels[rows, cols], size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    inside = limb_mask(anatomy, view)
    for box in text_boxes(film, anatomy):
        inside[view.box_in_picture(box)] = False
    low, high = film_display_window(film, shown[inside])
    grey = np.clip((shown - low) * ((255.0 - _LIMB_BLACK) / (high - low)) + _LIMB_BLACK, _LIMB_BLACK, 255)
    return np.where(inside, grey + 0.5, 0).astype(np.uint8)


def limb_mask(anatomy: Anatomy, view: Viewport) -> NDArray[np.bool_]:
    """Return True over the limbs on the viewport's grid, with a smooth edge between the mask's coarse cells."""
    limbs = (anatomy.limbs > 0).astype(np.float32)
    # Centres of picture pixels, as positions on the mask's grid of cells.
    x = (view.col0 + (np.arange(view.width) + 0.5) / view.scale_col) / anatomy.step - 0.5
    y = (view.row0 + (np.arange(view.height) + 0.5) / view.scale_row) / anatomy.step - 0.5
    grid_x = np.broadcast_to(x.astype(np.float32), (view.height, view.width))
    grid_y = np.broadcast_to(y.astype(np.float32)[:, np.newaxis], (view.height, view.width))
    smooth = cv2.remap(
        limbs,
        np.ascontiguousarray(grid_x),
        np.ascontiguousarray(grid_y),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    inside: NDArray[np.bool_] = smooth > 0.5
    return inside


def film_display_window(film: Radiograph, limb_values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the (low, high) canonical values that are shown from black to white.

    The file's own window where it suits the limb, else from nearly the darkest to nearly the brightest of the limb.
    """
    if limb_values.size == 0:
        return (film.grey.lowest, max(film.grey.highest, film.grey.lowest + 1.0))
    sample = limb_values[:: max(limb_values.size // _SAMPLES, 1)]
    low, high = (float(value) for value in np.quantile(sample, (_DARKEST_QUANTILE, _BRIGHTEST_QUANTILE)))
    if film.grey.window is not None:
        asked_low, asked_high = film.grey.window
        clipped = float(np.mean((sample < asked_low) | (sample > asked_high)))
        wide = (asked_high - asked_low) > 3.0 * (high - low)
        if asked_high > asked_low and clipped <= _LARGEST_CLIPPED_FRACTION and not wide:
            return (asked_low, asked_high)
    return (low, high if high > low else low + 1.0)


def anatomy_of(measurement: FilmMeasurement) -> Anatomy:
    """Return the masks that the film was measured with, or make them."""
    if measurement.anatomy is not None:
        return measurement.anatomy
    from calcimeasure.anatomy import find_anatomy

    return find_anatomy(measurement.film)
