"""What a reader can do to the selected deposits: each command says why it cannot, and makes at most one step.

Commands work on a `ReviewLayers`, with or without a window; buttons and keys are made from `EDIT_COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from psygnal import Signal

from calcimeasure.deposits import DepositLabels, Finding, Origin
from calcimeasure.errors import CalciMeasureError, ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState
from calcimeasure.review.review_session import EditPreview
from calcimeasure.segmentation import segment, segment_points
from napari_calcimeasure.background_work import BackgroundWork
from napari_calcimeasure.pair_geometry import Point
from napari_calcimeasure.review_layers import ReviewLayers

CHOOSE_ONE = "Choose a deposit first: click on it, or on its row."
ONE_FILM = "There is only one film."

Calibrate = Callable[[TimePoint, Sequence[Point]], None]


class EditCommands:
    """The one way to change a reading: commands, buttons, keys and mouse tools all go through it.

    Parameters
    ----------
    layers
        What they act on.
    background
        Where slow work runs.
    calibrate
        Takes a film's millimetres from a line; None where the films cannot be opened anew.

    Attributes
    ----------
    message
        Emitted with a sentence for the reader.
    locked
        Why nothing may be changed for now: the reading is being signed.
    """

    message = Signal(str)

    def __init__(
        self, layers: ReviewLayers, *, background: BackgroundWork | None = None, calibrate: Calibrate | None = None
    ) -> None:
        self.layers = layers
        self.session = layers.session
        self.selection = layers.selection
        self.background = background or BackgroundWork(synchronous=True)
        self.locked = ""
        self._calibrate = calibrate
        self._next_row = 0

    # The common way ------------------------------------------------------------------------------------------------

    def allowed(self, action: ReviewAction) -> bool:
        """Return whether an action is possible now; say why where it is not."""
        reason = action.why_not(self)
        if reason:
            self.message.emit(reason)
        return not reason

    def run(self, name: str) -> bool:
        """Give a command, or say why not; return whether it was done."""
        command = EDIT_COMMANDS[name]
        if not self.allowed(command):
            return False
        try:
            command.act(self)
        except CalciMeasureError as error:
            self.complain(error)
            return False
        return True

    def perform(
        self, edit: AnnotationEdit, *, select: tuple[TimePoint, int] | None = None, preview: EditPreview | None = None
    ) -> bool:
        """Do an edit and return whether anything changed; `select` is the deposit that is selected after it."""
        if self.closed():
            raise ReadingError(self.closed())
        before = self.selection.labels
        if select is not None:
            with self.selection.changed.blocked():  # everything is shown once, with the edit
                self.selection.choose(*select)
        try:
            changed = self.session.do(edit, preview)
        except CalciMeasureError:
            self.selection.replace(before)
            raise
        if select is not None and not changed:
            self.selection.changed.emit()
        return changed

    def complain(self, error: Exception) -> None:
        """Show what went wrong."""
        self.message.emit(str(error))

    # Why not -------------------------------------------------------------------------------------------------------

    def closed(self) -> str:
        """Return why nothing can be changed, or nothing."""
        return self.locked or self.session.why_closed()

    def none_selected(self) -> str:
        """Return why a command on selected deposits cannot be given."""
        return self.closed() or ("" if self.selection else CHOOSE_ONE)

    def nothing_to_merge(self) -> str:
        """Return why deposits cannot be merged."""
        several = any(len(labels) > 1 for labels in self.selection.labels.values())
        return self.closed() or ("" if several else "Choose two deposits of one film: click on the second with Shift.")

    def nothing_to_link(self) -> str:
        """Return why deposits cannot be linked or unlinked."""
        if len(self.layers.order) < 2:
            return ONE_FILM
        both = all(self.selection.labels.values())
        return self.closed() or ("" if both else "Choose a deposit on each film: click on the second with Shift.")

    def nothing_to_find(self) -> str:
        """Return why a deposit cannot be looked for on the other film."""
        if self.layers.geometry.alignment is None:
            return "The films could not be aligned." if len(self.layers.order) > 1 else ONE_FILM
        both = "It has a deposit on both films already." if all(self.selection.labels.values()) else ""
        return self.none_selected() or both

    def nothing_to_undo(self) -> str:
        """Return why nothing can be taken back."""
        return self.closed() or ("" if self.session.history.undo_name else "There is nothing to undo.")

    def nothing_to_redo(self) -> str:
        """Return why nothing can be done again."""
        return self.closed() or ("" if self.session.history.redo_name else "There is nothing to redo.")

    # Selected deposits ---------------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take the last step back."""
        self.message.emit(f"Undone: {self.session.undo().name}")

    def redo(self) -> None:
        """Do the last step again."""
        self.message.emit(f"Done again: {self.session.redo().name}")

    def _each_film(self, make: Callable[[AnnotationState, TimePoint, tuple[int, ...]], AnnotationEdit]) -> bool:
        """Edit the selected deposits of both films in one step."""
        selected = {visit: labels for visit, labels in self.selection.labels.items() if labels}
        edits = [make(self.session.state, visit, labels) for visit, labels in selected.items()]
        return self.perform(editing_tools.combine_edits(edits, " and ".join(dict.fromkeys(e.name for e in edits))))

    def delete(self) -> None:
        """Delete the selected deposits."""
        row = self.layers.row
        self._next_row = 0 if row is None else row.number - 1
        self._each_film(lambda state, visit, labels: editing_tools.delete(state, visit, *labels))

    def resize(self, pixels: int) -> None:
        """Add pixels to the boundary of the selected deposits, or take some off."""
        self._each_film(lambda state, visit, labels: editing_tools.resize_deposit(state, visit, *labels, pixels=pixels))

    def accept(self) -> None:
        """Say that the selected deposits are there as they were found."""
        if not self._each_film(editing_tools.accept_deposit):
            self.message.emit("They are accepted already.")

    def merge(self) -> None:
        """Make the selected deposits of a film one."""
        for visit, labels in self.selection.labels.items():
            if len(labels) > 1:
                self.perform(editing_tools.merge(self.session.state, visit, labels))

    def link(self, *, joined: bool = True) -> None:
        """Say that the selected deposits are the same on both films, or that they are not."""
        edits = [
            editing_tools.link(self.session.state, first, second, joined=joined)
            for first in self.selection[TimePoint.BASELINE]
            for second in self.selection[TimePoint.FOLLOWUP]
        ]
        self.perform(editing_tools.combine_edits(edits, edits[0].name))

    def set_finding(self, finding: Finding) -> None:
        """Say what the selected shadows are."""
        state = self.session.state
        edits = [editing_tools.set_finding(state, visit, label, finding) for visit, label in self.selection]
        self.perform(editing_tools.combine_edits(edits, edits[0].name))

    def next_row(self, step: int = 1) -> None:
        """Go to the next row of the table; where the last one was deleted, to what took its place."""
        rows = self.layers.rows
        if not rows:
            return
        current = self.layers.row
        if current is not None:
            self._next_row = current.number - 1 + step
        elif step < 0:
            self._next_row += step
        self._next_row %= len(rows)
        self.layers.select_row(rows[self._next_row])

    # Mouse tools ---------------------------------------------------------------------------------------------------

    def click(self, visit: TimePoint, at: Point, *, add_piece: bool = False) -> None:
        """Find the boundary of the deposit under a click; with `add_piece` it joins the selected one."""
        if self.closed():
            raise ReadingError(self.closed())
        target = self.selection[visit][0] if add_piece and self.selection[visit] else None
        self._find("Finding the boundary", visit, at, target=target)

    def find_on_other_film(self) -> None:
        """Find the selected deposit on the other film, at the same point."""
        layers = self.layers
        visit, label = next(iter(self.selection))
        measured = self.session.live[visit].row(label)
        other = layers.geometry.other(visit)
        at = measured and layers.geometry.same_point(visit, (measured.centroid_row, measured.centroid_col))
        if at is None:
            self.message.emit("That place is not on the other film.")
            return
        there = layers.label_at(other, at)
        if there:
            self.selection.replace({visit: (label,), other: (there,)})
            self.message.emit("There is a deposit at this place already: link the two if they are the same (K).")
            return
        self._find("Looking at the same place", other, at, name=f"Propose the same place of deposit {label}")

    def _find(self, task: str, visit: TimePoint, at: Point, *, target: int | None = None, name: str = "") -> None:
        review_input = self.session.review_input

        def find() -> DepositLabels:
            return segment_points(review_input.films[visit], [at], anatomy=review_input.anatomies[visit])

        def add(found: DepositLabels) -> None:
            mask, state = found.image > 0, self.session.state
            if not mask.any():
                nothing = "Nothing stands out here: outline it by hand."
                self.message.emit(found.warnings[-1].text if found.warnings else nothing)
                return
            try:
                if target is None:
                    edit, label = editing_tools.add(state, visit, mask, origin=Origin.CLICKED), state.free_label(visit)
                else:
                    edit, label = editing_tools.extend(state, visit, target, mask), target
                self.perform(editing_tools.combine_edits([edit], name or edit.name), select=(visit, label))
            except CalciMeasureError as error:
                self.complain(error)

        self.background.run(task, find, add, self.complain)

    def split_edit(self, visit: TimePoint, line: Sequence[Point]) -> AnnotationEdit:
        """Return the edit that cuts the selected deposit, or the one that a line crosses most."""
        label = self.selection[visit][0] if self.selection[visit] else self._crossed(visit, line)
        if not label:
            raise ReadingError("the line crosses no deposit", remedy="Draw it across one, from edge to edge.")
        return editing_tools.split(self.session.state, visit, label, line)

    def _crossed(self, visit: TimePoint, line: Sequence[Point]) -> int:
        points = np.concatenate([np.linspace(start, end, 50) for start, end in pairwise(line)])
        labels = np.array([self.layers.label_at(visit, (row, col)) for row, col in points])
        labels = labels[labels > 0]
        return int(np.bincount(labels).argmax()) if labels.size else 0

    @property
    def can_calibrate(self) -> bool:
        """Whether a line of known length can give a film its millimetres."""
        return self._calibrate is not None

    def calibrate(self, visit: TimePoint, line: Sequence[Point]) -> None:
        """Take a film's millimetres from a line of known length."""
        if self._calibrate is not None:
            self._calibrate(visit, line)

    # The whole film ------------------------------------------------------------------------------------------------

    def detect_again(self) -> None:
        """Detect the deposits anew; what a person did stays."""
        session, review_input = self.session, self.session.review_input

        def edit_of(state: AnnotationState, found: dict[TimePoint, DepositLabels]) -> AnnotationEdit:
            first = review_input.labels
            edits = [editing_tools.adopt_labels(state, v, labels, first=first[v]) for v, labels in found.items()]
            return editing_tools.combine_edits(edits, "Search again")

        def detect() -> tuple[dict[TimePoint, DepositLabels], AnnotationEdit, EditPreview]:
            found = {
                visit: segment(film, method=review_input.method, anatomy=review_input.anatomies[visit])
                for visit, film in review_input.films.items()
            }
            state = session.snapshot()
            edit = edit_of(state, found)
            return found, edit, session.preview(state, edit)

        def adopt(result: tuple[dict[TimePoint, DepositLabels], AnnotationEdit, EditPreview]) -> None:
            found, edit, preview = result
            fits = session.state.fits(edit)  # unless the reader has gone on working meanwhile
            changed = self.perform(edit if fits else edit_of(session.state, found), preview=preview if fits else None)
            done = "Searched again: what you did is as it was." if changed else "The search found nothing else."
            self.message.emit(done)

        self.background.run("Searching the films again", detect, adopt, self.complain)


