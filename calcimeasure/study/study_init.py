"""`study init`: walk a folder, read headers, propose `films.csv` and `study.toml`."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calcimeasure.errors import StudyError
from calcimeasure.io.table_reader import PLAIN
from calcimeasure.study.header_scan import FileHeader, read_header
from calcimeasure.study.manifest import FILMS_CSV, FilmRow, read_manifest, write_manifest
from calcimeasure.study.proposed_names import KEY_FILE, UNKNOWN, Pseudonyms, hints, visits_by_date, visits_from
from calcimeasure.study.study_settings import (
    STUDY_TOML,
    UNTITLED,
    Analysis,
    StudySettings,
    Visit,
    read_settings,
    settings_text,
)

LEFT_OUT_CSV = "left_out.csv"
RESULTS = "results"
COPY_NOTE = "the same file as"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What `init_study` proposed.

    Attributes
    ----------
    films
        Rows of `films.csv`, those of an earlier manifest first.
    left_out
        (path, reason) of files that look like films and are none.
    new
        Rows that were not there before.
    likely_doubles
        Pairs of subjects whose identifiers differ in marks, blanks or leading zeros alone.
    """

    films: tuple[FilmRow, ...]
    settings: StudySettings
    left_out: tuple[tuple[str, str], ...]
    subjects: int
    new: int
    likely_doubles: tuple[tuple[str, str], ...] = ()


def init_study(
    folder: Path,
    study: Path | None = None,
    *,
    title: str = "",
    update: bool = False,
    keep_ids: bool = False,
    progress: Callable[[Path], None] | None = None,
) -> Proposal:
    """Propose a study from a folder of films, and write its files.

    Written are `films.csv`, `study.toml`, `left_out.csv` where something is left out, and the key of the pseudonyms in
    `private/`. Nothing of the films is changed or copied.

    Parameters
    ----------
    folder
        Walked in the order of names; hidden files and a study's own results are passed over.
    study
        Where the study's files go; the folder itself where it is not named.
    title
        Of the study. A folder's name is never taken for it: it may name a person, and the title reaches every report.
    update
        Add films that an earlier manifest lacks; its rows and `study.toml` stay as they are.
    keep_ids
        The identifiers in the headers are pseudonyms already, and name the subjects as they are.
    progress
        Called with each file as it is read.

    Raises
    ------
    StudyError
        When there is no folder, no film in it, or a study already (without `update`).
    """
    if not folder.is_dir():
        raise StudyError("there is no such folder", where=str(folder), remedy="Name the folder of the films.")
    study = study or folder
    exists = (study / FILMS_CSV).exists() or (study / STUDY_TOML).exists()
    if exists and not update:
        raise StudyError(
            "there is a study already", where=str(study), remedy="Add new films with --update, or name another --out."
        )
    style = read_settings(study / STUDY_TOML).tables if (study / STUDY_TOML).exists() else PLAIN
    old = read_manifest(study / FILMS_CSV, style=style) if exists else ()
    headers = [header for path in _walk(folder) if (header := _read(path, progress)) is not None]
    left_out = tuple((_relative(h.path, study), h.problem) for h in headers if h.problem)
    readable = [header for header in headers if not header.problem]
    names = Pseudonyms.read(study)
    written = {_identifier(one, folder): one.patient_id_as_written for one in reversed(readable)}
    names.add(written, keep={key: text or key for key, text in written.items()} if keep_ids else None)
    proposed, visits = _rows(readable, folder, study, names)
    known = {(film.path, film.frame) for film in old}
    new = [film for film in proposed if (film.path, film.frame) not in known]
    if exists:
        new = [_at_a_known_visit(film, read_settings(study / STUDY_TOML)) for film in new]
    films = _mark_copies(_number_repeats(old, new))
    if not films:
        raise StudyError("there is no film in this folder", where=str(folder), remedy="Name the folder of the films.")
    if exists:
        settings = read_settings(study / STUDY_TOML)
    else:
        views = {film.body_part: film.view for film in reversed(films) if film.include}
        analysis = Analysis(primary_visit=visits[-1].name, burden_view=dict(sorted(views.items())))
        settings = StudySettings(title=title or UNTITLED, visits=visits, analysis=analysis)
    _write(study, films, settings, names, left_out, exists=exists)
    subjects = len({film.subject for film in films})
    return Proposal(
        films=films,
        settings=settings,
        left_out=left_out,
        subjects=subjects,
        new=len(new),
        likely_doubles=names.likely_doubles(),
    )


def _at_a_known_visit(film: FilmRow, settings: StudySettings) -> FilmRow:
    """Return a new row; one of a visit that study.toml lacks is to be completed by a person, and says so."""
    if not film.visit or film.visit in settings.visit_names:
        return film
    note = f"'{film.visit}' is no visit of study.toml: add it there, or write one of its visits"
    return replace(film, visit="", note="; ".join(filter(None, (film.note, note))))


def _read(path: Path, progress: Callable[[Path], None] | None) -> FileHeader | None:
    if progress is not None:
        progress(path)
    return read_header(path)


def _walk(folder: Path) -> Iterator[Path]:
    """Return the files below a folder in the order of their names, without hidden ones and a study's results."""
    for where, folders, files in os.walk(folder):
        is_study = STUDY_TOML in files
        passed_over = {RESULTS, "readings", KEY_FILE.parent.name} if is_study else set()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in passed_over)
        for name in sorted(files):
            yield Path(where) / name


