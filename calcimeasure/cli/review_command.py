"""`calcimeasure review`: starts the viewer in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import click

from calcimeasure.errors import MissingExtraError

BINDINGS = ("PySide6", "PyQt6", "PyQt5", "PySide2")
INSTALL = 'Install it with: pip install "calcimeasure[viewer]"'


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def review(arguments: tuple[str, ...]) -> int:
    """Correct the deposits by hand in the viewer, and sign.

    \b
    calcimeasure review BASELINE FOLLOWUP --out FOLDER   a pair
    calcimeasure review FOLDER                           goes on with earlier results
    calcimeasure review STUDY                            a study's worklist

    Every option is the viewer's own: calcimeasure review --help
    """  # noqa: D301
    if {"-h", "--help"} & set(arguments) and not _viewer_installed():
        click.echo(click.get_current_context().get_help())
        return 0
    check_viewer()
    # S603: our own module with the arguments that the person typed, no shell between.
    return subprocess.run([sys.executable, "-m", "napari_calcimeasure", *arguments], check=False).returncode  # noqa: S603


def check_viewer() -> None:
    """Check that the viewer can be started.

    Raises
    ------
    MissingExtraError
        Without napari, or without a Qt binding.
    """
    if find_spec("napari") is None:
        raise MissingExtraError("the viewer needs napari, which is not installed", remedy=INSTALL)
    if not any(find_spec(binding) is not None for binding in BINDINGS):
        raise MissingExtraError("the viewer needs a Qt binding, and none is installed", remedy=INSTALL)


def _viewer_installed() -> bool:
    try:
        check_viewer()
    except MissingExtraError:
        return False
    return True
