"""From labels as they are to labels as a tool wants them: the smallest edit, made in a window of the film.

A film has millions of pixels and a deposit some thousands: whoever edits must not wait for the rest of the film.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calcimeasure.boxes import Box, bounding_box, union_box
from calcimeasure.deposits import Deposit, Finding, Origin
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState, DepositEntry, LabelPatch, ManualLink

Mask = NDArray[np.bool_]


def deposit_entry(state: AnnotationState, visit: TimePoint, label: int) -> Deposit:
    """Return what is known of a deposit, which must be there."""
    try:
        return state.deposits[visit][label]
    except KeyError:
        raise ReadingError(
            f"there is no deposit {label}", where=visit.value, remedy="Choose one in the table or on the film."
        ) from None


def mask_window(state: AnnotationState, visit: TimePoint, mask: Mask) -> Box | None:
    """Return where a mask of the film's shape is true, or None."""
    check_shape(state, visit, mask)
    return bounding_box(mask)


def whole_film(state: AnnotationState, visit: TimePoint) -> Box:
    """Return the window that is the film."""
    rows, cols = state.images[visit].shape
    return (slice(0, rows), slice(0, cols))


def surrounding_box(state: AnnotationState, visit: TimePoint, labels: Sequence[int]) -> Box:
    """Return a window that holds deposits whole; each must be there."""
    window: Box | None = None
    for label in labels:
        deposit_entry(state, visit, label)
        box = state.box(visit, label)
        if box is not None:
            window = box if window is None else union_box(window, box)
    return window or whole_film(state, visit)


def check_shape(state: AnnotationState, visit: TimePoint, image: NDArray[np.uint16] | Mask) -> None:
    """Refuse an image that is not of the film's shape."""
    shape = state.images[visit].shape
    if image.shape != shape:
        raise ReadingError(f"the labels are {image.shape}, the film {shape}", where=visit.value)


def reshape(
    state: AnnotationState,
    visit: TimePoint,
    window: Box,
    after: NDArray[np.uint16],
    name: str,
    *,
    born: dict[int, Origin] | None = None,
    kept: dict[int, Origin] | None = None,
    finding: Finding = Finding.CALCINOSIS,
    confidence: float = 1.0,
) -> AnnotationEdit:
    """Return the edit from a window of the labels to `after`: the smallest patch, and the entries that it touches."""
    before = state.images[visit][window]
    changed = before != after
    small = bounding_box(changed, window)
    if small is None:
        return AnnotationEdit(name=name)
    own = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(small, window, strict=True))
    changed = changed[own]
    patch = LabelPatch(
        visit=visit,
        row=small[0].start,
        col=small[1].start,
        before=before[own].copy(),
        after=np.array(after[own], dtype=np.uint16, order="C"),
    )
    counted = np.bincount(np.concatenate([patch.before[changed], patch.after[changed]]))
    entries = _entries(
        state,
        patch,
        [label for label in np.flatnonzero(counted).tolist() if label],
        born=born or {},
        kept=kept or {},
        finding=finding,
        confidence=confidence,
    )
    gone = {entry.label for entry in entries if entry.after is None}
    return AnnotationEdit(name=name, patches=(patch,), entries=entries, links=_links_without(state, visit, gone))


def _stays(state: AnnotationState, patch: LabelPatch, label: int) -> bool:
    """Return whether a deposit has a pixel left after a patch, in it or elsewhere on the film."""
    if (patch.after == label).any():
        return True
    box = state.box(patch.visit, label)
    if box is None:
        return False
    here = state.images[patch.visit][box] == label
    covered = tuple(
        slice(max(p.start - b.start, 0), max(p.stop - b.start, 0)) for p, b in zip(patch.window, box, strict=True)
    )
    here[covered] = False
    return bool(here.any())


def _entries(
    state: AnnotationState,
    patch: LabelPatch,
    touched: Iterable[int],
    *,
    born: dict[int, Origin],
    kept: dict[int, Origin],
    finding: Finding,
    confidence: float,
) -> tuple[DepositEntry, ...]:
    entries = []
    for label in touched:
        old = state.deposits[patch.visit].get(label)
        new: Deposit | None
        if not _stays(state, patch, label):
            new = None
        elif old is None:
            origin = born.get(label, Origin.DRAWN)
            new = Deposit(label=label, finding=finding, origin=origin, confidence=confidence)
        else:
            reshaped = old.origin if old.origin is Origin.DRAWN else Origin.EDITED
            new = replace(old, origin=kept.get(label, reshaped))
        if new != old:
            entries.append(DepositEntry(visit=patch.visit, label=label, before=old, after=new))
    return tuple(entries)


def _links_without(
    state: AnnotationState, visit: TimePoint, gone: set[int]
) -> tuple[frozenset[ManualLink], frozenset[ManualLink]] | None:
    def concerns(decided: ManualLink) -> bool:
        label = decided.baseline_label if visit is TimePoint.BASELINE else decided.followup_label
        return label in gone

    after = frozenset(decided for decided in state.links if not concerns(decided))
    return None if after == state.links else (state.links, after)
