"""A study on disk: its manifest and settings read, its work described with keys, what of it is finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcimeasure.errors import StudyError
from calcimeasure.radiograph import FILM_ID_LENGTH
from calcimeasure.study.exposures_and_outcomes import (
    EXPOSURES_CSV,
    OUTCOMES_CSV,
    Exposure,
    Outcome,
    read_exposures,
    read_outcomes,
)
from calcimeasure.study.manifest import FILMS_CSV, FilmRow, read_manifest
from calcimeasure.study.name_checks import check_names
from calcimeasure.study.result_store import Hashes, Store, key_of
from calcimeasure.study.series import PairOf, Series, pairs_of, series_of
from calcimeasure.study.study_settings import STUDY_TOML, StudySettings, read_settings
from calcimeasure.study.study_work import (
    FAILED,
    OK,
    FilmWork,
    PairWork,
    ReadWork,
    contradictions_of,
    finished_pair,
    finished_reading,
)

DoneMark = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyState:
    """A study as its files describe it, and what of it is finished.

    Attributes
    ----------
    readings
        The mark of each series, by its name; None where the reading is still to be done.
    pairs
        The mark of each pair of the series that are read, by the pair's name; None where it is still to be done.
    exposures, outcomes
        From `exposures.csv` and `outcomes.csv`, where they are there.
    copies
        (film, the film whose very file it is) of films that are there twice under two names.
    """

    settings: StudySettings
    films: tuple[FilmRow, ...]
    series: tuple[Series, ...]
    readings: Mapping[str, DoneMark | None]
    pairs: Mapping[str, DoneMark | None]
    exposures: tuple[Exposure, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def contradictions(self) -> dict[str, str]:
        """What the row and the file of a film say differently, and films whose file is another film's, by film."""
        contradictions = {
            name: " ".join(found)
            for mark in self.readings.values()
            if mark is not None
            for name, outcome in mark["films"].items()
            if outcome["status"] == OK and (found := contradictions_of(outcome["record"]))
        }
        for name, original in self.copies:
            contradictions[name] = " ".join(
                filter(None, (contradictions.get(name), f"The file is that of {original}, byte for byte."))
            )
        return contradictions

    @property
    def pending(self) -> dict[str, tuple[str, ...]]:
        """Films that are not read, and pairs that are not compared, as the files have it now, by subject."""
        found: dict[str, list[str]] = {}
        for series in self.series:
            if self.readings[series.name] is None:
                found.setdefault(series.key[0], []).extend(film.name for film in series.films)
        subjects = {film.name: film.subject for film in self.films}
        for name, mark in self.pairs.items():
            if mark is None:
                found.setdefault(subjects[name], []).append(name)
        return {subject: tuple(sorted(set(names))) for subject, names in sorted(found.items())}

    @property
    def failed_films(self) -> dict[str, str]:
        """Reason by film of what could not be read."""
        return {
            name: outcome["reason"]
            for mark in self.readings.values()
            if mark is not None
            for name, outcome in mark["films"].items()
            if outcome["status"] == FAILED
        }

    @property
    def failed_pairs(self) -> dict[str, str]:
        """Reason by pair of what could not be compared for a fault (a pair that is not comparable is no failure)."""
        return {name: mark["reason"] for name, mark in self.pairs.items() if mark and mark["status"] == FAILED}


