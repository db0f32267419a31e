"""`study run`: every series read, every pair compared, finished work never done twice, failures kept and reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from calcimeasure.errors import CalciMeasureError, StudyError
from calcimeasure.io.table_reader import near_miss
from calcimeasure.study.declaration import add_declaration
from calcimeasure.study.executors import cluster, default_workers, process_pool
from calcimeasure.study.manifest import FILMS_CSV
from calcimeasure.study.series import pairs_of
from calcimeasure.study.study_state import DoneMark, Study, StudyState
from calcimeasure.study.study_work import (
    FAILED,
    OK,
    PairWork,
    ReadWork,
    compare_pair_work,
    failed_mark,
    finished_pair,
    finished_reading,
    read_series_work,
)

MOST_ATTEMPTS = 3
RUN_LOG = "run.log"
AHEAD = 4
"""Pieces of work handed out ahead of each worker: enough to keep it busy, few enough to keep memory flat."""

Work = ReadWork | PairWork


@dataclass(kw_only=True)
class RunProgress:
    """What a run reports as it goes on; the command line shows it.

    Attributes
    ----------
    begin
        Called with how many films and pairs are to be done, and how many are finished already.
    done
        Called with the number of units and a line when a piece of work ends: a unit is a film read or a pair compared.
    """

    begin: Callable[[int, int], None] = field(default=lambda _total, _finished: None)
    done: Callable[[int, str], None] = field(default=lambda _units, _line: None)


def run_study(
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    wait_for_lock: bool = False,
    progress: RunProgress | None = None,
    redo: Sequence[str] = (),
    executor: Executor | None = None,
) -> StudyState:
    """Do what is not finished of a study.

    Parameters
    ----------
    folder
        The study.
    workers
        Processes on this machine; its cores where not given.
    scheduler
        Address of a dask scheduler, whose workers do the work instead.
    wait_for_lock
        Wait while another run of the study is under way, instead of refusing.
    progress
        Called as work ends.
    redo
        Names of films that are read anew, with all films of their limb and the pairs of it.
    executor
        In place of both, for those who bring their own.

    Returns
    -------
    StudyState
        With everything finished, failures among it.

    Raises
    ------
    StudyError
        When the manifest or the settings are wrong, or another run is under way.
    """
    study = Study(folder)
    count = workers or default_workers()
    progress = progress or RunProgress()
    with study.store.locked(wait=wait_for_lock):
        add_declaration(study.store, study.settings, study.films)
        forget(study, redo)
        run = _Run(study, _logged(progress, study.store.study / RUN_LOG))
        if executor is not None:
            run.work_with(executor, count)
        elif scheduler is not None:
            with cluster(scheduler) as remote:
                run.work_with(remote, 64)
        else:
            run.work_with_pools(lambda: process_pool(count, study.store.root), count)
        study.save_hashes()
    return study.state()


def forget(study: Study, names: Sequence[str]) -> None:
    """Remove the marks of films, of their limb's other films and of its pairs, so that a run does them again.

    Raises
    ------
    StudyError
        When a name is no film of the study.
    """
    known = {film.name: series for series in study.series for film in series.films}
    for name in names:
        if name not in known:
            meant = near_miss(name, sorted(known))
            raise StudyError(
                f"'{name}' is no film of this study",
                where=FILMS_CSV,
                remedy=f"Did you mean '{meant}'?" if meant else "Films are named in results/tables/films.csv.",
            )
        series = known[name]
        study.store.reading_mark(series).unlink(missing_ok=True)
        for pair in pairs_of(series.films, study.settings):
            study.store.pair_mark(pair).unlink(missing_ok=True)


def _logged(progress: RunProgress, path: Path) -> RunProgress:
    """Return progress that keeps a line with its time for each piece of work in a log beside the study's files."""

    def keep(line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")

    def begin(total: int, finished: int) -> None:
        keep(f"run: {total} to do, {finished} finished")
        progress.begin(total, finished)

    def done(units: int, line: str) -> None:
        if line:
            keep(line)
        progress.done(units, line)

    return RunProgress(begin=begin, done=done)


class _Run:
    """One run: what is still to be done, handed out a little ahead of the workers, dead workers replaced."""

    def __init__(self, study: Study, progress: RunProgress) -> None:
        self.study = study
        self.progress = progress
        self.attempts: Counter[str] = Counter()
        self.again: list[Work] = []
        self.readings = {work.key: work for work in map(study.reading_work, study.series)}
        study.save_hashes()
        self.todo = self._unfinished()

    def _unfinished(self) -> Iterator[Work]:
        """Give every piece of work that is not finished; failed ones are tried again."""
        finished = 0
        todo: list[Work] = []
        for work in self.readings.values():
            mark = finished_reading(work)
            if mark is None or any(one["status"] == FAILED for one in mark["films"].values()):
                todo.append(work)
                continue
            finished += len(work.films)
            for pair in self.study.pair_works(work, mark):
                done = finished_pair(pair)
                if done is None or done["status"] == FAILED:
                    todo.append(pair)
                else:
                    finished += 1
        units = sum(len(work.films) * 2 - 1 if isinstance(work, ReadWork) else 1 for work in todo)
        self.progress.begin(units, finished)
        return iter(todo)

    def work_with_pools(self, make: Callable[[], AbstractContextManager[Executor]], workers: int) -> None:
        """Work until all is done, with a fresh pool whenever a worker died."""
        ended = False
        while not ended:
            with make() as pool:
                ended = self.work_with(pool, workers)

    def work_with(self, executor: Executor, workers: int) -> bool:
        """Work until all is done; False when a worker died and took the executor with it."""
        under_way: dict[Future[DoneMark], Work] = {}
        try:
            while self._hand_out(executor, under_way, workers * AHEAD):
                finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._settle(future, under_way[future])
                    del under_way[future]
        except BrokenExecutor:
            self._after_a_death(under_way)
            return False
        return True

    def _hand_out(self, executor: Executor, under_way: dict[Future[DoneMark], Work], most: int) -> bool:
        while len(under_way) < most:
            if any(self.attempts[work.key] for work in under_way.values()):
                break
            work = self.again.pop() if self.again else next(self.todo, None)
            if work is None:
                break
            if self.attempts[work.key] and under_way:
                # A worker died while it was at this, perhaps because of it: it is tried again by itself.
                self.again.append(work)
                break
            if isinstance(work, ReadWork):
                under_way[executor.submit(read_series_work, work)] = work
            else:
                under_way[executor.submit(compare_pair_work, work)] = work
        return bool(under_way)

    def _settle(self, future: Future[DoneMark], work: Work) -> None:
        """Take a result; work that failed with a fault of its process is tried again, then given up.

        Raises
        ------
        CalciMeasureError
            When results cannot be written (a full disk): then the run ends.
        """
        error = future.exception()
        if error is None:
            self._take(future.result(), work)
        elif isinstance(error, BrokenExecutor | CalciMeasureError):
            raise error
        else:
            self._try_again(work)

    def _try_again(self, work: Work) -> None:
        self.attempts[work.key] += 1
        if self.attempts[work.key] < MOST_ATTEMPTS:
            self.again.append(work)
        else:
            self._take(failed_mark(work), work)

    def _take(self, mark: DoneMark, work: Work) -> None:
        """Take what a piece of work gave; a reading's pairs come next."""
        if isinstance(work, PairWork):
            self.progress.done(1, f"{mark['followup']}: {mark.get('verdict') or mark['reason']}")
            return
        for name, outcome in mark["films"].items():
            self.progress.done(1, f"{name}: {outcome.get('reason') or 'read'}")
        pairs = self.study.pair_works(work, mark)
        self.again += reversed([pair for pair in pairs if not _finished(pair)])
        # Pairs that are finished, or cannot be made because a film failed, leave the bar as if done.
        missing = len(work.films) - 1 - len(pairs) + sum(1 for pair in pairs if _finished(pair))
        if missing > 0:
            self.progress.done(missing, "")

    def _after_a_death(self, under_way: dict[Future[DoneMark], Work]) -> None:
        """Hand out again what was under way when a worker died."""
        for future, work in under_way.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                self._take(future.result(), work)
            else:
                self._try_again(work)


def _finished(pair: PairWork) -> bool:
    mark = finished_pair(pair)
    return mark is not None and mark["status"] == OK
