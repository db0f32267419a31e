"""The table of links as a Qt model over the session's rows; sorting and filtering are Qt's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt
from qtpy.QtGui import QBrush, QColor, QFont, QFontMetrics, QIcon, QPixmap

from calcimeasure.export.deposit_outlines import PALETTE
from calcimeasure.notices import TimePoint
from calcimeasure.review.review_table import TableRow
from napari_calcimeasure.layer_styles import TITLES

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
NUMBER, STATUS, BEFORE, AFTER, CHANGE, FINDING, ORIGIN, CONFIDENCE = range(8)
HEAD_PX, CELL_PX, SWATCH_PX = 10, 9, 20
"""What stands beside a text: the head's margin and sorting arrow, a cell's margin, the patch of colour."""
_HEADS = ("No.", "Status", "Baseline", "Follow-up", "Change\n(95 % interval)", "Finding", "Origin", "Sure")
_TIPS = (
    "The number beside the deposit on both films",
    "How the deposit stands across the films",
    "Area on the baseline",
    "Area on the follow-up, at the baseline's magnification",
    "Change of area with its 95 % interval; bold where it differs from none",
    "What the shadow is: only calcinosis counts",
    "auto: found; clicked: boundary found under a click; edited: mended by a person; drawn: by a person alone",
    "Probability that it is calcinosis; 100 % once accepted",
)


class LinkTable(QAbstractTableModel):
    """Rows of the session.

    Parameters
    ----------
    titles
        What the films are called, from left to right: the columns come in this order, so that they tell no more than
        the films do.
    """

    def __init__(self, titles: Mapping[TimePoint, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[TableRow] = []
        self.titles = dict(titles)
        self._longest = [0] * len(_HEADS)
        self._swapped = next(iter(titles)) is TimePoint.FOLLOWUP

    def show(self, rows: list[TableRow]) -> bool:
        """Show other rows; return whether a column has become too narrow for its longest text."""
        before = self.rows
        if len(rows) != len(before):
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
        else:
            self.rows = rows
            for place, (old, new) in enumerate(zip(before, rows, strict=True)):
                if old != new:
                    self.dataChanged.emit(self.index(place, 0), self.index(place, len(_HEADS) - 1))
        longest = [max((len(cell_text(row, column)) for row in rows), default=0) for column in range(len(_HEADS))]
        narrow = any(new > old for new, old in zip(longest, self._longest, strict=True))
        self._longest = [max(sizes) for sizes in zip(longest, self._longest, strict=True)]
        return narrow

    def widths(self, font_px: int) -> list[int]:
        """Return how many pixels each column needs for its head and its longest text."""
        plain, bold = QFont(), QFont()
        bold.setBold(True)
        for font in (plain, bold):
            font.setPixelSize(font_px)
        measure, strong = QFontMetrics(plain), QFontMetrics(bold)
        needed = []
        for column in range(len(_HEADS)):
            head = str(self.headerData(column, Qt.Orientation.Horizontal) or "")
            shown = self._shown(column)
            texts = [strong.horizontalAdvance(line) + HEAD_PX for line in head.split("\n")]
            texts += [
                (strong if _font(row, shown) else measure).horizontalAdvance(cell_text(row, shown)) + CELL_PX
                for row in self.rows
            ]
            needed.append(max(texts) + (SWATCH_PX if shown == NUMBER else 0))
        return needed

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return how many rows there are."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(_HEADS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Return a column's head, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        which = {BEFORE: TimePoint.BASELINE, AFTER: TimePoint.FOLLOWUP}.get(self._shown(section))
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS[section] if which is None or self.titles == TITLES else "Area on this film"
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        unit = self.rows[0].unit if self.rows else "mm²"
        return _HEADS[section] if which is None else f"{self.titles.get(which, '')}\n{unit}"

    def _shown(self, section: int) -> int:
        return {BEFORE: AFTER, AFTER: BEFORE}.get(section, section) if self._swapped else section

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, how it is sorted, its colour and its tooltip."""
        row, column = self.rows[index.row()], self._shown(index.column())
        show = _ROLES.get(int(role))
        return None if show is None else show(row, column)


class FilteredTable(QSortFilterProxyModel):
    """Sorts by value, not by text, and filters by any cell."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setSortRole(Qt.ItemDataRole.UserRole)
        self.setFilterKeyColumn(-1)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)


def cell_text(row: TableRow, column: int) -> str:
    """Return what stands in a cell."""
    texts = {
        NUMBER: str(row.number),
        STATUS: STATUS_WORDS[row.status],
        BEFORE: _area(row, TimePoint.BASELINE),
        AFTER: _area(row, TimePoint.FOLLOWUP),
        CHANGE: change_text(row),
        FINDING: ", ".join(row.findings),
        ORIGIN: ", ".join(row.origins),
        CONFIDENCE: f"{100 * row.confidence:.0f} %",
    }
    return texts[column]


def change_text(row: TableRow) -> str:
    """Return a link's change with its interval."""
    if row.change_percent is None:
        return "-"
    if row.ci95_percent is None:
        return f"{row.change_percent:+.0f} %"
    low, high = row.ci95_percent
    return f"{row.change_percent:+.0f} % ({low:+.0f} to {high:+.0f})"


def _area(row: TableRow, which: TimePoint) -> str:
    area = row.areas.get(which)
    if area is None:
        return "-"
    return f"{area:.2f}" if row.unit == "mm²" else f"{area:.0f}"


def _sort_key(row: TableRow, column: int) -> float | str:
    numbers = {
        NUMBER: row.number,
        BEFORE: row.areas.get(TimePoint.BASELINE),
        AFTER: row.areas.get(TimePoint.FOLLOWUP),
        CHANGE: row.change_percent,
        CONFIDENCE: row.confidence,
    }
    if column not in numbers:
        return cell_text(row, column)
    value = numbers[column]
    return float("-inf") if value is None else float(value)


def _font(row: TableRow, column: int) -> QFont | None:
    if column != CHANGE or not row.detectable:
        return None
    font = QFont()
    font.setBold(True)
    return font


def _swatch(row: TableRow, column: int) -> QIcon | None:
    return swatch(PALETTE[(row.number - 1) % len(PALETTE)]) if column == NUMBER else None


@cache
def swatch(colour: str) -> QIcon:
    """Return a patch of a colour that stays the same when its row is chosen: it is the deposit's on the films."""
    patch = QPixmap(14, 14)
    patch.fill(QColor(colour))
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected, QIcon.Mode.Active):
        icon.addPixmap(patch, mode)
    return icon


def _ink(row: TableRow, _column: int) -> QBrush | None:
    counts = not row.findings or "calcinosis" in row.findings
    return None if counts else QBrush(QColor("#a8adb5"))


def _side(_row: TableRow, column: int) -> int | None:
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    return int(right) if column in (BEFORE, AFTER, CONFIDENCE) else None


_ROLES: dict[int, Callable[[TableRow, int], Any]] = {
    int(Qt.ItemDataRole.DisplayRole): cell_text,
    int(Qt.ItemDataRole.UserRole): _sort_key,
    int(Qt.ItemDataRole.ToolTipRole): lambda row, _column: row.reason or None,
    int(Qt.ItemDataRole.FontRole): _font,
    int(Qt.ItemDataRole.DecorationRole): _swatch,
    int(Qt.ItemDataRole.ForegroundRole): _ink,
    int(Qt.ItemDataRole.TextAlignmentRole): _side,
}
