"""What was done, and undoing it: one history over label images, entries and links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from calcimeasure.errors import ReadingError
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState

LONGEST = 1000


@dataclass(kw_only=True, eq=False)
class EditHistory:
    """Edits in order, and how many of them stand.

    Attributes
    ----------
    board
        What the edits change.
    changed
        Called after every change with the edit as it was applied (the inverse, when undone).
    """

    board: AnnotationState
    changed: Callable[[AnnotationEdit], None] | None = None
    _edits: list[AnnotationEdit] = field(default_factory=list)
    _standing: int = 0

    @property
    def undo_name(self) -> str | None:
        """What undo would take back, or None."""
        return self._edits[self._standing - 1].name if self._standing else None

    @property
    def redo_name(self) -> str | None:
        """What redo would do again, or None."""
        return self._edits[self._standing].name if self._standing < len(self._edits) else None

    def do(self, edit: AnnotationEdit) -> bool:
        """Apply an edit and remember it; one that changes nothing is not remembered. Return whether it changed."""
        if edit.empty:
            return False
        self.board.apply(edit)
        del self._edits[self._standing :]
        self._edits.append(edit)
        if len(self._edits) > LONGEST:
            del self._edits[0]
        self._standing = len(self._edits)
        self._tell(edit)
        return True

    def undo(self) -> AnnotationEdit:
        """Take the last standing edit back and return it."""
        if not self._standing:
            raise ReadingError("there is nothing to undo")
        edit = self._edits[self._standing - 1]
        self.board.apply(edit.inverse)
        self._standing -= 1
        self._tell(edit.inverse)
        return edit

    def redo(self) -> AnnotationEdit:
        """Do the last undone edit again and return it."""
        if self._standing == len(self._edits):
            raise ReadingError("there is nothing to redo")
        edit = self._edits[self._standing]
        self.board.apply(edit)
        self._standing += 1
        self._tell(edit)
        return edit

    def _tell(self, edit: AnnotationEdit) -> None:
        if self.changed is not None:
            self.changed(edit)
