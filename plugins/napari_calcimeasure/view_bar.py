"""The controls of how films are viewed, and what all controls of the panel share."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_calcimeasure.film_view import FilmView, GreyPreset


class ViewBar(QWidget):
    """Flicker, blend, grey window: changes what is seen, never a reading."""

    def __init__(self, view: FilmView) -> None:
        super().__init__()
        self.view = view
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        self.flicker = button("Flicker  F", "The right film in the left one's place, and back (F)", view.flicker)
        self.blend = button("Blend  V", "Both films through one another (V)", view.blend)
        self.sides = button("Side by side", "Each film in its own place", view.lay_side_by_side)
        self.whole = button("Whole film  Home", "Show all of the films (Home)", view.show_whole)
        self.preset = QComboBox()
        self.preset.addItems([preset.value for preset in GreyPreset])
        self.preset.setToolTip("Which grey values are shown (W: next)")
        self.preset.currentTextChanged.connect(lambda text: view.choose_preset(GreyPreset(text)))
        self.same_grey = QCheckBox("Same grey on both")
        self.same_grey.toggled.connect(view.set_same_grey)
        self.inverted = QCheckBox("Inverted  I")
        self.inverted.clicked.connect(lambda _checked: view.invert())
        self.filled = QCheckBox("Filled  O")
        self.filled.clicked.connect(lambda _checked: view.toggle_filled())
        controls = (self.flicker, self.blend, self.sides, self.whole)
        settings = (self.preset, self.same_grey, self.inverted, self.filled)
        for column, pair in enumerate(zip(controls, settings, strict=True)):
            for row, widget in enumerate(pair):
                grid.addWidget(widget, row, column)
        self._help = {control: control.toolTip() for control in controls}
        view.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show how the films lie."""
        view, reason = self.view, self.view.why_not_overlaid()
        enable(self.flicker, reason, self._help[self.flicker])
        enable(self.blend, reason, self._help[self.blend])
        enable(self.sides, "The films lie side by side." if view.side_by_side else "", self._help[self.sides])
        self.inverted.setChecked(view.inverted)
        self.filled.setChecked(view.filled)
        self.preset.blockSignals(True)
        self.preset.setCurrentText(view.preset.value)
        self.preset.blockSignals(False)
        enable(self.same_grey, "" if len(view.layers.order) > 1 else "There is only one film.",
               "Show both films with the grey mapping of the first")  # fmt: skip


def button(text: str, tooltip: str, clicked: Callable[[], object]) -> QPushButton:
    """Return a button as wide as its column that leaves the keys to the films."""
    made = QPushButton(text)
    made.setStyleSheet("padding: 2px 3px;")
    made.setToolTip(tooltip)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda _checked: clicked())
    return made


def heading(text: str) -> QLabel:
    """Return the small title over a group of controls."""
    label = QLabel(text)
    label.setStyleSheet("color: #a8adb5; padding-top: 3px;")
    return label


def enable(widget: QWidget, reason: str, help_text: str) -> None:
    """Enable a control, or say in its tooltip why it is not."""
    if widget.isEnabled() == bool(reason):
        widget.setEnabled(not reason)
    if widget.toolTip() != (reason or help_text):
        widget.setToolTip(reason or help_text)
