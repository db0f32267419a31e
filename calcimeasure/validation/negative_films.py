"""Films without calcification as they are: how many deposits are found that are not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calcimeasure import __version__
from calcimeasure.errors import CalciMeasureError, UsageError
from calcimeasure.io.atomic_output import replace_file
from calcimeasure.io.table_reader import read_csv_table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

SCHEMA = "calcimeasure.negative_films/1"
MANIFEST = "manifest.csv"
ALL = "all"
_RESAMPLES = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class NegativeFilm:
    """One film without calcification, and what was found on it.

    Attributes
    ----------
    film
        Name of the file.
    group
        Body part, or whatever the manifest states; empty without one.
    false_finds
        Deposits found.
    areas_mm2
        Area of each; a film without spacing is taken to be of the usual size.
    error
        Why the film could not be read or searched; None where it could.
    """

    film: str
    group: str
    false_finds: int
    areas_mm2: tuple[float, ...]
    error: str | None = None

    @property
    def largest_mm2(self) -> float:
        """Area of the largest false find; 0 where there is none."""
        return max(self.areas_mm2, default=0.0)


def run_negative_films(
    films: Sequence[Path],
    *,
    method: str = "auto",
    workers: int = 2,
    progress: Callable[[], None] | None = None,
) -> list[NegativeFilm]:
    """Search every film and return what was found on each, in the order of their names.

    Parameters
    ----------
    films
        Radiographs known to show no calcification. Where a `manifest.csv` lies beside a film, its columns ``file``,
        ``body_part`` and ``shows_calcification`` give the groups, and films not marked ``no`` are left out.
    method
        Name of the segmenter.
    workers
        Processes; the result does not depend on it.
    progress
        Called after each film.
    """
    known = {folder: _manifest(folder) for folder in {path.parent for path in films}}
    jobs = []
    for path in sorted(films, key=lambda one: (one.name, str(one))):
        row = known[path.parent].get(path.name, {})
        if path.name != MANIFEST and row.get("shows_calcification", "no") == "no":
            jobs.append((path, row.get("body_part", ""), method))
    if not jobs:
        raise UsageError("no film to search", remedy="Name films without calcification, or folders of them.")
    found = []
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        for one in pool.map(_search, jobs):
            found.append(one)
            if progress is not None:
                progress()
    return found


def summarise_negative_films(found: Sequence[NegativeFilm], *, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row for all films and one for each group.

    Each has the number of films, false finds a film with a 95 % bootstrap interval over films (bias-corrected and
    accelerated), their median, the share of films with any, and the largest false find in mm2.
    """
    searched = [one for one in found if one.error is None]
    groups = sorted({one.group for one in searched if one.group})
    rows = []
    for name in (ALL, *groups):
        own = [one for one in searched if name in (ALL, one.group)]
        counts = np.array([one.false_finds for one in own], dtype=np.float64)
        low, high = _interval(counts, np.random.default_rng(seed))
        rows.append(
            {
                "group": name,
                "films": len(own),
                "false_finds_a_film": float(counts.mean()) if own else None,
                "ci95_low": low,
                "ci95_high": high,
                "median": float(np.median(counts)) if own else None,
                "films_with_any": float((counts > 0).mean()) if own else None,
                "largest_mm2": max((one.largest_mm2 for one in own), default=0.0),
            }
        )
    return rows


def negative_films_table(found: Sequence[NegativeFilm]) -> DataFrame:
    """Return one row a film."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "film": one.film,
                "group": one.group,
                "false_finds": one.false_finds,
                "largest_mm2": one.largest_mm2,
                "areas_mm2": " ".join(f"{area:.2f}" for area in one.areas_mm2),
                "error": one.error or "",
            }
            for one in found
        ]
    )


def negative_films_text(found: Sequence[NegativeFilm]) -> str:
    """Return the summary as a table of text, and the films that could not be searched."""
    titles = f"{'false finds a film':>20}{'95 % interval':>18}{'median':>8}{'any':>6}{'largest mm²':>13}"
    lines = [f"{'group':<16}{'films':>6}{titles}"]
    for row in summarise_negative_films(found) if any(one.error is None for one in found) else ():
        interval = "-" if row["ci95_low"] is None else f"{row['ci95_low']:.2f} to {row['ci95_high']:.2f}"
        lines.append(
            f"{row['group']:<16}{row['films']:>6}{row['false_finds_a_film']:>20.2f}{interval:>18}{row['median']:>8.0f}"
            f"{row['films_with_any']:>6.2f}{row['largest_mm2']:>13.1f}"
        )
    lines += [f"not searched: {one.film}: {one.error}" for one in found if one.error is not None]
    return "\n".join(lines) + "\n"


def write_negative_films(found: Sequence[NegativeFilm], settings: Mapping[str, Any], folder: Path) -> None:
    """Write `negative_films.csv` and `negative_films.json` into a folder that is made here."""
    record = {
        "schema": SCHEMA,
        "calcimeasure_version": __version__,
        "settings": dict(settings),
        "summary": summarise_negative_films(found),
        "films": [asdict(one) for one in found],
    }
    table = negative_films_table(found).to_csv(index=False, lineterminator="\n")
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    replace_file(folder / "negative_films.csv", table.encode())
    replace_file(folder / "negative_films.json", text.encode())


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    return {row["file"]: row for _, row in read_csv_table(path).rows if row.get("file")}


def _search(job: tuple[Path, str, str]) -> NegativeFilm:
    """Return what is found on one film; a film that cannot be read is a row with its error."""
    import cv2

    from calcimeasure.anatomy import find_anatomy
    from calcimeasure.io import read_film
    from calcimeasure.models.working_grid import nominal_spacing_mm
    from calcimeasure.segmentation import segment

    path, group, method = job
    cv2.setNumThreads(1)
    try:
        film = read_film(path)
        anatomy = find_anatomy(film)
        labels = segment(film, method=method, anatomy=anatomy)
    except CalciMeasureError as error:
        return NegativeFilm(film=path.name, group=group, false_finds=0, areas_mm2=(), error=error.problem)
    row_mm, col_mm = nominal_spacing_mm(film, anatomy)
    pixels = np.bincount(labels.image.ravel(), minlength=1)[1:]
    areas = tuple(float(count * row_mm * col_mm) for count in pixels if count)
    return NegativeFilm(film=path.name, group=group, false_finds=len(areas), areas_mm2=areas)


def _interval(counts: NDArray[np.float64], rng: np.random.Generator) -> tuple[float | None, float | None]:
    from calcimeasure.statistics.clustered import bca_interval

    if counts.size < 2:
        return (None, None)
    if not counts.any():  # the exact limit of a Poisson mean of which nothing was seen
        return (0.0, float(-np.log(0.025) / counts.size))
    return bca_interval(counts, rng=rng, resamples=_RESAMPLES, confidence_level=0.95)
