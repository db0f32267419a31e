"""What a reader edits: the deposits of one or two films and the links between them; and one edit of it.

An `AnnotationState` is the only mutable value. It changes through `AnnotationEdit` values, each of which knows its
inverse, so that undoing every edit gives back the first state byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box, bounding_boxes, union_box
from calcimeasure.deposits import LARGEST_LABEL, Deposit, DepositLabels
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint


@dataclass(frozen=True, kw_only=True, slots=True)
class ManualLink:
    """What a reader decided about deposits across the films: they are the same, or (not `joined`) they are not."""

    baseline_label: int
    followup_label: int
    joined: bool = True


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class LabelPatch:
    """A window of one film's label image, before and after an edit; `row` and `col` are its first pixel."""

    visit: TimePoint
    row: int
    col: int
    before: NDArray[np.uint16]
    after: NDArray[np.uint16]

    @property
    def window(self) -> Box:
        """The rows and columns of the film that it covers."""
        rows, cols = self.after.shape
        return (slice(self.row, self.row + rows), slice(self.col, self.col + cols))


@dataclass(frozen=True, kw_only=True, slots=True)
class DepositEntry:
    """One deposit's entry before and after an edit; None where it was not, or is no longer."""

    visit: TimePoint
    label: int
    before: Deposit | None
    after: Deposit | None


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class AnnotationEdit:
    """One step that a reader takes: what changes in the label images, the entries and the links.

    Attributes
    ----------
    name
        What the undo button says, e.g. ``Split deposit 4``.
    """

    name: str
    patches: tuple[LabelPatch, ...] = ()
    entries: tuple[DepositEntry, ...] = ()
    links: tuple[frozenset[ManualLink], frozenset[ManualLink]] | None = None

    def windows(self, visit: TimePoint) -> list[Box]:
        """Return the windows of one film that it changes."""
        return [patch.window for patch in self.patches if patch.visit is visit]

    @property
    def empty(self) -> bool:
        """Whether it changes nothing, so that it must not fill the history."""
        return not self.patches and not self.entries and (self.links is None or self.links[0] == self.links[1])

    @property
    def inverse(self) -> AnnotationEdit:
        """The edit that takes this one back."""
        return AnnotationEdit(
            name=self.name,
            patches=tuple(
                LabelPatch(visit=p.visit, row=p.row, col=p.col, before=p.after, after=p.before)
                for p in reversed(self.patches)
            ),
            entries=tuple(
                DepositEntry(visit=e.visit, label=e.label, before=e.after, after=e.before)
                for e in reversed(self.entries)
            ),
            links=None if self.links is None else (self.links[1], self.links[0]),
        )


@dataclass(kw_only=True, eq=False)
class AnnotationState:
    """Deposits and links as they stand. Numbers may have gaps: they never change while a reader edits.

    Attributes
    ----------
    images
        uint16 label image a film; changed in place, so that a viewer may show it.
    deposits
        The entries a film, by number.
    links
        What the reader decided about links, over what was found.
    """

    images: dict[TimePoint, NDArray[np.uint16]]
    deposits: dict[TimePoint, dict[int, Deposit]]
    links: frozenset[ManualLink] = field(default_factory=frozenset)
    _boxes: dict[TimePoint, dict[int, Box]] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: Mapping[TimePoint, DepositLabels], links: Iterable[ManualLink] = ()) -> AnnotationState:
        """Return a state with a copy of these labels."""
        return cls(
            images={visit: np.array(value.image) for visit, value in labels.items()},
            deposits={visit: {d.label: d for d in value.deposits} for visit, value in labels.items()},
            links=frozenset(links),
        )

    def apply(self, edit: AnnotationEdit) -> None:
        """Change the state by one edit.

        Raises
        ------
        ReadingError
            When the state is not what the edit was made for; it is then left as it was.
        """
        self._check(edit)
        for patch in edit.patches:
            self.images[patch.visit][patch.window] = patch.after
            self._widen_boxes(patch)
        for entry in edit.entries:
            if entry.after is None:
                del self.deposits[entry.visit][entry.label]
            else:
                self.deposits[entry.visit][entry.label] = entry.after
        if edit.links is not None:
            self.links = edit.links[1]

    def fits(self, edit: AnnotationEdit) -> bool:
        """Return whether an edit was made for the state as it is now."""
        try:
            self._check(edit)
        except ReadingError:
            return False
        return True

    def shows_as(self, other: AnnotationState) -> bool:
        """Return whether another state holds the same deposits on the same pixels, whatever was said of their links."""
        return self.deposits == other.deposits and all(
            np.array_equal(image, other.images[visit]) for visit, image in self.images.items()
        )

    def _check(self, edit: AnnotationEdit) -> None:
        for patch in edit.patches:
            if not np.array_equal(self.images[patch.visit][patch.window], patch.before):
                raise ReadingError(f"'{edit.name}' does not fit the labels as they are now", where=patch.visit)
        for entry in edit.entries:
            if self.deposits[entry.visit].get(entry.label) != entry.before:
                raise ReadingError(f"'{edit.name}' does not fit deposit {entry.label}", where=entry.visit)
        if edit.links is not None and self.links != edit.links[0]:
            raise ReadingError(f"'{edit.name}' does not fit the links as they are now")

    def copied(self) -> AnnotationState:
        """Return a state of its own, that others can read while this one changes."""
        return AnnotationState(
            images={visit: image.copy() for visit, image in self.images.items()},
            deposits={visit: dict(known) for visit, known in self.deposits.items()},
            links=self.links,
        )

    def box(self, visit: TimePoint, label: int) -> Box | None:
        """Return a window that holds all of a deposit's pixels, or None where it has none; it may be larger."""
        if visit not in self._boxes:
            self._boxes[visit] = bounding_boxes(self.images[visit])
        return self._boxes[visit].get(label)

    def _widen_boxes(self, patch: LabelPatch) -> None:
        """Let the boxes that are known hold what a patch put down; what it took away leaves them too large at most."""
        boxes = self._boxes.get(patch.visit)
        if boxes is None:
            return
        for label in np.flatnonzero(np.bincount(patch.after[patch.after != patch.before])).tolist():
            boxes[label] = patch.window if label not in boxes else union_box(boxes[label], patch.window)

    def free_label(self, visit: TimePoint) -> int:
        """Return the number after the highest that a deposit of this film has.

        Raises
        ------
        ReadingError
            When the numbers are used up.
        """
        label = max(self.deposits[visit], default=0) + 1
        if label > LARGEST_LABEL:
            raise ReadingError("a film holds no more than 65535 deposits", where=visit)
        return label

    def labels(
        self, visit: TimePoint, *, film_sha256: str = "", method: str = "reader"
    ) -> tuple[DepositLabels, list[int]]:
        """Return the deposits of one film renumbered 1..n without gaps, and the state's number of each."""
        numbers = sorted(self.deposits[visit])
        renumber = np.zeros(LARGEST_LABEL + 1, dtype=np.uint16)
        renumber[numbers] = np.arange(1, len(numbers) + 1)
        deposits = tuple(
            Deposit(label=new, finding=old.finding, origin=old.origin, confidence=old.confidence)
            for new, old in enumerate((self.deposits[visit][number] for number in numbers), start=1)
        )
        value = DepositLabels(
            image=renumber[self.images[visit]], deposits=deposits, method=method, film_sha256=film_sha256
        )
        return value, numbers
