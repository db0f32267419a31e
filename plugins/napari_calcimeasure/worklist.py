"""What there is to read: the pairs that a command line or a study names, and how far each reading is. No window."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import CalciMeasureError, UsageError
from calcimeasure.io import read_film
from calcimeasure.io.label_images import read_labels
from calcimeasure.notices import TimePoint
from calcimeasure.radiograph import FILM_ID_LENGTH, Radiograph
from calcimeasure.review.draft import DRAFT_NAME, Draft, read_draft
from calcimeasure.review.reading_store import READINGS, ReadingLocation
from calcimeasure.review.review_input import ReviewInput, film_review_input, pair_review_input

DEFAULT_ROOT = "calcimeasure-readings"
CaseProgress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ReviewCase:
    """One film or pair to read.

    Attributes
    ----------
    title
        How the worklist calls it.
    root
        The folder that its readings are kept in.
    paths
        The files, by film.
    film_options
        Arguments of `read_film`, by film.
    options
        Options of the comparison.
    found
        A folder of results to start from, where there is one.
    read_first
        Whether the program's deposits and verdict stay hidden until the reading is signed.
    key
        Film id or pair id, where it is known without opening the files.
    """

    title: str
    root: Path
    paths: Mapping[TimePoint, Path]
    film_options: Mapping[TimePoint, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    found: Path | None = None
    read_first: bool = False
    key: str = ""

    def status(self, reader: str) -> str:
        """Return ``unread``, ``draft`` or ``signed``, as far as it is known without opening the films."""
        if not self.key or not reader:
            return "unread"
        location = ReadingLocation(root=self.root, key=self.key, reader=reader)
        if location.draft.is_file():
            return "draft"
        return "signed" if location.versions() else "unread"

    def calibrated(self, spacing_mm: Mapping[TimePoint, tuple[float, float]]) -> ReviewCase:
        """Return the case with a person's spacing of some films."""
        options = {visit: dict(self.film_options.get(visit, {})) for visit in self.paths}
        for visit, spacing in spacing_mm.items():
            options[visit]["spacing_mm"] = spacing
        return replace(self, film_options=options)

    def calibrated_as(self, draft: Draft) -> ReviewCase:
        """Return the case with the spacing that was measured in unfinished work; itself where there is none."""
        spacings = draft.about.get("spacing_mm", {})
        measured = {TimePoint(visit): (float(row), float(col)) for visit, (row, col) in spacings.items()}
        known = {visit: self.film_options.get(visit, {}).get("spacing_mm") for visit in measured}
        return self if known == measured else self.calibrated(measured)

    def open(self, progress: CaseProgress | None = None) -> ReviewInput:
        """Read the films and find or fetch their deposits: seconds of work.

        Raises
        ------
        FilmError, LabelsError
            When something cannot be read.
        """
        if progress is not None:
            progress("Reading the films")

        def read(visit: TimePoint) -> Radiograph:
            return read_film(self.paths[visit], **self.film_options.get(visit, {}))

        with ThreadPoolExecutor(max_workers=len(self.paths)) as readers:
            films = dict(zip(self.paths, readers.map(read, self.paths), strict=True))
        labels = {visit: _empty(film) for visit, film in films.items()} if self.read_first else self._found(films)
        options = dict(self.options)
        if len(films) == 1:
            known = {name: options[name] for name in ("method", "precision") if name in options}
            film = films[TimePoint.BASELINE]
            return film_review_input(film, labels=labels.get(TimePoint.BASELINE), progress=progress, **known)
        return pair_review_input(
            films[TimePoint.BASELINE], films[TimePoint.FOLLOWUP], labels=labels or None, progress=progress, **options
        )

    def _found(self, films: Mapping[TimePoint, Radiograph]) -> dict[TimePoint, DepositLabels]:
        """Return the deposits of earlier results of these very films, or none."""
        if self.found is None:
            return {}
        names = {visit: self.found / visit.value / "labels.tif" for visit in films}
        if len(films) == 1:
            names = {TimePoint.BASELINE: self.found / "labels.tif"}
        if not all(path.is_file() for path in names.values()):
            return {}
        try:
            return {visit: read_labels(path, films[visit]) for visit, path in names.items()}
        except CalciMeasureError:
            return {}  # results of other films: nothing to start from


