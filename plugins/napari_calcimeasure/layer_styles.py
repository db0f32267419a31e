"""How films look as napari layers: titles, keys in `layer.metadata`, units, grey values and colours.

Nothing here needs a window. A layer without our key in its metadata is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.export.burned_in_text import text_boxes
from calcimeasure.export.film_picture import Viewport, film_display_window, limb_mask
from calcimeasure.export.outline_marks import PALETTE, UNLINKED
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph, Spacing, SpacingBasis

RADIOGRAPH_KEY = "calcimeasure_radiograph"
"""The `Radiograph` that a layer shows or lies over; read by the writers and the review widget."""
SPACING_KEY = "calcimeasure_spacing"
"""The spacing's basis and note, in words; written by the reader."""

TITLES = {TimePoint.BASELINE: "Baseline", TimePoint.FOLLOWUP: "Follow-up"}
BASES = {
    SpacingBasis.USER: "mm as given",
    SpacingBasis.CALIBRATED: "mm, calibrated",
    SpacingBasis.DETECTOR: "mm at the detector",
    SpacingBasis.SCANNED_FILM: "mm on the film",
    SpacingBasis.ASSUMED_DETECTOR: "mm, calibration unknown",
    SpacingBasis.FILE_RESOLUTION: "mm by the file's resolution",
    SpacingBasis.MAGNIFICATION_CORRECTED: "mm, magnification corrected",
    SpacingBasis.NONE: "pixels: no spacing known",
}
TEXT_COLOUR = "#fff7c2"
TITLE_SIZE = 14
LIMB_MARGIN_MM = 2.0


LABELS_OPACITY = 0.95


def units_of(spacing: Spacing) -> tuple[str, str]:
    """Return the world's units: millimetres where the film has them."""
    unit = "mm" if spacing.known else "pixel"
    return (unit, unit)


def grey_window(film: Radiograph, anatomy: Anatomy) -> tuple[float, float]:
    """Return the canonical values shown from black to white: as the file asks where that suits the limb."""
    return film_display_window(film, limb_values(film, anatomy, start=anatomy.step // 2))


def limb_values(film: Radiograph, anatomy: Anatomy, *, start: int = 0) -> NDArray[np.float32]:
    """Return the values of the limbs on the anatomy's grid; of the whole film where no limb was found."""
    reduced = film.pixels[start :: anatomy.step, start :: anatomy.step]
    limbs = anatomy.limbs[: reduced.shape[0], : reduced.shape[1]] > 0
    inside = reduced[: limbs.shape[0], : limbs.shape[1]][limbs]
    return inside if inside.size else reduced.ravel()


def blinded_pixels(film: Radiograph, anatomy: Anatomy, labels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the film without what could name a person: off the limbs (but for a margin and deposits), and text.

    A film on which no limb was found stays as it is: nobody could read it otherwise.
    """
    if anatomy.limb_count == 0:
        return film.pixels
    rows, cols = film.shape
    whole = Viewport(row0=0, col0=0, rows=rows, cols=cols, height=rows, width=cols)
    shown = (limb_mask(anatomy, whole) | (labels > 0)).astype(np.uint8)
    margin = round(LIMB_MARGIN_MM / min(nominal_spacing_mm(film, anatomy)))
    shown = np.asarray(cv2.dilate(shown, np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)))
    for box in text_boxes(film, anatomy):
        shown[box] = 0
    return np.where(shown > 0, film.pixels, np.float32(film.pixels.min()))


def label_colors(numbers: Mapping[int, int]) -> dict[int | None, str]:
    """Return the colour of each label from the number of its row: the same on both films."""
    table: dict[int | None, str] = {None: UNLINKED, 0: "transparent"}
    table.update({label: PALETTE[(number - 1) % len(PALETTE)] for label, number in numbers.items()})
    return table


def basis_text(spacing: Spacing) -> str:
    """Return what millimetres on this film are."""
    return BASES[spacing.basis]
