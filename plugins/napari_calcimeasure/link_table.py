"""The table of links: a Qt model over the session's rows, and the view in which rows are selected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    QTimer,
)
from qtpy.QtGui import QBrush, QColor, QFont, QFontMetrics, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from calcimeasure.export.outline_marks import PALETTE
from calcimeasure.notices import TimePoint
from calcimeasure.review.review_table import TableRow
from napari_calcimeasure.layer_styles import TITLES
from napari_calcimeasure.review_layers import ReviewLayers

STATUS_WORDS = {
    "matched": "on both",
    "new": "new",
    "resolved": "gone",
    "split": "split",
    "merged": "merged",
    "group": "group",
    "not_evaluable": "not evaluable",
    "": "",
}
NUMBER, STATUS, LEFT_AREA, RIGHT_AREA, CHANGE, FINDING, ORIGIN, CONFIDENCE = range(8)
HEAD_PX, CELL_PX, SWATCH_PX = 10, 9, 20
"""What stands beside a text: the head's margin and sorting arrow, a cell's margin, the patch of colour."""
FONT_PX = 11
AREA_TIPS = {
    TimePoint.BASELINE: "Area on the baseline",
    TimePoint.FOLLOWUP: "Area on the follow-up, at the baseline's magnification",
}


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """One column: its head and tooltip, the text of a cell, and the number that it is sorted by where it is none."""

    head: str
    tip: str
    text: Callable[[TableRow], str]
    value: Callable[[TableRow], float | None] | None = None
    is_area: bool = False


def _columns(titles: Mapping[TimePoint, str]) -> tuple[TableColumn, ...]:
    """Return the columns; the areas stand as the films do, so that they tell no more than the films."""
    order = list(titles) if len(titles) > 1 else list(TimePoint)
    areas = [
        TableColumn(
            head=titles.get(visit, ""),
            tip=AREA_TIPS[visit] if dict(titles) == TITLES else "Area on this film",
            text=partial(_area_text, visit=visit),
            value=partial(_area, visit=visit),
            is_area=True,
        )
        for visit in order
    ]
    return (
        TableColumn(head="No.", tip="The number beside the deposit on both films",
                    text=lambda row: str(row.number), value=lambda row: row.number),
        TableColumn(head="Status", tip="How the deposit stands across the films",
                    text=lambda row: STATUS_WORDS[row.status]),
        *areas,
        TableColumn(head="Change\n(95 % interval)",
                    tip="Change of area with its 95 % interval; bold where it differs from none",
                    text=change_text, value=lambda row: row.change_percent),
        TableColumn(head="Finding", tip="What the shadow is: only calcinosis counts",
                    text=lambda row: ", ".join(row.findings)),
        TableColumn(head="Origin", tip="auto: found; clicked: boundary found under a click; edited: mended by a "
                    "person; drawn: by a person alone", text=lambda row: ", ".join(row.origins)),
        TableColumn(head="Sure", tip="Probability that it is calcinosis; 100 % once accepted",
                    text=lambda row: f"{100 * row.confidence:.0f} %", value=lambda row: row.confidence),
    )  # fmt: skip


class LinkTable(QAbstractTableModel):
    """Rows of the session; `titles` are the films' names from left to right."""

    def __init__(self, titles: Mapping[TimePoint, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[TableRow] = []
        self.columns = _columns(titles)
        self._longest = [0] * len(self.columns)

    def show(self, rows: list[TableRow]) -> bool:
        """Show other rows; return whether a column has become too narrow for its longest text."""
        before = self.rows
        if len(rows) != len(before):
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
        else:
            self.rows = rows
            for number, (old, new) in enumerate(zip(before, rows, strict=True)):
                if old != new:
                    self.dataChanged.emit(self.index(number, 0), self.index(number, len(self.columns) - 1))
        longest = [max((len(column.text(row)) for row in rows), default=0) for column in self.columns]
        narrow = any(new > old for new, old in zip(longest, self._longest, strict=True))
        self._longest = [max(sizes) for sizes in zip(longest, self._longest, strict=True)]
        return narrow

    def widths(self) -> list[int]:
        """Return how many pixels each column needs for its head and its longest text."""
        plain, bold = _font(), _font(bold=True)
        measure, strong = QFontMetrics(plain), QFontMetrics(bold)
        needed = []
        for number, column in enumerate(self.columns):
            texts = [strong.horizontalAdvance(line) + HEAD_PX for line in self._head(column).split("\n")]
            for row in self.rows:
                metrics = strong if number == CHANGE and row.detectable else measure
                texts.append(metrics.horizontalAdvance(column.text(row)) + CELL_PX)
            needed.append(max(texts) + (SWATCH_PX if number == NUMBER else 0))
        return needed

    def _head(self, column: TableColumn) -> str:
        unit = self.rows[0].unit if self.rows else "mm²"
        return f"{column.head}\n{unit}" if column.is_area else column.head

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return how many rows there are."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Return a column's head, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip
        return self._head(column) if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: PLR0911 - one a role
        """Return what a cell shows, how it is sorted, its colour and its tooltip."""
        row, number, roles = self.rows[index.row()], index.column(), Qt.ItemDataRole
        column = self.columns[number]
        if role == roles.DisplayRole:
            return column.text(row)
        if role == roles.UserRole:
            return column.text(row) if column.value is None else _sortable(column.value(row))
        if role == roles.ToolTipRole:
            return row.reason or None
        if role == roles.FontRole:
            return _font(bold=True, sized=False) if number == CHANGE and row.detectable else None
        if role == roles.DecorationRole:
            return swatch(PALETTE[(row.number - 1) % len(PALETTE)]) if number == NUMBER else None
        if role == roles.ForegroundRole:
            return QBrush(QColor("#a8adb5")) if row.findings and "calcinosis" not in row.findings else None
        if role == roles.TextAlignmentRole and (column.is_area or number == CONFIDENCE):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class LinkTableView(QTableView):
    """The table, sorted and filtered; its selected row is the one of the selected deposits."""

    def __init__(self, layers: ReviewLayers) -> None:
        super().__init__()
        self.layers = layers
        self.links = LinkTable(layers.titles, self)
        self.proxy = QSortFilterProxyModel(self)
        self.proxy.setSortRole(Qt.ItemDataRole.UserRole)  # by value, not by text
        self.proxy.setFilterKeyColumn(-1)  # any cell
        self.proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.proxy.setSourceModel(self.links)
        self._filling = False
        self.setModel(self.proxy)
        self._set_appearance()
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.setInterval(0)
        self._fitting.timeout.connect(self._fit_columns)
        self.selectionModel().selectionChanged.connect(self._select)
        self.clicked.connect(self._go_to)

    def _set_appearance(self) -> None:
        self.setSortingEnabled(True)
        self.sortByColumn(NUMBER, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setMinimumHeight(150)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(24)
        header = self.horizontalHeader()
        # Fitting the columns reads every cell: it is done when a text has outgrown its column, not at every step.
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(34)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setStyleSheet(
            f"QTableView, QHeaderView::section {{ font-size: {FONT_PX}px; }}"
            "QHeaderView::section { padding: 2px; } QTableView::item { padding: 0px; }"
        )

    def refresh(self) -> None:
        """Show the rows and the selection as they stand."""
        self._filling = True
        try:
            if self.links.show(self.layers.rows):
                self._fitting.start()
            self._show_selection()
        finally:
            self._filling = False

    def filter(self, text: str) -> None:
        """Show only rows with this text in a cell."""
        # A selected row that is filtered away leaves Qt's selection: it stays in ours.
        self._filling = True
        try:
            self.proxy.setFilterFixedString(text)
        finally:
            self._filling = False
        self.refresh()

    def show_columns(self, *, hidden: bool) -> None:
        """Show the columns of a pair or of one film; status and change may stay hidden."""
        single = len(self.layers.order) < 2
        for column, hide in ((STATUS, single or hidden), (RIGHT_AREA, single), (CHANGE, single or hidden)):
            self.setColumnHidden(column, hide)

    def _fit_columns(self) -> None:
        """Make each column as wide as its longest text, so that all stand side by side."""
        for column, width in enumerate(self.links.widths()):
            self.setColumnWidth(column, width)

    def _show_selection(self) -> None:
        row, selection = self.layers.row, self.selectionModel()
        if row is None:
            selection.clearSelection()
            return
        index = self.proxy.mapFromSource(self.links.index(row.number - 1, 0))
        if index.isValid() and not selection.isRowSelected(index.row(), QModelIndex()):
            flags = QItemSelectionModel.SelectionFlag
            selection.select(index, flags.ClearAndSelect | flags.Rows)
            self.scrollTo(index)

    def _select(self) -> None:
        rows = self.selectionModel().selectedRows()
        if rows and not self._filling:
            self.layers.select_row(self._row_at(rows[0]))

    def _go_to(self, index: QModelIndex) -> None:
        """Go to a row that is clicked on, also where it was selected already."""
        row = self._row_at(index)
        if row is self.layers.row:
            self.layers.go_to(row)
        else:
            self.layers.select_row(row)

    def _row_at(self, index: QModelIndex) -> TableRow:
        return self.layers.rows[self.proxy.mapToSource(index).row()]


def change_text(row: TableRow) -> str:
    """Return a link's change with its interval."""
    if row.change_percent is None:
        return "-"
    if row.ci95_percent is None:
        return f"{row.change_percent:+.0f} %"
    low, high = row.ci95_percent
    return f"{row.change_percent:+.0f} % ({low:+.0f} to {high:+.0f})"


def _area(row: TableRow, visit: TimePoint) -> float | None:
    return row.areas.get(visit)


def _area_text(row: TableRow, visit: TimePoint) -> str:
    area = row.areas.get(visit)
    if area is None:
        return "-"
    return f"{area:.2f}" if row.unit == "mm²" else f"{area:.0f}"


def _sortable(value: float | None) -> float:
    return float("-inf") if value is None else float(value)


def _font(*, bold: bool = False, sized: bool = True) -> QFont:
    font = QFont()
    font.setBold(bold)
    if sized:
        font.setPixelSize(FONT_PX)
    return font


@cache
def swatch(color: str) -> QIcon:
    """Return a patch of a colour that stays the same when its row is selected: it is the deposit's on the films."""
    patch = QPixmap(14, 14)
    patch.fill(QColor(color))
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected, QIcon.Mode.Active):
        icon.addPixmap(patch, mode)
    return icon
