"""The mouse and the keys on our layers. Every tool goes one way: a gesture on a film becomes one edit, or one action.

Bound to our own layers only, never globally.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from psygnal import Signal

from calcimeasure.boxes import Box
from calcimeasure.errors import CalciMeasureError
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationEdit
from napari_calcimeasure.edit_commands import EDIT_COMMANDS, EditCommands, ReviewAction
from napari_calcimeasure.film_view import FilmView
from napari_calcimeasure.pair_geometry import Point
from napari_calcimeasure.review_layers import ReviewLayers

STILL_PX = 3


@dataclass(frozen=True, kw_only=True)
class Gesture:
    """What the mouse did on a film, from press to release.

    Attributes
    ----------
    points
        (row, col) from the press to the release; none of a stroke that napari painted.
    painted
        The window of the film that napari painted in; None where it is not known.
    """

    visit: TimePoint
    points: tuple[Point, ...] = ()
    shift: bool = False
    painted: Box | None = None

    @property
    def still(self) -> bool:
        """Whether it was a click rather than a drag."""
        (row_1, col_1), (row_2, col_2) = self.points[0], self.points[-1]
        return abs(row_2 - row_1) + abs(col_2 - col_1) < STILL_PX


def _select(commands: EditCommands, gesture: Gesture) -> None:
    if not gesture.still:
        return
    label = commands.layers.label_at(gesture.visit, gesture.points[0])
    if label:
        commands.selection.choose(gesture.visit, label, add=gesture.shift)
    elif not gesture.shift:
        commands.selection.clear()


def _click(commands: EditCommands, gesture: Gesture) -> None:
    commands.click(gesture.visit, gesture.points[0], add_piece=gesture.shift)


def _split(commands: EditCommands, gesture: Gesture) -> AnnotationEdit | None:
    return None if gesture.still else commands.split_edit(gesture.visit, [gesture.points[0], gesture.points[-1]])


def _calibrate(commands: EditCommands, gesture: Gesture) -> None:
    commands.calibrate(gesture.visit, gesture.points)


def _stroke(commands: EditCommands, gesture: Gesture) -> AnnotationEdit | None:
    """Return the edit that napari's brush, eraser or lasso painted already."""
    layer, state, visit = commands.layers.labels[gesture.visit], commands.session.state, gesture.visit
    window: Any = ... if gesture.painted is None else gesture.painted
    if np.array_equal(layer.data[window], state.images[visit][window]):
        return None
    label = int(layer.selected_label)
    name = "Erase from deposits"
    if label and str(layer.mode) != "erase":
        name = f"{'Paint' if label in state.deposits[visit] else 'Draw'} deposit {label}"
    return editing_tools.replace_pixels(state, visit, np.asarray(layer.data), name, within=gesture.painted)


def _no_ruler(commands: EditCommands) -> str:
    return commands.closed() or ("" if commands.can_calibrate else "The films cannot be opened anew here.")


@dataclass(frozen=True, kw_only=True)
class MouseTool(ReviewAction):
    """A tool: what a click or a drag on a film does.

    Attributes
    ----------
    release
        Makes an edit of a gesture, or acts at once and returns None.
    layer_mode
        The mode of napari's Labels layer; in any but ``pan_zoom`` napari paints, and `release` takes the stroke.
    pans
        Whether a drag moves the films.
    draws_line
        Whether the line of a drag is shown.
    """

    release: Callable[[EditCommands, Gesture], AnnotationEdit | None]
    layer_mode: str = "pan_zoom"
    pans: bool = False
    draws_line: bool = False


MOUSE_TOOLS = {tool.name: tool for tool in (
    MouseTool(name="select", title="Choose", key="Escape",
              help="Click on a deposit to choose it (Shift: one more); drag to move the films",
              release=_select, pans=True, why_not=lambda _commands: ""),
    MouseTool(name="click", title="Click-to-segment", key="C",
              help="Click in a deposit: its boundary is found (Shift: one more piece)", release=_click),
    MouseTool(name="brush", title="Brush", key="B", help="Paint more onto the chosen deposit; [ and ] change the size",
              release=_stroke, layer_mode="paint", why_not=EditCommands.none_selected),
    MouseTool(name="erase", title="Eraser", key="E", help="Paint away; [ and ] change the size",
              release=_stroke, layer_mode="erase"),
    MouseTool(name="lasso", title="Lasso", key="L",
              help="Click around an area, double-click closes it: it is added to the chosen deposit",
              release=_stroke, layer_mode="polygon", pans=True, why_not=EditCommands.none_selected),
    MouseTool(name="draw", title="Draw new", key="D", help="Paint a deposit that was not found",
              release=_stroke, layer_mode="paint"),
    MouseTool(name="split", title="Split", key="X", help="Drag a line across a deposit to cut it in two",
              release=_split, draws_line=True),
    MouseTool(name="ruler", title="Ruler", key="R",
              help="Drag along something of known length: the film's millimetres are taken from it",
              release=_calibrate, draws_line=True, why_not=_no_ruler),
)}  # fmt: skip


