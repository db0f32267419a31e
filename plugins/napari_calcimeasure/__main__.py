"""The reading room as a program: `python -m napari_calcimeasure BASELINE FOLLOWUP --out FOLDER`, FOLDER or STUDY."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

# Many small linear systems are solved while a reader works: threads would only wait for one another.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

FILM_OPTIONS = {
    "spacing": "spacing_mm",
    "frame": "frame",
    "side": "side",
    "view": "view",
    "body_part": "body_part",
    "date": "study_date",
    "invert": "invert",
}
"""Options that concern one film, and what `read_film` calls them."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="calcimeasure review",
        description="Correct the deposits by hand, and sign.",
        epilog="What concerns one film of a pair takes --baseline- or --followup- before it: --followup-spacing 0.15",
    )
    made.add_argument("paths", nargs="+", type=Path, help="one film, two films, a folder of results, or a study")
    made.add_argument("--out", type=Path, help="folder that the readings are kept in")
    made.add_argument("--reader", default="", help="your name or code, e.g. R1 (asked for where it is not given)")
    made.add_argument("--read-only", action="store_true", help="look, and change nothing")
    made.add_argument("--blinded", action="store_true", help="hide names, dates and the order of the films")
    made.add_argument("--seed", type=int, default=0, help="makes the order of blinded films; kept with the reading")
    made.add_argument("--read-first", action="store_true", help="hide the program's deposits until you have signed")
    made.add_argument("--method", default="auto", help="segmenter")
    made.add_argument("--precision", type=float, help="your relative SD of a painted area, e.g. 0.05")
    made.add_argument("--margin", type=float, nargs=2, metavar=("LOW", "HIGH"), help="margin of equivalence, as ratios")
    made.add_argument("--force", action="store_true", help="compare although the headers contradict one another")
    made.add_argument("--flip", action="store_true", help="mirror the follow-up first")
    for prefix in ("", "baseline_", "followup_"):
        _add_film_options(made, prefix)
    return made


def _add_film_options(made: argparse.ArgumentParser, prefix: str) -> None:
    """Add the options of one film; those of the baseline or the follow-up alone are told in the epilogue."""
    options: dict[str, dict[str, Any]] = {
        "spacing": {"metavar": "MM", "help": "pixel spacing: 0.15, or 0.15,0.14 for row and column"},
        "frame": {"type": int, "metavar": "N", "help": "frame of a multi-frame file, counted from 1"},
        "side": {"choices": ("L", "R", "B"), "help": "side of the limb; B for both on one film"},
        "view": {"help": "view, e.g. PA"},
        "body_part": {"metavar": "PART", "help": "body part, e.g. HAND"},
        "date": {"metavar": "YYYY-MM-DD", "help": "date of the film, where the file has none"},
        "invert": {"action": "store_const", "const": True, "help": "grey runs against what the file declares"},
        "no_invert": {"action": "store_const", "const": False, "help": "grey runs as the file declares"},
    }
    for name, how in options.items():
        told = how["help"] if not prefix else argparse.SUPPRESS
        where = f"{prefix}invert" if name == "no_invert" else f"{prefix}{name}"
        made.add_argument(f"--{prefix}{name}".replace("_", "-"), dest=where, **{**how, "help": told})


def cases_from(options: argparse.Namespace) -> list[Any]:
    """Return what the command line names."""
    from dataclasses import replace

    from calcimeasure.notices import TimePoint
    from napari_calcimeasure.worklist import cases_of

    chosen = {"method": options.method, "precision": options.precision, "force": options.force, "flip": options.flip}
    if options.margin:
        chosen["margin_ratio"] = tuple(options.margin)
    given = {name: value for name, value in chosen.items() if value not in (None, False)}
    films = {which: _film_options(options, which.value) for which in TimePoint}
    cases = cases_of(options.paths, out=options.out, options=given, film_options=films)
    return [replace(case, read_first=case.read_first or options.read_first) for case in cases]


def _film_options(options: argparse.Namespace, prefix: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for name, argument in FILM_OPTIONS.items():
        own = getattr(options, f"{prefix}_{name}")
        value = own if own is not None else getattr(options, name)
        if value is not None:
            chosen[argument] = _spacing(value) if name == "spacing" else value
    return chosen


def _spacing(text: str) -> tuple[float, ...] | float:
    from calcimeasure.errors import UsageError

    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise UsageError(f"'{text}' is no spacing", where="--spacing", remedy="Give 0.15, or 0.15,0.14.")
    return numbers if len(numbers) == 2 else numbers[0]


def fill_the_screen(viewer: Any) -> None:
    """Give the films and the panel the room that the screen has."""
    window = viewer.window._qt_window  # noqa: SLF001 - napari offers no other way to its window
    free = window.screen().availableGeometry()
    window.setGeometry(free.adjusted(0, free.height() // 20, -free.width() // 50, -free.height() // 50))


def main(arguments: list[str] | None = None) -> int:
    """Open the reading room and stay until it is closed."""
    options = parser().parse_args(arguments)
    from calcimeasure.errors import CalciMeasureError

    try:
        cases = cases_from(options)
        if options.reader:
            from calcimeasure.review.reading_store import checked_reader

            checked_reader(options.reader)
    except CalciMeasureError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_status
    import napari

    from napari_calcimeasure.review_controller import open_room

    viewer = napari.Viewer(title="CalciMeasure")
    fill_the_screen(viewer)
    room = open_room(
        viewer,
        cases,
        reader=options.reader,
        read_only=options.read_only,
        blinded=options.blinded,
        seed=options.seed,
        ours=True,
    )
    napari.run()
    del room
    return 0


if __name__ == "__main__":
    sys.exit(main())
