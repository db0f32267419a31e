"""The reader's panel beside the films: tools, table, verdict, saving and signing. Shows and calls; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from calcimeasure.change import verdict_sentence
from calcimeasure.deposits import Finding
from napari_calcimeasure.background_work import BackgroundWork
from napari_calcimeasure.edit_commands import EDIT_COMMANDS, EditCommands, ReviewAction
from napari_calcimeasure.film_view import FilmView
from napari_calcimeasure.link_table import LinkTableView
from napari_calcimeasure.mouse_tools import MOUSE_TOOLS, MouseTools
from napari_calcimeasure.review_layers import ReviewLayers
from napari_calcimeasure.view_bar import ViewBar, button, enable, heading

FINDING_WORDS = {
    Finding.CALCINOSIS: "calcinosis (counts)",
    Finding.VASCULAR: "vascular",
    Finding.ARTICULAR: "articular",
    Finding.OSSIFICATION: "ossification",
    Finding.ARTEFACT: "artefact",
    Finding.UNCERTAIN: "uncertain",
}
BUTTON_COLUMNS = 4
PATIENCE_MS = 400
DETECT_HELP = "Search the films anew; what you did stays as it is"


def key_text(key: str) -> str:
    """Return a key as people write it."""
    for long, short in (("Control", "Ctrl"), ("-", "+"), ("Escape", "Esc"), ("Delete", "Del")):
        key = key.replace(long, short)
    return key


class ReviewPanel(QWidget):
    """The panel of one reading.

    Parameters
    ----------
    layers, commands, tools, view
        What it shows and calls.
    sign
        Called when the reader signs.
    hidden
        Whether status, change and verdict stay hidden until the reading is signed.
    detect
        Whether the program may be asked to detect deposits.
    """

    def __init__(
        self,
        layers: ReviewLayers,
        commands: EditCommands,
        tools: MouseTools,
        view: FilmView,
        *,
        sign: Callable[[], None],
        hidden: bool = False,
        detect: bool = True,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.commands = commands
        self.tools = tools
        self._hidden = hidden
        self.table = LinkTableView(layers)
        self.table.show_columns(hidden=hidden)
        self.view_bar = ViewBar(view)
        self.buttons = {name: _button(command, partial(commands.run, name)) for name, command in EDIT_COMMANDS.items()}
        self.tool_buttons = {name: _button(tool, partial(self._take, name)) for name, tool in MOUSE_TOOLS.items()}
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter the table: new, gone, auto, edited, articular …")
        self.filter.textChanged.connect(self.table.filter)
        self.sign = QPushButton("Sign this reading")
        self.sign.setMinimumHeight(32)
        self.sign.clicked.connect(lambda _checked: sign())
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.addLayout(self._reader_bar())
        layout.addWidget(heading("In the hand: what the mouse does on a film"))
        layout.addLayout(_grid(self.tool_buttons.values()))
        layout.addWidget(heading("With the chosen deposits"))
        layout.addLayout(_grid(self.buttons.values()))
        layout.addWidget(heading("Looking"))
        layout.addWidget(self.view_bar)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(self._finding_bar())
        layout.addWidget(self._verdict())
        layout.addLayout(self._progress_bar(detect=detect))
        layout.addWidget(self.sign)
        commands.message.connect(self.message.setText)
        layers.updated.connect(self.refresh)
        tools.changed.connect(self.refresh)
        self.refresh()

    # Parts ---------------------------------------------------------------------------------------------------------

    def _reader_bar(self) -> QHBoxLayout:
        location = self.layers.session.location
        reader = "nobody (nothing is kept)" if location is None else location.reader
        self.saving = QLabel("")
        self.saving.setAlignment(Qt.AlignmentFlag.AlignRight)
        return _row((QLabel(f"<b>Reader:</b> {reader}"), 0), (self.saving, 1))

    def _finding_bar(self) -> QHBoxLayout:
        self.finding = QComboBox()
        self.finding.addItems(list(FINDING_WORDS.values()))
        self.finding.activated.connect(self._set_finding)
        return _row((QLabel("The chosen shadow is"), 0), (self.finding, 1))

    def _verdict(self) -> QLabel:
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextFormat(Qt.TextFormat.RichText)
        self.verdict.setMinimumHeight(96)
        self.verdict.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.verdict.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        return self.verdict

    def _progress_bar(self, *, detect: bool) -> QHBoxLayout:
        self.detect = QPushButton("Search again")
        self.detect.clicked.connect(lambda _checked: self.commands.detect_again())
        self.detect.setVisible(detect)
        self.message = QLabel("")
        self.message.setWordWrap(True)
        self.waiting = WaitingBar(self.commands.background, self.message)
        return _row((self.detect, 0), (self.message, 1), (self.waiting, 0))

    # Following -----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the session as it stands."""
        self.table.refresh()
        self._enable()
        self._show_finding()
        self.verdict.setText(self.summary())

    def summary(self) -> str:
        """Return burden, change and verdict as they stand."""
        session = self.layers.session
        parts = []
        for visit in self.layers.order:
            measured = session.measurement(visit)
            area, se, unit = measured.total_area_mm2, measured.total_area_se_mm2, "mm²"
            if area is None or se is None:
                area, se, unit = measured.total_area_px, measured.total_area_se_px, "px"
            parts.append(f"{self.layers.titles[visit]}: {area:.1f} ± {1.96 * se:.1f} {unit}")
        burden = "Burden &nbsp; " + " &nbsp;→&nbsp; ".join(parts)
        if session.comparison is None:
            return burden
        if self._hidden:
            return f"<i>Change and verdict are shown once you have signed.</i><br>{burden}"
        return f"<b>{verdict_sentence(session.comparison)}</b><br>{burden}"

    def summary_text(self) -> str:
        """Return the summary without mark-up."""
        text = self.summary()
        for mark, plain in (("<br>", "\n"), ("&nbsp;", ""), ("<b>", ""), ("</b>", ""), ("<i>", ""), ("</i>", "")):
            text = text.replace(mark, plain)
        return text

    def reveal(self) -> None:
        """Show what stayed hidden until the signature."""
        self._hidden = False
        self.table.show_columns(hidden=False)

    def _enable(self) -> None:
        session = self.layers.session
        names = {"undo": session.history.undo_name, "redo": session.history.redo_name}
        for name, command in EDIT_COMMANDS.items():
            step = f"{command.title}: {names[name]} ({key_text(command.key)})" if names.get(name) else _help(command)
            enable(self.buttons[name], command.why_not(self.commands), step)
        for name, tool in MOUSE_TOOLS.items():
            enable(self.tool_buttons[name], tool.why_not(self.commands), _help(tool))
            self.tool_buttons[name].setCheckable(True)
            self.tool_buttons[name].setChecked(tool is self.tools.tool)
        closed = self.commands.closed()
        enable(self.detect, closed, DETECT_HELP)
        kept = "" if session.location is not None else "Nothing is kept: open the films with --out FOLDER."
        enable(self.sign, closed or kept, "Freeze this reading as its next version")
        if session.signed is not None:
            self.sign.setText(f"Signed: {session.signed.name}")

    def _show_finding(self) -> None:
        enable(self.finding, self.commands.none_selected(), "Only calcinosis counts towards the burden")
        for visit, label in self.layers.selection:
            finding = self.layers.session.state.deposits[visit][label].finding
            self.finding.setCurrentIndex(list(FINDING_WORDS).index(finding))
            return

    # Calling -------------------------------------------------------------------------------------------------------

    def _take(self, name: str) -> None:
        self.tools.take(name)
        self.refresh()  # a tool that was refused does not stay pressed

    def _set_finding(self, index: int) -> None:
        if not self.commands.none_selected():
            self.commands.set_finding(list(FINDING_WORDS)[index])


