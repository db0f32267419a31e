"""The head of the panel: the worklist, previous and next, and the place where a reading's panel is shown."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

STATUS_TEXTS = {"unread": "○ unread", "draft": "◐ draft", "signed": "● signed"}
LEAST_WIDTH_PX = 620


class CaseFrame(QWidget):
    """The docked frame of a review; `chosen` is emitted with the number of a case that the reader asks for."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self.previous = QPushButton("◀ Previous")
        self.previous.clicked.connect(lambda _checked: self.chosen.emit(self._number - 1))
        self.next = QPushButton("Next ▶")
        self.next.clicked.connect(lambda _checked: self.chosen.emit(self._number + 1))
        self.title = QLabel("")
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.worklist = QComboBox()
        self.worklist.setToolTip("The worklist: ○ unread, ◐ draft, ● signed")
        self.worklist.activated.connect(self.chosen)
        self.message = QLabel("Opening …")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        # On a small screen the panel is scrolled, and nothing in it is squeezed until it cannot be read.
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setVisible(False)
        bar = QHBoxLayout()
        for widget, stretch in ((self.previous, 0), (self.title, 1), (self.next, 0)):
            bar.addWidget(widget, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.worklist)
        layout.addLayout(bar)
        layout.addWidget(self.message, stretch=1)
        layout.addWidget(self._scroll, stretch=1)
        self.setMinimumWidth(LEAST_WIDTH_PX)

    def show_cases(self, titles: Sequence[str], statuses: Sequence[str], number: int) -> None:
        """Show the worklist and the case that is open."""
        self._number, count = number, len(titles)
        position = f" &nbsp; {number + 1} of {count}" if count > 1 else ""
        self.title.setText(f"<b>{titles[number]}</b><br>{STATUS_TEXTS[statuses[number]]}{position}")
        self.worklist.clear()
        self.worklist.addItems(
            [f"{STATUS_TEXTS[status][0]}  {title}" for title, status in zip(titles, statuses, strict=True)]
        )
        self.worklist.setCurrentIndex(number)
        self.previous.setEnabled(number > 0)
        self.previous.setToolTip("" if number > 0 else "This is the first of the worklist.")
        self.next.setEnabled(number + 1 < count)
        self.next.setToolTip("" if number + 1 < count else "This is the last of the worklist.")
        for widget in (self.worklist, self.previous, self.next):
            widget.setVisible(count > 1)

    def show_message(self, text: str) -> None:
        """Show a sentence in the panel's place."""
        self.message.setText(text)
        self.message.setVisible(True)

    def show_panel(self, panel: QWidget) -> None:
        """Show a reading's panel."""
        self.message.setVisible(False)
        self._scroll.setWidget(panel)
        self._scroll.setVisible(True)

    def remove_panel(self) -> None:
        """Take the panel away."""
        panel = self._scroll.takeWidget()
        self._scroll.setVisible(False)
        if panel is not None:
            panel.hide()
            panel.deleteLater()
