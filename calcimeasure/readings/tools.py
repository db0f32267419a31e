"""The reader's tools, without a window: each takes the board and gives the one `Edit` that the tool makes.

An edit never touches what a tool was not pointed at: painting stays off other deposits unless it is told to take them.
A deposit that a person reshapes becomes `edited`; one that a person drew stays `drawn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin
from calcimeasure.errors import ReadingError
from calcimeasure.readings.board import Board, Edit, Entry, HandLink, Patch, Which

Mask = NDArray[np.bool_]


def paint(board: Board, film: Which, label: int, mask: Mask, *, over_others: bool = False) -> Edit:
    """Add `mask` to a deposit; a number that is not on the film yet becomes a drawn deposit.

    Parameters
    ----------
    mask
        True where the brush went, shape of the film.
    over_others
        Take the pixels of other deposits too; else the brush stays off them.
    """
    image = board.images[film]
    wanted = mask if over_others else mask & ((image == 0) | (image == label))
    after = np.where(wanted, np.uint16(label), image)
    known = label in board.deposits[film]
    return _reshape(board, film, after, f"{'Paint' if known else 'Draw'} deposit {label}", born={label: Origin.DRAWN})


def erase(board: Board, film: Which, mask: Mask, *, label: int | None = None) -> Edit:
    """Take `mask` away from one deposit, or from all; a deposit without pixels is gone."""
    image = board.images[film]
    wanted = mask & (image == label) if label is not None else mask & (image > 0)
    whose = f"deposit {label}" if label is not None else "deposits"
    return _reshape(board, film, np.where(wanted, np.uint16(0), image), f"Erase from {whose}")


def replace_pixels(board: Board, film: Which, image: NDArray[np.uint16], name: str) -> Edit:
    """Return the edit that makes the label image this one: for a stroke that a viewer has painted already."""
    return _reshape(board, film, image, name)


def add(board: Board, film: Which, mask: Mask, *, origin: Origin, confidence: float = 1.0) -> Edit:
    """Add a new deposit where nothing is labelled yet.

    Raises
    ------
    ReadingError
        When the mask has no free pixel.
    """
    label = board.free_label(film)
    free = mask & (board.images[film] == 0)
    if not free.any():
        raise ReadingError("there is no free place for a deposit here", remedy="Erase or edit the deposit that is.")
    after = np.where(free, np.uint16(label), board.images[film])
    verb = "Click" if origin is Origin.CLICKED else "Add"
    return _reshape(board, film, after, f"{verb} deposit {label}", born={label: origin}, confidence=confidence)


def extend(board: Board, film: Which, label: int, mask: Mask) -> Edit:
    """Add a clicked piece to a deposit; a clicked one stays clicked, any other becomes edited."""
    entry = _entry(board, film, label)
    free = mask & (board.images[film] == 0)
    after = np.where(free, np.uint16(label), board.images[film])
    kept = {label: Origin.CLICKED} if entry.origin is Origin.CLICKED else {}
    return _reshape(board, film, after, f"Add a piece to deposit {label}", kept=kept)


def delete(board: Board, film: Which, *labels: int) -> Edit:
    """Remove deposits."""
    for label in labels:
        _entry(board, film, label)
    image = board.images[film]
    return _reshape(board, film, np.where(np.isin(image, labels), np.uint16(0), image), f"Delete {_named(labels)}")


def resize(board: Board, film: Which, *labels: int, pixels: int) -> Edit:
    """Loosen (positive) or tighten (negative) the boundary of deposits by some pixels, measured in a straight line."""
    image = board.images[film]
    for label in sorted(set(labels)):
        _entry(board, film, label)
        image = _resized(image, label, pixels)
    return _reshape(board, film, image, f"{'Loosen' if pixels > 0 else 'Tighten'} {_named(labels)}")


def _resized(image: NDArray[np.uint16], label: int, pixels: int) -> NDArray[np.uint16]:
    mask = image == label
    if pixels > 0:
        away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.where((away <= pixels) & (image == 0), np.uint16(label), image)
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.where(mask & (inside <= -pixels), np.uint16(0), image)


def split(board: Board, film: Which, label: int, line: Sequence[tuple[float, float]]) -> Edit:
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
    entry = _entry(board, film, label)
    image = board.images[film]
    mask = image == label
    cut = np.zeros(image.shape, np.uint8)
    points = np.array([[round(col), round(row)] for row, col in line], dtype=np.int32)
    cv2.polylines(cut, [points.reshape(-1, 1, 2)], isClosed=False, color=1, thickness=1, lineType=cv2.LINE_4)
    kept = mask & (cut == 0)
    before = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
    count, pieces = cv2.connectedComponents(kept.astype(np.uint8), connectivity=4)
    if count - 1 <= before:
        raise ReadingError(
            f"the line does not part deposit {label}", remedy="Draw it across the deposit, from edge to edge."
        )
    sizes = np.bincount(pieces.ravel(), minlength=count)[1:]
    order = np.argsort(-sizes, kind="stable") + 1
    free = board.free_label(film)
    after = image.copy()
    for number, piece in enumerate(order[1:]):
        after[pieces == piece] = free + number
    _give_cut_to_nearest(after, mask & (cut > 0), label)
    born = {free + number: entry.origin for number in range(count - 2)}
    return _reshape(board, film, after, f"Split deposit {label}", born=born, finding=entry.finding)


def _give_cut_to_nearest(image: NDArray[np.uint16], cut: Mask, label: int) -> None:
    """Leave the one-pixel cut to the deposit that keeps the number: a split must not lose area."""
    image[cut] = label


def merge(board: Board, film: Which, labels: Sequence[int]) -> Edit:
    """Make several deposits one; the lowest number stays, no pixel changes hands otherwise."""
    chosen = sorted(set(labels))
    if len(chosen) < 2:
        raise ReadingError("a merge needs two deposits or more", remedy="Choose them in the table.")
    entries = [_entry(board, film, label) for label in chosen]
    image = board.images[film]
    after = np.where(np.isin(image, chosen[1:]), np.uint16(chosen[0]), image)
    same = {entry.origin for entry in entries}
    kept = {chosen[0]: entries[0].origin} if len(same) == 1 else {}
    return _reshape(board, film, after, f"Merge deposits {', '.join(map(str, chosen))}", kept=kept)


def set_finding(board: Board, film: Which, label: int, finding: Finding) -> Edit:
    """Say what a shadow is."""
    entry = _entry(board, film, label)
    after = replace(entry, finding=finding)
    entries = () if after == entry else (Entry(film=film, label=label, before=entry, after=after),)
    return Edit(name=f"Call deposit {label} {finding.value}", entries=entries)


def link(board: Board, baseline_label: int, followup_label: int, *, joined: bool = True) -> Edit:
    """Say that two deposits are the same across the films, or that they are not."""
    _entry(board, Which.BASELINE, baseline_label)
    _entry(board, Which.FOLLOWUP, followup_label)
    pair = {"baseline_label": baseline_label, "followup_label": followup_label}
    opposite, wanted = HandLink(**pair, joined=not joined), HandLink(**pair, joined=joined)
    after = (board.links - {opposite}) | {wanted}
    verb = "Link" if joined else "Unlink"
    return Edit(name=f"{verb} {baseline_label} and {followup_label}", links=(board.links, after))


def _entry(board: Board, film: Which, label: int) -> Deposit:
    try:
        return board.deposits[film][label]
    except KeyError:
        raise ReadingError(
            f"there is no deposit {label}", where=film.value, remedy="Choose one in the table or on the film."
        ) from None


def _reshape(
    board: Board,
    film: Which,
    after: NDArray[np.uint16],
    name: str,
    *,
    born: dict[int, Origin] | None = None,
    kept: dict[int, Origin] | None = None,
    finding: Finding = Finding.CALCINOSIS,
    confidence: float = 1.0,
) -> Edit:
    """Return the edit from the board's labels to `after`: the smallest window, and the entries that it touches."""
    before = board.images[film]
    if after.shape != before.shape:
        raise ReadingError(f"the labels are {after.shape}, the film {before.shape}", where=film.value)
    changed = before != after
    rows, cols = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if rows.size == 0:
        return Edit(name=name)
    window = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    patch = Patch(
        film=film,
        row=int(rows[0]),
        col=int(cols[0]),
        before=before[window].copy(),
        after=np.ascontiguousarray(after[window], dtype=np.uint16),
    )
    touched = set(np.unique(before[changed]).tolist()) | set(np.unique(after[changed]).tolist())
    entries = _entries(
        board,
        film,
        after,
        sorted(touched - {0}),
        born=born or {},
        kept=kept or {},
        finding=finding,
        confidence=confidence,
    )
    gone = {entry.label for entry in entries if entry.after is None}
    return Edit(name=name, patches=(patch,), entries=entries, links=_links_without(board, film, gone))


