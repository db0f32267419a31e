"""`calcimeasure show FILE`: what a DICOM SEG or SR says."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def show(files: tuple[Path, ...]) -> None:
    """Print what a DICOM segmentation (SEG) or structured report (SR) says, ours or another program's.

    The patient's identity is not printed.
    """
    from calcimeasure.results.dicom.show import describe

    for number, file in enumerate(files):
        lines = describe(file)
        if len(files) > 1:
            click.echo(("\n" if number else "") + f"{file}:")
        for line in lines:
            click.echo(line)
