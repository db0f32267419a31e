"""The mouse and the keys on our layers: tools, choosing, pointing. Bound to our own layers only, never globally."""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import StrEnum
from functools import partial
from typing import Any

from calcimeasure.errors import CalciMeasureError
from calcimeasure.notices import TimePoint
from napari_calcimeasure.edit_commands import EDIT_COMMANDS, EditCommands, give
from napari_calcimeasure.film_view import FilmView
from napari_calcimeasure.review_layers import ReviewLayers


class Tool(StrEnum):
    """What a click or a drag on a film does."""

    LOOK = "look"
    CLICK = "click"
    BRUSH = "brush"
    ERASE = "erase"
    LASSO = "lasso"
    DRAW = "draw"
    SPLIT = "split"
    RULER = "ruler"


TITLES = {
    Tool.LOOK: ("Choose", "Escape", "Click on a deposit to choose it (Shift: one more); drag to move the films"),
    Tool.CLICK: ("Click-to-segment", "C", "Click in a deposit: its boundary is found (Shift: one more piece)"),
    Tool.BRUSH: ("Brush", "B", "Paint more onto the chosen deposit; [ and ] change the size"),
    Tool.ERASE: ("Eraser", "E", "Paint away; [ and ] change the size"),
    Tool.LASSO: ("Lasso", "L", "Click around an area, double-click closes it: it is added to the chosen deposit"),
    Tool.DRAW: ("Draw new", "D", "Paint a deposit that was not found"),
    Tool.SPLIT: ("Split", "X", "Drag a line across a deposit to cut it in two"),
    Tool.RULER: ("Ruler", "R", "Drag along something of known length: the film's millimetres are taken from it"),
}
_MODES = {Tool.BRUSH: "paint", Tool.DRAW: "paint", Tool.ERASE: "erase", Tool.LASSO: "polygon"}
STILL_PX = 3
_LINES = (Tool.SPLIT, Tool.RULER)
NEEDS_CHOICE = {Tool.BRUSH, Tool.LASSO}


