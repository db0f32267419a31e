"""What was declared when: an append-only log beside `study.toml`, each entry chained to the one before by its hash.

An entry holds the declared settings, the hashes of the study's tables, which films take part, and the versions of
software and models. `study run` adds one whenever any of it changed, `study declare` one with a person's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from calcimeasure.errors import StudyError
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.result_store import Store, write_whole
from calcimeasure.study.study_settings import STUDY_TOML, StudySettings

DECLARATIONS = "declarations.jsonl"
EARLIER = "declared.json"
"""In `results/`, from before there was a log: hashes alone. Read where there is no log."""
DECLARED_FILES = ("films.csv", "exposures.csv", "outcomes.csv", "subjects.csv")
RUN, BY_PERSON = "run", "declared"
_FIRST = "0" * 64

Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What the log says of the analysis as it is now.

    Attributes
    ----------
    before_results
        The last entry made before there were results; None where there is none.
    changes
        Sentences: every change since the first result, changed back or not.
    exclusions
        (film, reason) of films that took part in a run and were left out afterwards.
    broken
        What is wrong with the log itself; empty where it is whole.
    entries
        How many entries the log has.
    head
        Hash of its last entry.
    """

    before_results: Entry | None
    changes: tuple[str, ...]
    exclusions: tuple[tuple[str, str], ...]
    broken: str
    entries: int
    head: str

    @property
    def holds(self) -> bool:
        """Whether the analysis is the one that was declared before there were results."""
        return self.before_results is not None and not (self.changes or self.exclusions or self.broken)


def add_declaration(store: Store, settings: StudySettings, films: Sequence[FilmRow], *, by: str = "") -> Entry:
    """Add an entry to the log where anything changed since the last, or where a person declares.

    Parameters
    ----------
    by
        Who declares; empty for a run.

    Returns
    -------
    dict
        The newest entry.
    """
    log = read_log(store)
    now = _content(store, settings, films)
    kind = BY_PERSON if by else RUN
    if log and not by and log[-1]["kind"] == RUN and all(log[-1].get(name) == one for name, one in now.items()):
        return log[-1]
    entry: Entry = {
        "number": len(log) + 1,
        "kind": kind,
        "by": by,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "results_existed": has_results(store),
        **now,
        "previous": log[-1]["chain"] if log else _FIRST,
    }
    entry["chain"] = chain_of(entry)
    lines = [json.dumps(one, sort_keys=True, ensure_ascii=False) for one in (*log, entry)]
    write_whole(store.study / DECLARATIONS, ("\n".join(lines) + "\n").encode())
    return entry


def has_results(store: Store) -> bool:
    """Return whether any pair was compared."""
    return any((store.root / "done" / "pairs").rglob("*.json"))


def read_log(store: Store) -> list[Entry]:
    """Return the log's entries, oldest first.

    Raises
    ------
    StudyError
        When a line is not an entry.
    """
    path = store.study / DECLARATIONS
    if not path.exists():
        return _earlier(store)
    entries: list[Entry] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            entries.append({**entry, "chain": str(entry["chain"]), "kind": str(entry["kind"])})
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise StudyError(
                f"line {number} is no declaration",
                where=DECLARATIONS,
                remedy="Restore the file from a backup: it is only ever added to, by the program.",
            ) from error
    return entries


