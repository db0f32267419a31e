"""How a session's films become napari layers: names, keys in `layer.metadata`, looks, and where a film lies.

Nothing here needs a window. A layer without our key in its metadata is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MethodType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.export.burned_in_text import text_boxes
from calcimeasure.export.deposit_outlines import PALETTE, UNLINKED
from calcimeasure.export.film_picture import Viewport, film_display_window, limb_mask
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph, Spacing, SpacingBasis
from calcimeasure.registration.alignment import map_points
from calcimeasure.registration.registration_records import Alignment

FILM_KEY = "calcimeasure_film"
"""Which film of the session a layer shows; written here, read by whoever handles a layer."""
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
SEEN_BESIDE_MM = 2.0


@dataclass(frozen=True, kw_only=True)
class LayerStyles:
    """Display choices that are the same everywhere."""

    opacity: float = 0.95
    text_size: int = 13

    def labels(self) -> dict[str, Any]:
        """Return keyword arguments of a Labels layer."""
        return {"opacity": self.opacity, "blending": "translucent_no_depth"}

    def numbers(self) -> dict[str, Any]:
        """Return keyword arguments of a Points layer that shows only text."""
        return {"size": 0.1, "opacity": 1.0, "face_color": "transparent", "border_color": "transparent"}


LOOKS = LayerStyles()


def units_of(spacing: Spacing) -> tuple[str, str]:
    """Return the world's units: millimetres where the film has them."""
    unit = "mm" if spacing.known else "pixel"
    return (unit, unit)


def scale_of(spacing: Spacing) -> NDArray[np.float64]:
    """Return the size of a pixel in world units; without millimetres its shape alone."""
    return np.array(spacing.mm if spacing.mm is not None else (spacing.pixel_aspect, 1.0))


def grey_window(film: Radiograph, anatomy: Anatomy) -> tuple[float, float]:
    """Return the canonical values shown from black to white: as the file asks where that suits the limb."""
    step = anatomy.step
    reduced = film.pixels[step // 2 :: step, step // 2 :: step]
    limbs = anatomy.limbs[: reduced.shape[0], : reduced.shape[1]] > 0
    inside = reduced[: limbs.shape[0], : limbs.shape[1]][limbs]
    return film_display_window(film, inside if inside.size else reduced.ravel())


def nameless(film: Radiograph, anatomy: Anatomy, labels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the film with everything blanked that could name a person: what lies off the limbs, and text over them.

    A little beside the limbs and deposits at the skin stay. A film on which no limb was found stays as it is: nobody
    could read it otherwise.
    """
    if anatomy.limb_count == 0:
        return film.pixels
    rows, cols = film.shape
    whole = Viewport(row0=0, col0=0, rows=rows, cols=cols, height=rows, width=cols)
    seen = (limb_mask(anatomy, whole) | (labels > 0)).astype(np.uint8)
    around = round(SEEN_BESIDE_MM / min(nominal_spacing_mm(film, anatomy)))
    seen = np.asarray(cv2.dilate(seen, np.ones((2 * around + 1, 2 * around + 1), np.uint8)))
    for box in text_boxes(film, anatomy):
        seen[box] = 0
    return np.where(seen > 0, film.pixels, np.float32(film.pixels.min()))


def place_of(film: Radiograph) -> NDArray[np.float64]:
    """Return the (3, 3) matrix from a film's (row, col) to the world, as it lies by itself."""
    row, col = scale_of(film.spacing)
    return np.diag([row, col, 1.0])


def place_on(reference: Radiograph, mapping: Alignment, at: tuple[float, float]) -> NDArray[np.float64]:
    """Return the (3, 3) matrix from a film's (row, col) to the world where the reference film lies by itself.

    Both films share one camera: near `at` the film is laid exactly over the reference.

    Parameters
    ----------
    mapping
        From the film to the reference.
    at
        (row, col) on the film around which the films shall agree.
    """
    reach = 20.0
    row, col = at
    nodes = np.array([at, (row + reach, col), (row, col + reach), (row - reach, col), (row, col - reach)])
    placed = map_points(mapping, nodes)
    linear = np.column_stack([(placed[1] - placed[3]) / (2 * reach), (placed[2] - placed[4]) / (2 * reach)])
    local = np.eye(3)
    local[:2, :2] = linear
    local[:2, 2] = placed[0] - linear @ np.asarray(at)
    return place_of(reference) @ local


def colours(numbers: Mapping[int, int]) -> dict[int | None, Any]:
    """Return the colour of each label from the number that stands beside it: the same on both films.

    Parameters
    ----------
    numbers
        The row's number of each label.
    """
    table: dict[int | None, Any] = {None: UNLINKED, 0: "transparent"}
    table.update({label: PALETTE[(number - 1) % len(PALETTE)] for label, number in numbers.items()})
    return table


def colour_table(known: Mapping[int | None, Any]) -> Any:
    """Return napari's table of label colours, made in a hundredth of the time: its own goes through 65 536 labels."""
    return _colormap_class()(color_dict=dict(known))


@cache
def _colormap_class() -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    class LabelColours(DirectLabelColormap):  # type: ignore[misc, unused-ignore]
        """napari's, all labels looked up at once."""

        def _map_precast(self, values: NDArray[Any], apply_selection: bool) -> NDArray[np.float32]:
            known = self._values_mapping_to_minimum_values_set(apply_selection)[1]
            table = np.zeros((max(known) + 1, 4), dtype=np.float32)
            for place, colour in known.items():
                table[place] = colour
            return table[values]

    return LabelColours


def basis_text(spacing: Spacing) -> str:
    """Return what millimetres on this film are."""
    return BASES[spacing.basis]


def length_px(spacing: Spacing, start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the length of a line in columns of the film: its rows are as high as the pixel's shape says."""
    row, col = scale_of(spacing)
    return float(np.hypot((end[0] - start[0]) * row / col, end[1] - start[1]))


def spacing_of_ruler(
    spacing: Spacing, start: tuple[float, float], end: tuple[float, float], mm: float
) -> tuple[float, float]:
    """Return (row, column) millimetres a pixel from a line of known length; the pixel keeps its shape."""
    row, col = scale_of(spacing)
    of_column = mm / length_px(spacing, start, end)
    return (float(of_column * row / col), float(of_column))


def outline_quickly(layer: Any) -> None:
    """Let a Labels layer draw its outlines a tenth of the time: napari's own take 0.1 s of a whole radiograph.

    The outlines are the same but at the very border of the film, where nothing outside counts.
    """

    def contour(self: Any, labels: NDArray[np.uint16], window: tuple[slice, ...]) -> NDArray[np.uint16] | None:
        width = int(self.contour)
        if width < 1:
            return None
        starts = [max(part.start - width - 1, 0) for part in window]
        around = tuple(slice(start, part.stop + width + 1) for start, part in zip(starts, window, strict=True))
        piece = np.ascontiguousarray(labels[around])
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        flat = cv2.dilate(piece, cross) == cv2.erode(piece, cross, iterations=width)
        piece = np.where(flat, np.uint16(0), piece)
        inner = (slice(part.start - at, part.stop - at) for part, at in zip(window, starts, strict=True))
        return piece[tuple(inner)]

    layer._calculate_contour = MethodType(contour, layer)  # noqa: SLF001 - napari has no public way to draw outlines
