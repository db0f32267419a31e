"""One reader at work on one film or pair: edits, undo, live areas and verdict, the log, saving and signing. No window.

A session holds a board and everything that follows from it. Every change of the board goes through `do`, `undo` and
`redo`; whatever is shown follows from `changed`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from calcimeasure.change.change_records import Comparison, Link
from calcimeasure.change.contour_propagation import AreaRatioEstimator
from calcimeasure.change.pair_comparison import assess_pair
from calcimeasure.change.unmatched import pair_limit_of_detection
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import ReadingError
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState
from calcimeasure.review.autosave import Autosave
from calcimeasure.review.draft import Draft, read_draft, write_draft
from calcimeasure.review.edit_history import EditHistory
from calcimeasure.review.live_links import LiveLinks, RatioCache
from calcimeasure.review.live_measurement import LiveMeasurement
from calcimeasure.review.live_unmatched import LiveUnmatched
from calcimeasure.review.manual_links import manual_decisions
from calcimeasure.review.reading_lock import ReadingLock
from calcimeasure.review.reading_store import ReadingLocation, signed_labels, version_number, write_signed
from calcimeasure.review.review_input import ReviewInput

Result = TypeVar("Result")


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
    """What will follow from an edit of a board: the board after it, the films that it concerns, and the links."""

    board: AnnotationState
    films: Mapping[TimePoint, FilmMeasurement]
    links: LiveLinks | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ReviewSession:
    """A reader's session.

    Parameters
    ----------
    material
        The films and where they start from.
    place
        Where the reading is kept; None keeps nothing (for looking and trying).
    read_only
        Look at what is there and change nothing: no lock, no draft.
    draft
        Unfinished work to go on with, from `unfinished`.
    now
        The clock, for tests.
    autosave_s
        How long edits are gathered before they are saved.
    """

    def __init__(
        self,
        material: ReviewInput,
        *,
        place: ReadingLocation | None = None,
        read_only: bool = False,
        draft: Draft | None = None,
        about: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = _utc_now,
        autosave_s: float = 1.5,
    ) -> None:
        self.material = material
        self.place = place
        self.read_only = read_only
        self.about = dict(about or {})
        self.changed: list[Callable[[SessionChange], None]] = []
        self.trouble: Callable[[Exception | None], None] | None = None
        self.signed: Path | None = None
        self.actions: list[dict[str, Any]] = []
        self._now = now
        self._guard = threading.RLock()
        self._step = SessionStep.DO
        self._foreseen: EditPreview | None = None
        self._unsaved = False
        self._locks: list[ReadingLock] = []
        self._autosave: Autosave | None = None
        self._found_draft: bytes | None = None
        self.board = self._first_board(draft)
        self.history = EditHistory(board=self.board, changed=self._follow)
        self.live = {
            which: LiveMeasurement(
                film,
                material.anatomies[which],
                which,
                precision=material.precision,
                warnings=material.labels[which].warnings,
            )
            for which, film in material.films.items()
        }
        if place is not None and not read_only:
            self._take(place, autosave_s)
        self._lone = LiveUnmatched(material.comparison)
        self._links = self._live_links()
        self._ratio_of = self._remembered_ratios()
        for which, live in self.live.items():
            live.start(self.board, self._measured(which))
        if self._links is not None:
            self._links.update(self.live, self.board.deposits)
        self.comparison: Comparison | None = self._judged(self.board, self.live, self._links)

    # What it starts from -------------------------------------------------------------------------------------------

    def _first_board(self, draft: Draft | None) -> AnnotationState:
        if draft is None:
            return AnnotationState.of(self.material.labels)
        for which, film in self.material.films.items():
            if draft.films.get(which) != film.sha256:
                raise ReadingError(
                    "the unfinished reading belongs to other films", where=which, remedy="Open it with its own films."
                )
        self.actions = [dict(action) for action in draft.actions]
        self.about = {**dict(draft.about or {}), **self.about}
        return draft.board

    def _take(self, place: ReadingLocation, autosave_s: float) -> None:
        """Become the one writer of this reading and of its films' own."""
        keys = dict.fromkeys([self.material.key, *(film.film_id for film in self.material.films.values())])
        try:
            for key in keys:
                self._locks.append(ReadingLock(place.of(key).folder))
        except BaseException:
            self._release()
            raise
        if self.actions and place.draft.is_file():
            self._found_draft = place.draft.read_bytes()
        self._autosave = Autosave(self._save, heartbeat=self._touch, failed=self._in_trouble, delay_s=autosave_s)

    # Editing -------------------------------------------------------------------------------------------------------

    def do(self, edit: AnnotationEdit, foreseen: EditPreview | None = None) -> bool:
        """Apply an edit, remember it, log it, and measure what it touched. Return whether anything changed.

        Parameters
        ----------
        foreseen
            From `foresee`, for an edit that touches so much that nobody would wait for it to be measured.
        """
        self._refuse_unless_open()
        self._foreseen = foreseen
        try:
            return self._act(SessionStep.DO, lambda: self.history.do(edit))
        finally:
            self._foreseen = None

    def snapshot(self) -> AnnotationState:
        """Return the board as it stands, for work beside the window."""
        with self._guard:
            return self.board.copied()

    def foresee(self, board: AnnotationState, edit: AnnotationEdit) -> EditPreview:
        """Return what will follow from an edit of a board from `snapshot`, which is changed.

        May run beside the window: what it asks two films together is remembered for when the edit is done.
        """
        board.apply(edit)
        ahead = {which: live.anew() for which, live in self.live.items()}
        for which, film in ahead.items():
            film.start(board, None if film.concerns(edit) else self.measurement(which))
        links = self._live_links()
        if links is not None:
            links.update(ahead, board.deposits)
        self._judged(board, ahead, links)
        films = {which: film.measurement for which, film in ahead.items() if film.concerns(edit)}
        return EditPreview(board=board, films=films, links=links)

    def undo(self) -> AnnotationEdit:
        """Take the last edit back and return it."""
        self._refuse_unless_open()
        return self._act(SessionStep.UNDO, self.history.undo)

    def redo(self) -> AnnotationEdit:
        """Do the last edit that was taken back again and return it."""
        self._refuse_unless_open()
        return self._act(SessionStep.REDO, self.history.redo)

    def note(self, what: str, which: TimePoint) -> None:
        """Log something that a person did to a film beside its labels, such as measuring its spacing."""
        self._refuse_unless_open()
        with self._guard:
            who = self.place.reader if self.place is not None else ""
            self.actions.append({"when": self._now().isoformat(), "who": who, "what": what, "step": "note",
                                 "films": {which.value: {}}, "deposits": []})  # fmt: skip
            self._unsaved = True
        if self._autosave is not None:
            self._autosave.edited()

    def _act(self, step: SessionStep, action: Callable[[], Result]) -> Result:
        with self._guard:
            self._step = step
            return action()

    def _refuse_unless_open(self) -> None:
        if self.read_only:
            raise ReadingError(
                "this reading is open to look at only", remedy="Start a reading of your own to change something."
            )
        if self.signed is not None:
            raise ReadingError("this reading is signed", remedy="Start a new version to change something.")

    def _follow(self, edit: AnnotationEdit) -> None:
        areas = {which: live.measurement.total_area_px for which, live in self.live.items()}
        before = self._areas_of(edit)
        foreseen = self._foreseen
        for live in self.live.values():
            live.update(self.board, edit, None if foreseen is None else foreseen.films.get(live.which))
        if foreseen is not None and foreseen.links is not None and self.board.shows_as(foreseen.board):
            self._links = foreseen.links
        elif self._links is not None:
            self._links.update(self.live, {which: live.touched(edit) for which, live in self.live.items()})
        self.comparison = self._judged(self.board, self.live, self._links)
        self._log(edit, areas, before)
        self._unsaved = True
        if self._autosave is not None:
            self._autosave.edited()
        for tell in tuple(self.changed):
            tell(SessionChange(edit=edit, step=self._step))

    def _areas_of(self, edit: AnnotationEdit) -> dict[tuple[TimePoint, int], float]:
        return {
            (which, number): row.area_px
            for which, live in self.live.items()
            for number in live.touched(edit)
            if (row := live.row(number)) is not None
        }

    def _log(
        self, edit: AnnotationEdit, totals: Mapping[TimePoint, float], before: Mapping[tuple[TimePoint, int], float]
    ) -> None:
        """Write down who did what and when, with the areas before and after."""
        after = self._areas_of(edit)
        self.actions.append(
            {
                "when": self._now().isoformat(),
                "who": self.place.reader if self.place is not None else "",
                "what": edit.name,
                "step": self._step.value,
                "films": {
                    which.value: {
                        "total_area_before_px": totals[which],
                        "total_area_after_px": live.measurement.total_area_px,
                        "pixel_area_mm2": live.film.spacing.pixel_area_mm2,
                    }
                    for which, live in self.live.items()
                    if live.concerns(edit)
                },
                "deposits": [
                    {
                        "film": which.value,
                        "number": number,
                        "area_before_px": before.get((which, number)),
                        "area_after_px": after.get((which, number)),
                    }
                    for which, number in sorted({*before, *after})
                ],
            }
        )

    # What follows from the board -----------------------------------------------------------------------------------

    def measurement(self, which: TimePoint) -> FilmMeasurement:
        """Return one film as it stands."""
        return self.live[which].measurement

    @property
    def links(self) -> tuple[Link, ...]:
        """The links as they stand; none for one film."""
        return self.comparison.links if self.comparison is not None else ()

    def _measured(self, which: TimePoint) -> FilmMeasurement | None:
        """Return what the comparison measured of a film, where there is one."""
        start = self.material.comparison
        if start is None:
            return None
        return start.baseline if which is TimePoint.BASELINE else start.followup

    def _live_links(self) -> LiveLinks | None:
        start, common = self.material.comparison, self.material.common
        if start is None or common is None or start.alignment is None:
            return None
        return LiveLinks(self.material.films, self.material.anatomies, start.alignment, common)

    def _remembered_ratios(self) -> RatioCache | None:
        start = self.material.comparison
        if start is None or start.alignment is None:
            return None
        return RatioCache(AreaRatioEstimator(start.alignment), start)

    def _judged(
        self, board: AnnotationState, films: Mapping[TimePoint, LiveMeasurement], live_links: LiveLinks | None
    ) -> Comparison | None:
        start = self.material.comparison
        if start is None:
            return None
        first, second = films[TimePoint.BASELINE].measurement, films[TimePoint.FOLLOWUP].measurement
        if live_links is None or start.alignment is None:
            return replace(start, baseline=first, followup=second)
        numbers = {which: live.numbers for which, live in films.items()}
        links = live_links.links(first, second, numbers, manual_decisions(board.links, numbers))
        return assess_pair(
            first,
            second,
            start.registration,
            start.alignment,
            self._lone.told(links, films, numbers),
            processing=self.material.processing,
            pair_warnings=self.material.pair_warnings,
            margin_ratio=self.material.margin_ratio,
            repositioning_sd=self.material.repositioning_sd,
            limit_of_detection_mm2=pair_limit_of_detection(
                (first, second), self.material.limit_of_detection_mm2, self.material.labels.values()
            ),
            ratio_of=self._ratio_of,
        )

    # Keeping it ----------------------------------------------------------------------------------------------------

    @property
    def unsaved(self) -> bool:
        """Whether an edit is not on the disk yet."""
        return self._unsaved

    @property
    def edited(self) -> bool:
        """Whether anything was done since the films were opened for the first time."""
        return bool(self.actions)

    def save(self) -> None:
        """Save now and wait for it."""
        if self._autosave is not None:
            self._autosave.now()

    def _save(self) -> None:
        if self.place is None or self.signed is not None:
            return
        with self._guard:
            draft = Draft(
                board=self.board.copied(),
                films={which: film.sha256 for which, film in self.material.films.items()},
                actions=tuple(self.actions),
                about={**self.about, "reader": self.place.reader, "paths": dict(self.material.paths)},
            )
            self._unsaved = False
        try:
            self._touch()
            write_draft(self.place.draft, draft)
        except (OSError, ReadingError):
            self._unsaved = True
            raise

    def _touch(self) -> None:
        for lock in self._locks:
            lock.touch()

    def _in_trouble(self, error: Exception | None) -> None:
        if self.trouble is not None:
            self.trouble(error)

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
        if self.place is None:
            raise ReadingError("this reading has no folder to be signed in", remedy="Open it with --out FOLDER.")
        with self._guard:
            at = self._now()
            self._touch()
            films = {which.value: self._sign_film(which, at) for which in self.material.films}
            version = self._sign_pair(films, at)
            self.signed = version
            self._unsaved = False
        self._stop_saving()
        self.place.draft.unlink(missing_ok=True)
        return version

    def _sign_film(self, which: TimePoint, at: datetime) -> dict[str, Any]:
        """Sign one film's reading, unless the reader's last version says the very same."""
        own = self._place_of(which)
        film, measured = self.material.films[which], self.measurement(which)
        versions = own.versions()
        alone = self.material.comparison is None
        if versions and not alone and _same(signed_labels(own.root, film, own.reader), measured):
            return {"sha256": film.sha256, "version": version_number(versions[-1])}
        version = own.next_version()
        write_signed(
            version,
            measured,
            signed_at=at,
            actions=[action for action in self.actions if which.value in action["films"]],
            films={which.value: {"sha256": film.sha256}},
            about=self._parent(versions),
        )
        return {"sha256": film.sha256, "version": version_number(version)}

    def _sign_pair(self, films: Mapping[str, Mapping[str, Any]], at: datetime) -> Path:
        place = self._place_of(None)
        versions = place.versions()
        if self.comparison is None:
            return versions[-1]
        return write_signed(
            place.next_version(),
            self.comparison,
            signed_at=at,
            actions=self.actions,
            films=films,
            about=self._parent(versions),
        )

    def _parent(self, versions: list[Path]) -> dict[str, Any]:
        follows = version_number(versions[-1]) if versions else None
        return {"follows_version": follows, **{key: self.about[key] for key in ("blinding",) if key in self.about}}

    def _place_of(self, which: TimePoint | None) -> ReadingLocation:
        if self.place is None:
            raise ReadingError("this reading has no folder")
        return self.place.of(self.material.key if which is None else self.material.films[which].film_id)

    def close(self, *, keep: bool = True) -> None:
        """End the session.

        Parameters
        ----------
        keep
            Save what is unsaved; False goes back to what was unfinished when the session began, or to nothing.
        """
        if self._autosave is None:
            return
        if keep and self._unsaved:
            self._autosave.now()
        if not keep and self.place is not None and self.signed is None:
            self._autosave.close()
            self._throw_away(self.place)
        self._stop_saving()

    def _throw_away(self, place: ReadingLocation) -> None:
        if self._found_draft is None:
            place.draft.unlink(missing_ok=True)
            return
        part = place.draft.with_name(place.draft.name + ".part")
        part.write_bytes(self._found_draft)
        part.replace(place.draft)

    def _stop_saving(self) -> None:
        if self._autosave is not None:
            self._autosave.close()
            self._autosave = None
        self._release()

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()


def unfinished(place: ReadingLocation) -> Draft | None:
    """Return the reader's unfinished work in a place, or None.

    Raises
    ------
    ReadingError
        When the draft is damaged.
    """
    return read_draft(place.draft) if place.draft.is_file() else None


def with_signed(material: ReviewInput, place: ReadingLocation) -> ReviewInput:
    """Return the material starting from what the reader signed last, for each film that the reader has read."""
    known = {
        which: labels
        for which, film in material.films.items()
        if (labels := signed_labels(place.root, film, place.reader)) is not None
    }
    return material.with_labels(known) if known else material


def _same(signed: DepositLabels | None, measured: FilmMeasurement) -> bool:
    if signed is None:
        return False
    labels = measured.labels
    return signed.deposits == labels.deposits and bool((signed.image == labels.image).all())