class MouseTools:
    """The reader's hand on the films.

    Attributes
    ----------
    tool
        What it holds.
    listeners
        Called when the tool changes.
    """

    def __init__(
        self,
        desk: ReviewLayers,
        commands: EditCommands,
        view: FilmView,
        *,
        measure: Callable[[TimePoint, list[tuple[float, float]]], None] | None = None,
    ) -> None:
        self.desk = desk
        self.commands = commands
        self.view = view
        self.measure = measure
        self.tool = Tool.LOOK
        self.listeners: list[Callable[[], None]] = []
        viewer = desk.viewer
        viewer.mouse_move_callbacks.append(self._moved)
        viewer.mouse_drag_callbacks.append(self._pressed)
        for which in desk.order:
            desk.labels[which].help = TITLES[self.tool][2]
            for layer in desk.layers_of(which):
                self._bind(layer)

    def close(self) -> None:
        """Let go of the viewer."""
        viewer = self.desk.viewer
        for callbacks, mine in (
            (viewer.mouse_move_callbacks, self._moved),
            (viewer.mouse_drag_callbacks, self._pressed),
        ):
            if mine in callbacks:
                callbacks.remove(mine)

    def take(self, tool: Tool) -> None:
        """Take a tool into the hand."""
        reason = self.why_not(tool)
        if reason:
            self.commands.tell(reason)
            return
        self.tool = tool
        for which in self.desk.order:
            layer = self.desk.labels[which]
            layer.mode = _MODES.get(tool, "pan_zoom")
            layer.help = TITLES[tool][2]  # napari's own line there names keys of its own
            if tool is Tool.DRAW:
                layer.selected_label = self.desk.session.board.free_label(which)
            elif self.desk.chosen[which]:
                layer.selected_label = self.desk.chosen[which][0]
        self.desk.viewer.camera.mouse_pan = tool in (Tool.LOOK, Tool.LASSO)
        self.commands.tell(TITLES[tool][2])
        for tell in tuple(self.listeners):
            tell()

    def why_not(self, tool: Tool) -> str:
        """Return why a tool cannot be taken."""
        if tool is Tool.LOOK:
            return ""
        if tool in NEEDS_CHOICE:
            return self.commands.one()
        if tool is Tool.RULER and self.measure is None:
            return "The films cannot be opened anew here."
        return self.commands.closed()

    # Keys ----------------------------------------------------------------------------------------------------------

    def _bind(self, layer: Any) -> None:
        keys: list[tuple[str, Callable[[], object]]] = [
            *((command.key, partial(give, self.commands, command)) for command in EDIT_COMMANDS),
            ("Control-Y", partial(give, self.commands, EDIT_COMMANDS[1])),
            ("Backspace", partial(give, self.commands, EDIT_COMMANDS[3])),
            *((key, partial(self.take, tool)) for tool, (_, key, _) in TITLES.items()),
            ("F", self.view.flicker),
            ("V", self.view.blend),
            ("I", self.view.invert),
            ("W", self.view.next_window),
            ("O", self.view.outlines),
            ("Home", self.view.whole),
        ]
        for key, action in keys:
            layer.bind_key(key, _on_key(action), overwrite=True)

    # Mouse ---------------------------------------------------------------------------------------------------------

    def place(self, which: TimePoint, position: Any) -> tuple[float, float]:
        """Return the (row, col) of a place of the world on a film."""
        row, col = self.desk.images[which].world_to_data(position)[-2:]
        return (float(row), float(col))

    def _moved(self, _viewer: Any, event: Any) -> None:
        which = self.desk.film_at(getattr(event, "viewbox", None))
        self.desk.point_at(which)
        if len(self.desk.order) > 1 and self.view.side_by_side:
            self.desk.show_pointer(which, self.place(which, event.position))

    def _pressed(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        which = self.desk.film_at(getattr(event, "viewbox", None))
        self.desk.point_at(which)
        start = self.place(which, event.position)
        if event.button != 1 or self.tool not in (Tool.LOOK, Tool.CLICK, *_LINES):
            return
        shift = "Shift" in event.modifiers
        line = [start]
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            if self._over(which, event):
                line.append(self.place(which, event.position))
            if self.tool in _LINES:
                self.desk.show_line(which, line[0], line[-1])
            yield
        if self._over(which, event):
            line.append(self.place(which, event.position))  # a quick hand is let go before its last move is told
        self.desk.show_line(which, None, None)
        try:
            self._released(which, line, dragged=dragged, shift=shift)
        except CalciMeasureError as error:
            self.commands.complain(error)

    def _over(self, which: TimePoint, event: Any) -> bool:
        return self.desk.film_at(getattr(event, "viewbox", None)) is which

    def _released(self, which: TimePoint, line: list[tuple[float, float]], *, dragged: bool, shift: bool) -> None:
        if self.tool is Tool.SPLIT:
            if _length(line) >= STILL_PX:
                self.commands.split(which, [line[0], line[-1]])
        elif self.tool is Tool.RULER:
            if self.measure is not None:
                self.measure(which, line)
        elif self.tool is Tool.CLICK:
            self.commands.click(which, line[0], add_piece=shift)
        elif not dragged or _length(line) < STILL_PX:
            number = self.desk.label_at(which, line[0])
            if number:
                self.desk.choose(which, number, add=shift)
            elif not shift:
                self.desk.choose_nothing()


def _on_key(action: Callable[[], object]) -> Callable[[Any], None]:
    """Return what napari calls: a function with a name (it asks for one) that takes the layer."""

    def pressed(_layer: Any) -> None:
        action()

    return pressed


def _length(line: list[tuple[float, float]]) -> float:
    (row_1, col_1), (row_2, col_2) = line[0], line[-1]
    return abs(row_2 - row_1) + abs(col_2 - col_1)
