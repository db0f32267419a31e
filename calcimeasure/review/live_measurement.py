"""One film measured while a reader works on it: after an edit only what it can have altered is measured again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.boxes import Box, bounding_box, bounding_boxes, pad_box, union_box
from calcimeasure.deposits import LARGEST_LABEL, AreaEstimator, AreaMethod, Deposit, DepositLabels
from calcimeasure.measurement import influence_px
from calcimeasure.measurement.film_measurement import (
    RawMeasurement,
    deposit_area,
    film_measurement,
    measure_raw,
    measurement_rows,
)
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.notices import Notice, TimePoint
from calcimeasure.parallel import two_threads
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.region_overlap import labelled_pixels
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState

METHOD = "reader"
MOST_REMEMBERED = 2000


class LiveMeasurement:
    """The measurement of one film of a board, kept equal to a fresh `measure_film` of its labels.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    which
        Which film of the board it is.
    precision
        The reader's relative SD of a painted area.
    warnings
        Sentences that the first labels came with.

    Attributes
    ----------
    measurement
        The film as it stands; its deposits are numbered 1..n without gaps, `numbers` holds the board's own.
    """

    def __init__(
        self,
        film: Radiograph,
        anatomy: Anatomy,
        which: TimePoint,
        *,
        precision: float | None = None,
        warnings: tuple[Notice, ...] = (),
    ) -> None:
        self.film = film
        self.anatomy = anatomy
        self.which = which
        self.precision = precision
        self.warnings = warnings
        self.measurement: FilmMeasurement
        self._rows: dict[int, DepositMeasurement] = {}
        self._found: dict[int, RawMeasurement] = {}
        self._seen_before: dict[bytes, RawMeasurement] = {}
        self._numbers: list[int] = []
        self._image: NDArray[np.uint16] = np.zeros(film.shape, np.uint16)
        self._reach = influence_px(film, anatomy)

    def anew(self) -> LiveMeasurement:
        """Return another one of the same film, which holds no deposits yet and knows what this one has measured."""
        other = LiveMeasurement(self.film, self.anatomy, self.which, precision=self.precision, warnings=self.warnings)
        other._seen_before = dict(self._seen_before)
        return other

    @property
    def numbers(self) -> tuple[int, ...]:
        """The board's number of each measured deposit, in order: entry k is deposit k + 1 of the measurement."""
        return tuple(self._numbers)

    def row(self, number: int) -> DepositMeasurement | None:
        """Return what is measured of the board's deposit `number`, or None where there is none."""
        return self._rows.get(number)

    def places(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and columns of a deposit's pixels, row by row."""
        found = self._found[number]
        return found.rows, found.cols

    def start(self, board: AnnotationState, measured: FilmMeasurement | None = None) -> None:
        """Measure everything, or take it over from who has measured these very deposits."""
        self._rows, self._found = {}, {}
        self._numbers = sorted(board.deposits[self.which])
        image = board.images[self.which]
        gapless = self._numbers == list(range(1, len(self._numbers) + 1))
        self._image = image.copy() if gapless else self._table()[image]
        if measured is None or not self._take_over(board, measured):
            self._measure(board, self._numbers, None)

    def _take_over(self, board: AnnotationState, measured: FilmMeasurement) -> bool:
        """Take rows and edges over where they are those of this film, masks, labels and reader."""
        same = measured.film is self.film and measured.anatomy is self.anatomy
        painted = any(row.area_method is AreaMethod.OUTLINE for row in measured.deposits)
        if not same or (painted and self.precision is not None) or measured.labels.deposits != self._entries(board):
            return False
        if not np.array_equal(measured.labels.image, self._image):
            return False
        rows, cols = labelled_pixels(self._image)
        labels = self._image[rows, cols]
        order = np.argsort(labels, kind="stable")
        ends = np.cumsum(np.bincount(labels, minlength=len(self._numbers) + 1))
        for label, (number, row) in enumerate(zip(self._numbers, measured.deposits, strict=True), start=1):
            own = order[ends[label - 1] : ends[label]]
            self._rows[number] = row
            self._found[number] = one = RawMeasurement(
                area=deposit_area(row),
                edge=measured.edges.get(label),
                estimator=row.area_estimator or AreaEstimator(row.area_method.value),
                contrast=row.integrated_contrast,
                over_exposed=label in measured.over_exposed,
                rows=rows[own],
                cols=cols[own],
            )
            self._remember(self._sight_of(label, one.box, row.area_method), one)
        self.measurement = self._whole(self._labels(board))
        return True

    def update(self, board: AnnotationState, edit: AnnotationEdit, foreseen: FilmMeasurement | None = None) -> bool:
        """Follow an edit that was applied to the board; return whether it concerned this film.

        Parameters
        ----------
        foreseen
            The film as somebody has measured it after this edit, perhaps: it is taken over if it fits.
        """
        if not self.concerns(edit):
            return False
        if foreseen is not None:
            self.start(board, foreseen)
            return True
        if all(patch.film is not self.which for patch in edit.patches) and not self._measured_otherwise(edit):
            self._rename(board, edit)
            return True
        concerned = self._concerned(board, edit)
        self._renumber(board)
        table = self._table()
        for patch in edit.patches:
            if patch.film is self.which:
                self._image[patch.window] = table[patch.after]
        position = {number: k for k, number in enumerate(self._numbers, start=1)}
        boxes = {position[number]: self._box(number, position[number], edit) for number in concerned & set(position)}
        self._measure(board, concerned, boxes)
        return True

    def concerns(self, edit: AnnotationEdit) -> bool:
        """Return whether an edit changes pixels or entries of this film."""
        films = {patch.film for patch in edit.patches} | {entry.film for entry in edit.entries}
        return self.which in films

    def touched(self, edit: AnnotationEdit) -> set[int]:
        """Return the board's numbers of the deposits of this film that an edit itself changes."""
        numbers = {entry.label for entry in edit.entries if entry.film is self.which}
        for patch in edit.patches:
            if patch.film is self.which:
                changed = patch.before != patch.after
                numbers |= set(np.unique(patch.before[changed]).tolist())
                numbers |= set(np.unique(patch.after[changed]).tolist())
        return numbers - {0}

    def _measured_otherwise(self, edit: AnnotationEdit) -> bool:
        """Return whether an edit brings, removes or measures a deposit of this film in another way."""
        return any(
            entry.before is None or entry.after is None or entry.before.area_method is not entry.after.area_method
            for entry in edit.entries
            if entry.film is self.which
        )

    def _rename(self, board: AnnotationState, edit: AnnotationEdit) -> None:
        """Follow an edit that says something else of a deposit and moves no pixel: no area changes."""
        for number in self.touched(edit):
            said = board.deposits[self.which][number]
            self._rows[number] = replace(
                self._rows[number], finding=said.finding, origin=said.origin, confidence=said.confidence
            )
        labels = replace(self.measurement.labels, deposits=self._entries(board))
        self.measurement = self._whole(labels)

    def _entries(self, board: AnnotationState) -> tuple[Deposit, ...]:
        known = board.deposits[self.which]
        return tuple(replace(known[number], label=k) for k, number in enumerate(self._numbers, start=1))

    def _concerned(self, board: AnnotationState, edit: AnnotationEdit) -> set[int]:
        """Return the numbers whose entry or pixels changed, and those near enough to feel it."""
        concerned = self.touched(edit)
        image = board.images[self.which]
        for patch in edit.patches:
            if patch.film is not self.which:
                continue
            rows, cols = patch.after.shape
            around = (
                slice(max(patch.row - self._reach, 0), patch.row + rows + self._reach),
                slice(max(patch.col - self._reach, 0), patch.col + cols + self._reach),
            )
            concerned |= set(np.flatnonzero(np.bincount(image[around].ravel())).tolist())
        return concerned

    def _table(self) -> NDArray[np.uint16]:
        table = np.zeros(LARGEST_LABEL + 1, dtype=np.uint16)
        table[self._numbers] = np.arange(1, len(self._numbers) + 1)
        return table

    def _renumber(self, board: AnnotationState) -> None:
        """Follow deposits that came or went: those after them move up or down, wherever their pixels were."""
        numbers = sorted(board.deposits[self.which])
        if numbers == self._numbers:
            return
        before = {number: k for k, number in enumerate(self._numbers, start=1)}
        self._numbers = numbers
        for k, number in enumerate(numbers, start=1):
            if number in before and before[number] != k:
                self._image[self.places(number)] = k

    def _box(self, number: int, position: int, edit: AnnotationEdit) -> Box:
        """Return the smallest window that holds a deposit: in it lie its old pixels and what the edit put down."""
        windows = edit.windows(self.which)
        if number in self._found:
            rows, cols = self.places(number)
            own = (slice(int(rows.min()), int(rows.max()) + 1), slice(int(cols.min()), int(cols.max()) + 1))
            windows.append(own)
        around = reduce(union_box, windows)
        return bounding_box(self._image[around] == position, around) or around

    def _labels(self, board: AnnotationState) -> DepositLabels:
        return DepositLabels(
            image=self._image.copy(),
            deposits=self._entries(board),
            method=METHOD,
            film_sha256=self.film.sha256,
            warnings=self.warnings,
        )

    def _measure(self, board: AnnotationState, concerned: Iterable[int], boxes: Mapping[int, Box] | None) -> None:
        labels = self._labels(board)
        position = {number: k for k, number in enumerate(self._numbers, start=1)}
        again = {position[number]: number for number in concerned if number in position}
        found = self._looked_at(labels, again.keys(), boxes if boxes is not None else bounding_boxes(self._image))
        for row in measurement_rows(self.film, labels, found, self.anatomy):
            number = again[row.label]
            self._rows[number] = row
            self._found[number] = found[row.label]
        self._rows = {number: replace(self._rows[number], label=position[number]) for number in self._numbers}
        self._found = {number: self._found[number] for number in self._numbers}
        self.measurement = self._whole(labels)

    def _looked_at(
        self, labels: DepositLabels, wanted: Iterable[int], boxes: Mapping[int, Box]
    ) -> dict[int, RawMeasurement]:
        """Return what the pixels say of some deposits; of what looks as it did before, what was found then."""
        methods = {deposit.label: deposit.area_method for deposit in labels.deposits}
        sights = {label: self._sight_of(label, boxes[label], methods[label]) for label in wanted if label in boxes}
        known = {label: one for label, sight in sights.items() if (one := self._seen_before.get(sight)) is not None}
        new = sorted(sights.keys() - known)
        with two_threads():
            found = measure_raw(
                self.film,
                labels,
                new,
                anatomy=self.anatomy,
                precision=self.precision,
                boxes={label: boxes[label] for label in new},
            )
        for label, one in found.items():
            self._remember(sights[label], one)
        return {**known, **found}

    def _sight_of(self, label: int, box: Box, method: AreaMethod) -> bytes:
        """Return what stands for all that the measurement of a deposit depends on, beside film, masks and reader."""
        window = pad_box(box, (self._reach, self._reach), self.film.shape)
        here = self._image[window]
        told = blake2b(repr((method.value, window)).encode(), digest_size=32)
        for part in (here == label, here != 0):
            told.update(np.packbits(part).tobytes())
        return told.digest()

    def _remember(self, sight: bytes, found: RawMeasurement) -> None:
        if len(self._seen_before) >= MOST_REMEMBERED:
            self._seen_before.clear()
        self._seen_before[sight] = found

    def _whole(self, labels: DepositLabels) -> FilmMeasurement:
        raw = dict(enumerate(self._found.values(), start=1))
        return film_measurement(self.film, labels, tuple(self._rows.values()), raw, self.anatomy)