class WaitingBar(QWidget):
    """A progress bar and a button to cancel, shown while something slow runs in the background.

    What is done at once shows no bar: it would flash, and drawing it would cost more than the work.
    """

    def __init__(self, background: BackgroundWork, message: QLabel) -> None:
        super().__init__()
        self._message = message
        self._text = ""
        progress = QProgressBar()
        progress.setRange(0, 0)
        progress.setTextVisible(False)
        progress.setFixedHeight(8)
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(lambda _checked: background.cancel())
        layout = _row((progress, 0), (cancel, 0))
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.setVisible(False)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._show)
        background.changed.connect(self._follow)

    def _follow(self, name: str) -> None:
        if name:
            self._text = f"{name} …"
            self._patience.start()
            return
        self._patience.stop()
        self.setVisible(False)
        if self._message.text() == self._text:
            self._message.setText("")  # it is done, and nothing has been said since

    def _show(self) -> None:
        self._message.setText(self._text)
        self.setVisible(True)


def _button(action: ReviewAction, clicked: Callable[[], object]) -> QPushButton:
    return button(f"{action.title}  {key_text(action.key)}", _help(action), clicked)


def _help(action: ReviewAction) -> str:
    return f"{action.help} ({key_text(action.key)})"


def _row(*widgets: tuple[QWidget, int]) -> QHBoxLayout:
    layout = QHBoxLayout()
    for widget, stretch in widgets:
        layout.addWidget(widget, stretch)
    return layout


def _grid(widgets: Iterable[QWidget]) -> QGridLayout:
    layout = QGridLayout()
    layout.setSpacing(3)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, number // BUTTON_COLUMNS, number % BUTTON_COLUMNS)
    return layout