class MouseTools:
    """The tool in use, and the mouse and keys that use it; `changed` is emitted with another tool."""

    changed = Signal()

    def __init__(self, layers: ReviewLayers, commands: EditCommands, view: FilmView) -> None:
        self.layers = layers
        self.commands = commands
        self.view = view
        self.tool = MOUSE_TOOLS["select"]
        self._pressed = False
        layers.viewer.mouse_move_callbacks.append(self._on_move)
        layers.viewer.mouse_drag_callbacks.append(self._on_press)
        for visit in layers.order:
            labels = layers.labels[visit]
            labels.help = self.tool.help
            labels.events.paint.connect(lambda event, visit=visit: self._painted(visit, event.value))
            # napari reports a lasso before it writes the pixels; the update of the picture follows it.
            labels.events.labels_update.connect(lambda _event, visit=visit: self._updated(visit))
            for layer in layers.layers_of(visit):
                self._bind_keys(layer)

    def close(self) -> None:
        """Stop listening to the viewer."""
        self.layers.viewer.mouse_move_callbacks.remove(self._on_move)
        self.layers.viewer.mouse_drag_callbacks.remove(self._on_press)

    def take(self, name: str) -> None:
        """Take another tool."""
        tool = MOUSE_TOOLS[name]
        if not self.commands.allowed(tool):
            return
        self.tool = tool
        if name == "draw":
            self.commands.selection.clear()
        for visit in self.layers.order:
            layer = self.layers.labels[visit]
            layer.mode = tool.layer_mode
            layer.help = tool.help  # napari's own line there names keys of its own
            if name == "draw":
                layer.selected_label = self.commands.session.state.free_label(visit)
        self.layers.viewer.camera.mouse_pan = tool.pans
        self.commands.message.emit(tool.help)
        self.changed.emit()

    def _bind_keys(self, layer: Any) -> None:
        actions: dict[str, Callable[[], object]] = {
            **{command.key: partial(self.commands.run, name) for name, command in EDIT_COMMANDS.items()},
            **{tool.key: partial(self.take, name) for name, tool in MOUSE_TOOLS.items()},
            **self.view.keys,
            "Control-Y": partial(self.commands.run, "redo"),
            "Backspace": partial(self.commands.run, "delete"),
        }
        for key, action in actions.items():
            layer.bind_key(key, _on_key(action), overwrite=True)

    # Gestures ------------------------------------------------------------------------------------------------------

    def _visit_of(self, event: Any) -> TimePoint:
        return self.layers.film_at(getattr(event, "viewbox", None))

    def _on_move(self, _viewer: Any, event: Any) -> None:
        visit = self._visit_of(event)
        self.layers.point_at(visit)
        if len(self.layers.order) > 1 and self.view.side_by_side:
            self.layers.show_pointer(visit, self.layers.point_on(visit, event.position))

    def _on_press(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        visit, shift, tool = self._visit_of(event), "Shift" in event.modifiers, self.tool
        self.layers.point_at(visit)
        points = [self.layers.point_on(visit, event.position)]
        paints = tool.layer_mode != "pan_zoom"
        if event.button != 1 and not paints:
            return
        self._pressed = True
        yield
        while event.type == "mouse_move":
            self._extend(points, visit, event)
            if tool.draws_line:
                self.layers.show_line(visit, points[0], points[-1])
            yield
        self._pressed = False
        self._extend(points, visit, event)  # a quick hand lets go before its last move is reported
        self.layers.show_pointer(visit, None)
        if tool.layer_mode not in ("paint", "erase"):  # napari reports these strokes, with their window
            self._finish(tool.release, Gesture(visit=visit, points=tuple(points), shift=shift))

    def _extend(self, points: list[Point], visit: TimePoint, event: Any) -> None:
        if self._visit_of(event) is visit:
            points.append(self.layers.point_on(visit, event.position))

    def _painted(self, visit: TimePoint, strokes: Any) -> None:
        self._finish(
            _stroke, Gesture(visit=visit, painted=painted_window(strokes, self.layers.labels[visit].data.shape))
        )

    def _updated(self, visit: TimePoint) -> None:
        if not self._pressed:  # a stroke is still being drawn until the button is let go
            self._finish(_stroke, Gesture(visit=visit))

    def _finish(self, release: Callable[[EditCommands, Gesture], AnnotationEdit | None], gesture: Gesture) -> None:
        """Do what a gesture asks for; where it is refused, say why and take the paint off the film."""
        try:
            edit = release(self.commands, gesture)
            if edit is None:
                return
            drawn = [entry.label for entry in edit.entries if entry.before is None]
            painted = release is _stroke and len(drawn) == 1
            self.commands.perform(edit, select=(gesture.visit, drawn[0]) if painted else None)
        except CalciMeasureError as error:
            self.layers.show_labels(gesture.visit)
            self.commands.complain(error)


def _on_key(action: Callable[[], object]) -> Callable[[Any], None]:
    """Return what napari calls: a function with a name (it asks for one) that takes the layer."""

    def pressed(_layer: Any) -> None:
        action()

    return pressed


def painted_window(strokes: Any, shape: tuple[int, ...]) -> Box | None:
    """Return the window that napari's history of a stroke speaks of, or None where it speaks of none.

    Each entry begins with what it changed: a slice, or the indices, along each axis.
    """
    sides = []
    for axis, size in enumerate(shape):
        try:
            along = [stroke[0][axis] for stroke in strokes]
            starts = [one.start if isinstance(one, slice) else int(np.min(one)) for one in along]
            stops = [one.stop if isinstance(one, slice) else int(np.max(one)) + 1 for one in along]
            sides.append(slice(max(min(starts), 0), min(max(stops), size)))
        except (TypeError, ValueError, IndexError):
            return None  # another napari reports it otherwise: the whole film is compared
    return (sides[0], sides[1])
