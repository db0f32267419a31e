"""The controller of a review: one viewer, a worklist, and one reading at a time, opened, kept, signed and closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QWidget
from superqt.utils import ensure_main_thread

from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.review_session import ReviewSession, SessionChange
from calcimeasure.segmentation import segment_points
from napari_calcimeasure.background_work import BackgroundWork, GarbageCollection
from napari_calcimeasure.blinding import Blinding
from napari_calcimeasure.case_frame import CaseFrame
from napari_calcimeasure.case_opener import CaseOpener
from napari_calcimeasure.dialogs import CANCEL, SAVE, Dialogs
from napari_calcimeasure.edit_commands import EditCommands
from napari_calcimeasure.film_view import FilmView
from napari_calcimeasure.mouse_tools import MouseTools
from napari_calcimeasure.pair_geometry import Point, calibrated_spacing, line_length_px
from napari_calcimeasure.preferences import preferences
from napari_calcimeasure.review_layers import ReviewLayers
from napari_calcimeasure.review_panel import ReviewPanel
from napari_calcimeasure.worklist import ReviewCase

if TYPE_CHECKING:
    from napari import Viewer

SHORTEST_RULER_PX = 20.0
DONE = object()
STEP_PAUSE_MS = 10
"""Between two steps of building the window, for whatever else it has to do."""
NAPARI_DOCKS = ("layer list", "layer controls")


class ReviewController(QObject):
    """The review in one viewer.

    Parameters
    ----------
    viewer
        napari's viewer.
    cases
        What there is to read.
    reader
        Who reads; asked for where it is empty.
    ask
        Who answers questions.
    read_only
        Look only.
    blinded
        Hide who, when and which came first; `seed` makes the order of the films and is kept with the reading.
    synchronous
        Do slow work in the window's own thread: for tests and pictures.
    ours
        Whether the program is ours alone, and not a napari that was open before.
    """

    def __init__(
        self,
        viewer: Viewer,
        cases: list[ReviewCase],
        *,
        reader: str = "",
        ask: Dialogs | None = None,
        read_only: bool = False,
        blinded: bool = False,
        seed: int = 0,
        synchronous: bool = False,
        ours: bool = False,
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self.cases = cases
        self.reader = reader
        self.blinding = Blinding(blinded=blinded, seed=seed)
        self.background = BackgroundWork(self, synchronous=synchronous)
        self.number = 0
        self.session: ReviewSession | None = None
        self.layers: ReviewLayers | None = None
        self.panel: ReviewPanel | None = None
        self.commands: EditCommands | None = None
        self.tools: MouseTools | None = None
        self.view: FilmView | None = None
        self._garbage = GarbageCollection(ours=ours)
        self._building: tuple[ReviewLayers, ReviewSession] | None = None
        self.frame = CaseFrame()
        self.frame.chosen.connect(self._go_chosen)
        self.dock = viewer.window.add_dock_widget(self.frame, name="Reading", area="right", add_vertical_stretch=False)
        self.window: QWidget = self.dock.window()
        self.ask = ask or Dialogs(self.window)
        self.opener = CaseOpener(self.background, self.ask, read_only=read_only, blinding=self.blinding)
        self.opener.opened.connect(self._show_session)
        self.opener.message.connect(self.frame.show_message)
        self.window.installEventFilter(self)
        for name in NAPARI_DOCKS:  # the films take their room; napari's View menu brings them back
            for dock in self.window.findChildren(QDockWidget, name):
                dock.setVisible(False)
        viewer.title = "CalciMeasure"
        self._garbage.collect()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Ask before the window closes over an unsigned reading."""
        if watched is self.window and event.type() == QEvent.Type.Close:
            if not self.leave():
                event.ignore()
                return True
            self.shut()
        return False

    def shut(self) -> None:
        """Give the viewer back; the reading must have been left."""
        self.opener.cancel()
        self.window.removeEventFilter(self)
        self.dock.hide()
        self.background.close()

    # Opening a case ------------------------------------------------------------------------------------------------

    @property
    def case(self) -> ReviewCase:
        """What is read now."""
        return self.cases[self.number]

    def go(self, number: int) -> None:
        """Leave this case and open another."""
        if 0 <= number < len(self.cases) and self.leave():
            self.open(number)

    def _go_chosen(self, number: int) -> None:
        if number != self.number:
            self.go(number)
        self._show_cases()  # back to where the reader stays, when leaving was not wanted

    def open(self, number: int = 0) -> None:
        """Open a case: the films in the background, then the reading."""
        self.number = number
        self._show_cases()
        if not self.reader:
            self.reader = preferences().reader or self.ask.reader("R1")
        self.opener.open(self.case, self.reader)

    def _show_session(self, session: ReviewSession) -> None:
        """Build the reading's layers and panel step by step: the window goes on between the steps."""
        self.frame.show_message("Showing the films …")
        self.cases[self.number] = self.opener.case
        if session.location is not None:
            self.reader = session.location.reader
        order = self.blinding.order(session.review_input)
        layers = ReviewLayers(
            self.viewer,
            session,
            order=order,
            titles=self.blinding.titles(order),
            pixels=self.opener.pixels,
            by_steps=True,
        )
        self._building = (layers, session)
        self._garbage.pause()
        self._step(chain(layers.build(), self._show_panel(layers, session)))

    def _step(self, steps: Iterator[None]) -> None:
        if self.background.synchronous:
            for _step in steps:
                pass
        elif next(steps, DONE) is not DONE:
            QTimer.singleShot(STEP_PAUSE_MS, partial(self.opener.if_current(self._step), steps))

    def _show_panel(self, layers: ReviewLayers, session: ReviewSession) -> Iterator[None]:
        """Put what the reader works with around the films; the reading is open with the last step."""
        self.view = FilmView(layers)
        self.commands = EditCommands(layers, background=self.background, calibrate=self.calibrate)
        self.tools = MouseTools(layers, self.commands, self.view)
        self.panel = ReviewPanel(
            layers,
            self.commands,
            self.tools,
            self.view,
            sign=self.sign,
            hidden=self.blinding.blinded or self.case.read_first,
            detect=not self.case.read_first,
        )
        self.session, self.layers, self._building = session, layers, None
        session.changed.connect(self._edited)
        session.save_failed.connect(self._show_save_failure)
        self._garbage.resume()
        self.frame.show_panel(self.panel)
        self._preload_click(session.review_input)
        QTimer.singleShot(0, self._show_whole)  # once the panel has its room
        self._show_saving()
        self._show_cases()
        yield

    def _preload_click(self, review_input: ReviewInput) -> None:
        """Load in the background what a first click needs, so that it does not wait for it."""

        def click() -> None:
            for visit, film in review_input.films.items():
                middle = (film.shape[0] // 2, film.shape[1] // 2)
                segment_points(film, [middle], anatomy=review_input.anatomies[visit])

        if not self.background.synchronous:
            self.background.run("", click)

    # What is shown -------------------------------------------------------------------------------------------------

    def _edited(self, _change: SessionChange) -> None:
        self._show_saving()
        if "draft" not in self.frame.title.text():
            self._show_cases()

    def _show_whole(self) -> None:
        if self.view is not None and self.layers is not None and not self.layers.selection:
            self.view.show_whole()

    def _show_cases(self) -> None:
        titles = [
            f"Case {number + 1}" if self.blinding.blinded else case.title for number, case in enumerate(self.cases)
        ]
        statuses = [case.status(self.reader) for case in self.cases]
        if self.session is not None and self.session.edited:
            statuses[self.number] = "draft"
        if self.session is not None and self.session.signed is not None:
            statuses[self.number] = "signed"
        self.frame.show_cases(titles, statuses, self.number)

    def _show_saving(self) -> None:
        if self.panel is None or self.session is None:
            return
        if self.session.signed is not None:
            text = "signed"
        elif self.session.read_only:
            text = "open to look at only"
        else:
            text = f"saved automatically in {self.case.root.name}"
        self.panel.saving.setText(text)

    @ensure_main_thread
    def _show_save_failure(self, error: Exception | None) -> None:
        """Say what keeps a reading from being saved: reported by the saving thread."""
        if self.panel is not None:
            self.panel.saving.setText("saving works again" if error is None else f"<b>NOT SAVED</b>: {error}")

    # Calibrating, signing, leaving ---------------------------------------------------------------------------------

    def calibrate(self, visit: TimePoint, line: Sequence[Point]) -> None:
        """Take a film's millimetres from a line of known length, and go on with the films opened anew.

        Raises
        ------
        ReadingError
            When the line is too short.
        """
        session = self.session
        if session is None:
            return
        spacing = session.review_input.films[visit].spacing
        pixels = line_length_px(spacing, line[0], line[-1])
        if pixels < SHORTEST_RULER_PX:
            raise ReadingError(
                "over so few pixels the length of a line is not certain",
                remedy="Drag the ruler along something longer.",
            )
        mm = self.ask.length(pixels)
        if mm is None:
            return
        case = self.case.calibrated({visit: calibrated_spacing(spacing, line[0], line[-1], mm)})
        session.about["spacing_mm"] = {
            key.value: options["spacing_mm"] for key, options in case.film_options.items() if options.get("spacing_mm")
        }
        session.note(f"Calibrate {visit.value}: {mm:g} mm over {pixels:.1f} pixels", visit)
        session.close()
        self._clear()
        self.opener.open(case, self.reader, resuming=True)

    def sign(self) -> None:
        """Ask, then sign in the background."""
        session, panel, commands = self.session, self.panel, self.commands
        if session is None or panel is None or commands is None or not self.ask.sign(panel.summary_text()):
            return
        commands.locked = "The reading is being signed."
        panel.refresh()

        def finish(message: str) -> None:
            commands.locked = ""
            panel.refresh()
            commands.message.emit(message)

        def done(version: Path) -> None:
            panel.reveal()
            finish(f"Signed. The reading is in {version.relative_to(self.case.root)}")
            self._show_saving()
            self._show_cases()

        self.background.run("Signing", session.sign, done, lambda error: finish(f"Not signed: {error}"))

    def leave(self) -> bool:
        """Close this reading; return False where the reader would rather stay."""
        self._stop_building()
        session, commands = self.session, self.commands
        if session is None or commands is None:
            return True
        if commands.locked:
            return False
        keep = True
        if session.edited and session.signed is None and not session.read_only:
            answer = self.ask.leave(unsaved=session.unsaved)
            if answer == CANCEL:
                return False
            keep = answer == SAVE
        try:
            session.close(keep=keep)
        except (OSError, ReadingError) as error:
            commands.message.emit(f"Not saved: {error}")
            return False
        self._clear()
        return True

    def _stop_building(self) -> None:
        """Take away what is being shown of a reading that is not open yet."""
        if self._building is None:
            return
        layers, session = self._building
        self._building = None
        self.opener.cancel()
        self._garbage.resume()
        layers.close()
        session.close()

    def _clear(self) -> None:
        if self.tools is not None and self.view is not None and self.layers is not None:
            self.tools.close()
            self.frame.remove_panel()
            self.view.changed.disconnect()
            self.view.lay_side_by_side()
            self.layers.close()
        self.session = self.layers = self.panel = self.commands = self.tools = self.view = None
        self._garbage.collect()


def open_review(viewer: Viewer, cases: list[ReviewCase], **options: Any) -> ReviewController:
    """Return the controller with its first case being opened."""
    controller = ReviewController(viewer, cases, **options)
    controller.open()
    return controller