def chain_of(entry: Mapping[str, Any]) -> str:
    """Return the hash that chains an entry to the one before it."""
    text = json.dumps({name: one for name, one in entry.items() if name != "chain"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def declared_now(store: Store, settings: StudySettings, films: Sequence[FilmRow]) -> Declared:
    """Return what the log says of the analysis as the study's files have it now."""
    log = read_log(store)
    before = next((one for one in reversed(log) if not one["results_existed"]), None)
    states: list[Entry] = [one for one in log if before is None or one["number"] >= before["number"]]
    now = {**_content(store, settings, films), "number": 0}
    states.append(now)
    changes: list[str] = []
    for earlier, later in pairwise(states):
        changes += [f"{words}{_when(later)}" for words in _differences(earlier, later)]
    return Declared(
        before_results=before,
        changes=tuple(changes) if has_results(store) else (),
        exclusions=_exclusions(log, films),
        broken=_fault(log),
        entries=len(log),
        head=log[-1]["chain"] if log else "",
    )


def _earlier(store: Store) -> list[Entry]:
    """Return what a version before the log noted, as entries that hold a hash alone."""
    try:
        noted = json.loads((store.root / EARLIER).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    entries: list[Entry] = []
    for number, note in enumerate(noted, start=1):
        previous = entries[-1]["chain"] if entries else _FIRST
        entry: Entry = {**note, "number": number, "kind": RUN, "by": "", "time": "", "previous": previous}
        entries.append({**entry, "chain": chain_of(entry)})
    return entries


def _content(store: Store, settings: StudySettings, films: Sequence[FilmRow]) -> Entry:
    from calcimeasure import __version__
    from calcimeasure.export.json_records import library_versions

    return {
        "sha256": settings.declared_sha256,
        "settings": json.loads(json.dumps(settings.declared)),
        "files": {name: _file_hash(store.study / name) for name in DECLARED_FILES},
        "films": {
            film.name: {"include": film.include, "film_id": film.film_id, "note": film.note}
            for film in films
            if film.subject and film.visit
        },
        "software": {"calcimeasure": __version__, **library_versions()},
        "models": dict(_model_hashes()),
    }


def _file_hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@cache
def _model_hashes() -> tuple[tuple[str, str], ...]:
    """Return the hash of every model that ships."""
    weights = resources.files("calcimeasure.models").joinpath("weights")
    found = [one for one in weights.iterdir() if one.is_file() and not one.name.startswith(("_", "."))]
    return tuple((one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in sorted(found, key=str))


def _differences(earlier: Entry, later: Entry) -> list[str]:
    """Return sentences on what two entries say differently, of what a result depends on."""
    if "settings" not in earlier or "settings" not in later:
        changed = earlier.get("sha256") != later.get("sha256")
        return [f"The declared settings changed ({STUDY_TOML})"] if changed else []
    found = [
        f"{name} was {_words(old)} and became {_words(new)}"
        for name, old, new in _leaves(earlier["settings"], later["settings"])
    ]
    for kind in ("software", "models"):
        found += [
            f"{kind} {name} was {_words(old)[:16]} and became {_words(new)[:16]}"
            for name, old, new in _leaves(earlier[kind], later[kind])
        ]
    for name in ("exposures.csv", "outcomes.csv", "subjects.csv"):
        old, new = earlier["files"].get(name), later["files"].get(name)
        if old is not None and old != new:
            found.append(f"{name} was {'removed' if new is None else 'edited'}")
    return found


def _leaves(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[tuple[str, Any, Any]]:
    """Return (name, old, new) of every value that differs."""
    found: list[tuple[str, Any, Any]] = []
    for name in sorted({*old, *new}):
        first, second = old.get(name), new.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            found += _leaves(first, second, f"{path}{name}.")
        elif first != second:
            found.append((f"{path}{name}", first, second))
    return found


def _words(value: Any) -> str:
    return "nothing" if value in (None, "", [], {}) else json.dumps(value, ensure_ascii=False).strip('"')


def _when(entry: Entry) -> str:
    if not entry["number"]:
        return " (not run since)."
    day = f", {entry['time'][:10]}" if entry.get("time") else ""
    return f" (entry {entry['number']}{day})."


def _exclusions(log: Sequence[Entry], films: Sequence[FilmRow]) -> tuple[tuple[str, str], ...]:
    """Return films that took part in a run and take part no longer, with the reason that their row gives."""
    took_part = {
        name
        for entry in log
        if entry["kind"] == RUN
        for name, film in entry.get("films", {}).items()
        if film["include"]
    }
    now = {film.name: film for film in films}
    found = []
    for name in sorted(took_part):
        film = now.get(name)
        if film is None:
            found.append((name, "its row is no longer in films.csv"))
        elif not film.include:
            found.append((name, film.note or "no reason is given (column note)"))
    return tuple(found)


def _fault(log: Sequence[Entry]) -> str:
    previous = _FIRST
    for place, entry in enumerate(log, start=1):
        if entry["number"] != place or entry["previous"] != previous or chain_of(entry) != entry["chain"]:
            return f"entry {place} of {DECLARATIONS} was altered, moved or removed"
        previous = entry["chain"]
    return ""
