"""The declared plan as one page of text, to be signed and filed; and what the page of results says of it."""

from __future__ import annotations

from typing import Any

from calcimeasure.study.declaration import Declared, Entry
from calcimeasure.study.study_settings import StudySettings


def plan_text(entry: Entry, settings: StudySettings) -> str:
    """Return the declared plan of an entry, with its hash and a line to sign on."""
    declared = entry["settings"]
    when = "after results existed" if entry["results_existed"] else "before any result existed"
    included = sum(film["include"] for film in entry["films"].values())
    lines = [
        f"PLAN OF ANALYSIS: {settings.title}",
        "",
        f"Declared by {entry['by'] or 'a run'} on {entry['time']}, {when}.",
        f"Entry {entry['number']} of declarations.jsonl; its hash: {entry['chain']}",
        f"Hash of the declared settings: {entry['sha256']}",
        "",
        *_lines(declared),
        "",
        f"Films that take part: {included} of {len(entry['films'])}",
        *(f"{name}: {digest or 'not there'}" for name, digest in sorted(entry["files"].items())),
        *(f"model {name}: {digest}" for name, digest in sorted(entry["models"].items())),
        *(f"{name} {version}" for name, version in sorted(entry["software"].items())),
        "",
        "Signature: ______________________________    Date: ______________",
        "",
        "Check later: calcimeasure study verify STUDY --hash HASH, with the hash of the entry above.",
    ]
    return "\n".join(lines) + "\n"


def _lines(values: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{indent}{name}: {'none' if shown in (None, '', {}) else shown}")
    return lines


def declared_sentence(declared: Declared, settings: StudySettings) -> str:
    """Return whether the analysis was declared before results, in a sentence."""
    short = settings.declared_sha256[:16]
    if declared.broken:
        return f"Nothing can be said of what was declared: {declared.broken}. Read what follows as exploratory."
    if declared.before_results is None:
        return (
            f"The analysis was not declared before results were computed: no record of it is older than they are "
            f"(hash now {short}). Read what follows as exploratory."
        )
    if declared.changes or declared.exclusions:
        back = declared.before_results["sha256"] == settings.declared_sha256
        now = "The settings are those declared" if back else "Read what follows as exploratory"
        return (
            "What was declared, films that take part, or the software were changed after results had been computed; "
            f"each change is listed below. {now} (hash now {short})."
        )
    by = f" by {declared.before_results['by']}" if declared.before_results["by"] else ""
    return f"The analysis was declared before results were computed{by} (hash {short})."
