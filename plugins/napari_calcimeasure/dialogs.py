"""Questions that only a person can answer, as dialogs over the window."""

from __future__ import annotations

from qtpy.QtWidgets import QInputDialog, QMessageBox, QWidget

from calcimeasure.errors import CalciMeasureError
from calcimeasure.review.draft import Draft
from calcimeasure.review.reading_store import checked_reader

SAVE, DISCARD, CANCEL = "save", "discard", "cancel"
GO_ON, ANEW = "go on", "start anew"
LOOK, OTHER = "look only", "other reader"


class Dialogs:
    """Asks with dialogs over the window; tests answer in a class of the same methods."""

    def __init__(self, parent: QWidget | None) -> None:
        self.parent = parent

    def reader(self, suggestion: str) -> str:
        """Ask for the reader's code, until it is one; empty for nobody."""
        prompt = "Your code, e.g. R1 (letters, digits, . _ -):"
        while True:
            text, good = QInputDialog.getText(self.parent, "Who reads?", prompt, text=suggestion)
            suggestion = text.strip()
            if not good or not suggestion:
                return ""
            try:
                return checked_reader(suggestion)
            except CalciMeasureError as error:
                prompt = str(error)

    def go_on(self, draft: Draft) -> str:
        """Ask whether to go on with unfinished work: `GO_ON`, `ANEW` or `CANCEL`."""
        last = draft.actions[-1] if draft.actions else {}
        text = f"There is an unfinished reading with {len(draft.actions)} steps"
        text += f", the last at {str(last['when'])[:16].replace('T', ' ')} UTC." if "when" in last else "."
        return self._choose("Unfinished reading", text, {"Go on with it": GO_ON, "Start anew": ANEW, "Cancel": CANCEL})

    def locked(self, problem: str) -> str:
        """Ask what to do about a reading that somebody else has open: `LOOK`, `OTHER` or `CANCEL`."""
        return self._choose(
            "Open elsewhere", problem, {"Look only": LOOK, "Read as another reader": OTHER, "Cancel": CANCEL}
        )

    def leave(self, *, unsaved: bool) -> str:
        """Ask what becomes of an unsigned reading: `SAVE`, `DISCARD` or `CANCEL`."""
        text = "This reading is not signed yet."
        text += " The last edits are not saved." if unsaved else " Your edits are saved as a draft."
        return self._choose("Not signed yet", text, {"Keep the draft": SAVE, "Discard my edits": DISCARD,
                                                     "Cancel": CANCEL})  # fmt: skip

    def sign(self, sentence: str) -> bool:
        """Ask whether to sign."""
        text = f"{sentence}\n\nA signed reading cannot be changed; a later change is a new version."
        return self._choose("Sign this reading?", text, {"Sign": SAVE, "Cancel": CANCEL}) == SAVE

    def length(self, pixels: float) -> float | None:
        """Ask how long in millimetres a ruler is."""
        prompt = f"The line is {pixels:.0f} pixels long. Its length in mm, in the plane that areas shall be stated in:"
        mm, good = QInputDialog.getDouble(self.parent, "Known length", prompt, 10.0, 0.1, 1000.0, 2)
        return mm if good else None

    def _choose(self, title: str, text: str, answers: dict[str, str]) -> str:
        box = QMessageBox(self.parent)
        box.setWindowTitle(title)
        box.setText(text)
        buttons = {box.addButton(words, QMessageBox.ButtonRole.ActionRole): answer for words, answer in answers.items()}
        box.setEscapeButton(list(buttons)[-1])
        box.exec()
        return buttons.get(box.clickedButton(), CANCEL)
