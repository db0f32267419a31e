"""Who does the work: a pool of processes on this machine, or a cluster's workers; both are `Executor`s."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from calcimeasure.errors import MissingExtraError, StudyError

# One thread a worker: as many workers as cores do the work, and sums do not depend on how they were divided.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_held: list[IO[bytes]] = []


@contextmanager
def process_pool(workers: int, root: Path) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of fresh processes that end when this process does, however it ends.

    Parameters
    ----------
    workers
        How many.
    root
        The results' folder: workers hold a lock there while they live.
    """
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    pool = ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
        initargs=(str(root),),
    )
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit):
        # Who ends a run does not wait for films that are half read: what they leave is swept at the next start.
        for process in list((pool._processes or {}).values()):  # noqa: SLF001 - has a public name from Python 3.14
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def start_worker(root: str) -> None:
    """Prepare a worker process: one thread, the workers' lock, and an end when the parent ends."""
    import cv2

    from calcimeasure.study.result_store import hold_as_worker

    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    held = hold_as_worker(Path(root))
    if held is not None:
        _held.append(held)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    # The parent was killed: nobody waits for this worker's result, and the next run waits for its end.
    os._exit(1)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Give the executor of a dask scheduler; its workers must see the study's folder under the same path.

    Raises
    ------
    MissingExtraError
        Without dask.distributed.
    StudyError
        When the scheduler does not answer.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise MissingExtraError(
            "a cluster needs dask.distributed", remedy="Install it with: pip install 'calcimeasure[cluster]'"
        ) from error
    try:
        client = distributed.Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise StudyError(
            "the scheduler does not answer", where=address, remedy="Check the address, e.g. tcp://host:8786."
        ) from error
    try:
        # Pieces of work are pure in their effects, but two runs of one must not be taken for one call.
        yield client.get_executor(pure=False)
    finally:
        client.close()


def default_workers() -> int:
    """Return how many processes this machine is good for: its cores, at most eight."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
    return max(1, min(8, cores))
