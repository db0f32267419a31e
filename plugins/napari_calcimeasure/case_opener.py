"""From a case of the worklist to a session: films opened and measured in the background, questions asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from calcimeasure.errors import CalciMeasureError
from calcimeasure.notices import TimePoint
from calcimeasure.review.draft import About, Draft
from calcimeasure.review.reading_lock import LockedError
from calcimeasure.review.reading_store import ReadingLocation
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.review_session import ReviewSession, unfinished, with_signed
from napari_calcimeasure.background_work import BackgroundWork
from napari_calcimeasure.blinding import Blinding
from napari_calcimeasure.dialogs import CANCEL, GO_ON, LOOK, OTHER, Dialogs
from napari_calcimeasure.film_layers import preload
from napari_calcimeasure.worklist import ReviewCase

NOTHING_OPEN = "Nothing is open."


class CaseOpener:
    """Opens one case at a time; `opened` is emitted with its session, `message` with a sentence for the reader.

    Parameters
    ----------
    background
        Where films are read and measured.
    ask
        Who answers questions.
    read_only
        Look only.
    blinding
        What is hidden.

    Attributes
    ----------
    case
        The case, with the spacings that were measured in it.
    pixels
        What is shown of its films, where that is not all of them.
    """

    opened = Signal(ReviewSession)
    message = Signal(str)

    def __init__(self, background: BackgroundWork, ask: Dialogs, *, read_only: bool, blinding: Blinding) -> None:
        self.case: ReviewCase
        self.pixels: dict[TimePoint, NDArray[np.float32]] = {}
        self._background = background
        self._ask = ask
        self._read_only = read_only
        self._blinding = blinding
        self._reader = ""
        self._resuming = False
        self._opening = 0
        self._preloading: threading.Thread | None = None

    def open(self, case: ReviewCase, reader: str, *, resuming: bool = False) -> None:
        """Open a case; with `resuming` its draft is gone on with unasked."""
        self.cancel()
        self.case, self._reader, self._resuming = case, reader, resuming
        self.message.emit("Opening the films and finding the deposits …")
        if not self._background.synchronous:
            self._preloading = threading.Thread(target=preload, name="calcimeasure preload", daemon=True)
            self._preloading.start()
        self._background.run(
            "Opening the films", case.open, self.if_current(self._films_opened), self.if_current(self._failed)
        )

    def cancel(self) -> None:
        """Drop the results of what is being opened."""
        self._opening += 1

    def if_current(self, handle: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return what handles results of the case that is being opened now, and drops those of any other."""
        opening = self._opening

        def handle_current(value: Any) -> None:
            if opening == self._opening:
                handle(value)
            elif isinstance(value, ReviewSession):
                value.close()

        return handle_current

    def _location(self, review_input: ReviewInput) -> ReadingLocation | None:
        if not self._reader:
            return None
        return ReadingLocation(root=self.case.root, key=review_input.key, reader=self._reader)

    def _films_opened(self, review_input: ReviewInput) -> None:
        location, draft, answer = self._location(review_input), None, GO_ON
        try:
            if not self._read_only and location is not None:
                draft = unfinished(location)
                answer = GO_ON if draft is None or self._resuming else self._ask.go_on(draft)
            draft = draft if answer == GO_ON else None
            case = self.case if draft is None else self.case.calibrated_as(draft)
        except CalciMeasureError as error:
            self._failed(error)
            return
        if case is not self.case:
            self.open(case, self._reader, resuming=True)
        elif answer == CANCEL:
            self.message.emit(NOTHING_OPEN)
        else:
            self._begin(review_input, draft)

    def _begin(self, review_input: ReviewInput, draft: Draft | None, *, read_only: bool = False) -> None:
        """Measure in the background: gone on with, begun, or only looked at."""
        location = self._location(review_input)
        read_only = read_only or self._read_only or location is None
        about: About = {}
        if self._blinding.blinded:
            about["blinding"] = {"seed": self._blinding.seed, "left": self._blinding.order(review_input)[0].value}

        def make() -> ReviewSession:
            resumed = draft is not None and not read_only
            start = review_input if location is None or resumed else with_signed(review_input, location)
            self.pixels = self._blinding.pixels(review_input)
            if self._preloading is not None:
                self._preloading.join()  # pint must not be loaded by two threads
            return ReviewSession(start, location=location, read_only=read_only, draft=draft, about=about)

        def failed(error: Exception) -> None:
            if isinstance(error, LockedError):
                self._locked(review_input, error)
            else:
                self._failed(error)

        self._background.run("Measuring the deposits", make, self.if_current(self.opened.emit), self.if_current(failed))

    def _locked(self, review_input: ReviewInput, error: LockedError) -> None:
        """Ask what to do about a reading that somebody else has open."""
        answer, location = self._ask.locked(str(error)), self._location(review_input)
        if answer == LOOK and location is not None:
            self._begin(review_input, unfinished(location), read_only=True)
            return
        self._reader = self._ask.reader("") if answer == OTHER else ""
        if self._reader:
            self._films_opened(review_input)
        else:
            self.message.emit(NOTHING_OPEN)

    def _failed(self, error: Exception) -> None:
        self.message.emit(f"This could not be opened.\n\n{error}")
