"""One reader at work on one film or pair: edits, undo, live areas and verdict, the log, saving and signing. No window.

A session holds an annotation state and everything that follows from it. Every change goes through `do`, `undo` and
`redo`; whatever is shown follows from the signal `changed`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from psygnal import Signal

from calcimeasure.change.change_records import Comparison, Link
from calcimeasure.errors import ReadingError
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState
from calcimeasure.review.draft import About, Action, Draft, read_draft
from calcimeasure.review.draft_storage import DraftStorage
from calcimeasure.review.edit_history import EditHistory
from calcimeasure.review.live_comparison import LiveComparison
from calcimeasure.review.live_links import LiveLinks
from calcimeasure.review.live_measurement import LiveMeasurement
from calcimeasure.review.reading_store import ReadingLocation, signed_labels
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.signing import sign_reading


class SessionStep(StrEnum):
    """How an edit came about."""

    DO = "do"
    UNDO = "undo"
    REDO = "redo"


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionChange:
    """What a step changed: the edit as applied (the inverse, when undone) and how it came about."""

    edit: AnnotationEdit
    step: SessionStep


@dataclass(frozen=True, kw_only=True, eq=False)
class EditPreview:
    """What will follow from an edit: the state after it, the measured films that it concerns, and the links."""

    state: AnnotationState
    films: Mapping[TimePoint, FilmMeasurement]
    links: LiveLinks | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ReviewSession:
    """A reader's session.

    Parameters
    ----------
    review_input
        The films and where they start from.
    location
        Where the reading is kept; None keeps nothing (for looking and trying).
    read_only
        Look at what is there and change nothing: no lock, no draft.
    draft
        Unfinished work to go on with, from `unfinished`.
    about
        What else the draft and the signature shall hold, such as the blinding.
    now
        The clock, for tests.
    autosave_s
        How long edits are gathered before they are saved.
    """

    changed = Signal(SessionChange)
    """After every step, once all that follows from it is up to date."""
    save_failed = Signal(object)
    """In the saving thread: what kept the draft from being saved, and None once saving works again."""

    def __init__(
        self,
        review_input: ReviewInput,
        *,
        location: ReadingLocation | None = None,
        read_only: bool = False,
        draft: Draft | None = None,
        about: About | None = None,
        now: Callable[[], datetime] = _utc_now,
        autosave_s: float = 1.5,
    ) -> None:
        self.review_input = review_input
        self.location = location
        self.read_only = read_only
        self.about: About = {**(draft.about if draft is not None else {}), **(about or {})}
        self.signed: Path | None = None
        self.actions: list[Action] = [] if draft is None else list(draft.actions)
        self._now = now
        self._guard = threading.RLock()
        self._storage: DraftStorage | None = None
        self.state = _first_state(review_input, draft)
        self.history = EditHistory(state=self.state)
        self.live = {visit: LiveMeasurement.of(review_input, visit) for visit in review_input.films}
        if location is not None and not read_only:
            keys = [review_input.key, *(film.film_id for film in review_input.films.values())]
            self._storage = DraftStorage(
                location,
                keys,
                self._collect_draft,
                failed=self.save_failed.emit,
                delay_s=autosave_s,
                resumed=bool(self.actions),
            )
        for visit, live in self.live.items():
            live.start(self.state, review_input.measured(visit))
        self._change = LiveComparison(review_input, self.live, self.state)

    # Editing -------------------------------------------------------------------------------------------------------

    def do(self, edit: AnnotationEdit, preview: EditPreview | None = None) -> bool:
        """Apply an edit, remember it, log it, and measure what it touched. Return whether anything changed.

        Parameters
        ----------
        preview
            From `preview`, for an edit that touches so much that nobody would wait for it to be measured.
        """
        self._refuse_unless_open()
        with self._guard:
            if not self.history.do(edit):
                return False
            self._follow(edit, SessionStep.DO, preview)
        return True

    def undo(self) -> AnnotationEdit:
        """Take the last edit back and return it."""
        self._refuse_unless_open()
        with self._guard:
            edit = self.history.undo()
            self._follow(edit.inverse, SessionStep.UNDO)
        return edit

    def redo(self) -> AnnotationEdit:
        """Do the last edit that was taken back again and return it."""
        self._refuse_unless_open()
        with self._guard:
            edit = self.history.redo()
            self._follow(edit, SessionStep.REDO)
        return edit

    def snapshot(self) -> AnnotationState:
        """Return the state as it stands, for work in the background."""
        with self._guard:
            return self.state.copied()

    def preview(self, state: AnnotationState, edit: AnnotationEdit) -> EditPreview:
        """Return what will follow from an edit of a state from `snapshot`, which is changed; for the background."""
        state.apply(edit)
        ahead = {visit: live.anew() for visit, live in self.live.items()}
        for visit, film in ahead.items():
            film.start(state, None if film.concerns(edit) else self.measurement(visit))
        links = self._change.linked(ahead, state)
        self._change.assess(ahead, state, links)  # so that the ratios are known when the edit is done
        films = {visit: film.measurement for visit, film in ahead.items() if film.concerns(edit)}
        return EditPreview(state=state, films=films, links=links)

    def note(self, what: str, visit: TimePoint) -> None:
        """Log something that a person did to a film beside its labels, such as measuring its spacing."""
        self._refuse_unless_open()
        with self._guard:
            self.actions.append(self._action(what, "note", {visit.value: {}}))
        self._edited()

    def why_closed(self) -> str:
        """Return why nothing can be changed, or nothing."""
        if self.read_only:
            return "This reading is open to look at only."
        return "" if self.signed is None else "This reading is signed: start a new version to change it."

    def _refuse_unless_open(self) -> None:
        if reason := self.why_closed():
            raise ReadingError(reason)

    def _follow(self, edit: AnnotationEdit, step: SessionStep, preview: EditPreview | None = None) -> None:
        totals = {visit: live.measurement.total_area_px for visit, live in self.live.items()}
        before = self._areas_of(edit)
        for visit, live in self.live.items():
            live.update(self.state, edit, None if preview is None else preview.films.get(visit))
        fits = preview is not None and self.state.shows_as(preview.state)
        touched = {visit: live.touched(edit) for visit, live in self.live.items()}
        self._change.update(self.live, self.state, touched, preview.links if preview is not None and fits else None)
        self._log(edit, step, totals, before)
        self._edited()
        self.changed.emit(SessionChange(edit=edit, step=step))

    def _edited(self) -> None:
        if self._storage is not None:
            self._storage.edited()

    def _areas_of(self, edit: AnnotationEdit) -> dict[tuple[TimePoint, int], float]:
        return {
            (visit, number): row.area_px
            for visit, live in self.live.items()
            for number in live.touched(edit)
            if (row := live.row(number)) is not None
        }

    def _log(
        self,
        edit: AnnotationEdit,
        step: SessionStep,
        totals: Mapping[TimePoint, float],
        before: Mapping[tuple[TimePoint, int], float],
    ) -> None:
        """Write down who did what and when, with the areas before and after."""
        after = self._areas_of(edit)
        films: dict[str, dict[str, float | None]] = {
            visit.value: {
                "total_area_before_px": totals[visit],
                "total_area_after_px": live.measurement.total_area_px,
                "pixel_area_mm2": live.film.spacing.pixel_area_mm2,
            }
            for visit, live in self.live.items()
            if live.concerns(edit)
        }
        action = self._action(edit.name, step.value, films)
        for key in sorted({*before, *after}):
            action["deposits"].append(
                {
                    "film": key[0].value,
                    "number": key[1],
                    "area_before_px": before.get(key),
                    "area_after_px": after.get(key),
                }
            )
        self.actions.append(action)

    def _action(self, what: str, step: str, films: dict[str, dict[str, float | None]]) -> Action:
        who = "" if self.location is None else self.location.reader
        return {"when": self._now().isoformat(), "who": who, "what": what, "step": step, "films": films, "deposits": []}

    # What follows from the state -----------------------------------------------------------------------------------

    @property
    def comparison(self) -> Comparison | None:
        """The comparison as it stands; None for one film."""
        return self._change.comparison

    @property
    def links(self) -> tuple[Link, ...]:
        """The links as they stand; none for one film."""
        return self.comparison.links if self.comparison is not None else ()

    def measurement(self, visit: TimePoint) -> FilmMeasurement:
        """Return one film as it stands."""
        return self.live[visit].measurement

    # Keeping it ----------------------------------------------------------------------------------------------------

    @property
    def unsaved(self) -> bool:
        """Whether an edit is not on the disk yet."""
        return self._storage.unsaved if self._storage is not None else self.edited and self.signed is None

    @property
    def edited(self) -> bool:
        """Whether anything was done since the films were opened for the first time."""
        return bool(self.actions)

    def save(self) -> None:
        """Save now and wait for it."""
        if self._storage is not None:
            self._storage.save()

    def sign(self) -> Path:
        """Freeze the reading as the next version, of the pair and of each film that differs from its last version.

        Returns
        -------
        Path
            The version of the pair (of the film, for one film).

        Raises
        ------
        ReadingError
            When it is open to look at only, signed already, or kept nowhere.
        """
        self._refuse_unless_open()
        if self.location is None or self._storage is None:
            raise ReadingError("this reading has no folder to be signed in", remedy="Open it with --out FOLDER.")
        with self._guard:
            self._storage.touch()
            films = {visit: live.measurement for visit, live in self.live.items()}
            self.signed = sign_reading(
                self.location, films, self.comparison, actions=self.actions, about=self.about, signed_at=self._now()
            )
        self._storage.remove()
        self._storage = None
        return self.signed

    def close(self, *, keep: bool = True) -> None:
        """End the session.

        Parameters
        ----------
        keep
            Save what is unsaved; False goes back to what was unfinished when the session began, or to nothing.
        """
        if self._storage is not None:
            self._storage.close(keep=keep)
            self._storage = None

    def _collect_draft(self) -> Draft:
        with self._guard:
            about: About = {**self.about, "paths": {key.value: path for key, path in self.review_input.paths.items()}}
            if self.location is not None:
                about["reader"] = self.location.reader
            return Draft(
                state=self.state.copied(),
                films={visit: film.sha256 for visit, film in self.review_input.films.items()},
                actions=tuple(self.actions),
                about=about,
            )


def _first_state(review_input: ReviewInput, draft: Draft | None) -> AnnotationState:
    if draft is None:
        return AnnotationState.of(review_input.labels)
    for visit, film in review_input.films.items():
        if draft.films.get(visit) != film.sha256:
            raise ReadingError(
                "the unfinished reading belongs to other films", where=visit, remedy="Open it with its own films."
            )
    return draft.state


def unfinished(location: ReadingLocation) -> Draft | None:
    """Return the reader's unfinished work in a location, or None.

    Raises
    ------
    ReadingError
        When the draft is damaged.
    """
    return read_draft(location.draft) if location.draft.is_file() else None


def with_signed(review_input: ReviewInput, location: ReadingLocation) -> ReviewInput:
    """Return the input starting from what the reader signed last, for each film that the reader has read."""
    known = {
        visit: labels
        for visit, film in review_input.films.items()
        if (labels := signed_labels(location.root, film, location.reader)) is not None
    }
    return review_input.with_labels(known) if known else review_input
