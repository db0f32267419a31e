"""The two jobs of a study: reading a series of films, and comparing a pair.

Each reads its inputs from disk, writes its results, and its mark last; it returns the mark. Nothing here depends on the
runner, so that the same functions serve a process pool and a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcimeasure.errors import CalciMeasureError, FilmError
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.study.manifest import FilmRow
from calcimeasure.study.proposed_names import UNKNOWN
from calcimeasure.study.reading_budget import reading_budget
from calcimeasure.study.result_store import read_mark, write_mark
from calcimeasure.study.series import PairOf

if TYPE_CHECKING:
    from calcimeasure.change.change_records import Comparison
    from calcimeasure.deposits import DepositLabels
    from calcimeasure.radiograph import Radiograph

OK, FAILED = "ok", "failed"
FOLLOWED = "films.csv is followed where it says"


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmWork:
    """One film to read.

    Attributes
    ----------
    path
        The file, absolute.
    sha256
        Of the file, as the key has it; None where it could not be read.
    reading
        A person's reading of this film, absolute; None for the automatic one.
    folder
        Where its results go.
    """

    row: FilmRow
    path: Path
    sha256: str | None
    reading: Path | None
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadWork:
    """A series to read."""

    key: str
    mark: Path
    films: tuple[FilmWork, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairWork:
    """A pair to compare, both films read."""

    key: str
    mark: Path
    folder: Path
    pair: PairOf
    baseline: FilmWork
    followup: FilmWork
    settings: dict[str, Any]


def finished_reading(work: ReadWork) -> dict[str, Any] | None:
    """Return the mark of a reading that is finished and whose results are there; None where it is to be done."""
    mark = read_mark(work.mark, work.key)
    if mark is None:
        return None
    read = [one for one in work.films if mark["films"][one.row.name]["status"] == OK]
    return mark if all((one.folder / "measurement.json").exists() for one in read) else None


def finished_pair(work: PairWork) -> dict[str, Any] | None:
    """Return the mark of a pair that is finished and whose results are there; None where it is to be done."""
    mark = read_mark(work.mark, work.key)
    if mark is None or (mark["status"] == OK and not (work.folder / "comparison.json").exists()):
        return None
    return mark


def read_series_work(work: ReadWork) -> dict[str, Any]:
    """Read a series: every film measured and written, or its reason for failing; then the mark."""
    with _one_thread():
        mark = _read(work)
    write_mark(work.mark, mark)
    return mark


def compare_pair_work(work: PairWork) -> dict[str, Any]:
    """Compare a pair whose films were read; results written, then the mark."""
    with _one_thread():
        mark = _compare(work)
    write_mark(work.mark, mark)
    return mark


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep OpenCV to one thread: some of its results differ in the last digit with their number."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _read(work: ReadWork) -> dict[str, Any]:
    outcomes: dict[str, dict[str, Any]] = {}
    films: list[tuple[FilmWork, Radiograph]] = []
    for one in work.films:
        try:
            films.append((one, open_film(one, work.settings)))
        except CalciMeasureError as error:
            outcomes[one.row.name] = {"status": FAILED, "reason": reason_of(error, one)}
    try:
        outcomes |= _read_together(films, work.settings)
    except MemoryError:
        raise
    except Exception:
        # One film must not take its whole series with it: each is then tried by itself.
        for pair in films:
            outcomes[pair[0].row.name] = _read_alone(pair, work.settings)
    return {"key": work.key, "films": {one.row.name: outcomes[one.row.name] for one in work.films}}


def _compare(work: PairWork) -> dict[str, Any]:
    from calcimeasure.change import compare
    from calcimeasure.export import write_comparison
    from calcimeasure.io.label_images import read_labels

    try:
        films = [open_film(one, work.settings) for one in (work.baseline, work.followup)]
        folders = (work.baseline.folder, work.followup.folder)
        labels = [read_labels(folder / "labels.tif", film) for folder, film in zip(folders, films, strict=True)]
        settings = {
            "margin_ratio": tuple(work.settings["margin_ratio"]),
            "repositioning_sd": work.settings["repositioning_sd"],
            "precision": work.settings["precision"],
            "limit_of_detection_mm2": _limit_of_detection(work),
        }
        comparison = compare(*films, baseline_labels=labels[0], followup_labels=labels[1], **settings)
        write_comparison(comparison, work.folder, overwrite=True, settings=settings)
        limit = {"limit_of_detection_mm2": settings["limit_of_detection_mm2"]}
        outcome = {"status": OK, **limit, **_pair_outcome(comparison)}
    except MemoryError:
        raise
    except Exception as error:
        # One pair's failure never stops a study; the reason is kept and reported.
        outcome = {"status": FAILED, "reason": reason_of(error, work.followup)}
    return {**_pair_identity(work), **outcome}


def _pair_identity(work: PairWork) -> dict[str, Any]:
    pair = work.pair
    return {"key": work.key, "kind": pair.kind, "baseline": pair.baseline.name, "followup": pair.followup.name}


def _limit_of_detection(work: PairWork) -> float | None:
    """Return the declared limit, else the segmenter's where it read both films: what a person misses is not known."""
    from calcimeasure.segmentation import get_segmenter

    declared: float | None = work.settings["limit_of_detection_mm2"]
    if declared is not None or any(film.reading is not None for film in (work.baseline, work.followup)):
        return declared
    return get_segmenter(work.settings["method"]).limit_of_detection_mm2


