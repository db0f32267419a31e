"""The draft of an open reading: its locks, and the thread that writes it soon after an edit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from calcimeasure.errors import ReadingError
from calcimeasure.review.autosave import Autosave
from calcimeasure.review.draft import Draft, write_draft
from calcimeasure.review.reading_lock import ReadingLock
from calcimeasure.review.reading_store import ReadingLocation


class DraftStorage:
    """Keeps one reading's draft on disk, as its only writer.

    Parameters
    ----------
    location
        The reading.
    keys
        The pair and films whose folders are locked.
    collect
        Returns what the draft holds now; called in the saving thread.
    failed
        Called in the saving thread with what kept the draft from being written, and with None once it works again.
    delay_s
        How long edits are gathered before they are saved.
    resumed
        Whether the session goes on with the draft on disk, which discarding then brings back.
    """

    def __init__(
        self,
        location: ReadingLocation,
        keys: Iterable[str],
        collect: Callable[[], Draft],
        *,
        failed: Callable[[Exception | None], None],
        delay_s: float,
        resumed: bool,
    ) -> None:
        self.location = location
        self.unsaved = False
        self._collect = collect
        self._locks: list[ReadingLock] = []
        try:
            for key in dict.fromkeys(keys):
                self._locks.append(ReadingLock(location.of(key).folder))
        except BaseException:
            self._release()
            raise
        self._earlier = location.draft.read_bytes() if resumed and location.draft.is_file() else None
        self._autosave = Autosave(self._write, heartbeat=self.touch, failed=failed, delay_s=delay_s)

    def edited(self) -> None:
        """Note that there is something to save."""
        self.unsaved = True
        self._autosave.edited()

    def save(self) -> None:
        """Save now and wait for it."""
        self._autosave.now()

    def touch(self) -> None:
        """Keep the locks, or raise `LockedError` where somebody took them over."""
        for lock in self._locks:
            lock.touch()

    def close(self, *, keep: bool) -> None:
        """Save what is unsaved, or go back to the draft that was found, and give the locks back."""
        if keep and self.unsaved:
            self.save()
        self._autosave.close()
        if not keep:
            self._restore()
        self._release()

    def remove(self) -> None:
        """Stop saving and remove the draft: the reading is signed."""
        self._autosave.close()
        self._release()
        self.location.draft.unlink(missing_ok=True)

    def _write(self) -> None:
        self.unsaved = False  # before collecting: an edit that comes meanwhile is saved once more
        draft = self._collect()
        try:
            self.touch()
            write_draft(self.location.draft, draft)
        except (OSError, ReadingError):
            self.unsaved = True
            raise

    def _restore(self) -> None:
        draft = self.location.draft
        if self._earlier is None:
            draft.unlink(missing_ok=True)
            return
        part = draft.with_name(draft.name + ".part")
        part.write_bytes(self._earlier)
        part.replace(draft)

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()
