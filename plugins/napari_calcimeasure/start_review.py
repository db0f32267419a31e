"""Inside a napari that is open already: choose two films among the layers, and begin a reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from calcimeasure.errors import CalciMeasureError
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import Radiograph, SpacingBasis
from calcimeasure.review.reading_store import checked_reader
from napari_calcimeasure.layer_styles import RADIOGRAPH_KEY
from napari_calcimeasure.preferences import preferences
from napari_calcimeasure.review_controller import ReviewController, open_review
from napari_calcimeasure.worklist import DEFAULT_ROOT, ReviewCase

if TYPE_CHECKING:
    from napari import Viewer

NONE = "(none: read one film)"


class StartReview(QWidget):
    """Chooses the films, the reader and the folder of a reading."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.controller: ReviewController | None = None
        self.baseline, self.followup = QComboBox(), QComboBox()
        self.reader = QLineEdit(preferences().reader)
        self.reader.setPlaceholderText("R1")
        self.folder = QLineEdit(str(Path.cwd() / DEFAULT_ROOT))
        browse = QPushButton("…")
        browse.clicked.connect(self._browse)
        where = QHBoxLayout()
        where.addWidget(self.folder)
        where.addWidget(browse)
        self.button = QPushButton("Start the reading")
        self.button.clicked.connect(lambda _checked: self.start())
        self.message = QLabel("")
        self.message.setWordWrap(True)
        form = QFormLayout(self)
        form.addRow("Baseline", self.baseline)
        form.addRow("Follow-up", self.followup)
        form.addRow("Reader", self.reader)
        form.addRow("Keep it in", where)
        form.addRow(self.button)
        form.addRow(self.message)
        self.reader.textChanged.connect(lambda _text: self._enable())
        napari_viewer.layers.events.inserted.connect(self.refresh)
        napari_viewer.layers.events.removed.connect(self.refresh)
        self.refresh()

    def films(self) -> dict[str, Radiograph]:
        """Return the films among the layers, by the layer's name."""
        from napari.layers import Image

        images = [layer for layer in self.viewer.layers if isinstance(layer, Image)]
        known = {layer.name: layer.metadata.get(RADIOGRAPH_KEY) for layer in images}
        return {name: film for name, film in known.items() if isinstance(film, Radiograph) and film.path is not None}

    def refresh(self, _event: Any = None) -> None:
        """Offer the films that are open."""
        names = list(self.films())
        for box, offered in ((self.baseline, names), (self.followup, [NONE, *names])):
            chosen = box.currentText()
            box.clear()
            box.addItems(offered)
            if chosen in offered:
                box.setCurrentText(chosen)
        if len(names) > 1 and self.followup.currentText() in (NONE, self.baseline.currentText()):
            self.followup.setCurrentText(next(name for name in names if name != self.baseline.currentText()))
        self._enable()

    def why_not(self) -> str:
        """Return why no reading can be begun."""
        if self.controller is not None and self.controller.session is not None:
            return "A reading is open: close it first."
        if not self.films():
            return "Open a film first: File > Open with 'CalciMeasure: radiograph', or File > Open Sample."
        if not self.reader.text().strip():
            return "Say who reads: a name or code, e.g. R1."
        try:
            checked_reader(self.reader.text().strip())
        except CalciMeasureError as error:
            return error.remedy
        return ""

    def start(self, **options: Any) -> None:
        """Begin the reading in this viewer."""
        films = self.films()
        chosen = {TimePoint.BASELINE: films[self.baseline.currentText()]}
        if self.followup.currentText() != NONE:
            chosen[TimePoint.FOLLOWUP] = films[self.followup.currentText()]
        root = Path(self.folder.text())
        case = ReviewCase(
            title=" and ".join(film.path.name for film in chosen.values() if film.path is not None),
            root=root,
            paths={visit: film.path for visit, film in chosen.items() if film.path is not None},
            film_options={visit: _options(film) for visit, film in chosen.items()},
            found=root,
        )
        for layer in list(self.viewer.layers):
            self.viewer.layers.remove(layer)
        self.controller = open_review(self.viewer, [case], reader=self.reader.text().strip(), **options)
        self._enable()

    def _enable(self) -> None:
        reason = self.why_not()
        self.button.setEnabled(not reason)
        self.button.setToolTip(reason)
        self.message.setText(reason)

    def _browse(self, _checked: bool = False) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Keep the readings in", self.folder.text())
        if folder:
            self.folder.setText(folder)


def _options(film: Radiograph) -> dict[str, Any]:
    """Return what was decided by hand when the film was opened."""
    options: dict[str, Any] = {}
    if film.spacing.basis is SpacingBasis.USER:
        options["spacing_mm"] = film.spacing.mm
    if film.frame is not None:
        options["frame"] = film.frame + 1
    return options