def _entries(
    board: Board,
    film: Which,
    after: NDArray[np.uint16],
    touched: Iterable[int],
    *,
    born: dict[int, Origin],
    kept: dict[int, Origin],
    finding: Finding,
    confidence: float,
) -> tuple[Entry, ...]:
    entries = []
    for label in touched:
        old = board.deposits[film].get(label)
        new: Deposit | None
        if not (after == label).any():
            new = None
        elif old is None:
            origin = born.get(label, Origin.DRAWN)
            new = Deposit(label=label, finding=finding, origin=origin, confidence=confidence)
        else:
            reshaped = old.origin if old.origin is Origin.DRAWN else Origin.EDITED
            new = replace(old, origin=kept.get(label, reshaped))
        if new != old:
            entries.append(Entry(film=film, label=label, before=old, after=new))
    return tuple(entries)


def _links_without(board: Board, film: Which, gone: set[int]) -> tuple[frozenset[HandLink], frozenset[HandLink]] | None:
    def concerns(decided: HandLink) -> bool:
        label = decided.baseline_label if film is Which.BASELINE else decided.followup_label
        return label in gone

    after = frozenset(decided for decided in board.links if not concerns(decided))
    return None if after == board.links else (board.links, after)


def accept(board: Board, film: Which, labels: Sequence[int]) -> Edit:
    """Say that deposits that were found are there: their confidence becomes 1, their area stays as measured."""
    entries = []
    for label in sorted(set(labels)):
        entry = _entry(board, film, label)
        if entry.confidence < 1.0:
            entries.append(Entry(film=film, label=label, before=entry, after=replace(entry, confidence=1.0)))
    return Edit(name=f"Accept {_named(labels)}", entries=tuple(entries))


