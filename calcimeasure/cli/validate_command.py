"""`calcimeasure validate`: the product run on films with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# Options that say how pairs are made.
_OF_PAIRS = ("pairs", "mode", "spacing", "style", "film_style", "deposit_style", "first_seed")


@click.command()
@click.argument("films", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--pairs", default=100, show_default=True, type=click.IntRange(min=1), help="How many pairs.")
@click.option(
    "--mode",
    type=click.Choice(["automatic", "assisted"]),
    default="automatic",
    show_default=True,
    help="Deposits found by the program, or clicked (one click a piece, drawn from the truth).",
)
@click.option(
    "--without-deposits",
    is_flag=True,
    help="FILMS show no calcification: search each as it is, and count what is found.",
)
@click.option("--method", default="auto", show_default=True, help="Segmenter: auto, network or classical.")
@click.option("--spacing", default=0.15, show_default=True, help="Pixel spacing of the simulated films in mm.")
@click.option(
    "--style",
    default="standard",
    show_default=True,
    help="How simulated bones are drawn (and films, with 'any'); a wrong name lists them.",
)
@click.option("--film-style", help="standard or any; by default that of --style where it exists.")
@click.option("--deposit-style", default="standard", show_default=True, help="How deposits are drawn, in FILMS too.")
@click.option("--first-seed", type=int, help="Seed of the first pair [default: the validation's own].")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(min=1), help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for tables, record and page.")
@click.option("--overwrite", is_flag=True, help="Forget the pairs that an earlier run in this folder finished.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def validate(films: tuple[Path, ...], out: Path, pairs: int, first_seed: int | None, **options: Any) -> None:
    """Run the pipeline on pairs with known truth and print its accuracy.

    The pairs are simulated, or made from FILMS: real radiographs (files, or folders of them) without calcinosis, into
    which deposits of known area are put, and a second visit of each. An interrupted run continues where it stopped,
    given the same folder. With --without-deposits no pairs are made: FILMS are searched as they are.
    """
    if options["without_deposits"]:
        _validate_negative_films(_all_films(films), out, options)
        return
    import shutil

    from tqdm import tqdm

    from calcimeasure.validation import (
        ValidationSettings,
        last_release,
        run_scenarios,
        scenarios,
        summary_record,
        summary_text,
    )
    from calcimeasure.validation import write_validation as write
    from calcimeasure.validation.validation_runner import STYLE_SETTINGS

    wanted = scenarios(pairs) if first_seed is None else scenarios(pairs, first_seed)
    settings = ValidationSettings(
        mode=options["mode"],
        method=options["method"],
        spacing_mm=options["spacing"],
        films=_all_films(films),
        **{name: options[name] for name in STYLE_SETTINGS},
    )
    store = out / "pairs"
    if options["overwrite"]:
        shutil.rmtree(store, ignore_errors=True)
    with tqdm(total=pairs, desc="pairs", unit="pair", disable=options["quiet"] or None) as bar:
        tables = run_scenarios(
            wanted, settings, workers=options["workers"], store=store, progress=lambda: _advance(bar)
        )
    run = {
        "source": settings.source,
        "mode": settings.mode,
        "method": settings.method,
        "spacing_mm": settings.spacing_mm,
        **{name: getattr(settings, name) for name in STYLE_SETTINGS},
        "pairs": pairs,
        "seeds": f"{wanted[0].seed} to {wanted[-1].seed}",
    }
    record = summary_record(tables, run)
    text = summary_text(record, last_release())
    write(tables, record, text, out)
    if not options["quiet"]:
        click.echo(text)
        click.echo(f"Page: {out / 'validation.html'}")


def _validate_negative_films(films: tuple[Path, ...], out: Path, options: dict[str, Any]) -> None:
    from tqdm import tqdm

    from calcimeasure.errors import UsageError
    from calcimeasure.validation import negative_films_text, run_negative_films, write_negative_films

    context = click.get_current_context()
    for name in _OF_PAIRS:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} has no meaning with --without-deposits", remedy=f"Leave {option} out.")
    with tqdm(total=len(films), desc="films", unit="film", disable=options["quiet"] or None) as bar:
        found = run_negative_films(
            films, method=options["method"], workers=options["workers"], progress=lambda: _advance(bar)
        )
    write_negative_films(found, {"method": options["method"]}, out)
    if not options["quiet"]:
        click.echo(negative_films_text(found), nl=False)
        click.echo(f"Films: {out / 'negative_films.csv'}")


def _all_films(given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the files that were named, and those in the folders that were, in the order of their names."""
    named = [[path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()) for path in given]
    return tuple(path for group in named for path in group)


def _advance(bar: Any) -> None:
    bar.update()