def open_film(one: FilmWork, settings: dict[str, Any]) -> Radiograph:
    """Read a film as its row describes it; what a row calls unknown is left to the header.

    Where the two contradict one another the row is followed, with a warning.
    """
    from calcimeasure.io import read_film

    row = one.row
    if one.sha256 is None:
        raise FilmError("there is no such file, or it cannot be read", where=one.path.name, remedy="Check the path.")
    with reading_budget(one.folder, one.path.name):
        film = read_film(
            one.path,
            spacing_mm=row.user_spacing_mm,
            invert=row.invert,
            frame=row.frame,
            magnification_corrected=bool(settings["magnification_corrected"]),
        )
    said = {"side": row.side, "view": row.view, "body_part": row.body_part}
    said = {name: word for name, word in said.items() if word not in ("", UNKNOWN)}
    warnings = tuple(
        Notice(
            NoticeCode.MANIFEST_DISAGREES,
            f"{FOLLOWED} {name.replace('_', ' ')} {word}, the file says {stated}.",
        )
        for name, word in {**said, "study_date": row.date}.items()
        if word and (stated := getattr(film.identity, name)) and stated != word
    )
    identity = replace(
        film.identity,
        side=said.get("side", film.identity.side),
        view=said.get("view", film.identity.view),
        body_part=said.get("body_part", film.identity.body_part),
    )
    return replace(film, identity=identity, warnings=(*film.warnings, *warnings))


def contradictions_of(record: dict[str, Any]) -> list[str]:
    """Return what a film's row and header say differently, from its record."""
    if "warning_details" not in record:  # written before warnings had codes
        return [text for text in record["warnings"] if text.startswith(FOLLOWED)]
    return [one["text"] for one in record["warning_details"] if one["code"] == NoticeCode.MANIFEST_DISAGREES]


def reason_of(error: BaseException, one: FilmWork) -> str:
    """Return why something failed, in one line that names no folder: it is kept with the results."""
    if isinstance(error, CalciMeasureError):
        last = re.sub(r"^.*[/\\]", "", error.where, flags=re.DOTALL)
        text = str(CalciMeasureError(error.problem, where=last, remedy=error.remedy))
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.replace(str(one.path.parent), "").split()) or type(error).__name__


def _read_together(films: list[tuple[FilmWork, Radiograph]], settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    from calcimeasure.study.series_reading import read_series

    if not films:
        return {}
    measured = read_series(
        [film for _, film in films],
        readings={film.sha256: _reading(one.reading, film) for one, film in films if one.reading is not None},
        method=settings["method"],
        precision=settings["precision"],
    )
    return {one.row.name: _write_film(one, measurement) for (one, _), measurement in zip(films, measured, strict=True)}


def _reading(path: Path, film: Radiograph) -> DepositLabels:
    """Return a person's reading; a signed one that was altered since is refused."""
    from calcimeasure.io.label_images import read_labels
    from calcimeasure.review.reading_store import SIGNATURE_NAME, check_signature

    if (path.parent / SIGNATURE_NAME).exists():
        check_signature(path.parent)
    return read_labels(path, film)


def _read_alone(pair: tuple[FilmWork, Radiograph], settings: dict[str, Any]) -> dict[str, Any]:
    try:
        return _read_together([pair], settings)[pair[0].row.name]
    except MemoryError:
        raise
    except Exception as error:
        return {"status": FAILED, "reason": reason_of(error, pair[0])}


def _write_film(one: FilmWork, measurement: Any) -> dict[str, Any]:
    from calcimeasure.export import measurement_record, write_measurement

    write_measurement(measurement, one.folder, overwrite=True)
    record = measurement_record(measurement)
    kept = {name: value for name, value in record.items() if name not in ("settings", "versions", "path", "schema")}
    return {"status": OK, "read_by": "person" if one.reading is not None else "program", "record": kept}


def _pair_outcome(comparison: Comparison) -> dict[str, Any]:
    """Return the parts of a pair's record that tables are made of."""
    from calcimeasure.change import verdict_sentence
    from calcimeasure.export import comparison_record

    record = comparison_record(comparison)
    dropped = ("baseline", "followup", "settings", "versions", "schema", "calcimeasure_version")
    return {"sentence": verdict_sentence(comparison), **{k: v for k, v in record.items() if k not in dropped}}


def failed_mark(work: ReadWork | PairWork) -> dict[str, Any]:
    """Record work during which workers died, again and again: nothing can be said but that."""
    reason = "the worker process died while it was at this, three times (out of memory?)"
    mark: dict[str, Any]
    if isinstance(work, ReadWork):
        mark = {"key": work.key, "films": {one.row.name: {"status": FAILED, "reason": reason} for one in work.films}}
    else:
        mark = {**_pair_identity(work), "status": FAILED, "reason": reason}
    write_mark(work.mark, mark)
    return mark
