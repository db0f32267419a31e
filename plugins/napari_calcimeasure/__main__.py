"""The review as a program: `python -m napari_calcimeasure BASELINE FOLLOWUP --out FOLDER`, FOLDER or STUDY."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# Many small linear systems are solved while a reader works: threads would only wait for one another.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import click

from calcimeasure.cli.shared_options import film_arguments, film_options
from calcimeasure.errors import CalciMeasureError
from calcimeasure.notices import TimePoint
from calcimeasure.review.reading_store import checked_reader

SCREEN_SHARE = 0.96


@click.command(epilog="What concerns one film of a pair takes --baseline- or --followup- before it.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder that the readings are kept in.")
@click.option("--reader", default="", help="Your name or code, e.g. R1 (asked for where it is not given).")
@click.option("--read-only", is_flag=True, help="Look, and change nothing.")
@click.option("--blinded", is_flag=True, help="Hide names, dates and the order of the films.")
@click.option("--seed", default=0, help="Makes the order of blinded films; kept with the reading.")
@click.option("--read-first", is_flag=True, help="Hide the program's deposits until you have signed.")
@click.option("--method", default="auto", help="Segmenter.")
@click.option("--precision", type=float, help="Your relative SD of a painted area, e.g. 0.05.")
@click.option("--margin", type=float, nargs=2, metavar="LOW HIGH", help="Margin of equivalence, as ratios.")
@click.option("--force", is_flag=True, help="Compare although the headers contradict one another.")
@click.option("--flip", is_flag=True, help="Mirror the follow-up first.")
@film_options("baseline", "followup")
def review(**options: Any) -> None:
    """Correct the deposits by hand, and sign: one film, two films, a folder of results, or a study."""
    cases = cases_from(options)
    if options["reader"]:
        checked_reader(options["reader"])
    import napari
    from qtpy.QtGui import QGuiApplication

    from napari_calcimeasure.review_controller import open_review

    viewer = napari.Viewer(title="CalciMeasure")
    free = QGuiApplication.primaryScreen().availableGeometry()
    size = (round(SCREEN_SHARE * free.width()), round(SCREEN_SHARE * free.height()))
    viewer.window.set_geometry(free.x(), free.y() + free.height() - size[1], *size)
    settings = {name: options[name] for name in ("reader", "read_only", "blinded", "seed")}
    controller = open_review(viewer, cases, ours=True, **settings)
    napari.run()
    del controller


def cases_from(options: dict[str, Any]) -> list[Any]:
    """Return what the command line names."""
    from dataclasses import replace

    from napari_calcimeasure.worklist import cases_of

    chosen = {name: options[name] for name in ("method", "precision", "force", "flip")}
    given = {name: value for name, value in chosen.items() if value not in (None, False)}
    if options["margin"]:
        given["margin_ratio"] = options["margin"]
    films = {visit: film_arguments(options, visit.value) for visit in TimePoint}
    cases = cases_of(list(options["paths"]), out=options["out"], options=given, film_options=films)
    return [replace(case, read_first=case.read_first or options["read_first"]) for case in cases]


def main(arguments: list[str] | None = None) -> int:
    """Open the review and stay until it is closed."""
    try:
        review.main(arguments, prog_name="calcimeasure review", standalone_mode=False)
    except CalciMeasureError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
