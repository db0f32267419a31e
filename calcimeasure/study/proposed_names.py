"""Names that a study proposes: visits from dates, sides and views from file names, pseudonyms from identifiers."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from calcimeasure.errors import StudyError
from calcimeasure.io.table_reader import folded, read_csv_table
from calcimeasure.study.manifest import valid_name
from calcimeasure.study.study_settings import Visit

DAYS_A_MONTH = 30.4375
SAME_VISIT_DAYS = 14
KEY_FILE = Path("private") / "subject_key.csv"
UNKNOWN = "UNKNOWN"

_WORDS = re.compile(r"[A-Za-z]+|\d+")
_SIDES = {"L": "L", "LT": "L", "LEFT": "L", "LI": "L", "R": "R", "RT": "R", "RIGHT": "R", "RE": "R", "BOTH": "B"}
_PARTS = {"HAND", "WRIST", "FOREARM", "ELBOW", "ARM", "SHOULDER", "FOOT", "ANKLE", "KNEE", "LEG", "THIGH", "HIP"}
_VIEWS = {"PA": "PA", "AP": "AP", "DP": "PA", "LAT": "LATERAL", "LATERAL": "LATERAL", "OBL": "OBLIQUE"}
_BASELINE = {"BASELINE", "BL", "BASE", "PRE"}
_MONTHS = {"M", "MO", "MONTH", "MONTHS"}


def visit_name(days: int) -> str:
    """Return the proposed name of a visit so many days after the first."""
    months = round(days / DAYS_A_MONTH)
    return "baseline" if days <= SAME_VISIT_DAYS else f"month {max(months, 1)}"


def visits_by_date(dates: Mapping[str, Sequence[str]]) -> tuple[dict[tuple[str, str], str], tuple[Visit, ...]]:
    """Return each subject's visit by date, and the visits of the study.

    The first date of a subject is baseline; a later one is named by the whole months since. A subject whose baseline
    film is missing is named wrongly by this: dates alone do not show it.

    Parameters
    ----------
    dates
        ISO dates by subject.

    Returns
    -------
    tuple
        ``(subject, date) -> name``, and the visits in order of day, each with a window of half the way to its
        neighbour, 14 to 45 days.
    """
    names: dict[tuple[str, str], str] = {}
    days_of: dict[str, list[int]] = {"baseline": [0]}
    for subject, days in dates.items():
        known = sorted({date.fromisoformat(day) for day in days if day})
        for day in known:
            since = (day - known[0]).days
            name = visit_name(since)
            names[subject, day.isoformat()] = name
            days_of.setdefault(name, []).append(since)
    typical = sorted(
        (0 if name == "baseline" else sorted(days)[(len(days) - 1) // 2], name) for name, days in days_of.items()
    )
    return names, visits_from(typical)


def visits_from(typical: Sequence[tuple[int, str]]) -> tuple[Visit, ...]:
    """Return visits with windows, from (day, name) in order."""
    visits = []
    for index, (day, name) in enumerate(typical):
        gaps = [abs(day - other) for other, _ in (*typical[max(index - 1, 0) : index], *typical[index + 1 : index + 2])]
        window = min(45, max(SAME_VISIT_DAYS, min(gaps, default=60) // 2))
        visits.append(Visit(name=name, day=day, window_days=window))
    return tuple(visits)


def hints(path: str) -> dict[str, str]:
    """Return side, body part, view and visit that the words of a path name; the last word wins."""
    found: dict[str, str] = {}
    words = [word.upper() for word in _WORDS.findall(path)]
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if word in _SIDES:
            found["side"] = _SIDES[word]
        if word in _PARTS:
            found["body_part"] = word
        if word in _VIEWS:
            found["view"] = _VIEWS[word]
        if word in _BASELINE:
            found["visit"] = "baseline"
        elif word in _MONTHS and following.isdigit():
            found["visit"] = "baseline" if int(following) == 0 else f"month {int(following)}"
    return found


class Pseudonyms:
    """Names S001, S002, ... for identifiers, kept in a key file of its own that results never contain.

    Parameters
    ----------
    known
        Pseudonym by identifier, from an earlier key file.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._names = dict(known or {})

    def add(self, identifiers: Iterable[str], *, keep: Mapping[str, str] | None = None) -> None:
        """Give a name to each identifier that has none.

        New ones are numbered in the order of their hashes: the numbers follow neither the alphabet nor the folders.

        Parameters
        ----------
        keep
            The identifiers are pseudonyms already: each as it is written, to name its subject where it can name a
            folder.
        """
        new = sorted(set(identifiers) - set(self._names), key=lambda text: hashlib.sha256(text.encode()).hexdigest())
        taken = set(self._names.values())
        if keep:
            kept = {text: keep[text] for text in new if valid_name(keep[text]) and keep[text] not in taken}
            self._names |= kept
            taken |= set(kept.values())
            new = [text for text in new if text not in kept]
        number = 0
        for identifier in new:
            while (name := f"S{(number := number + 1):03d}") in taken:
                pass
            taken.add(name)
            self._names[identifier] = name

    def __getitem__(self, identifier: str) -> str:
        return self._names[identifier]

    def __len__(self) -> int:
        return len(self._names)

    def likely_doubles(self) -> tuple[tuple[str, str], ...]:
        """Return pairs of names whose identifiers differ in marks, blanks or leading zeros alone."""
        first: dict[str, str] = {}
        found = []
        for identifier, name in sorted(self._names.items()):
            bare = re.sub(r"0*(\d+)", r"\1", re.sub(r"[\W_]+", "", identifier).upper())
            other = first.setdefault(bare, name)
            if other != name:
                found.append((other, name))
        return tuple(found)

    @classmethod
    def read(cls, study: Path) -> Pseudonyms:
        """Return the names of a study's key file; none where there is no such file.

        Raises
        ------
        StudyError
            When the file lacks its columns.
        """
        path = study / KEY_FILE
        if not path.exists():
            return cls()
        table = read_csv_table(path, error=StudyError)
        if not {"subject", "identifier"} <= {folded(column) for column in table.columns}:
            raise StudyError(
                "row 1: the columns are not subject, identifier", where=str(KEY_FILE), remedy="Restore the file."
            )
        return cls({row["identifier"]: row["subject"] for _, row in table.rows})

    def write(self, study: Path) -> Path:
        """Write the key file, readable by its owner alone where the system knows of owners."""
        path = study / KEY_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["subject", "identifier"])
            writer.writerows(sorted((name, identifier) for identifier, name in self._names.items()))
        return path
