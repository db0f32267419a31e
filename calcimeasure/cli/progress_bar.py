"""Progress on the terminal: a bar of steps for work that takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click

SILENT_FIRST_S = 1.0


class Steps(Protocol):
    """Called with the name of each step as it begins."""

    def __call__(self, name: str, /) -> None:
        """Begin a step."""


@contextmanager
def steps(total: int, *, quiet: bool, verbose: bool) -> Iterator[Steps]:
    """Show the progress of `total` named steps as a bar on standard error, or with the seconds of each (`verbose`)."""
    if quiet:
        yield _ignore
    elif verbose:
        with _timed() as begin:
            yield begin
    else:
        with _bar(total) as begin:
            yield begin


def _ignore(_name: str, /) -> None:
    pass


@contextmanager
def _timed() -> Iterator[Steps]:
    started = time.perf_counter()
    current = ""

    def begin(name: str, /) -> None:
        nonlocal started, current
        now = time.perf_counter()
        if current:
            click.echo(f"{current}: {now - started:.2f} s", err=True)
        started, current = now, name

    yield begin
    begin("")


@contextmanager
def _bar(total: int) -> Iterator[Steps]:
    if not sys.stderr.isatty():
        yield _ignore
        return
    from tqdm import tqdm

    with tqdm(total=total, delay=SILENT_FIRST_S, leave=False, bar_format="{desc:<28}{bar:24} {elapsed}") as bar:

        def begin(name: str, /) -> None:
            bar.set_description_str(name)
            bar.update()

        yield begin
