"""A session on napari's canvas: layers that follow every edit and the selection. Works on a ViewerModel too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psygnal import Signal

from calcimeasure.boxes import Box
from calcimeasure.deposits import Finding
from calcimeasure.notices import TimePoint
from calcimeasure.registration.alignment import map_points
from calcimeasure.review.review_session import ReviewSession, SessionChange
from calcimeasure.review.review_table import TableRow, centre, numbers_on, table_rows
from napari_calcimeasure.film_layers import LAYER_MAKERS, POINTER_PX, LayerAppearance
from napari_calcimeasure.layer_styles import (
    RADIOGRAPH_KEY,
    TEXT_COLOUR,
    TITLE_SIZE,
    TITLES,
    basis_text,
    grey_window,
    label_colors,
    units_of,
)
from napari_calcimeasure.napari_internals import clear_undo, label_colormap, no_extent_update, no_refresh
from napari_calcimeasure.pair_geometry import PairGeometry, Point
from napari_calcimeasure.selection import Selection

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer, Points

LINE_PX = 5
ROW_ZOOM = 3.0
"""How many times nearer than the whole film a row is shown."""


class ReviewLayers:
    """The films of a session in a viewer.

    Parameters
    ----------
    viewer
        napari's viewer, or its model.
    session
        What is read.
    order
        The films from left to right.
    titles
        What they are called, where they are blinded.
    pixels
        What is shown of the films, where that is not all of them.
    by_steps
        Leave it to the caller to go through `build`.

    Attributes
    ----------
    rows
        The table as it stands.
    selection
        The selected deposits.
    whole_zoom
        The camera's zoom that shows all of the films; going to a row comes nearer than that.
    """

    updated = Signal()
    """After anything shown has changed: edits and the selection."""

    def __init__(
        self,
        viewer: ViewerModel,
        session: ReviewSession,
        *,
        order: Iterable[TimePoint] | None = None,
        titles: Mapping[TimePoint, str] | None = None,
        pixels: Mapping[TimePoint, NDArray[np.float32]] | None = None,
        by_steps: bool = False,
    ) -> None:
        review_input = session.review_input
        self.viewer = viewer
        self.session = session
        self.order = tuple(order or review_input.films)
        self.titles = {visit: (titles or TITLES)[visit] for visit in self.order}
        self.pixels = {visit: film.pixels for visit, film in review_input.films.items()} | dict(pixels or {})
        alignment = None if review_input.comparison is None else review_input.comparison.alignment
        self.geometry = PairGeometry(review_input.films, alignment, self.order)
        self.rows: list[TableRow] = []
        self.selection = Selection(self.order)
        self.whole_zoom = 0.0
        self.images: dict[TimePoint, Image] = {}
        self.labels: dict[TimePoint, Labels] = {}
        self.numbers: dict[TimePoint, Points] = {}
        self.pointers: dict[TimePoint, Points] = {}
        self.windows = {v: grey_window(film, review_input.anatomies[v]) for v, film in review_input.films.items()}
        self._numbered: dict[TimePoint, dict[int, int]] = {}
        self._layers: list[Layer] = []
        if not by_steps:
            for _step in self.build():
                pass

    # Layers --------------------------------------------------------------------------------------------------------

    def build(self) -> Iterator[None]:
        """Put the session on the canvas layer by layer: the window goes on between the steps."""
        self.rows = table_rows(self.session)
        for visit in self.order:
            appearance = self._appearance(visit)
            for make in LAYER_MAKERS:
                layer = make(appearance)
                yield
                self.viewer.add_layer(layer)
                self._layers.append(layer)
                yield
            self.images[visit], self.labels[visit], self.numbers[visit], self.pointers[visit] = self._layers[-4:]
        self._lay_out()
        yield
        self.refresh()
        self.session.changed.connect(self._follow)
        self.selection.changed.connect(self.refresh)

    def _appearance(self, visit: TimePoint) -> LayerAppearance:
        films = self.session.review_input.films
        self._numbered[visit] = numbers_on(self.rows, visit)
        # What napari's File > Save needs to know of the film; nothing of one that is blinded.
        metadata = {RADIOGRAPH_KEY: films[visit]} if self.pixels[visit] is films[visit].pixels else {}
        return LayerAppearance(
            pixels=self.pixels[visit],
            labels=self.session.state.images[visit],
            title=self.titles[visit],
            window=self.windows[visit],
            colors=label_colors(self._numbered[visit]),
            common={
                "affine": self.geometry.affine(visit),
                "units": units_of(films[self.order[0]].spacing),
                "axis_labels": ("row", "col"),
                "metadata": metadata,
            },
        )

    def layers_of(self, visit: TimePoint) -> tuple[Layer, ...]:
        """Return a film's layers, lowest first."""
        return (self.images[visit], self.labels[visit], self.numbers[visit], self.pointers[visit])

    def _lay_out(self) -> None:
        canvas, pair = self.viewer.canvas, len(self.order) > 1
        canvas.grid.stride = len(LAYER_MAKERS)
        canvas.grid.shape = (1, len(self.order))
        canvas.grid.spacing = 6
        canvas.grid.enabled = pair
        bar, basis = canvas.overlays.scale_bar, canvas.overlays.text
        bar.visible, bar.gridded, bar.font_size = True, True, 14
        basis.text, basis.visible, basis.gridded = self._basis(), True, True
        basis.position, basis.font_size, basis.color = "bottom_right", 11, TEXT_COLOUR  # napari stacks them
        for image in self.images.values() if pair else ():
            image.name_overlay.visible, image.name_overlay.font_size = True, TITLE_SIZE
        self.viewer.layers.selection = {self.labels[self.order[0]]}

    def _basis(self) -> str:
        """Return what the scale bar's millimetres are, in words."""
        films = self.session.review_input.films
        texts = {visit: basis_text(films[visit].spacing) for visit in self.order}
        if len(set(texts.values())) == 1:
            return texts[self.order[0]]
        return "\n".join(f"{self.titles[visit]}: {text}" for visit, text in texts.items())

    def close(self) -> None:
        """Take the layers away and stop following the session."""
        self.session.changed.disconnect(self._follow, missing_ok=True)
        self.selection.changed.disconnect()
        self.updated.disconnect()
        self.viewer.canvas.overlays.text.visible = False
        for layer in self._layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    # Following -----------------------------------------------------------------------------------------------------

    def _follow(self, change: SessionChange) -> None:
        for visit in {patch.visit for patch in change.edit.patches}:
            self.show_labels(visit, change.edit.windows(visit))
        self.selection.keep(self.session.state.deposits)
        self.refresh()

    def show_labels(self, visit: TimePoint, windows: Iterable[Box] | None = None) -> None:
        """Bring the layer to the state's labels, in some windows or anywhere: only what differs is drawn."""
        layer, image = self.labels[visit], self.session.state.images[visit]
        places = []
        for window in windows if windows is not None else [(slice(0, None), slice(0, None))]:
            rows, cols = np.nonzero(layer.data[window] != image[window])
            places.append((rows + window[0].start, cols + window[1].start))
        rows, cols = (np.concatenate(along) for along in zip(*places, strict=True))
        if rows.size:
            with layer.block_history():  # napari reports the change once it is written
                layer.data_setitem((rows, cols), image[rows, cols])
        clear_undo(layer)

    def refresh(self) -> None:
        """Bring numbers, colours and table up to date."""
        self.rows = table_rows(self.session)
        for visit in self.order:
            if self.selection[visit]:
                self.labels[visit].selected_label = self.selection[visit][0]
            self._show_numbers(visit)
        self.updated.emit()

    def _show_numbers(self, visit: TimePoint) -> None:
        numbers = numbers_on(self.rows, visit)
        if numbers != self._numbered.get(visit):
            self._numbered[visit] = numbers
            with no_refresh(self.labels[visit]):  # other colours are no other pixels
                self.labels[visit].colormap = label_colormap(label_colors(numbers))
        points, texts = [], []
        for label, number in numbers.items():
            measured = self.session.live[visit].row(label)
            if measured is None:
                continue
            offset = 0.8 * float(np.sqrt(max(measured.area_px, 1.0) / np.pi)) + 2.0
            points.append((measured.centroid_row - offset, measured.centroid_col + offset))
            finding = "" if measured.finding is Finding.CALCINOSIS else f" {measured.finding.value}"
            texts.append(f"{'▸' if label in self.selection[visit] else ''}{number}{finding}")
        layer, data = self.numbers[visit], np.array(points, dtype=float).reshape(-1, 2)
        if texts == list(layer.features["text"]) and np.array_equal(layer.data, data):
            return
        with no_extent_update(self.viewer, layer.events.data), no_refresh(layer):
            if not np.array_equal(layer.data, data):
                layer.data = data
            with layer.text.events.blocker_all():  # the texts in the picture are still those of the points before
                layer.features = pd.DataFrame({"text": np.array(texts, dtype=object)})
        layer.refresh(thumbnail=False, highlight=False, extent=False)

    # Selection and navigation --------------------------------------------------------------------------------------

    @property
    def row(self) -> TableRow | None:
        """The row that the selected deposits stand in, or None."""
        selected = set(self.selection)
        for row in self.rows:
            if any((visit, label) in selected for visit, labels in row.deposits.items() for label in labels):
                return row
        return None

    def select_row(self, row: TableRow) -> None:
        """Select all deposits of a row and go there on both films."""
        self.go_to(row)
        self.selection.replace(row.deposits)

    def go_to(self, row: TableRow) -> None:
        """Centre both films on a row's deposits, the film on the right laid there by the local alignment."""
        centres = {visit: centre(self.session, row, visit) for visit in self.order}
        left, right = self.order[0], self.order[-1]
        there, mapping = centres[right], self.geometry.mapping(left)
        if there is None and centres[left] is not None and mapping is not None:
            there = tuple(map_points(mapping, np.array([centres[left]]))[0])
        if there is not None and right is not left:
            self._move(right, self.geometry.affine(right, there))
        for visit, at in centres.items():
            if at is not None:
                world = self.labels[visit].data_to_world(at)
                self.viewer.camera.center = (0.0, float(world[0]), float(world[1]))
                if self.viewer.camera.zoom < ROW_ZOOM / 2 * self.whole_zoom:
                    self.viewer.camera.zoom = ROW_ZOOM * self.whole_zoom
                return

    def _move(self, visit: TimePoint, affine: NDArray[np.float64]) -> None:
        for layer in self.layers_of(visit):
            with no_extent_update(self.viewer, layer.events.affine), no_refresh(layer):  # the pixels stay
                layer.affine = affine

    @property
    def film(self) -> TimePoint:
        """The film that tools act on: the one last pointed at."""
        active = self.viewer.layers.selection.active
        return next((visit for visit in self.order if self.labels[visit] is active), self.order[0])

    def point_at(self, visit: TimePoint) -> None:
        """Make a film the one that tools act on."""
        if self.viewer.layers.selection.active is not self.labels[visit]:
            self.viewer.layers.selection = {self.labels[visit]}

    def film_at(self, viewbox: tuple[int, int] | None) -> TimePoint:
        """Return the film that a cell of the grid shows; the left one where the films lie over one another."""
        if not self.viewer.canvas.grid.enabled or viewbox is None:
            return self.order[0]
        return self.order[min(int(viewbox[1]), len(self.order) - 1)]

    def point_on(self, visit: TimePoint, world: Any) -> Point:
        """Return the (row, col) on a film of a point of the world."""
        row, col = self.images[visit].world_to_data(world)[-2:]
        return (float(row), float(col))

    def label_at(self, visit: TimePoint, at: Point) -> int:
        """Return the deposit at a point, 0 for none."""
        row, col = (round(value) for value in at)
        image = self.session.state.images[visit]
        inside = 0 <= row < image.shape[0] and 0 <= col < image.shape[1]
        return int(image[row, col]) if inside else 0

    def show_line(self, visit: TimePoint, start: Point, end: Point) -> None:
        """Show a line that is being drawn on a film."""
        layer = self.pointers[visit]
        layer.current_size = LINE_PX
        layer.data = np.linspace(start, end, 40)
        layer.size = LINE_PX

    def show_pointer(self, visit: TimePoint, at: Point | None) -> None:
        """Show on the other film where a point of this one lies; None hides lines and pointers."""
        for other in self.order:
            same = None if at is None or other is visit else self.geometry.same_point(visit, at)
            self.pointers[other].current_size = POINTER_PX
            self.pointers[other].data = np.zeros((0, 2)) if same is None else np.array([same])
