"""Which films belong together: series (the films of one limb in one view), their pairs, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from calcimeasure.study.manifest import FilmRow, SeriesKey
from calcimeasure.study.proposed_names import UNKNOWN
from calcimeasure.study.study_settings import StudySettings

CHANGE, REPEAT = "change", "repeat"


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """The films of one limb in one view, baseline first, repeats in their order."""

    key: SeriesKey
    films: tuple[FilmRow, ...]

    @property
    def name(self) -> str:
        """The key as one word."""
        return "_".join(part.replace(" ", "-") for part in self.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class PairOf:
    """Two films to compare.

    Attributes
    ----------
    kind
        ``change`` (a visit with baseline) or ``repeat`` (two exposures of one visit: precision data).
    """

    kind: str
    baseline: FilmRow
    followup: FilmRow

    @property
    def name(self) -> str:
        """The follow-up's key as one word: each follow-up film is compared once."""
        return self.followup.name


def series_of(films: Sequence[FilmRow], settings: StudySettings) -> tuple[Series, ...]:
    """Return the series of the films that take part, in the order of their keys."""
    order = {name: index for index, name in enumerate(settings.visit_names)}
    groups: dict[SeriesKey, list[FilmRow]] = defaultdict(list)
    for film in films:
        if film.include:
            groups[film.series].append(film)
    return tuple(
        Series(key=key, films=tuple(sorted(group, key=lambda film: (order.get(film.visit, 0), film.repeat))))
        for key, group in sorted(groups.items())
    )


def pairs_of(films: Sequence[FilmRow], settings: StudySettings) -> tuple[PairOf, ...]:
    """Return the pairs of a series' films: each visit with baseline, and each repeat with the first of its visit.

    Parameters
    ----------
    films
        Those of one series that could be read, in its order: where the first exposure of a visit failed, the next
        takes its place.
    """
    first: dict[str, FilmRow] = {}
    pairs = []
    for film in films:
        if film.visit in first:
            pairs.append(PairOf(kind=REPEAT, baseline=first[film.visit], followup=film))
        else:
            first[film.visit] = film
    baseline = first.get(settings.baseline)
    if baseline is not None:
        pairs += [
            PairOf(kind=CHANGE, baseline=baseline, followup=film)
            for visit, film in first.items()
            if visit != settings.baseline
        ]
    return tuple(pairs)


def gaps(films: Sequence[FilmRow], settings: StudySettings) -> tuple[str, ...]:
    """Return a sentence for each visit at which a limb's film is missing, and for each date outside its window.

    A film of the wrong side shows here twice: its true limb lacks a film, and the limb it claims to be has no
    baseline.
    """
    missing = []
    for series in series_of(films, settings):
        subject, body_part, side, view = series.key
        present = {film.visit for film in series.films}
        for visit in settings.visits:
            if visit.name not in present and visit.is_due(subject):
                limb = " ".join(word for word in (side, body_part, view) if word != UNKNOWN)
                missing.append(f"{subject}: no film of {limb} at {visit.name}.")
    return (*missing, *_outside_windows(films, settings))


def _outside_windows(films: Sequence[FilmRow], settings: StudySettings) -> list[str]:
    windows = {visit.name: visit for visit in settings.visits}
    starts: dict[str, date] = {}
    for film in films:
        if film.include and film.visit == settings.baseline and film.date:
            day = date.fromisoformat(film.date)
            starts[film.subject] = min(day, starts.get(film.subject, day))
    missing = []
    for film in films:
        visit = windows.get(film.visit)
        if not (film.include and film.date and visit is not None and film.subject in starts):
            continue
        days = (date.fromisoformat(film.date) - starts[film.subject]).days
        if abs(days - visit.day) > visit.window_days:
            missing.append(
                f"{film.subject}: the film of {film.date} is {days} days after baseline, outside the window of "
                f"{visit.name} ({visit.day} ± {visit.window_days} days)."
            )
    return missing
