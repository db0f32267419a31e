"""The controls of how films are looked at, and what all controls of the panel share."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_calcimeasure.film_view import Arrangement, FilmView, GreyPreset


class ViewBar(QWidget):
    """Flicker, blend, grey window: changes what is seen, never a reading."""

    def __init__(self, view: FilmView) -> None:
        super().__init__()
        self.view = view
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        self.flicker = button("Flicker  F", "The right film in the left one's place, and back (F)")
        self.flicker.clicked.connect(lambda _checked: self.view.flicker())
        self.blend = button("Blend  V", "Both films through one another (V)")
        self.blend.clicked.connect(lambda _checked: self.view.blend())
        self.sides = button("Side by side", "Each film in its own place")
        self.sides.clicked.connect(lambda _checked: self.view.lay_side_by_side())
        self.whole = button("Whole film  Home", "Show all of the films (Home)")
        self.whole.clicked.connect(lambda _checked: self.view.whole())
        for place, control in enumerate((self.flicker, self.blend, self.sides, self.whole)):
            grid.addWidget(control, 0, place)
        self.preset = QComboBox()
        self.preset.addItems([preset.value for preset in GreyPreset])
        self.preset.setToolTip("Which grey values are shown (W: next)")
        self.preset.currentTextChanged.connect(lambda text: self.view.choose_window(GreyPreset(text)))
        self.same_grey = QCheckBox("Same grey on both")
        self.same_grey.toggled.connect(self.view.set_same_grey)
        self.inverted = QCheckBox("Inverted  I")
        self.inverted.clicked.connect(lambda _checked: self.view.invert())
        self.filled = QCheckBox("Filled  O")
        self.filled.clicked.connect(lambda _checked: self.view.outlines())
        for place, widget in enumerate((self.preset, self.same_grey, self.inverted, self.filled)):
            grid.addWidget(widget, 1, place)
        view.listeners.append(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show how the films lie."""
        reason = self.view.why_not_over_one_another()
        for control, said in ((self.flicker, "The right film in the left one's place, and back (F)"),
                             (self.blend, "Both films through one another (V)")):  # fmt: skip
            enable(control, reason, said)
        lying = "" if self.view.arrangement is not Arrangement.SIDE_BY_SIDE else "The films lie side by side."
        enable(self.sides, lying, "Each film in its own place")
        for box, state in ((self.inverted, self.view.inverted), (self.filled, self.view.filled)):
            box.setChecked(state)
        self.preset.blockSignals(True)
        self.preset.setCurrentText(self.view.preset.value)
        self.preset.blockSignals(False)
        enable(self.same_grey, "" if len(self.view.desk.order) > 1 else "There is only one film.",
                "Show both films with the grey mapping of the first")  # fmt: skip


def button(text: str, tooltip: str) -> QPushButton:
    """Return a button as wide as its column that leaves the keys to the films."""
    made = QPushButton(text)
    made.setStyleSheet("padding: 2px 3px;")
    made.setToolTip(tooltip)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return made


def heading(text: str) -> QLabel:
    """Return the small title over a group of controls."""
    label = QLabel(text)
    label.setStyleSheet("color: #a8adb5; padding-top: 3px;")
    return label


def enable(widget: QWidget, reason: str, said: str) -> None:
    """Enable a control, or say in its tooltip why it is not."""
    if widget.isEnabled() == bool(reason):
        widget.setEnabled(not reason)
    if widget.toolTip() != (reason or said):
        widget.setToolTip(reason or said)
