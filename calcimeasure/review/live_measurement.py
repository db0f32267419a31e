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
from calcimeasure.review.review_input import ReviewInput

METHOD = "reader"
LARGEST_CACHE = 2000


class LiveMeasurement:
    """The measurement of one film of a state, kept equal to a fresh `measure_film` of its labels.

    Parameters
    ----------
    film, anatomy
        The film and its masks.
    visit
        Its key in the state.
    precision
        The reader's relative SD of a painted area.
    warnings
        Those of the first labels.

    Attributes
    ----------
    measurement
        The film as it stands; its deposits are numbered 1..n without gaps, `numbers` holds the state's own.
    """

    def __init__(
        self,
        film: Radiograph,
        anatomy: Anatomy,
        visit: TimePoint,
        *,
        precision: float | None = None,
        warnings: tuple[Notice, ...] = (),
    ) -> None:
        self.film = film
        self.anatomy = anatomy
        self.visit = visit
        self.precision = precision
        self.warnings = warnings
        self.measurement: FilmMeasurement
        self._rows: dict[int, DepositMeasurement] = {}
        self._raw: dict[int, RawMeasurement] = {}
        self._known: dict[bytes, RawMeasurement] = {}
        self._numbers: list[int] = []
        self._image: NDArray[np.uint16] = np.zeros(film.shape, np.uint16)
        self._reach = influence_px(film, anatomy)

    @classmethod
    def of(cls, review_input: ReviewInput, visit: TimePoint) -> LiveMeasurement:
        """Return the measurement of one film of a review, before `start`."""
        return cls(
            review_input.films[visit],
            review_input.anatomies[visit],
            visit,
            precision=review_input.precision,
            warnings=review_input.labels[visit].warnings,
        )

    def anew(self) -> LiveMeasurement:
        """Return another one of the same film, which holds no deposits yet and knows what this one has measured."""
        other = LiveMeasurement(self.film, self.anatomy, self.visit, precision=self.precision, warnings=self.warnings)
        other._known = dict(self._known)
        return other

    @property
    def numbers(self) -> tuple[int, ...]:
        """The state's number of each measured deposit, in order: entry k is deposit k + 1 of the measurement."""
        return tuple(self._numbers)

    def row(self, number: int) -> DepositMeasurement | None:
        """Return what is measured of the state's deposit `number`, or None where there is none."""
        return self._rows.get(number)

    def pixels(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and columns of a deposit's pixels, row by row."""
        raw = self._raw[number]
        return raw.rows, raw.cols

    def start(self, state: AnnotationState, measured: FilmMeasurement | None = None) -> None:
        """Measure everything, or take it over from who has measured these very deposits."""
        self._rows, self._raw = {}, {}
        self._numbers = sorted(state.deposits[self.visit])
        image = state.images[self.visit]
        gapless = self._numbers == list(range(1, len(self._numbers) + 1))
        self._image = image.copy() if gapless else self._table()[image]
        if measured is None or not self._take_over(state, measured):
            self._measure(state, self._numbers, None)

    def _take_over(self, state: AnnotationState, measured: FilmMeasurement) -> bool:
        """Take rows and edges over where they are those of this film, masks, labels and reader."""
        same = measured.film is self.film and measured.anatomy is self.anatomy
        painted = any(row.area_method is AreaMethod.OUTLINE for row in measured.deposits)
        if not same or (painted and self.precision is not None) or measured.labels.deposits != self._entries(state):
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
            self._raw[number] = one = RawMeasurement(
                area=deposit_area(row),
                edge=measured.edges.get(label),
                estimator=row.area_estimator or AreaEstimator(row.area_method.value),
                contrast=row.integrated_contrast,
                over_exposed=label in measured.over_exposed,
                rows=rows[own],
                cols=cols[own],
            )
            self._remember(self._fingerprint(label, one.box, row.area_method), one)
        self.measurement = self._assemble(self._labels(state))
        return True

    def update(self, state: AnnotationState, edit: AnnotationEdit, preview: FilmMeasurement | None = None) -> bool:
        """Follow an edit that was applied to the state; return whether it affected this film.

        Parameters
        ----------
        preview
            The film as somebody has measured it after this edit, perhaps: it is taken over if it fits.
        """
        if not self.concerns(edit):
            return False
        if preview is not None:
            self.start(state, preview)
            return True
        if all(patch.visit is not self.visit for patch in edit.patches) and not self._changes_measurement(edit):
            self._rename(state, edit)
            return True
        affected = self._affected(state, edit)
        self._renumber(state)
        table = self._table()
        for patch in edit.patches:
            if patch.visit is self.visit:
                self._image[patch.window] = table[patch.after]
        position = {number: k for k, number in enumerate(self._numbers, start=1)}
        boxes = {position[number]: self._box(number, position[number], edit) for number in affected & set(position)}
        self._measure(state, affected, boxes)
        return True

    def concerns(self, edit: AnnotationEdit) -> bool:
        """Return whether an edit changes pixels or entries of this film."""
        films = {patch.visit for patch in edit.patches} | {entry.visit for entry in edit.entries}
        return self.visit in films

    def touched(self, edit: AnnotationEdit) -> set[int]:
        """Return the state's numbers of the deposits of this film that an edit itself changes."""
        numbers = {entry.label for entry in edit.entries if entry.visit is self.visit}
        for patch in edit.patches:
            if patch.visit is self.visit:
                changed = patch.before != patch.after
                numbers |= set(np.unique(patch.before[changed]).tolist())
                numbers |= set(np.unique(patch.after[changed]).tolist())
        return numbers - {0}

    def _changes_measurement(self, edit: AnnotationEdit) -> bool:
        """Return whether an edit brings, removes or measures a deposit of this film in another way."""
        return any(
            entry.before is None or entry.after is None or entry.before.area_method is not entry.after.area_method
            for entry in edit.entries
            if entry.visit is self.visit
        )

    def _rename(self, state: AnnotationState, edit: AnnotationEdit) -> None:
        """Follow an edit that says something else of a deposit and moves no pixel: no area changes."""
        for number in self.touched(edit):
            said = state.deposits[self.visit][number]
            self._rows[number] = replace(
                self._rows[number], finding=said.finding, origin=said.origin, confidence=said.confidence
            )
        labels = replace(self.measurement.labels, deposits=self._entries(state))
        self.measurement = self._assemble(labels)

    def _entries(self, state: AnnotationState) -> tuple[Deposit, ...]:
        known = state.deposits[self.visit]
        return tuple(replace(known[number], label=k) for k, number in enumerate(self._numbers, start=1))

    def _affected(self, state: AnnotationState, edit: AnnotationEdit) -> set[int]:
        """Return the numbers whose entry or pixels changed, and those near enough to feel it."""
        affected = self.touched(edit)
        image = state.images[self.visit]
        for patch in edit.patches:
            if patch.visit is not self.visit:
                continue
            rows, cols = patch.after.shape
            around = (
                slice(max(patch.row - self._reach, 0), patch.row + rows + self._reach),
                slice(max(patch.col - self._reach, 0), patch.col + cols + self._reach),
            )
            affected |= set(np.flatnonzero(np.bincount(image[around].ravel())).tolist())
        return affected

    def _table(self) -> NDArray[np.uint16]:
        table = np.zeros(LARGEST_LABEL + 1, dtype=np.uint16)
        table[self._numbers] = np.arange(1, len(self._numbers) + 1)
        return table

    def _renumber(self, state: AnnotationState) -> None:
        """Follow deposits that came or went: those after them move up or down, wherever their pixels were."""
        numbers = sorted(state.deposits[self.visit])
        if numbers == self._numbers:
            return
        before = {number: k for k, number in enumerate(self._numbers, start=1)}
        self._numbers = numbers
        for k, number in enumerate(numbers, start=1):
            if number in before and before[number] != k:
                self._image[self.pixels(number)] = k

    def _box(self, number: int, position: int, edit: AnnotationEdit) -> Box:
        """Return the smallest window that holds a deposit: in it lie its old pixels and what the edit put down."""
        windows = edit.windows(self.visit)
        if number in self._raw:
            rows, cols = self.pixels(number)
            own = (slice(int(rows.min()), int(rows.max()) + 1), slice(int(cols.min()), int(cols.max()) + 1))
            windows.append(own)
        around = reduce(union_box, windows)
        return bounding_box(self._image[around] == position, around) or around

    def _labels(self, state: AnnotationState) -> DepositLabels:
        return DepositLabels(
            image=self._image.copy(),
            deposits=self._entries(state),
            method=METHOD,
            film_sha256=self.film.sha256,
            warnings=self.warnings,
        )

    def _measure(self, state: AnnotationState, affected: Iterable[int], boxes: Mapping[int, Box] | None) -> None:
        labels = self._labels(state)
        position = {number: k for k, number in enumerate(self._numbers, start=1)}
        again = {position[number]: number for number in affected if number in position}
        found = self._raw_measurements(
            labels, again.keys(), boxes if boxes is not None else bounding_boxes(self._image)
        )
        for row in measurement_rows(self.film, labels, found, self.anatomy):
            number = again[row.label]
            self._rows[number] = row
            self._raw[number] = found[row.label]
        self._rows = {number: replace(self._rows[number], label=position[number]) for number in self._numbers}
        self._raw = {number: self._raw[number] for number in self._numbers}
        self.measurement = self._assemble(labels)

    def _raw_measurements(
        self, labels: DepositLabels, wanted: Iterable[int], boxes: Mapping[int, Box]
    ) -> dict[int, RawMeasurement]:
        """Return what the pixels say of some deposits; of what looks as it did before, what was found then."""
        methods = {deposit.label: deposit.area_method for deposit in labels.deposits}
        fingerprints = {
            label: self._fingerprint(label, boxes[label], methods[label]) for label in wanted if label in boxes
        }
        known = {label: one for label, key in fingerprints.items() if (one := self._known.get(key)) is not None}
        new = sorted(fingerprints.keys() - known)
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
            self._remember(fingerprints[label], one)
        return {**known, **found}

    def _fingerprint(self, label: int, box: Box, method: AreaMethod) -> bytes:
        """Return what stands for all that the measurement of a deposit depends on, beside film, masks and reader."""
        window = pad_box(box, (self._reach, self._reach), self.film.shape)
        here = self._image[window]
        digest = blake2b(repr((method.value, window)).encode(), digest_size=32)
        for part in (here == label, here != 0):
            digest.update(np.packbits(part).tobytes())
        return digest.digest()

    def _remember(self, key: bytes, found: RawMeasurement) -> None:
        if len(self._known) >= LARGEST_CACHE:
            self._known.clear()
        self._known[key] = found

    def _assemble(self, labels: DepositLabels) -> FilmMeasurement:
        raw = dict(enumerate(self._raw.values(), start=1))
        return film_measurement(self.film, labels, tuple(self._rows.values()), raw, self.anatomy)
