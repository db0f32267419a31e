"""`calcimeasure show FILE`: the content of a DICOM SEG or SR."""

from __future__ import annotations

from pathlib import Path

import click

from calcimeasure.errors import CalciMeasureError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def show(files: tuple[Path, ...]) -> int:
    """Print the content of a DICOM segmentation (SEG) or structured report (SR) of any program.

    The patient's identity is not printed. Of several files, one that is neither is reported and the others are printed.
    """
    from calcimeasure.export.dicom.describe_object import describe_object

    status = 0
    for number, file in enumerate(files):
        try:
            lines = describe_object(file)
        except CalciMeasureError as error:
            if len(files) == 1:
                raise
            click.echo(f"Error: {error}", err=True)
            status = error.exit_status
            continue
        if len(files) > 1:
            click.echo(("\n" if number else "") + f"{file}:")
        for line in lines:
            click.echo(line)
    return status
