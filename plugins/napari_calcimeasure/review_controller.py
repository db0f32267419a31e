"""The reading room: one viewer, a worklist, and one reading at a time, opened, kept, signed and closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from calcimeasure.errors import CalciMeasureError, ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review.draft import Draft
from calcimeasure.review.reading_lock import LockedError
from calcimeasure.review.reading_store import ReadingLocation
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.review_session import ReviewSession, unfinished, with_signed
from calcimeasure.segmentation import segment_points
from napari_calcimeasure.background_work import AtOnce, InThread, WorkMemory
from napari_calcimeasure.dialogs import CANCEL, GO_ON, LOOK, OTHER, SAVE, Asker, Dialogs
from napari_calcimeasure.edit_commands import EditCommands
from napari_calcimeasure.film_layers import warm
from napari_calcimeasure.film_view import FilmView
from napari_calcimeasure.layer_styles import length_px, nameless, spacing_of_ruler
from napari_calcimeasure.mouse_tools import MouseTools
from napari_calcimeasure.preferences import preferences
from napari_calcimeasure.review_layers import ReviewLayers
from napari_calcimeasure.review_panel import ReviewPanel
from napari_calcimeasure.worklist import ReviewCase

if TYPE_CHECKING:
    from napari import Viewer

SHORTEST_RULER_PX = 20.0
DONE = object()
BREATH_MS = 10
"""Between two steps of building the window, for whatever else it has to do."""
STATES = {"unread": "○ unread", "draft": "◐ draft", "signed": "● signed"}


class ReviewController(QObject):
    """The reading room of one viewer.

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
    parallel
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
        ask: Asker | None = None,
        read_only: bool = False,
        blinded: bool = False,
        seed: int = 0,
        parallel: bool = False,
        ours: bool = False,
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self.cases = cases
        self.reader = reader
        self.window: QWidget = viewer.window._qt_window  # noqa: SLF001 - napari offers no other way to its window
        self.ask = ask or Dialogs(self.window)
        self.read_only = read_only
        self.blinded = blinded
        self.seed = seed
        self.background: Any = AtOnce() if parallel else InThread(self)
        self.number = 0
        self._going_on = False
        self._gone = False
        self._rotation = 0
        self._pixels: dict[TimePoint, NDArray[np.float32]] = {}
        self._memory = WorkMemory(ours=ours)
        self._building: tuple[ReviewLayers, ReviewSession] | None = None
        self.session: ReviewSession | None = None
        self.desk: ReviewLayers | None = None
        self.panel: ReviewPanel | None = None
        self.commands: EditCommands | None = None
        self.hand: MouseTools | None = None
        self.view: FilmView | None = None
        self.dock = viewer.window.add_dock_widget(
            self._make_frame(), name="Reading", area="right", add_vertical_stretch=False
        )
        self.window.installEventFilter(self)
        self._tidy_window()
        self._memory.clean()

    # The window ----------------------------------------------------------------------------------------------------

    def _make_frame(self) -> QWidget:
        frame = QWidget()
        self.body = QVBoxLayout(frame)
        self.body.setContentsMargins(6, 6, 6, 6)
        bar = QHBoxLayout()
        self.before = QPushButton("◀ Previous")
        self.before.clicked.connect(lambda: self.go(self.number - 1))
        self.case_title = QLabel("")
        self.case_title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.worklist = QComboBox()
        self.worklist.setToolTip("The worklist: ○ unread, ◐ draft, ● signed")
        self.worklist.activated.connect(self._go_chosen)
        self.after = QPushButton("Next ▶")
        self.after.clicked.connect(lambda: self.go(self.number + 1))
        for widget, stretch in ((self.before, 0), (self.case_title, 1), (self.after, 0)):
            bar.addWidget(widget, stretch)
        self.body.addWidget(self.worklist)
        self.body.addLayout(bar)
        self.opening = QLabel("Opening …")
        self.opening.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.opening.setWordWrap(True)
        self.body.addWidget(self.opening, stretch=1)
        # On a small screen the panel is scrolled, and nothing in it is squeezed until it cannot be read.
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setVisible(False)
        self.body.addWidget(self.scroll, stretch=1)
        frame.setMinimumWidth(620)
        return frame

    def _tidy_window(self) -> None:
        """Leave to the films the room that napari's own layer lists take; its View menu brings them back."""
        window = self.viewer.window._qt_viewer  # noqa: SLF001 - napari offers no other way to its docks
        for dock in (window.dockLayerList, window.dockLayerControls):
            dock.setVisible(False)
        self.viewer.title = "CalciMeasure"

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Ask before the window closes over an unsigned reading."""
        if watched is self.window and event.type() == QEvent.Type.Close:
            if not self.leave():
                event.ignore()
                return True
            self.shut()
        return False

    def shut(self) -> None:
        """Let go of the viewer; the reading must have been left."""
        self._gone = True
        self.window.removeEventFilter(self)
        self.dock.hide()
        if isinstance(self.background, InThread):
            self.background.close()

    # Cases ---------------------------------------------------------------------------------------------------------

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
        self._show_case()  # back to where the reader stays, when leaving was not wanted

    def open(self, number: int = 0) -> None:
        """Open a case: the films in the background, then the reading."""
        self._rotation += 1
        self.number = number
        self.opening.setText("Opening the films and finding the deposits …")
        self.opening.setVisible(True)
        self._show_case()
        if not self.reader:
            self.reader = preferences().reader or self.ask.reader("R1")
        if isinstance(self.background, InThread):
            threading.Thread(target=warm, name="calcimeasure warming", daemon=True).start()
        self.background.run("Opening the films", self.case.open, self._still(self._opened), self._still(self._failed))

    def _still(self, told: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return what hears of the case that is being opened now, and of no other that is opened meanwhile."""
        rotation = self._rotation

        def hear(value: Any) -> None:
            if rotation == self._rotation and not self._gone:
                told(value)
            elif isinstance(value, ReviewSession):
                value.close()

        return hear

    def _opened(self, material: ReviewInput) -> None:
        going_on, self._going_on = self._going_on, False
        try:
            wanted, draft = self._unfinished(material, going_on=going_on)
            case = self.case if draft is None else self.case.calibrated_as(draft)
            if case is not self.case:
                self._open_again(case)
                return
        except CalciMeasureError as error:
            self._failed(error)
            return
        if wanted:
            self._begin(material, draft)
        else:
            self.opening.setText("Nothing is open.")

    def _open_again(self, case: ReviewCase) -> None:
        """Open the same reading with other options of its films, and go on with it."""
        self.cases[self.number] = case
        self._going_on = True
        self.open(self.number)

    def _failed(self, error: Exception) -> None:
        self.opening.setVisible(True)
        self.opening.setText(f"This could not be opened.\n\n{error}")

    def _unfinished(self, material: ReviewInput, *, going_on: bool = False) -> tuple[bool, Draft | None]:
        """Return whether the reader wants to read, and the unfinished work to go on with."""
        if self.read_only or not self.reader:
            return True, None
        draft = unfinished(ReadingLocation(root=self.case.root, key=material.key, reader=self.reader))
        answer = GO_ON if draft is None or going_on else self.ask.go_on(draft)
        return answer != CANCEL, draft if answer == GO_ON else None

    def _begin(self, material: ReviewInput, draft: Draft | None, *, look_only: bool = False) -> None:
        """Measure in the background, then show: gone on with, begun, or only looked at."""
        about = {"blinding": {"seed": self.seed, "left": self._order(material)[0].value}} if self.blinded else {}
        place = ReadingLocation(root=self.case.root, key=material.key, reader=self.reader) if self.reader else None
        look_only = look_only or self.read_only or place is None

        def make() -> ReviewSession:
            start = material if place is None or (draft is not None and not look_only) else with_signed(material, place)
            self._pixels = self._nameless(material) if self.blinded else {}
            return ReviewSession(start, place=place, read_only=look_only, draft=draft, about=about)

        def failed(error: Exception) -> None:
            if isinstance(error, LockedError):
                self._locked(material, error)
            else:
                self._failed(error)

        self.background.run("Measuring the deposits", make, self._still(self._show_session), self._still(failed))

    def _nameless(self, material: ReviewInput) -> dict[TimePoint, NDArray[np.float32]]:
        """Return what is seen of blinded films: no text that was burned in beside the limb, or over it."""
        return {
            which: nameless(film, material.anatomies[which], material.labels[which].image)
            for which, film in material.films.items()
        }

    def _locked(self, material: ReviewInput, error: LockedError) -> None:
        """Ask what to do about a reading that somebody else has open."""
        answer = self.ask.locked(str(error))
        if answer == LOOK:
            place = ReadingLocation(root=self.case.root, key=material.key, reader=self.reader)
            self._begin(material, unfinished(place), look_only=True)
            return
        reader = self.ask.reader("") if answer == OTHER else ""
        if reader:
            self.reader = reader
            self._opened(material)
        else:
            self.opening.setText("Nothing is open.")

    def _order(self, material: ReviewInput) -> tuple[TimePoint, ...]:
        films = tuple(material.films)
        if not self.blinded or len(films) < 2:
            return films
        chance = np.random.default_rng([self.seed, int(material.key[:8], 16)])
        return films if chance.random() < 0.5 else films[::-1]

    def _show_session(self, session: ReviewSession) -> None:
        """Build the reading's layers and panel step by step: the window lives on between the steps."""
        self.opening.setText("Showing the films …")
        order = self._order(session.material)
        titles = {which: f"Film {letter}" for which, letter in zip(order, "AB", strict=False)} if self.blinded else None
        desk = ReviewLayers(self.viewer, session, order=order, titles=titles, pixels=self._pixels, by_steps=True)
        self._building = (desk, session)
        self._memory.hold()
        self._step(chain(desk.build(), self._furnish(desk, session)))

    def _step(self, steps: Iterator[None]) -> None:
        if isinstance(self.background, InThread):
            if next(steps, DONE) is not DONE:
                QTimer.singleShot(BREATH_MS, partial(self._still(self._step), steps))
            return
        for _step in steps:
            pass

    def _furnish(self, desk: ReviewLayers, session: ReviewSession) -> Iterator[None]:
        """Put what the reader works with around the films; the reading is open with the last step."""
        view = FilmView(desk)
        commands = EditCommands(desk, background=self.background)
        hand = MouseTools(desk, commands, view, measure=self.calibrate)
        hidden = self.blinded or self.case.read_first
        panel = ReviewPanel(desk, commands, hand, view, sign=self.sign, hidden=hidden, search=not self.case.read_first)
        session.trouble = self._trouble
        session.changed.append(self._edited)
        self._building = None
        self.session, self.desk, self.view, self.commands, self.hand, self.panel = (
            session, desk, view, commands, hand, panel)  # fmt: skip
        self._memory.go_on()
        self.opening.setVisible(False)
        self.scroll.setWidget(panel)
        self.scroll.setVisible(True)
        self._warm(session.material)
        QTimer.singleShot(0, self._fit)  # once the panel has its room
        self._saving()
        self._show_case()
        yield

    def _warm(self, material: ReviewInput) -> None:
        """Load in the background what a first click needs, so that it does not wait for it."""

        def click() -> None:
            for which, film in material.films.items():
                middle = (film.shape[0] // 2, film.shape[1] // 2)
                segment_points(film, [middle], anatomy=material.anatomies[which])

        if isinstance(self.background, InThread):
            self.background.run("", click, lambda _nothing: None, lambda _error: None)

    def _edited(self, _changed: object) -> None:
        self._saving()
        if STATES[self._state()] not in self.case_title.text():
            self._show_case()

    def _fit(self) -> None:
        if self.view is not None and self.session is not None and not any(self.desk.chosen.values()):
            self.view.whole()

    def _show_case(self) -> None:
        many = len(self.cases) > 1
        state = self._state()
        place = f" &nbsp; {self.number + 1} of {len(self.cases)}" if many else ""
        self.case_title.setText(f"<b>{self._title(self.number)}</b><br>{STATES[state]}{place}")
        self.worklist.setVisible(many)
        if many:
            self.worklist.clear()
            states = [state if n == self.number else case.state(self.reader) for n, case in enumerate(self.cases)]
            self.worklist.addItems([f"{STATES[one][0]}  {self._title(n)}" for n, one in enumerate(states)])
            self.worklist.setCurrentIndex(self.number)
        for button, there, reason in (
            (self.before, self.number > 0, "This is the first of the worklist."),
            (self.after, self.number + 1 < len(self.cases), "This is the last of the worklist."),
        ):
            button.setVisible(many)
            button.setEnabled(there)
            button.setToolTip("" if there else reason)

    def _title(self, number: int) -> str:
        return f"Case {number + 1}" if self.blinded else self.cases[number].title

    def _state(self) -> str:
        if self.session is not None and self.session.signed is not None:
            return "signed"
        if self.session is not None and self.session.edited:
            return "draft"
        return self.case.state(self.reader)

    def _saving(self) -> None:
        if self.panel is None or self.session is None:
            return
        if self.session.signed is not None:
            text = "signed"
        elif self.session.read_only:
            text = "open to look at only"
        else:
            text = f"saved automatically in {self.case.root.name}"
        self.panel.saved.emit(text)

    def _trouble(self, error: Exception | None) -> None:
        """Tell, from the saving thread, what keeps a reading from being saved."""
        if self.panel is not None:
            self.panel.saved.emit("saving works again" if error is None else f"<b>NOT SAVED</b>: {error}")

    def calibrate(self, which: TimePoint, line: list[tuple[float, float]]) -> None:
        """Take a film's millimetres from a line of known length, and go on with the films opened anew."""
        session = self.session
        if session is None or self.commands is None:
            return
        film = session.material.films[which]
        pixels = length_px(film.spacing, line[0], line[-1])
        if pixels < SHORTEST_RULER_PX:
            self.commands.tell("Drag the ruler along something longer: over so few pixels its length is not certain.")
            return
        mm = self.ask.length(pixels)
        if mm is None:
            return
        spacing = spacing_of_ruler(film.spacing, line[0], line[-1], mm)
        case = self.case.calibrated({which: spacing})
        known = {one.value: case.film_options[one]["spacing_mm"] for one in case.film_options
                 if case.film_options[one].get("spacing_mm") is not None}  # fmt: skip
        session.about["spacing_mm"] = known
        session.note(f"Calibrate {which.value}: {mm:g} mm over {pixels:.1f} pixels", which)
        session.close()
        self._clear()
        self._open_again(case)

    # Signing and leaving -------------------------------------------------------------------------------------------

    def sign(self) -> None:
        """Ask, then sign in the background."""
        session, panel, commands = self.session, self.panel, self.commands
        if session is None or panel is None or commands is None:
            return
        if not self.ask.sign(panel.summary_text()):
            return
        commands.locked = "The reading is being signed."
        panel.refresh()

        def done(version: Path) -> None:
            commands.locked = ""
            panel.reveal()
            panel.refresh()
            panel.told.emit(f"Signed. The reading is in {version.relative_to(self.case.root)}")
            self._saving()
            self._show_case()

        def failed(error: Exception) -> None:
            commands.locked = ""
            panel.refresh()
            panel.told.emit(f"Not signed: {error}")

        self.background.run("Signing", session.sign, done, failed)

    def leave(self) -> bool:
        """Close this reading; return False where the reader would rather stay."""
        self._stop_building()
        session = self.session
        if session is None:
            return True
        if commands_locked(self.commands):
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
            if self.panel is not None:
                self.panel.told.emit(f"Not saved: {error}")
            return False
        self._clear()
        return True

    def _stop_building(self) -> None:
        """Take away what is being shown of a reading that is not open yet."""
        if self._building is None:
            return
        desk, session = self._building
        self._building = None
        self._rotation += 1
        self._memory.go_on()
        desk.close()
        session.close()

    def _clear(self) -> None:
        if self.hand is not None:
            self.hand.close()
        if self.panel is not None:
            self.scroll.takeWidget()
            self.scroll.setVisible(False)
            self.panel.hide()
            self.panel.deleteLater()
        if self.view is not None:
            self.view.lay_side_by_side()
        if self.desk is not None:
            self.desk.close()
        self.session = self.desk = self.panel = self.commands = self.hand = self.view = None
        self._memory.clean()


def commands_locked(commands: EditCommands | None) -> bool:
    """Return whether something is under way that must not be interrupted."""
    return commands is not None and bool(commands.locked)


def open_room(viewer: Viewer, cases: list[ReviewCase], **options: Any) -> ReviewController:
    """Return a room with its first case being opened."""
    room = ReviewController(viewer, cases, **options)
    room.open()
    return room
