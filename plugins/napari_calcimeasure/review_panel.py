"""The reader's panel beside the films: tools, table, verdict, saving and signing. Shows and calls; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QItemSelectionModel, QModelIndex, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from calcimeasure.change import verdict_sentence
from calcimeasure.deposits import Finding
from napari_calcimeasure.background_work import InThread
from napari_calcimeasure.edit_commands import CHOOSE_ONE, EDIT_COMMANDS, EditCommand, EditCommands, give
from napari_calcimeasure.film_view import FilmView
from napari_calcimeasure.link_table import AFTER, CHANGE, STATUS, FilteredTable, LinkTable
from napari_calcimeasure.mouse_tools import TITLES, MouseTools, Tool
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
_TOOL_COLUMNS = 4
PATIENCE_MS = 400
TABLE_FONT_PX = 11


def key_text(key: str) -> str:
    """Return a key as people write it."""
    for long, short in (("Control", "Ctrl"), ("-", "+"), ("Escape", "Esc"), ("Delete", "Del")):
        key = key.replace(long, short)
    return key


class ReviewPanel(QWidget):
    """The panel of one desk.

    Parameters
    ----------
    desk, commands, hand, view
        What it shows and calls.
    sign
        Called when the reader signs.
    hidden
        Whether status, change and verdict stay hidden until the reading is signed.
    search
        Whether the program may be asked to search.
    """

    told = Signal(str)
    saved = Signal(str)

    def __init__(
        self,
        desk: ReviewLayers,
        commands: EditCommands,
        hand: MouseTools,
        view: FilmView,
        *,
        sign: Callable[[], None],
        hidden: bool = False,
        search: bool = True,
    ) -> None:
        super().__init__()
        self.desk = desk
        self.commands = commands
        self.hand = hand
        self.view = view
        self._sign = sign
        self._hidden = hidden
        self._searchable = search
        self._filling = False
        self._just_chosen = 0
        commands.tell = self.told.emit
        self.buttons: dict[str, QPushButton] = {}
        self.tool_buttons: dict[Tool, QPushButton] = {}
        self._make_table()
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.addWidget(self._reader_bar())
        layout.addWidget(heading("In the hand: what the mouse does on a film"))
        layout.addLayout(self._tool_grid())
        layout.addWidget(heading("With the chosen deposits"))
        layout.addLayout(self._command_grid())
        layout.addWidget(heading("Looking"))
        self.looking = ViewBar(view)
        layout.addWidget(self.looking)
        layout.addLayout(self._filter_bar())
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(self._finding_bar())
        layout.addWidget(self._verdict())
        layout.addLayout(self._progress_bar())
        layout.addLayout(self._sign_bar())
        self.told.connect(self.message.setText)
        self.saved.connect(self.saving.setText)
        desk.listeners.append(self.refresh)
        hand.listeners.append(self.refresh)
        if isinstance(commands.background, InThread):
            commands.background.changed.connect(self._show_busy)
        self.refresh()

    # Parts ---------------------------------------------------------------------------------------------------------

    def _reader_bar(self) -> QWidget:
        bar = QWidget()
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(0, 0, 0, 0)
        place = self.desk.session.place
        reader = "nobody (nothing is kept)" if place is None else place.reader
        self.reader = QLabel(f"<b>Reader:</b> {reader}")
        self.saving = QLabel("")
        self.saving.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self.reader)
        layout.addWidget(self.saving, stretch=1)
        return bar

    def _tool_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        for place, (tool, (title, key, said)) in enumerate(TITLES.items()):
            made = button(f"{title}  {key_text(key)}", f"{said} ({key_text(key)})")
            made.setCheckable(True)
            made.clicked.connect(partial(self._take, tool))
            self.tool_buttons[tool] = made
            grid.addWidget(made, place // _TOOL_COLUMNS, place % _TOOL_COLUMNS)
        return grid

    def _command_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        for place, command in enumerate(EDIT_COMMANDS):
            made = button(f"{command.title}  {key_text(command.key)}", command.help)
            made.clicked.connect(partial(self._give, command))
            self.buttons[command.name] = made
            grid.addWidget(made, place // _TOOL_COLUMNS, place % _TOOL_COLUMNS)
        return grid

    def _make_table(self) -> None:
        self.model = LinkTable(self.desk.titles, self)
        self.proxy = FilteredTable(self)
        self.proxy.setSourceModel(self.model)
        self.table = QTableView()
        self.table.setModel(self.proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.setMinimumHeight(150)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(24)
        header = self.table.horizontalHeader()
        # Fitting the columns asks for every cell: it is done when a text has outgrown its column, not at every step.
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(34)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.table.setStyleSheet(
            f"QTableView, QHeaderView::section {{ font-size: {TABLE_FONT_PX}px; }}"
            "QHeaderView::section { padding: 2px; } QTableView::item { padding: 0px; }"
        )
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.setInterval(0)
        self._fitting.timeout.connect(self._fit_columns)
        self._show_columns()
        self.table.selectionModel().selectionChanged.connect(self._row_chosen)
        self.table.clicked.connect(self._row_clicked)

    def _filter_bar(self) -> QHBoxLayout:
        bar = QHBoxLayout()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter the table: new, gone, auto, edited, articular …")
        self.filter.textChanged.connect(self._filter_by)
        bar.addWidget(self.filter)
        return bar

    def _finding_bar(self) -> QHBoxLayout:
        bar = QHBoxLayout()
        bar.addWidget(QLabel("The chosen shadow is"))
        self.finding = QComboBox()
        for finding, words in FINDING_WORDS.items():
            self.finding.addItem(words, finding)
        self.finding.activated.connect(self._name_it)
        bar.addWidget(self.finding, stretch=1)
        return bar

    def _verdict(self) -> QLabel:
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextFormat(Qt.TextFormat.RichText)
        self.verdict.setMinimumHeight(96)
        self.verdict.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.verdict.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        return self.verdict

    def _progress_bar(self) -> QHBoxLayout:
        bar = QHBoxLayout()
        self.search = QPushButton("Search again")
        self.search.setToolTip("Search the films anew; what you did stays as it is")
        self.search.clicked.connect(lambda _checked: self.commands.search_again())
        self.search.setVisible(self._searchable)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(lambda _checked: self.commands.background.cancel())
        self.message = QLabel("")
        self.message.setWordWrap(True)
        for widget, stretch in ((self.search, 0), (self.message, 1), (self.progress, 0), (self.cancel, 0)):
            bar.addWidget(widget, stretch)
        # What is done at once shows no bar: it would flash, and drawing it would cost more than the work.
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._show_waiting)
        self._said = ""
        self._show_busy("")
        return bar

    def _sign_bar(self) -> QHBoxLayout:
        bar = QHBoxLayout()
        self.sign = QPushButton("Sign this reading")
        self.sign.setMinimumHeight(32)
        self.sign.clicked.connect(lambda _checked: self._sign())
        bar.addWidget(self.sign)
        return bar

    # Following -----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the session as it stands."""
        self._filling = True
        try:
            if self.model.show(self.desk.rows):
                self._fitting.start()
            self._select_chosen()
        finally:
            self._filling = False
        self._enable()
        self._show_finding()
        self.verdict.setText(self.summary())

    def summary(self) -> str:
        """Return burden, change and verdict as they stand."""
        session = self.desk.session
        parts = []
        for which in self.desk.order:
            measured = session.measurement(which)
            area, se = measured.total_area_mm2, measured.total_area_se_mm2
            unit = "mm²"
            if area is None or se is None:
                area, se, unit = measured.total_area_px, measured.total_area_se_px, "px"
            parts.append(f"{self.desk.titles[which]}: {area:.1f} ± {1.96 * se:.1f} {unit}")
        burden = "Burden &nbsp; " + " &nbsp;→&nbsp; ".join(parts)
        if session.comparison is None:
            return burden
        if self._hidden:
            return f"<i>Change and verdict are shown once you have signed.</i><br>{burden}"
        return f"<b>{verdict_sentence(session.comparison)}</b><br>{burden}"

    def summary_text(self) -> str:
        """Return the summary without mark-up."""
        text = self.summary().replace("<br>", "\n").replace("&nbsp;", "")
        for mark in ("<b>", "</b>", "<i>", "</i>"):
            text = text.replace(mark, "")
        return " ".join(text.split(" "))

    def reveal(self) -> None:
        """Show what stayed hidden until the signature."""
        self._hidden = False
        self._show_columns()

    def _fit_columns(self) -> None:
        """Make each column as wide as its longest text, so that all stand side by side."""
        for column, width in enumerate(self.model.widths(TABLE_FONT_PX)):
            self.table.setColumnWidth(column, width)

    def _show_columns(self) -> None:
        single = len(self.desk.order) < 2
        for column, hide in ((STATUS, single or self._hidden), (AFTER, single), (CHANGE, single or self._hidden)):
            self.table.setColumnHidden(column, hide)

    def _enable(self) -> None:
        history = self.desk.session.history
        for command in EDIT_COMMANDS:
            said = f"{command.help} ({key_text(command.key)})"
            if command.name == "undo" and history.undo_name:
                said = f"Undo: {history.undo_name} ({key_text(command.key)})"
            if command.name == "redo" and history.redo_name:
                said = f"Redo: {history.redo_name} ({key_text(command.key)})"
            enable(self.buttons[command.name], command.why_not(self.commands), said)
        for tool, (_, key, said) in TITLES.items():
            made = self.tool_buttons[tool]
            enable(made, self.hand.why_not(tool), f"{said} ({key_text(key)})")
            made.setChecked(tool is self.hand.tool)
        closed = self.commands.closed()
        enable(self.search, closed, "Search the films anew; what you did stays as it is")
        kept = "" if self.desk.session.place is not None else "Nothing is kept: open the films with --out FOLDER."
        enable(self.sign, closed or kept, "Freeze this reading as its next version")
        if self.desk.session.signed is not None:
            self.sign.setText(f"Signed: {self.desk.session.signed.name}")

    def _show_finding(self) -> None:
        chosen = [(which, number) for which, known in self.desk.chosen.items() for number in known]
        reason = self.commands.closed() or ("" if chosen else CHOOSE_ONE)
        enable(self.finding, reason, "Only calcinosis counts towards the burden")
        if chosen:
            which, number = chosen[0]
            finding = self.desk.session.board.deposits[which][number].finding
            self.finding.setCurrentIndex(list(FINDING_WORDS).index(finding))

    def _select_chosen(self) -> None:
        row = self.desk.row
        selection = self.table.selectionModel()
        if row is None:
            selection.clearSelection()
            return
        index = self.proxy.mapFromSource(self.model.index(row.number - 1, 0))
        if index.isValid() and not selection.isRowSelected(index.row(), QModelIndex()):
            flags = QItemSelectionModel.SelectionFlag
            selection.select(index, flags.ClearAndSelect | flags.Rows)
            self.table.scrollTo(index)

    def _show_busy(self, name: str) -> None:
        self._busy = name
        if name:
            self._patience.start()
        else:
            self._patience.stop()
            self._show_waiting(False)

    def _show_waiting(self, waiting: bool = True) -> None:
        self.progress.setVisible(waiting)
        self.cancel.setVisible(waiting)
        if waiting:
            self._said = f"{self._busy} …"
            self.message.setText(self._said)
        elif self.message.text() == self._said:
            self.message.setText("")  # it is done, and nobody has said anything since

    # Calling -------------------------------------------------------------------------------------------------------

    def _filter_by(self, text: str) -> None:
        # A chosen row that is filtered away leaves the selection: refilling the table meanwhile would break the proxy.
        self._filling = True
        try:
            self.proxy.setFilterFixedString(text)
        finally:
            self._filling = False
        self.refresh()

    def _row_chosen(self) -> None:
        if self._filling:
            return
        rows = self.table.selectionModel().selectedRows()
        if rows:
            row = self.desk.rows[self.proxy.mapToSource(rows[0]).row()]
            self._just_chosen = row.number
            self.desk.choose_row(row)

    def _row_clicked(self, index: object) -> None:
        """Go to a row that was chosen already; one that the click has just chosen is there."""
        row = self.desk.rows[self.proxy.mapToSource(index).row()]
        if row.number != self._just_chosen:
            self.desk.choose_row(row)
        self._just_chosen = 0

    def _take(self, tool: Tool, _checked: bool = False) -> None:
        self.hand.take(tool)
        self.refresh()

    def _give(self, command: EditCommand, _checked: bool = False) -> None:
        give(self.commands, command)

    def _name_it(self, _index: int) -> None:
        if not self.commands.one():
            self.commands.name_it(self.finding.currentData())