def together(edits: Sequence[Edit], name: str) -> Edit:
    """Return edits of different films, made for the same board, as one step."""
    links = [edit.links for edit in edits if edit.links is not None]
    both: tuple[frozenset[HandLink], frozenset[HandLink]] | None = None
    if links:
        before = links[0][0]
        gone = frozenset().union(*(was - becomes for was, becomes in links))
        come = frozenset().union(*(becomes - was for was, becomes in links))
        both = (before, (before - gone) | come)
    return Edit(
        name=name,
        patches=tuple(patch for edit in edits for patch in edit.patches),
        entries=tuple(entry for edit in edits for entry in edit.entries),
        links=both,
    )


def adopt(board: Board, film: Which, found: DepositLabels, *, first: DepositLabels) -> Edit:
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
    image, known = board.images[film], board.deposits[film]
    untouched = [
        label
        for label, entry in known.items()
        if entry.origin is Origin.AUTO and entry.finding is Finding.CALCINOSIS and entry.confidence < 1.0
    ]
    kept = np.where(np.isin(image, untouched), np.uint16(0), image)
    removed = (first.image > 0) & (image == 0)
    taken = (kept > 0) | removed
    after, label = kept, max(known, default=0)
    confidences = {}
    for deposit in found.deposits:
        mask = found.mask(deposit.label)
        if (mask & taken).sum() * 2 > mask.sum():
            continue
        label += 1
        after = np.where(mask & ~taken, np.uint16(label), after)
        confidences[label] = deposit.confidence
    return _adopted(board, film, after, confidences)


def _adopted(board: Board, film: Which, after: NDArray[np.uint16], confidences: dict[int, float]) -> Edit:
    edit = _reshape(board, film, after, "Search again", born=dict.fromkeys(confidences, Origin.AUTO))
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
