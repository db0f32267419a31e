"""What was done, and undoing it: one history over label images, entries and links."""

from __future__ import annotations

from dataclasses import dataclass, field

from calcimeasure.errors import ReadingError
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState

LONGEST = 1000


@dataclass(kw_only=True, eq=False)
class EditHistory:
    """The edits of a state in order, and how many of them stand."""

    state: AnnotationState
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
        self.state.apply(edit)
        self._edits[self._standing :] = [edit]
        del self._edits[:-LONGEST]
        self._standing = len(self._edits)
        return True

    def undo(self) -> AnnotationEdit:
        """Take the last standing edit back and return it."""
        if not self._standing:
            raise ReadingError("there is nothing to undo")
        edit = self._edits[self._standing - 1]
        self.state.apply(edit.inverse)
        self._standing -= 1
        return edit

    def redo(self) -> AnnotationEdit:
        """Do the last undone edit again and return it."""
        if self._standing == len(self._edits):
            raise ReadingError("there is nothing to redo")
        edit = self._edits[self._standing]
        self.state.apply(edit)
        self._standing += 1
        return edit
