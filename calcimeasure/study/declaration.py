"""What was declared when: the hash of the declared analysis, noted before results are computed."""

from __future__ import annotations

import json

from calcimeasure.study.result_store import Store, write_whole
from calcimeasure.study.study_settings import StudySettings

DECLARED = "declared.json"


def declare(store: Store, settings: StudySettings) -> None:
    """Note the hash of what is declared, before a run; a change since is noted after the others."""
    noted = _noted(store)
    if not noted or noted[-1]["sha256"] != settings.declared_sha256:
        has_results = (store.root / "done" / "pairs").is_dir()
        noted.append({"sha256": settings.declared_sha256, "results_existed": has_results})
        write_whole(store.root / DECLARED, json.dumps(noted, indent=1).encode() + b"\n")


def changed_after_results(store: Store, settings: StudySettings) -> bool:
    """Return whether what is declared now is not what was declared before there were results."""
    before = [note["sha256"] for note in _noted(store) if not note["results_existed"]]
    return bool(before) and settings.declared_sha256 not in before[-1:]


def _noted(store: Store) -> list[dict[str, object]]:
    try:
        noted: list[dict[str, object]] = json.loads((store.root / DECLARED).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    return noted
