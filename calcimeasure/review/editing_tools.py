"""The reader's tools, without a window: each takes the state and gives the one `AnnotationEdit` that the tool makes.

An edit changes only what the tool is used on: painting stays off other deposits unless `over_others`.
A deposit that a person reshapes becomes `edited`; one that a person drew stays `drawn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimeasure.boxes import Box, pad_box
from calcimeasure.deposits import LARGEST_LABEL, DepositLabels, Finding, Origin
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState, DepositEntry, ManualLink
from calcimeasure.review.label_edits import (
    Mask,
    check_shape,
    deposit_entry,
    mask_window,
    reshape,
    surrounding_box,
    whole_film,
)


def paint(
    state: AnnotationState, visit: TimePoint, label: int, mask: Mask, *, over_others: bool = False
) -> AnnotationEdit:
    """Add `mask` to a deposit; a number that is not on the film yet becomes a drawn deposit.

    Parameters
    ----------
    mask
        True where the brush went, shape of the film.
    over_others
        Take the pixels of other deposits too; else the brush stays off them.
    """
    known = label in state.deposits[visit]
    name = f"{'Paint' if known else 'Draw'} deposit {label}"
    window = mask_window(state, visit, mask)
    if window is None:
        return AnnotationEdit(name=name)
    here, painted = state.images[visit][window], mask[window]
    wanted = painted if over_others else painted & ((here == 0) | (here == label))
    after = np.where(wanted, np.uint16(label), here)
    return reshape(state, visit, window, after, name, born={label: Origin.DRAWN})


def erase(state: AnnotationState, visit: TimePoint, mask: Mask, *, label: int | None = None) -> AnnotationEdit:
    """Take `mask` away from one deposit, or from all; a deposit without pixels is gone."""
    name = f"Erase from deposit {label}" if label is not None else "Erase from deposits"
    window = mask_window(state, visit, mask)
    if window is None:
        return AnnotationEdit(name=name)
    here = state.images[visit][window]
    wanted = mask[window] & ((here == label) if label is not None else (here > 0))
    return reshape(state, visit, window, np.where(wanted, np.uint16(0), here), name)


def replace_pixels(
    state: AnnotationState, visit: TimePoint, image: NDArray[np.uint16], name: str, *, within: Box | None = None
) -> AnnotationEdit:
    """Return the edit that makes the label image this one: for a stroke that a viewer has painted already.

    Parameters
    ----------
    within
        Where it may differ, when that is known: elsewhere nobody looks.
    """
    check_shape(state, visit, image)
    window = within or whole_film(state, visit)
    return reshape(state, visit, window, image[window], name)


def add(
    state: AnnotationState, visit: TimePoint, mask: Mask, *, origin: Origin, confidence: float = 1.0
) -> AnnotationEdit:
    """Add a new deposit where nothing is labelled yet.

    Raises
    ------
    ReadingError
        When the mask has no free pixel.
    """
    label = state.free_label(visit)
    window = mask_window(state, visit, mask)
    if window is None or not (mask[window] & (state.images[visit][window] == 0)).any():
        raise ReadingError("there is no free place for a deposit here", remedy="Erase or edit the deposit that is.")
    here = state.images[visit][window]
    after = np.where(mask[window] & (here == 0), np.uint16(label), here)
    verb = "Click" if origin is Origin.CLICKED else "Add"
    return reshape(state, visit, window, after, f"{verb} deposit {label}", born={label: origin}, confidence=confidence)


def extend(state: AnnotationState, visit: TimePoint, label: int, mask: Mask) -> AnnotationEdit:
    """Add a clicked piece to a deposit; a clicked one stays clicked, any other becomes edited."""
    entry = deposit_entry(state, visit, label)
    name = f"Add a piece to deposit {label}"
    window = mask_window(state, visit, mask)
    if window is None:
        return AnnotationEdit(name=name)
    here = state.images[visit][window]
    after = np.where(mask[window] & (here == 0), np.uint16(label), here)
    kept = {label: Origin.CLICKED} if entry.origin is Origin.CLICKED else {}
    return reshape(state, visit, window, after, name, kept=kept)


def delete(state: AnnotationState, visit: TimePoint, *labels: int) -> AnnotationEdit:
    """Remove deposits."""
    window = surrounding_box(state, visit, labels)
    here = state.images[visit][window]
    return reshape(
        state, visit, window, np.where(np.isin(here, labels), np.uint16(0), here), f"Delete {_named(labels)}"
    )


def resize_deposit(state: AnnotationState, visit: TimePoint, *labels: int, pixels: int) -> AnnotationEdit:
    """Loosen (positive) or tighten (negative) the boundary of deposits by some pixels, measured in a straight line."""
    window = pad_box(surrounding_box(state, visit, labels), (max(pixels, 0) + 1,) * 2, state.images[visit].shape)
    here = state.images[visit][window]
    for label in sorted(set(labels)):
        here = _resized(here, label, pixels)
    return reshape(state, visit, window, here, f"{'Loosen' if pixels > 0 else 'Tighten'} {_named(labels)}")


def _resized(image: NDArray[np.uint16], label: int, pixels: int) -> NDArray[np.uint16]:
    from skimage.morphology import isotropic_dilation, isotropic_erosion

    mask = image == label
    if pixels > 0:
        return np.where(isotropic_dilation(mask, pixels) & (image == 0), np.uint16(label), image)
    kept = isotropic_erosion(np.pad(mask, 1), -pixels)[1:-1, 1:-1]  # beyond the film's border lies no deposit
    return np.where(mask & ~kept, np.uint16(0), image)


def split(state: AnnotationState, visit: TimePoint, label: int, line: Sequence[tuple[float, float]]) -> AnnotationEdit:
    """Cut a deposit along a line; every piece but the largest gets a number of its own.

    Parameters
    ----------
    line
        (row, col) points of the cut, in order.

    Raises
    ------
    ReadingError
        When the line does not part the deposit.
    """
    from skimage.measure import label as connected_components

    entry = deposit_entry(state, visit, label)
    window = surrounding_box(state, visit, [label])
    here = state.images[visit][window]
    mask = here == label
    before = int(connected_components(mask, connectivity=2).max())
    pieces = connected_components(mask & ~_line_mask(here.shape, window, line), connectivity=1)
    if pieces.max() <= before:
        raise ReadingError(
            f"the line does not part deposit {label}", remedy="Draw it across the deposit, from edge to edge."
        )
    order = np.argsort(-np.bincount(pieces.ravel())[1:], kind="stable") + 1
    free = state.free_label(visit)
    after = here.copy()
    for number, piece in enumerate(order[1:]):
        after[pieces == piece] = free + number  # the cut itself keeps the number: a split must not lose area
    born = {free + number: entry.origin for number in range(len(order) - 1)}
    return reshape(state, visit, window, after, f"Split deposit {label}", born=born, finding=entry.finding)


def _line_mask(shape: tuple[int, ...], window: Box, line: Sequence[tuple[float, float]]) -> Mask:
    """Return the pixels of a window that a polygonal line of the film runs over."""
    from skimage.draw import line as line_pixels

    mask = np.zeros(shape, np.bool_)
    for (row_1, col_1), (row_2, col_2) in pairwise(line):
        rows, cols = line_pixels(round(row_1), round(col_1), round(row_2), round(col_2))
        rows, cols = rows - window[0].start, cols - window[1].start
        inside = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
        mask[rows[inside], cols[inside]] = True
    return mask


def merge(state: AnnotationState, visit: TimePoint, labels: Sequence[int]) -> AnnotationEdit:
    """Make several deposits one; the lowest number stays, no pixel changes hands otherwise."""
    chosen = sorted(set(labels))
    if len(chosen) < 2:
        raise ReadingError("a merge needs two deposits or more", remedy="Choose them in the table.")
    entries = [deposit_entry(state, visit, label) for label in chosen]
    window = surrounding_box(state, visit, chosen)
    here = state.images[visit][window]
    after = np.where(np.isin(here, chosen[1:]), np.uint16(chosen[0]), here)
    same = {entry.origin for entry in entries}
    kept = {chosen[0]: entries[0].origin} if len(same) == 1 else {}
    return reshape(state, visit, window, after, f"Merge deposits {', '.join(map(str, chosen))}", kept=kept)


def set_finding(state: AnnotationState, visit: TimePoint, label: int, finding: Finding) -> AnnotationEdit:
    """Say what a shadow is."""
    entry = deposit_entry(state, visit, label)
    after = replace(entry, finding=finding)
    entries = () if after == entry else (DepositEntry(visit=visit, label=label, before=entry, after=after),)
    return AnnotationEdit(name=f"Call deposit {label} {finding.value}", entries=entries)


def link(state: AnnotationState, baseline_label: int, followup_label: int, *, joined: bool = True) -> AnnotationEdit:
    """Say that two deposits are the same across the films, or that they are not."""
    deposit_entry(state, TimePoint.BASELINE, baseline_label)
    deposit_entry(state, TimePoint.FOLLOWUP, followup_label)
    pair = {"baseline_label": baseline_label, "followup_label": followup_label}
    opposite, wanted = ManualLink(**pair, joined=not joined), ManualLink(**pair, joined=joined)
    after = (state.links - {opposite}) | {wanted}
    verb = "Link" if joined else "Unlink"
    return AnnotationEdit(name=f"{verb} {baseline_label} and {followup_label}", links=(state.links, after))


def accept_deposit(state: AnnotationState, visit: TimePoint, labels: Sequence[int]) -> AnnotationEdit:
    """Say that deposits that were found are there: their confidence becomes 1, their area stays as measured."""
    entries = []
    for label in sorted(set(labels)):
        entry = deposit_entry(state, visit, label)
        if entry.confidence < 1.0:
            entries.append(DepositEntry(visit=visit, label=label, before=entry, after=replace(entry, confidence=1.0)))
    return AnnotationEdit(name=f"Accept {_named(labels)}", entries=tuple(entries))


def combine_edits(edits: Sequence[AnnotationEdit], name: str) -> AnnotationEdit:
    """Return edits of different films, made for the same state, as one step."""
    links = [edit.links for edit in edits if edit.links is not None]
    both: tuple[frozenset[ManualLink], frozenset[ManualLink]] | None = None
    if links:
        before = links[0][0]
        gone = frozenset().union(*(was - becomes for was, becomes in links))
        come = frozenset().union(*(becomes - was for was, becomes in links))
        both = (before, (before - gone) | come)
    return AnnotationEdit(
        name=name,
        patches=tuple(patch for edit in edits for patch in edit.patches),
        entries=tuple(entry for edit in edits for entry in edit.entries),
        links=both,
    )


def adopt_labels(
    state: AnnotationState, visit: TimePoint, found: DepositLabels, *, first: DepositLabels
) -> AnnotationEdit:
    """Take over a new search without touching what a person did.

    Deposits that nobody touched since they were found give way to the new finds. What was edited, drawn, clicked,
    accepted or named otherwise stays; a find that would lie on it, or on what a person removed, is left out.

    Parameters
    ----------
    found
        What the new search found.
    first
        What the reading started from: pixels of it that are free now were removed by a person.
    """
    image, known = state.images[visit], state.deposits[visit]
    untouched = [
        label
        for label, entry in known.items()
        if entry.origin is Origin.AUTO and entry.finding is Finding.CALCINOSIS and entry.confidence < 1.0
    ]
    stays = np.ones(LARGEST_LABEL + 1, np.uint16)
    stays[untouched] = 0
    after = image * stays[image]
    taken = (after > 0) | ((first.image > 0) & (image == 0))
    label = max(known, default=0)
    confidences = {}
    for deposit, box in zip(found.deposits, ndimage.find_objects(found.image), strict=True):
        mask = found.image[box] == deposit.label
        if (mask & taken[box]).sum() * 2 > mask.sum():
            continue
        label += 1
        after[box][mask & ~taken[box]] = label
        confidences[label] = deposit.confidence
    return _adopted(state, visit, after, confidences)


def _adopted(
    state: AnnotationState, visit: TimePoint, after: NDArray[np.uint16], confidences: dict[int, float]
) -> AnnotationEdit:
    edit = reshape(
        state, visit, whole_film(state, visit), after, "Search again", born=dict.fromkeys(confidences, Origin.AUTO)
    )
    entries = tuple(
        replace(entry, after=replace(entry.after, confidence=confidences[entry.label]))
        if entry.after is not None and entry.label in confidences
        else entry
        for entry in edit.entries
    )
    return replace(edit, entries=entries)


def _named(labels: Sequence[int]) -> str:
    chosen = sorted(set(labels))
    return f"deposit{'s' if len(chosen) > 1 else ''} {', '.join(map(str, chosen))}"
