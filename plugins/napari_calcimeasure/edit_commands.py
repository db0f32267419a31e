"""What a reader can do to the chosen deposits: each command says why it cannot, and makes at most one step.

Commands work on a `ReviewLayers`, with or without a window; buttons and keys are made from `EDIT_COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calcimeasure.deposits import DepositLabels, Finding, Origin
from calcimeasure.errors import CalciMeasureError, ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState, ManualLink
from calcimeasure.review.review_session import EditPreview
from calcimeasure.segmentation import segment, segment_points
from napari_calcimeasure.background_work import AtOnce, BackgroundWork
from napari_calcimeasure.review_layers import ReviewLayers

CHOOSE_ONE = "Choose a deposit first: click on it, or on its row."
READ_ONLY = "This reading is open to look at only."
SIGNED = "This reading is signed: start a new version to change it."


class EditCommands:
    """The commands of one desk.

    Parameters
    ----------
    desk
        What they act on.
    background
        Where slow work runs.
    tell
        Shows a sentence to the reader.

    Attributes
    ----------
    locked
        Why nothing may be changed for now: the reading is being signed.
    """

    def __init__(
        self,
        desk: ReviewLayers,
        *,
        background: BackgroundWork | None = None,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.desk = desk
        self.background = background or AtOnce()
        self.tell = tell
        self.locked = ""
        self._at = 0

    # Why not -------------------------------------------------------------------------------------------------------

    def closed(self) -> str:
        """Return why nothing can be changed, or nothing."""
        session = self.desk.session
        if self.locked:
            return self.locked
        if session.read_only:
            return READ_ONLY
        return SIGNED if session.signed is not None else ""

    def one(self) -> str:
        """Return why a command on chosen deposits cannot be given."""
        return self.closed() or ("" if any(self.desk.chosen.values()) else CHOOSE_ONE)

    def several(self) -> str:
        """Return why deposits cannot be merged."""
        if any(len(known) > 1 for known in self.desk.chosen.values()):
            return self.closed()
        return self.closed() or "Choose two deposits of one film: click on the second with Shift."

    def both(self) -> str:
        """Return why deposits cannot be linked or parted."""
        if len(self.desk.order) < 2:
            return "There is only one film."
        if all(len(known) > 0 for known in self.desk.chosen.values()):
            return self.closed()
        return self.closed() or "Choose a deposit on each film: click on the second with Shift."

    def elsewhere(self) -> str:
        """Return why the same place cannot be looked for on the other film."""
        if self.desk.alignment is None:
            return "The films could not be aligned." if len(self.desk.order) > 1 else "There is only one film."
        sides = [which for which, known in self.desk.chosen.items() if known]
        if len(sides) == 1:
            return self.closed()
        return self.closed() or (CHOOSE_ONE if not sides else "It has a deposit on both films already.")

    def nothing_to_undo(self) -> str:
        """Return why nothing can be taken back."""
        return self.closed() or ("" if self.desk.session.history.undo_name else "There is nothing to undo.")

    def nothing_to_redo(self) -> str:
        """Return why nothing can be done again."""
        return self.closed() or ("" if self.desk.session.history.redo_name else "There is nothing to redo.")

    # Commands ------------------------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take the last step back."""
        self.tell(f"Undone: {self.desk.session.undo().name}")

    def redo(self) -> None:
        """Do the last step again."""
        self.tell(f"Done again: {self.desk.session.redo().name}")

    def delete(self) -> None:
        """Delete the chosen deposits."""
        board = self.desk.session.board
        row = self.desk.row
        self._at = 0 if row is None else row.number - 1
        self._all([editing_tools.delete(board, which, *known) for which, known in self.desk.chosen.items() if known])

    def tighten(self) -> None:
        """Take a pixel off the boundary of the chosen deposits."""
        self._resize(-1)

    def loosen(self) -> None:
        """Add a pixel to the boundary of the chosen deposits."""
        self._resize(1)

    def _resize(self, pixels: int) -> None:
        board = self.desk.session.board
        chosen = {which: known for which, known in self.desk.chosen.items() if known}
        self._all(
            [editing_tools.resize_deposit(board, which, *known, pixels=pixels) for which, known in chosen.items()]
        )

    def _all(self, edits: list[AnnotationEdit]) -> None:
        """Do edits of both films as one step."""
        names = dict.fromkeys(edit.name for edit in edits)
        self.desk.do(editing_tools.combine_edits(edits, " and ".join(names) if len(names) > 1 else next(iter(names))))

    def merge(self) -> None:
        """Make the chosen deposits of a film one."""
        for which, known in list(self.desk.chosen.items()):
            if len(known) > 1:
                self.desk.do(editing_tools.merge(self.desk.session.board, which, known))

    def link(self) -> None:
        """Say that the chosen deposits are the same on both films."""
        self._link(joined=True)

    def unlink(self) -> None:
        """Say that the chosen deposits are not the same."""
        self._link(joined=False)

    def _link(self, *, joined: bool) -> None:
        board = self.desk.session.board
        after = set(board.links)
        before, later = self.desk.chosen[TimePoint.BASELINE], self.desk.chosen[TimePoint.FOLLOWUP]
        for first in before:
            for second in later:
                after.discard(ManualLink(baseline_label=first, followup_label=second, joined=not joined))
                after.add(ManualLink(baseline_label=first, followup_label=second, joined=joined))
        single = editing_tools.link(board, before[0], later[0], joined=joined)
        self.desk.do(type(single)(name=single.name, links=(board.links, frozenset(after))))

    def accept(self) -> None:
        """Say that the chosen deposits are there as they were found."""
        board = self.desk.session.board
        edits = [
            editing_tools.accept_deposit(board, which, known) for which, known in self.desk.chosen.items() if known
        ]
        if not self.desk.do(editing_tools.combine_edits(edits, edits[0].name)):
            self.tell("They are accepted already.")

    def name_it(self, finding: Finding) -> None:
        """Say what the chosen shadows are."""
        board = self.desk.session.board
        edits = [
            editing_tools.set_finding(board, which, number, finding)
            for which, known in self.desk.chosen.items()
            for number in known
        ]
        self.desk.do(editing_tools.combine_edits(edits, edits[0].name))

    def click(self, which: TimePoint, at: tuple[float, float], *, add_piece: bool = False) -> None:
        """Find the boundary of the deposit under a click; with `add_piece` it joins the chosen one."""
        if self.closed():
            raise ReadingError(self.closed())
        target = self.desk.chosen[which][0] if add_piece and self.desk.chosen[which] else None
        material = self.desk.session.material

        def find() -> DepositLabels:
            return segment_points(material.films[which], [at], anatomy=material.anatomies[which])

        def draw(found: DepositLabels) -> None:
            self._draw_found(which, found, target)

        self.background.run("Finding the boundary", find, draw, self.complain)

    def _draw_found(self, which: TimePoint, found: DepositLabels, target: int | None, name: str = "") -> None:
        board = self.desk.session.board
        mask = found.image > 0
        if not mask.any():
            self.tell(found.warnings[-1].text if found.warnings else "Nothing stands out here: outline it by hand.")
            return
        try:
            number = board.free_label(which) if target is None else target
            if target is None:
                edit = editing_tools.add(board, which, mask, origin=Origin.CLICKED)
            else:
                edit = editing_tools.extend(board, which, target, mask)
            if name:
                edit = editing_tools.combine_edits([edit], name)
            done = self.desk.do(edit, then=(which, number))
        except CalciMeasureError as error:
            self.complain(error)
            return
        if not done:
            self.desk.choose(which, number)

    def same_place(self) -> None:
        """Look for the chosen deposit at the same place of the other film."""
        desk = self.desk
        which = next(side for side, known in desk.chosen.items() if known)
        number = desk.chosen[which][0]
        row = desk.session.live[which].row(number)
        other = TimePoint.FOLLOWUP if which is TimePoint.BASELINE else TimePoint.BASELINE
        place = None if row is None else desk.same_place(which, (row.centroid_row, row.centroid_col))
        if place is None:
            self.tell("That place is not on the other film.")
            return
        there = desk.label_at(other, place)
        if there:
            desk.chosen = {which: (number,), other: (there,)}
            desk.show()
            self.tell("There is a deposit at this place already: link the two if they are the same (K).")
            return
        material = desk.session.material

        def find() -> DepositLabels:
            return segment_points(material.films[other], [place], anatomy=material.anatomies[other])

        def draw(found: DepositLabels) -> None:
            self._draw_found(other, found, None, f"Propose the same place of deposit {number}")

        self.background.run("Looking at the same place", find, draw, self.complain)

    def split(self, which: TimePoint, line: list[tuple[float, float]]) -> None:
        """Cut the deposit that a line crosses."""
        board = self.desk.session.board
        number = self.desk.chosen[which][0] if self.desk.chosen[which] else self._crossed(which, line)
        if not number:
            raise ReadingError("the line crosses no deposit", remedy="Draw it across one, from edge to edge.")
        self.desk.do(editing_tools.split(board, which, number, line))

    def _crossed(self, which: TimePoint, line: list[tuple[float, float]]) -> int:
        found: list[int] = []
        for (row_1, col_1), (row_2, col_2) in pairwise(line):
            for part in np.linspace(0.0, 1.0, 50):
                place = (row_1 + part * (row_2 - row_1), col_1 + part * (col_2 - col_1))
                label = self.desk.label_at(which, place)
                if label:
                    found.append(label)
        return max(set(found), key=found.count) if found else 0

    def search_again(self) -> None:
        """Search the films anew; what a person did stays."""
        session = self.desk.session
        material = session.material

        def edit_of(board: AnnotationState, found: dict[TimePoint, DepositLabels]) -> AnnotationEdit:
            edits = [
                editing_tools.adopt_labels(board, w, labels, first=material.labels[w]) for w, labels in found.items()
            ]
            return editing_tools.combine_edits(edits, "Search again")

        def search() -> tuple[dict[TimePoint, DepositLabels], AnnotationEdit, EditPreview]:
            found = {
                which: segment(film, method=material.method, anatomy=material.anatomies[which])
                for which, film in material.films.items()
            }
            board = session.snapshot()
            edit = edit_of(board, found)
            return found, edit, session.foresee(board, edit)

        def take(result: tuple[dict[TimePoint, DepositLabels], AnnotationEdit, EditPreview]) -> None:
            found, edit, foreseen = result
            fits = session.board.fits(edit)  # unless the reader has gone on working meanwhile
            edit = edit if fits else edit_of(session.board, found)
            changed = self.desk.do(edit, foreseen=foreseen if fits else None)
            self.tell("Searched again: what you did is as it was." if changed else "The search found nothing else.")

        self.background.run("Searching the films again", search, take, self.complain)

    def next_row(self, step: int = 1) -> None:
        """Go to the next row of the table; where the last one was deleted, to what took its place."""
        rows = self.desk.rows
        if not rows:
            return
        current = self.desk.row
        if current is not None:
            self._at = current.number - 1 + step
        elif step < 0:
            self._at += step
        self._at %= len(rows)
        self.desk.choose_row(rows[self._at])

    def previous_row(self) -> None:
        """Go to the row before."""
        self.next_row(-1)

    def complain(self, error: Exception) -> None:
        """Show what went wrong."""
        self.tell(str(error))


