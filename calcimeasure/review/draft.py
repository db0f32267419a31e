"""Unfinished work on disk: one file, replaced whole, so that a crash leaves the old or the new and no more."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from calcimeasure.deposits import Deposit, Finding, Origin
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review.annotation_state import AnnotationState, ManualLink

DRAFT_NAME = "draft.zip"
SCHEMA = "calcimeasure.draft/1"
# A fixed date keeps the bytes of a draft a function of what it holds.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class ActionDeposit(TypedDict):
    """A deposit's area before and after an action; None where there was none."""

    film: str
    number: int
    area_before_px: float | None
    area_after_px: float | None


class Action(TypedDict):
    """One line of `history.jsonl`: who did what and when, with the areas before and after."""

    when: str
    who: str
    what: str
    step: str
    films: dict[str, dict[str, float | None]]
    deposits: list[ActionDeposit]


class BlindingRecord(TypedDict):
    """The seed of the order of blinded films, and which film stood on the left."""

    seed: int
    left: str


class About(TypedDict, total=False):
    """What else a session wants back: the reader, the films' files, the blinding, spacings measured with the ruler."""

    reader: str
    paths: dict[str, str]
    blinding: BlindingRecord
    spacing_mm: dict[str, tuple[float, float]]


_MOST_BYTES = 1024**3


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """What a draft holds.

    Attributes
    ----------
    state
        Labels, entries and links.
    films
        sha256 of each film the labels belong to.
    actions
        What was done, in order.
    about
        What else the session wants back.
    """

    state: AnnotationState
    films: Mapping[TimePoint, str]
    actions: tuple[Action, ...] = ()
    about: About = field(default_factory=About)


def write_draft(path: Path, draft: Draft) -> None:
    """Write a draft, whole or not at all: to a file beside it, to the disk, then in its place."""
    record = {
        "schema": SCHEMA,
        "films": dict(draft.films),
        "about": dict(draft.about),
        "shapes": {visit: list(image.shape) for visit, image in draft.state.images.items()},
        "deposits": {
            visit: [_entry(d) for _, d in sorted(known.items())] for visit, known in draft.state.deposits.items()
        },
        "links": [
            [link.baseline_label, link.followup_label, link.joined]
            for link in sorted(draft.state.links, key=lambda k: (k.baseline_label, k.followup_label, k.joined))
        ],
        "actions": [dict(action) for action in draft.actions],
    }
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _store(archive, "state.json", json.dumps(record, ensure_ascii=False).encode())
            for visit, image in draft.state.images.items():
                _store(archive, f"{visit}.npy", _npy(image))
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
            if sum(one.file_size for one in archive.infolist()) > _MOST_BYTES:
                raise ValueError("larger than any reading")
            record = json.loads(archive.read("state.json"))
            if record.get("schema") != SCHEMA:
                raise ReadingError(
                    f"the draft is of kind '{record.get('schema')}', not '{SCHEMA}'",
                    where=path.name,
                    remedy="Open it with the version of calcimeasure that wrote it.",
                )
            images = {
                TimePoint(visit): np.load(io.BytesIO(archive.read(f"{visit}.npy")), allow_pickle=False)
                for visit in record["shapes"]
            }
        return _draft(record, images)
    except ReadingError:
        raise
    except Exception as error:
        # A file that was edited raises whatever its parts are made to do.
        raise ReadingError(
            "the draft is damaged", where=path.name, remedy="Start a new reading; the damaged file is left as it is."
        ) from error


def _draft(record: dict[str, Any], images: dict[TimePoint, np.ndarray[Any, np.dtype[np.uint16]]]) -> Draft:
    deposits = {
        TimePoint(visit): {d.label: d for d in map(_deposit, rows)} for visit, rows in record["deposits"].items()
    }
    links = frozenset(ManualLink(baseline_label=b, followup_label=f, joined=j) for b, f, j in record["links"])
    if any(image.ndim != 2 or image.dtype != np.uint16 for image in images.values()):
        raise ValueError("labels that are none")
    return Draft(
        state=AnnotationState(images=images, deposits=deposits, links=links),
        films={TimePoint(visit): str(sha) for visit, sha in record["films"].items()},
        actions=tuple(record["actions"]),
        about=record["about"],
    )


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def _npy(image: np.ndarray[Any, np.dtype[np.uint16]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, image, allow_pickle=False)
    return buffer.getvalue()


def _entry(deposit: Deposit) -> list[int | str | float]:
    return [deposit.label, deposit.finding.value, deposit.origin.value, deposit.confidence]


def _deposit(row: list[Any]) -> Deposit:
    label, finding, origin, confidence = row
    return Deposit(label=label, finding=Finding(finding), origin=Origin(origin), confidence=confidence)