def cases_of(arguments: list[Path], *, out: Path | None = None, options: Mapping[str, Any] | None = None,
             film_options: Mapping[TimePoint, Mapping[str, Any]] | None = None) -> list[ReviewCase]:  # fmt: skip
    """Return what a command line names: one film, two films, a folder of results, or a study.

    Raises
    ------
    UsageError
        When it names none of them.
    """
    settings = {"options": dict(options or {}), "film_options": dict(film_options or {})}
    if len(arguments) == 1 and arguments[0].is_dir():
        folder = arguments[0]
        if (folder / "study.toml").is_file():
            return study_cases(folder)
        return [_earlier(folder, settings)]
    if not 1 <= len(arguments) <= 2:
        raise UsageError("name one film, two films, a folder of results or a study")
    for path in arguments:
        if not path.is_file():
            raise UsageError("there is no such file", where=path.name, remedy="Check the path.")
    paths = dict(zip(TimePoint, arguments, strict=False))
    root = out or Path.cwd() / DEFAULT_ROOT
    title = " and ".join(path.name for path in arguments)
    return [ReviewCase(title=title, root=root, paths=paths, found=root, **settings)]


def _earlier(folder: Path, settings: Mapping[str, Any]) -> ReviewCase:
    """Return the case of an earlier comparison: its films are named by an unfinished reading, or by its record."""
    paths = _paths_of_draft(folder) or _paths_of_record(folder)
    missing = [path for path in paths.values() if not path.is_file()]
    if not paths or missing:
        raise UsageError(
            "the results do not say where their films are (paths carry names)",
            where=folder.name,
            remedy=f"Name the films too: calcimeasure review BASELINE FOLLOWUP --out {folder.name}",
        )
    return ReviewCase(title=folder.name, root=folder, paths=paths, found=folder, **settings)


def _paths_of_draft(folder: Path) -> dict[TimePoint, Path]:
    drafts = sorted((folder / READINGS).glob(f"*/*/{DRAFT_NAME}"), key=lambda path: path.stat().st_mtime)
    for draft in reversed(drafts):
        about = read_draft(draft).about
        paths = {TimePoint(visit): Path(path) for visit, path in about.get("paths", {}).items()}
        if paths:
            return paths
    return {}


def _paths_of_record(folder: Path) -> dict[TimePoint, Path]:
    paths = {}
    for name in ("comparison.json", "measurement.json"):
        if (folder / name).is_file():
            record = json.loads((folder / name).read_text(encoding="utf-8"))
            films = {
                visit: record.get(visit.value, record if visit is TimePoint.BASELINE else {}) for visit in TimePoint
            }
            paths = {visit: Path(film["path"]) for visit, film in films.items() if film.get("path")}
    return paths


def study_cases(folder: Path) -> list[ReviewCase]:
    """Return the pairs of a study, in the order of its series, and single films that have no pair."""
    from calcimeasure.study.series import pairs_of
    from calcimeasure.study.study_state import Study

    study = Study(folder)
    settings = study.settings
    options = {
        name: value
        for name, value in (
            ("method", settings.method),
            ("margin_ratio", settings.margin_ratio),
            ("repositioning_sd", settings.repositioning_sd),
            ("precision", settings.precision),
        )
        if value is not None
    }
    cases = []
    for series in study.series:
        for pair in pairs_of(series.films, settings):
            rows = {TimePoint.BASELINE: pair.baseline, TimePoint.FOLLOWUP: pair.followup}
            ids = [row.film_id[:FILM_ID_LENGTH] for row in rows.values()]
            cases.append(
                ReviewCase(
                    title=pair.name,
                    root=folder,
                    paths={visit: _path(folder, row.path) for visit, row in rows.items()},
                    film_options={visit: _film_options(row) for visit, row in rows.items()},
                    options=options,
                    read_first=settings.read_first,
                    key="-".join(ids) if all(ids) else "",
                )
            )
    if not cases:
        raise UsageError("the study has no pair of films to read", where=folder.name, remedy="Check films.csv.")
    return cases


def _path(folder: Path, path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else folder / path


def _film_options(row: Any) -> dict[str, Any]:
    from calcimeasure.study.proposed_names import UNKNOWN

    named = {"side": row.side, "view": row.view, "body_part": row.body_part}
    known = {name: word for name, word in named.items() if word and word != UNKNOWN}
    return {"spacing_mm": row.user_spacing_mm, "frame": row.frame, **known}


def _empty(film: Radiograph) -> DepositLabels:
    return DepositLabels(image=np.zeros(film.shape, np.uint16), method="reader", film_sha256=film.sha256)
