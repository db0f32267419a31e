"""Names in one file of a study checked against those in every other: a misspelt name loses a patient without a word."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from calcimeasure.errors import StudyError
from calcimeasure.io.table_reader import near_miss
from calcimeasure.study.manifest import FILMS_CSV, FilmRow
from calcimeasure.study.study_settings import STUDY_TOML, StudySettings


def check_names(settings: StudySettings, films: Sequence[FilmRow]) -> None:
    """Check populations, arms, visits' subjects and views against the films.

    A declared subject without any film is no mistake: it is counted as not evaluable. One that is nearly the name of
    another subject is.

    Raises
    ------
    StudyError
        Naming the key, the name, and what it is likely to mean.
    """
    subjects = sorted({film.subject for film in films if film.subject})
    _check_alike(subjects, FILMS_CSV, "subject")
    analysis = settings.analysis
    _check_subjects("[analysis] population", analysis.population, subjects)
    _check_subjects("[analysis] arms", analysis.arms, subjects)
    for visit in settings.visits:
        _check_subjects(f"[[visits]] {visit.name}, subjects", visit.subjects, subjects)
    _check_arms(analysis.arms.values())
    _check_views(settings, films)


def declared_subjects(settings: StudySettings) -> set[str]:
    """Return every subject that `study.toml` names."""
    named = {*settings.analysis.population, *settings.analysis.arms}
    return named.union(*(visit.subjects for visit in settings.visits))


def _check_subjects(key: str, names: Iterable[str], subjects: Sequence[str]) -> None:
    for name in names:
        if name not in subjects:
            meant = _same_but_for_writing(name, subjects)
            if meant:
                raise StudyError(
                    f"{key}: '{name}' has no film", where=STUDY_TOML, remedy=f"Did you mean '{meant}', as in films.csv?"
                )


def _same_but_for_writing(name: str, known: Sequence[str]) -> str:
    """Return the known name that differs in case, blanks, marks or leading zeros alone."""
    return next((one for one in known if one != name and _bare(one) == _bare(name)), "")


def _bare(name: str) -> str:
    return re.sub(r"0*(\d+)", r"\1", re.sub(r"[\W_]+", "", name).lower())


def _check_alike(names: Sequence[str], where: str, column: str) -> None:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(_bare(name), name)
        if other != name:
            raise StudyError(
                f"column {column}: '{other}' and '{name}' are likely to be one",
                where=where,
                remedy="Write one name for one subject, and names that differ in more than case, marks and zeros.",
            )


def _check_arms(arms: Iterable[str]) -> None:
    """Refuse an arm of one patient whose name is nearly that of another: a second arm made by a slip of the pen."""
    counts = Counter(arms)
    for arm, count in sorted(counts.items()):
        others = [one for one in counts if one != arm]
        meant = _same_but_for_writing(arm, others) or (near_miss(arm, others) if count == 1 else "")
        is_label = re.sub(r"\b\w\b|\d+", "", arm) == re.sub(r"\b\w\b|\d+", "", meant)
        if meant and (not is_label or _bare(arm) == _bare(meant)):
            raise StudyError(
                f"[analysis] arms: '{arm}' is nearly '{meant}'",
                where=STUDY_TOML,
                remedy="Write each arm in one way; arms that differ need names that differ more.",
            )


def _check_views(settings: StudySettings, films: Sequence[FilmRow]) -> None:
    views: dict[str, set[str]] = defaultdict(set)
    for film in films:
        if film.include:
            views[film.body_part].add(film.view)
    for part, view in settings.analysis.burden_view.items():
        meant = near_miss(part, sorted(views))
        if part not in views and meant:
            raise StudyError(
                f"[analysis] burden_view: no film is of {part}", where=STUDY_TOML, remedy=f"Did you mean '{meant}'?"
            )
        if part in views and view not in views[part]:
            raise StudyError(
                f"[analysis] burden_view: no film of {part} has the view {view}",
                where=STUDY_TOML,
                remedy=f"Its views are {', '.join(sorted(views[part]))}.",
            )