def _identifier(header: FileHeader, folder: Path) -> str:
    """Return what identifies a subject: the header's identifier, else the folder (or file) right below."""
    if header.identity.patient_key is not None and header.patient_id:
        return header.patient_id
    below = header.path.relative_to(folder)
    return f"folder:{below.parts[0]}" if len(below.parts) > 1 else f"file:{below.stem}"


def _rows(
    headers: Sequence[FileHeader], folder: Path, study: Path, names: Pseudonyms
) -> tuple[list[FilmRow], tuple[Visit, ...]]:
    dates: dict[str, list[str]] = defaultdict(list)
    for header in headers:
        dates[names[_identifier(header, folder)]].append(header.identity.study_date or "")
    by_date, visits = visits_by_date(dates)
    rows: list[tuple[str, FilmRow]] = []
    hinted: dict[str, int] = {}
    for header in headers:
        subject = names[_identifier(header, folder)]
        row = _row(header, subject, by_date.get((subject, header.identity.study_date or "")), folder, study)
        if row.visit and row.visit not in {visit.name for visit in visits}:
            months = int(row.visit.split()[-1]) if row.visit.startswith("month ") else 0
            hinted[row.visit] = round(30.4375 * months)
        frames: Sequence[int | None] = [None] if header.frames == 1 else range(1, header.frames + 1)
        rows += [(header.time, replace(row, frame=frame)) for frame in frames]
    if hinted:
        days = {visit.name: visit.day for visit in visits} | hinted
        visits = visits_from(sorted((day, name) for name, day in days.items()))
    order = {visit.name: index for index, visit in enumerate(visits)}
    rows.sort(key=lambda pair: (pair[1].subject, order.get(pair[1].visit, -1), *pair[1].series, pair[0], pair[1].path))
    return [row for _, row in rows], visits


def _row(header: FileHeader, subject: str, visit: str | None, folder: Path, study: Path) -> FilmRow:
    """Return a row from the header, with the file's name for what the header does not say."""
    hinted = hints(header.path.relative_to(folder).as_posix())
    identity, notes = header.identity, []
    values: dict[str, str] = {}
    for name, stated, default in (
        ("visit", visit, ""),
        ("body_part", identity.body_part, UNKNOWN),
        ("side", identity.side, ""),
        ("view", identity.view, UNKNOWN),
    ):
        values[name] = stated or hinted.get(name) or default
        if not stated:
            source = "from the file's name" if hinted.get(name) else "not stated"
            notes.append(f"{name.replace('_', ' ')} {source}")
    if identity.patient_key is None or not header.patient_id:
        source = "folder" if len(header.path.relative_to(folder).parts) > 1 else "file"
        notes.append(f"subject from the {source}'s name, which the header does not state")
    spacing = header.spacing
    return FilmRow(
        film_id=header.sha256[:16],
        subject=subject,
        date=identity.study_date or "",
        path=_relative(header.path, study),
        spacing_mm=spacing.mm,
        spacing_basis=str(spacing.basis),
        note="; ".join(notes),
        visit=values["visit"],
        body_part=values["body_part"],
        side=values["side"],
        view=values["view"],
    )


def _number_repeats(old: Sequence[FilmRow], new: Sequence[FilmRow]) -> list[FilmRow]:
    """Return the films with exposures of one key numbered in their order, after those of an earlier manifest."""
    used: dict[tuple[str, ...], int] = defaultdict(int)
    for film in old:
        used[film.key[:-1]] = max(used[film.key[:-1]], film.repeat)
    numbered = list(old)
    seen: dict[str, FilmRow] = {film.film_id: film for film in old if film.film_id and film.frame is None}
    for film in new:
        if film.frame is None and film.film_id in seen:
            # The same file twice takes no number: it is left out below.
            numbered.append(replace(film, repeat=seen[film.film_id].repeat))
            continue
        used[film.key[:-1]] += 1
        film = replace(film, repeat=used[film.key[:-1]])  # noqa: PLW2901
        seen[film.film_id] = film
        numbered.append(film)
    return numbered


def _mark_copies(films: Sequence[FilmRow]) -> tuple[FilmRow, ...]:
    """Leave out the second and further copies of one file, naming the first."""
    first: dict[tuple[str, int | None], FilmRow] = {}
    marked = []
    for film in films:
        original = first.setdefault((film.film_id, film.frame), film) if film.film_id else film
        if original is not film and film.include:
            film = replace(film, include=False, note=f"{COPY_NOTE} {original.path}")  # noqa: PLW2901
        marked.append(film)
    return tuple(marked)


def _write(
    study: Path,
    films: Sequence[FilmRow],
    settings: StudySettings,
    names: Pseudonyms,
    left_out: Sequence[tuple[str, str]],
    *,
    exists: bool,
) -> None:
    study.mkdir(parents=True, exist_ok=True)
    names.write(study)
    if not exists:
        (study / STUDY_TOML).write_text(settings_text(settings), encoding="utf-8")
    if left_out:
        with (study / LEFT_OUT_CSV).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "reason"])
            writer.writerows(left_out)
    write_manifest(study / FILMS_CSV, films)


def _relative(path: Path, study: Path) -> str:
    """Return a path as the manifest writes it: relative to the study where it lies below or next to it."""
    return Path(os.path.relpath(path.resolve(), study.resolve())).as_posix()