class Study:
    """A study on disk: its manifest and settings read, its work described.

    Parameters
    ----------
    folder
        That of `study.toml` and `films.csv`.

    Raises
    ------
    StudyError
        When either is missing or wrong.
    """

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.settings = read_settings(self.store.study / STUDY_TOML)
        style = self.settings.tables
        self.films = read_manifest(self.store.study / FILMS_CSV, visits=self.settings.visit_names, style=style)
        check_names(self.settings, self.films)
        self.series = series_of(self.films, self.settings)
        subjects = sorted({film.subject for film in self.films})
        self.exposures = read_exposures(self.store.study / EXPOSURES_CSV, subjects, style=style)
        self.outcomes = read_outcomes(self.store.study / OUTCOMES_CSV, subjects, style=style)
        self._hashes = Hashes(self.store.root / "cache" / "hashes.csv")

    def reading_work(self, series: Series) -> ReadWork:
        """Return what reading a series takes, with its key."""
        films = tuple(self._film_work(film) for film in series.films)
        key = key_of(
            {
                "kind": "reading",
                "settings": self.settings.reading(),
                "films": [
                    [
                        film.row.name,
                        film.sha256,
                        film.row.frame,
                        list(film.row.user_spacing_mm or ()),
                        film.row.invert,
                        None if film.reading is None else self._hashes.of(film.reading),
                    ]
                    for film in films
                ],
            }
        )
        mark = self.store.reading_mark(series)
        return ReadWork(key=key, mark=mark, films=films, settings=self.settings.reading())

    def pair_works(self, reading: ReadWork, mark: DoneMark) -> list[PairWork]:
        """Return the pairs of a series that was read, with their keys."""
        by_name = {one.row.name: one for one in reading.films}
        readable = [one.row for one in reading.films if mark["films"][one.row.name]["status"] == OK]
        return [self._pair_work(pair, by_name, reading.key) for pair in pairs_of(readable, self.settings)]

    def state(self) -> StudyState:
        """Return what is finished and what is not, without doing any work."""
        readings: dict[str, DoneMark | None] = {}
        pairs: dict[str, DoneMark | None] = {}
        first: dict[tuple[str, int | None], str] = {}
        copies: list[tuple[str, str]] = []
        for series in self.series:
            work = self.reading_work(series)
            for one in work.films:
                if one.sha256 is not None:
                    original = first.setdefault((one.sha256, one.row.frame), one.row.name)
                    copies += [(one.row.name, original)] if original != one.row.name else []
            mark = finished_reading(work)
            readings[series.name] = mark
            if mark is not None:
                pairs |= {pair.pair.name: finished_pair(pair) for pair in self.pair_works(work, mark)}
        self.save_hashes()
        return StudyState(
            settings=self.settings,
            films=self.films,
            series=self.series,
            readings=readings,
            pairs=pairs,
            exposures=self.exposures,
            outcomes=self.outcomes,
            copies=tuple(copies),
        )

    def film_id(self, row: FilmRow) -> str:
        """Return what names a film's readings: the start of its hash as it is now; empty where it cannot be read."""
        return (self._hashes.of(self._path(row), row.frame) or "")[:FILM_ID_LENGTH]

    def save_hashes(self) -> None:
        """Remember the hashes of files for the next run."""
        self._hashes.save()

    def _film_work(self, row: FilmRow) -> FilmWork:
        path = self._path(row)
        return FilmWork(
            row=row,
            path=path,
            sha256=self._hashes.of(path),
            reading=self._reading_of(row),
            folder=self.store.film_folder(row),
        )

    def _path(self, row: FilmRow) -> Path:
        path = Path(row.path)
        return path if path.is_absolute() else self.store.study / path

    def _reading_of(self, row: FilmRow) -> Path | None:
        """Return a person's reading of a film: signed in the viewer, else a label image or SEG named after the film.

        Raises
        ------
        StudyError
            When several people read it and the study names no primary reader.
        """
        root = self.store.study / "readings"
        if not root.is_dir():
            return None
        film_id = self.film_id(row)
        signed = self._signed(root, film_id) if film_id else {}
        if self.settings.primary_reader:
            signed = {name: one for name, one in signed.items() if name == self.settings.primary_reader}
        if len(signed) > 1:
            raise StudyError(
                f"{row.name} was read by {', '.join(sorted(signed))}",
                where=STUDY_TOML,
                remedy="Name one of them: primary_reader under [readings].",
            )
        for version in signed.values():
            return version / "labels.tif"
        made_elsewhere = (root / f"{row.name}{suffix}" for suffix in (".tif", ".dcm"))
        return next((reading for reading in made_elsewhere if reading.exists()), None)

    def _signed(self, root: Path, film_id: str) -> dict[str, Path]:
        """Return the newest signed version of each reader of a film."""
        from calcimeasure.review.reading_store import latest_version, readers_of

        versions = {reader: latest_version(root / film_id / reader) for reader in readers_of(self.store.study, film_id)}
        return {reader: version for reader, version in versions.items() if version is not None}

    def _pair_work(self, pair: PairOf, films: Mapping[str, FilmWork], reading_key: str) -> PairWork:
        measuring = self.settings.measuring()
        key = key_of(
            {
                "kind": "pair",
                "reading": reading_key,
                "settings": measuring,
                "pair": [pair.kind, pair.baseline.name, pair.followup.name],
            }
        )
        return PairWork(
            key=key,
            mark=self.store.pair_mark(pair),
            folder=self.store.pair_folder(pair),
            pair=pair,
            baseline=films[pair.baseline.name],
            followup=films[pair.followup.name],
            settings=measuring,
        )
