"""Many pairs, in parallel, kept as they come: a validation that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcimeasure import __version__
from calcimeasure.io.atomic_output import replace_file
from calcimeasure.validation.film_scoring import OUTLINE_COLUMNS
from calcimeasure.validation.pair_job import Rows, ValidationSettings, run_pair
from calcimeasure.validation.scenarios import Scenario

if TYPE_CHECKING:
    from pandas import DataFrame

TABLES = ("pairs", "films", "deposits", "false_finds", "links", "alignment")
STYLE_SETTINGS = ("style", "film_style", "deposit_style")
# Columns that the figures need even of a validation in which no row has them.
_COLUMNS = {
    "pairs": ("change", "verdict", "true_ratio", "true_log_ratio", "log_ratio", "one_sided", "one_sided_of",
              "left_out", "left_out_of"),
    "films": ("dice", "jaccard"),
    "deposits": ("area_mm2", "in_field", "found", *OUTLINE_COLUMNS, "area_ratio", "area_z", "background", "kind"),
    "false_finds": ("area_mm2",),
    "links": ("true_status", "found_status", "right", "true_log_ratio", "log_ratio"),
    "alignment": ("error_mm",),
}  # fmt: skip


def run_scenarios(
    wanted: Iterable[Scenario],
    settings: ValidationSettings,
    *,
    workers: int = 2,
    store: Path | None = None,
    progress: Callable[[], None] | None = None,
) -> dict[str, DataFrame]:
    """Run every scenario and return the tables.

    Parameters
    ----------
    wanted
        The pairs.
    settings
        How they are run.
    workers
        Processes; the result does not depend on it.
    store
        Folder in which each finished pair is kept, so that a stopped validation goes on; None keeps nothing.
    progress
        Called after each pair.
    """
    todo, done = [], {}
    for scenario in wanted:
        kept = _load(store, scenario, settings)
        if kept is None:
            todo.append(scenario)
        else:
            done[scenario.number] = kept
            _tell(progress)
    # Spawned, not forked: OpenCV and ONNX Runtime hold threads that a fork would leave behind.
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(run_pair, scenario, settings): scenario for scenario in todo}
        for finished in as_completed(running):
            scenario = running[finished]
            done[scenario.number] = finished.result()
            _keep(store, scenario, settings, done[scenario.number])
            _tell(progress)
    return tables_of([done[number] for number in sorted(done)])


def tables_of(results: Iterable[Rows]) -> dict[str, DataFrame]:
    """Return the rows of all pairs as one table a name."""
    import pandas as pd

    results = list(results)
    tables = {}
    for name in TABLES:
        table = pd.DataFrame([row for result in results for row in result.get(name, ())])
        tables[name] = table.reindex(columns=list(dict.fromkeys([*table.columns, *_COLUMNS[name]])))
    return tables


def _tell(progress: Callable[[], None] | None) -> None:
    if progress is not None:
        progress()


def _name(store: Path, scenario: Scenario) -> Path:
    return store / f"{scenario.seed}.json"


def _key(scenario: Scenario, settings: ValidationSettings) -> dict[str, Any]:
    plain = asdict(settings) | {"films": [path.name for path in settings.films]}
    # Pairs that were kept before there were styles are of the standard ones.
    usual = asdict(ValidationSettings())
    for name in STYLE_SETTINGS:
        if plain[name] == usual[name]:
            del plain[name]
    return {"version": __version__, "scenario": asdict(scenario), "settings": plain}


def _load(store: Path | None, scenario: Scenario, settings: ValidationSettings) -> Rows | None:
    if store is None or not _name(store, scenario).is_file():
        return None
    kept = json.loads(_name(store, scenario).read_text(encoding="utf-8"))
    rows: Rows | None = kept["rows"] if kept["key"] == _key(scenario, settings) else None
    return rows


def _keep(store: Path | None, scenario: Scenario, settings: ValidationSettings, rows: Rows) -> None:
    if store is None:
        return
    kept = json.dumps({"key": _key(scenario, settings), "rows": rows})
    replace_file(_name(store, scenario), kept.encode())