@dataclass(frozen=True, kw_only=True)
class EditCommand:
    """A command as buttons and keys show it.

    Attributes
    ----------
    title, key, help
        On the button, on the keyboard, in the tooltip.
    run
        Does it.
    why_not
        Returns why it cannot be done now, or nothing.
    """

    name: str
    title: str
    key: str
    help: str
    run: Callable[[EditCommands], None]
    why_not: Callable[[EditCommands], str]


EDIT_COMMANDS = (
    EditCommand(name="undo", title="Undo", key="Control-Z", help="Take the last step back",
            run=EditCommands.undo,
            why_not=EditCommands.nothing_to_undo),
    EditCommand(name="redo", title="Redo", key="Control-Shift-Z", help="Do it again",
            run=EditCommands.redo,
            why_not=EditCommands.nothing_to_redo),
    EditCommand(name="accept", title="Accept", key="A", help="It is there, as found",
            run=EditCommands.accept,
            why_not=EditCommands.one),
    EditCommand(name="delete", title="Delete", key="Delete", help="It is no deposit: remove it",
            run=EditCommands.delete,
            why_not=EditCommands.one),
    EditCommand(name="tighten", title="Tighten", key="T", help="Boundary one pixel in",
            run=EditCommands.tighten,
            why_not=EditCommands.one),
    EditCommand(name="loosen", title="Loosen", key="G", help="Boundary one pixel out",
            run=EditCommands.loosen,
            why_not=EditCommands.one),
    EditCommand(name="merge", title="Merge", key="M", help="Make the chosen deposits of a film one",
            run=EditCommands.merge,
            why_not=EditCommands.several),
    EditCommand(name="link", title="Link", key="K", help="The chosen deposits are the same on both films",
            run=EditCommands.link, why_not=EditCommands.both),
    EditCommand(name="unlink", title="Unlink", key="U", help="The chosen deposits are not the same",
            run=EditCommands.unlink,
            why_not=EditCommands.both),
    EditCommand(name="same_place", title="Same place", key="P", help="Look for it on the other film",
            run=EditCommands.same_place, why_not=EditCommands.elsewhere),
    EditCommand(name="next_row", title="Next", key=".", help="Go to the next row",
            run=EditCommands.next_row,
            why_not=lambda _commands: ""),
    EditCommand(name="previous_row", title="Previous", key=",", help="Go to the row before",
            run=EditCommands.previous_row,
            why_not=lambda _commands: ""),
)  # fmt: skip


def give(commands: EditCommands, command: EditCommand) -> bool:
    """Do a command, or say why not; return whether it was done."""
    reason = command.why_not(commands)
    if reason:
        commands.tell(reason)
        return False
    try:
        command.run(commands)
    except CalciMeasureError as error:
        commands.complain(error)
        return False
    return True
