"""A session on napari's canvas: layers that follow every edit, and what is chosen. Works on a ViewerModel too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calcimeasure.boxes import Box
from calcimeasure.deposits import Finding
from calcimeasure.notices import TimePoint
from calcimeasure.registration.alignment import inverse, map_points
from calcimeasure.registration.registration_records import Alignment
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationEdit
from calcimeasure.review.review_session import EditPreview, ReviewSession, SessionChange
from calcimeasure.review.review_table import TableRow, centre, numbers_on, table_rows
from napari_calcimeasure.film_layers import POINTER_PX, LayerAppearance, makers
from napari_calcimeasure.layer_styles import (
    FILM_KEY,
    RADIOGRAPH_KEY,
    TEXT_COLOUR,
    TITLE_SIZE,
    TITLES,
    basis_text,
    colour_table,
    colours,
    grey_window,
    place_of,
    place_on,
    units_of,
)
from napari_calcimeasure.preferences import preferences

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Points

LAYERS_A_FILM = 4
LINE_PX = 5
NEAR = 3.0


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
        What is seen of the films, where that is not all of them.
    by_steps
        Leave it to the caller to go through `build`.

    Attributes
    ----------
    rows
        The table as it stands.
    chosen
        The chosen deposits by film, in the board's numbers.
    film
        The film that tools act on: the one last pointed at.
    whole_zoom
        The camera's zoom that shows all of the films; going to a row comes nearer than that.
    listeners
        Called after anything shown has changed: edits and choices.
    """

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
        self.viewer = viewer
        self.session = session
        self.order = tuple(order or session.material.films)
        self.titles = {which: (titles or TITLES)[which] for which in self.order}
        self.pixels = {which: film.pixels for which, film in session.material.films.items()} | dict(pixels or {})
        self.rows: list[TableRow] = []
        self.chosen: dict[TimePoint, tuple[int, ...]] = dict.fromkeys(self.order, ())
        self.film = self.order[0]
        self.whole_zoom = 0.0
        self.listeners: list[Callable[[], None]] = []
        self.images: dict[TimePoint, Image] = {}
        self.labels: dict[TimePoint, Labels] = {}
        self.numbers: dict[TimePoint, Points] = {}
        self.pointers: dict[TimePoint, Points] = {}
        self.windows = {
            which: grey_window(film, session.material.anatomies[which])
            for which, film in session.material.films.items()
        }
        self.outline_px = preferences().outline_px
        self._numbered: dict[TimePoint, dict[int, int]] = {}
        self._following = True
        self._layers: list[Any] = []
        self._back: Alignment | None = None
        self._next: tuple[TimePoint, int] | None = None
        if not by_steps:
            for _step in self.build():
                pass

    # Layers --------------------------------------------------------------------------------------------------------

    def build(self) -> Iterator[None]:
        """Put the session on the canvas layer by layer: whoever calls lets the window live between the steps."""
        self.rows = table_rows(self.session)
        for which in self.order:
            look = self._look(which)
            made: list[Any] = []
            for make in makers():
                layer = make(look)
                yield
                self.viewer.add_layer(layer)
                made.append(layer)
                self._layers.append(layer)
                yield
            self.images[which], self.labels[which], self.numbers[which], self.pointers[which] = made
            self._listen(which)
        self._lay_out()
        yield
        self.show()
        self.session.changed.append(self._follow)

    def _look(self, which: TimePoint) -> LayerAppearance:
        material = self.session.material
        self._numbered[which] = numbers_on(self.rows, which)
        return LayerAppearance(
            pixels=self.pixels[which],
            labels=self.session.board.images[which],
            title=self.titles[which],
            window=self.windows[which],
            colours=colours(self._numbered[which]),
            common={
                "affine": self._affine(which, None),
                "units": units_of(material.films[self.order[0]].spacing),
                "axis_labels": ("row", "col"),
                "metadata": {FILM_KEY: which.value, **self._known(which)},
            },
        )

    def _known(self, which: TimePoint) -> dict[str, Any]:
        """Return what napari's File > Save needs to know of the film; nothing of one that is blinded."""
        film = self.session.material.films[which]
        return {RADIOGRAPH_KEY: film} if self.pixels[which] is film.pixels else {}

    def _listen(self, which: TimePoint) -> None:
        layer = self.labels[which]
        layer.events.paint.connect(lambda event, which=which: self._painted(which, event.value))
        # napari announces a lasso before it writes the pixels; what comes after it is the update of the picture.
        layer.events.labels_update.connect(lambda _event, which=which: self._updated(which))

    def layers_of(self, which: TimePoint) -> tuple[Any, ...]:
        """Return a film's layers, lowest first."""
        return (self.images[which], self.labels[which], self.numbers[which], self.pointers[which])

    def _affine(self, which: TimePoint, at: tuple[float, float] | None) -> NDArray[np.float64]:
        """Lay the film on the left as it is, and the other where it fits it."""
        films = self.session.material.films
        mapping = self.mapping(which)
        if which is self.order[0] or mapping is None:
            return place_of(films[which])
        if at is None:
            rows, cols = films[which].shape
            at = (rows / 2, cols / 2)
        return place_on(films[self.order[0]], mapping, at)

    def mapping(self, which: TimePoint) -> Any:
        """Return the alignment from a film to the other one, or None where there is none."""
        alignment = self.alignment
        if alignment is None or which is TimePoint.BASELINE:
            return alignment
        if self._back is None:
            self._back = inverse(alignment, self.session.material.films[TimePoint.FOLLOWUP].shape)
        return self._back

    @property
    def alignment(self) -> Any:
        """Baseline to follow-up, or None for one film and for a pair that could not be aligned."""
        start = self.session.material.comparison
        return None if start is None else start.alignment

    def _lay_out(self) -> None:
        grid = self.viewer.canvas.grid
        grid.stride = LAYERS_A_FILM
        grid.shape = (1, len(self.order))
        grid.spacing = 6
        grid.enabled = len(self.order) > 1
        bar = self.viewer.canvas.overlays.scale_bar
        bar.visible = True
        bar.gridded = True
        bar.font_size = 14
        basis = self.viewer.canvas.overlays.text
        basis.text, basis.visible, basis.gridded = self._basis(), True, True
        basis.position, basis.font_size, basis.color = "bottom_right", 11, TEXT_COLOUR  # napari stacks them
        if len(self.order) > 1:
            for which in self.order:
                title = self.images[which].name_overlay
                title.visible, title.font_size = True, TITLE_SIZE
        self.viewer.layers.selection = {self.labels[self.film]}

    def _basis(self) -> str:
        """Return what the scale bar's millimetres are, in words."""
        films = self.session.material.films
        texts = {which: basis_text(films[which].spacing) for which in self.order}
        if len(set(texts.values())) == 1:
            return next(iter(texts.values()))
        return "\n".join(f"{self.titles[which]}: {text}" for which, text in texts.items())

    def close(self) -> None:
        """Take the layers away and stop following the session."""
        if self._follow in self.session.changed:
            self.session.changed.remove(self._follow)
        self.listeners.clear()
        self.viewer.canvas.overlays.text.visible = False
        for layer in self._layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    # Following edits -----------------------------------------------------------------------------------------------

    def _follow(self, changed: SessionChange) -> None:
        if self._following:
            for which in {patch.film for patch in changed.edit.patches}:
                self._redraw(which, changed.edit.windows(which))
                self._forget_strokes(which)
        if self._next is not None:
            which, number = self._next
            self.chosen = {**dict.fromkeys(self.order, ()), which: (number,)}
            self.labels[which].selected_label = number
        self.chosen = {
            which: tuple(number for number in known if number in self.session.board.deposits[which])
            for which, known in self.chosen.items()
        }
        self.show()

    def _redraw(self, which: TimePoint, windows: list[Box]) -> None:
        """Let the layer show the board's labels anew in some windows: all of it would take ten times as long."""
        layer, image = self.labels[which], self.session.board.images[which]
        self._following = False
        try:
            for window in windows:
                layer.data[window] = image[window]
                layer._accumulate_updated_slice(window)  # noqa: SLF001 - as napari's own brush does
            layer._partial_labels_refresh()  # noqa: SLF001 - no public way refreshes less than all
        finally:
            self._following = True

    def _painted(self, which: TimePoint, strokes: Any = None) -> None:
        """Turn what napari's brush, eraser or lasso painted into one edit of ours.

        Parameters
        ----------
        strokes
            What napari tells of it, where it does: the places that changed.
        """
        layer, board = self.labels[which], self.session.board
        within = painted_window(strokes, layer.data.shape)
        there: Any = ... if within is None else within
        if np.array_equal(layer.data[there], board.images[which][there]):
            return
        label = int(layer.selected_label)
        verb = "Erase from deposits" if str(layer.mode) == "erase" or label == 0 else f"Paint deposit {label}"
        if label and label not in board.deposits[which] and str(layer.mode) != "erase":
            verb = f"Draw deposit {label}"
        self._following = False
        try:
            self.session.do(editing_tools.replace_pixels(board, which, np.asarray(layer.data), verb, within=within))
        except Exception:
            layer.data[:] = board.images[which]
            layer.refresh()
            raise
        finally:
            self._following = True
            self._forget_strokes(which)

    def _updated(self, which: TimePoint) -> None:
        if self._following and not self.labels[which]._block_history:  # noqa: SLF001 - a stroke is still being drawn
            self._painted(which)

    def _forget_strokes(self, which: TimePoint) -> None:
        """Empty napari's own undo stack: the session's history is the only one."""
        self.labels[which]._reset_history()  # noqa: SLF001 - napari offers no public way to clear it

    def show(self) -> None:
        """Bring numbers, colours and table up to date."""
        self.rows = table_rows(self.session)
        for which in self.order:
            self._show_numbers(which)
        for tell in tuple(self.listeners):
            tell()

    def _show_numbers(self, which: TimePoint) -> None:
        numbers = numbers_on(self.rows, which)
        if numbers != self._numbered.get(which):
            self._numbered[which] = numbers
            with self.labels[which]._block_refresh():  # noqa: SLF001 - other colours are no other pixels
                self.labels[which].colormap = colour_table(colours(numbers))
        places, texts = [], []
        live = self.session.live[which]
        for deposit, number in numbers.items():
            row = live.row(deposit)
            if row is None:
                continue
            reach = 0.8 * float(np.sqrt(max(row.area_px, 1.0) / np.pi)) + 2.0
            places.append((row.centroid_row - reach, row.centroid_col + reach))
            kind = "" if row.finding is Finding.CALCINOSIS else f" {row.finding.value}"
            mark = "▸" if deposit in self.chosen[which] else ""
            texts.append(f"{mark}{number}{kind}")
        layer = self.numbers[which]
        data = np.array(places, dtype=float).reshape(-1, 2)
        if texts == list(layer.features["text"]) and np.array_equal(layer.data, data):
            return
        # Each of the two would draw the layer, and the viewer measure all layers: once is enough.
        with self._unmoved(layer.events.data), layer._block_refresh():  # noqa: SLF001 - no public way
            if not np.array_equal(layer.data, data):
                layer.data = data
            with layer.text.events.blocker_all():  # the texts in the picture are still those of the places before
                layer.features = pd.DataFrame({"text": np.array(texts, dtype=object)})
        layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _unmoved(self, event: Any) -> Any:
        """Keep the viewer from slicing all layers anew when one of ours says this: they lie in two dimensions."""
        return event.blocker(self.viewer._on_layers_change)  # noqa: SLF001 - no public way

    # Choosing ------------------------------------------------------------------------------------------------------

    def choose(self, which: TimePoint, number: int, *, add: bool = False) -> None:
        """Choose a deposit; tools act on it."""
        known = self.chosen[which]
        if add:
            self.chosen[which] = tuple(sorted({*known, number} - ({number} if number in known else set())))
        else:
            self.chosen = dict.fromkeys(self.order, ())
            self.chosen[which] = (number,)
        self.labels[which].selected_label = number
        self.show()

    def choose_row(self, row: TableRow, *, go: bool = True) -> None:
        """Choose all deposits of a row and go there on both films."""
        self.chosen = {which: row.deposits.get(which, ()) for which in self.order}
        for which, known in self.chosen.items():
            if known:
                self.labels[which].selected_label = known[0]
        if go:
            self.go_to(row)
        self.show()

    def choose_nothing(self) -> None:
        """Let go of what is chosen."""
        self.chosen = dict.fromkeys(self.order, ())
        self.show()

    def go_to(self, row: TableRow) -> None:
        """Centre both films on a row's deposits, the film on the right laid there by the local alignment."""
        places = {which: centre(self.session, row, which) for which in self.order}
        left, right = self.order[0], self.order[-1]
        there = places[right]
        if there is None and places[left] is not None and self.alignment is not None:
            there = tuple(map_points(self.mapping(left), np.array([places[left]]))[0])
        if there is not None and right is not left:
            self._lay(right, there)
        which, at = next(((w, p) for w, p in places.items() if p is not None), (None, None))
        if which is None or at is None:
            return
        world = self.labels[which].data_to_world(at)
        self.viewer.camera.center = (0.0, float(world[0]), float(world[1]))
        if self.viewer.camera.zoom < NEAR / 2 * self.whole_zoom:
            self.viewer.camera.zoom = NEAR * self.whole_zoom

    def _lay(self, which: TimePoint, at: tuple[float, float]) -> None:
        affine = self._affine(which, at)
        for layer in self.layers_of(which):
            with self._unmoved(layer.events.affine), layer._block_refresh():  # noqa: SLF001 - the pixels stay
                layer.affine = affine

    @property
    def row(self) -> TableRow | None:
        """The row that the chosen deposits stand in, or None."""
        for row in self.rows:
            if any(set(row.deposits.get(which, ())) & set(known) for which, known in self.chosen.items()):
                return row
        return None

    def point_at(self, which: TimePoint) -> None:
        """Make a film the one that tools act on."""
        if which is not self.film or self.viewer.layers.selection.active is not self.labels[which]:
            self.film = which
            self.viewer.layers.selection = {self.labels[which]}

    def film_at(self, viewbox: tuple[int, int] | None) -> TimePoint:
        """Return the film that a cell of the grid shows; the left one where the films lie over one another."""
        if not self.viewer.canvas.grid.enabled or viewbox is None:
            return self.order[0]
        return self.order[min(int(viewbox[1]), len(self.order) - 1)]

    def show_line(self, which: TimePoint, start: tuple[float, float] | None, end: tuple[float, float] | None) -> None:
        """Show a line that is being drawn on a film; None takes it away."""
        layer = self.pointers[which]
        if start is None or end is None:
            layer.data = np.zeros((0, 2))
            layer.current_size = POINTER_PX
            return
        layer.current_size = LINE_PX
        layer.data = np.linspace(start, end, 40)
        layer.size = LINE_PX

    def show_pointer(self, which: TimePoint, at: tuple[float, float] | None) -> None:
        """Show on the other film where a place on this one lies; None hides it."""
        for other in self.order:
            place = None if at is None or other is which else self.same_place(which, at)
            self.pointers[other].data = np.zeros((0, 2)) if place is None else np.array([place])

    def same_place(self, which: TimePoint, at: tuple[float, float]) -> tuple[float, float] | None:
        """Return where a place of one film lies on the other, or None where that is not known or outside."""
        if self.alignment is None:
            return None
        films = self.session.material.films
        other = TimePoint.FOLLOWUP if which is TimePoint.BASELINE else TimePoint.BASELINE
        mapping = self.mapping(which)
        row, col = (float(value) for value in map_points(mapping, np.array([at]))[0])
        rows, cols = films[other].shape
        return (row, col) if 0 <= row < rows and 0 <= col < cols else None

    def label_at(self, which: TimePoint, at: tuple[float, float]) -> int:
        """Return the deposit at a place, 0 for none."""
        row, col = (round(value) for value in at)
        image = self.session.board.images[which]
        if not (0 <= row < image.shape[0] and 0 <= col < image.shape[1]):
            return 0
        return int(image[row, col])

    def do(
        self,
        edit: AnnotationEdit,
        *,
        then: tuple[TimePoint, int] | None = None,
        foreseen: EditPreview | None = None,
    ) -> bool:
        """Do an edit through the session; `then` is the deposit that is chosen after it."""
        self._next = then
        try:
            return self.session.do(edit, foreseen)
        finally:
            self._next = None


def painted_window(strokes: Any, shape: tuple[int, ...]) -> Box | None:
    """Return the window that napari's history of a stroke speaks of, or None where it speaks of none.

    Each entry begins with the places it changed: a slice, or the numbers, along each axis.
    """
    sides = []
    for axis, size in enumerate(shape):
        try:
            along = [stroke[0][axis] for stroke in strokes]
            starts = [one.start if isinstance(one, slice) else int(np.min(one)) for one in along]
            stops = [one.stop if isinstance(one, slice) else int(np.max(one)) + 1 for one in along]
            sides.append(slice(max(min(starts), 0), min(max(stops), size)))
        except (TypeError, ValueError, IndexError):
            return None  # told otherwise than this napari does: whoever asks looks at the whole film
    return (sides[0], sides[1])
