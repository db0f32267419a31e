"""Unfinished work on disk: one file, replaced whole, so that a crash leaves the old or the new and no more."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calcimeasure.deposits import Deposit, Finding, Origin
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationState, ManualLink

DRAFT_NAME = "draft.zip"
SCHEMA = "calcimeasure.draft/1"
# A fixed date keeps the bytes of a draft a function of what it holds.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """What a draft holds.

    Attributes
    ----------
    board
        Labels, entries and links.
    films
        sha256 of each film the labels belong to.
    actions
        What was done, in order: who, when, what, areas before and after.
    about
        Anything else the session wants back: reader, version, parent.
    """

    board: AnnotationState
    films: Mapping[TimePoint, str]
    actions: tuple[Mapping[str, Any], ...] = ()
    about: Mapping[str, Any] | None = None


def write_draft(path: Path, draft: Draft) -> None:
    """Write a draft, whole or not at all: to a file beside it, to the disk, then in its place."""
    state = {
        "schema": SCHEMA,
        "films": dict(draft.films),
        "about": dict(draft.about or {}),
        "shapes": {which: list(image.shape) for which, image in draft.board.images.items()},
        "deposits": {
            which: [_entry(d) for _, d in sorted(known.items())] for which, known in draft.board.deposits.items()
        },
        "links": [
            [link.baseline_label, link.followup_label, link.joined]
            for link in sorted(draft.board.links, key=lambda k: (k.baseline_label, k.followup_label, k.joined))
        ],
        "actions": [dict(action) for action in draft.actions],
    }
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _store(archive, "state.json", json.dumps(state, ensure_ascii=False).encode())
            for which, image in draft.board.images.items():
                _store(archive, f"{which}.npy", _npy(image))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_draft(path: Path) -> Draft:
    """Read a draft back.

    Raises
    ------
    ReadingError
        When the file is damaged or from another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read("state.json"))
            if state.get("schema") != SCHEMA:
                raise ReadingError(
                    f"the draft is of kind '{state.get('schema')}', not '{SCHEMA}'",
                    where=path.name,
                    remedy="Open it with the version of calcimeasure that wrote it.",
                )
            images = {
                TimePoint(which): np.load(io.BytesIO(archive.read(f"{which}.npy")), allow_pickle=False)
                for which in state["shapes"]
            }
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ReadingError(
            "the draft is damaged", where=path.name, remedy="Start a new reading; the damaged file is left as it is."
        ) from error
    deposits = {
        TimePoint(which): {d.label: d for d in map(_deposit, rows)} for which, rows in state["deposits"].items()
    }
    links = frozenset(ManualLink(baseline_label=b, followup_label=f, joined=j) for b, f, j in state["links"])
    return Draft(
        board=AnnotationState(images=images, deposits=deposits, links=links),
        films={TimePoint(which): sha for which, sha in state["films"].items()},
        actions=tuple(state["actions"]),
        about=state["about"],
    )


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def _npy(image: np.ndarray[Any, np.dtype[np.uint16]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, image, allow_pickle=False)
    return buffer.getvalue()


def _entry(deposit: Deposit) -> list[Any]:
    return [deposit.label, deposit.finding.value, deposit.origin.value, deposit.confidence]


def _deposit(row: list[Any]) -> Deposit:
    label, finding, origin, confidence = row
    return Deposit(label=label, finding=Finding(finding), origin=Origin(origin), confidence=confidence)