@dataclass(frozen=True, kw_only=True)
class ReviewAction:
    """Something that a reader can choose by a button or a key.

    Attributes
    ----------
    title, key, help
        On the button, on the keyboard, in the tooltip.
    why_not
        Returns why it is not possible now, or nothing.
    """

    name: str
    title: str
    key: str
    help: str
    why_not: Callable[[EditCommands], str] = EditCommands.closed


@dataclass(frozen=True, kw_only=True)
class EditCommand(ReviewAction):
    """A command on the selected deposits."""

    act: Callable[[EditCommands], None]


EDIT_COMMANDS = {command.name: command for command in (
    EditCommand(name="undo", title="Undo", key="Control-Z", help="Take the last step back",
                act=EditCommands.undo, why_not=EditCommands.nothing_to_undo),
    EditCommand(name="redo", title="Redo", key="Control-Shift-Z", help="Do it again",
                act=EditCommands.redo, why_not=EditCommands.nothing_to_redo),
    EditCommand(name="accept", title="Accept", key="A", help="It is there, as found",
                act=EditCommands.accept, why_not=EditCommands.none_selected),
    EditCommand(name="delete", title="Delete", key="Delete", help="It is no deposit: remove it",
                act=EditCommands.delete, why_not=EditCommands.none_selected),
    EditCommand(name="tighten", title="Tighten", key="T", help="Boundary one pixel in",
                act=lambda commands: commands.resize(-1), why_not=EditCommands.none_selected),
    EditCommand(name="loosen", title="Loosen", key="G", help="Boundary one pixel out",
                act=lambda commands: commands.resize(1), why_not=EditCommands.none_selected),
    EditCommand(name="merge", title="Merge", key="M", help="Make the chosen deposits of a film one",
                act=EditCommands.merge, why_not=EditCommands.nothing_to_merge),
    EditCommand(name="link", title="Link", key="K", help="The chosen deposits are the same on both films",
                act=EditCommands.link, why_not=EditCommands.nothing_to_link),
    EditCommand(name="unlink", title="Unlink", key="U", help="The chosen deposits are not the same",
                act=lambda commands: commands.link(joined=False), why_not=EditCommands.nothing_to_link),
    EditCommand(name="find_on_other_film", title="Same place", key="P", help="Look for it on the other film",
                act=EditCommands.find_on_other_film, why_not=EditCommands.nothing_to_find),
    EditCommand(name="next_row", title="Next", key=".", help="Go to the next row",
                act=EditCommands.next_row, why_not=lambda _commands: ""),
    EditCommand(name="previous_row", title="Previous", key=",", help="Go to the row before",
                act=lambda commands: commands.next_row(-1), why_not=lambda _commands: ""),
)}  # fmt: skip
